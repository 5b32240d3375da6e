"""The function that threads enter once an epoch: batches, blocks, barriers, and the words it shares with Python.

A job is an array of 64-bit words: what Python fills in before, and what both look at while it runs (`stop`,
`done`). Every team of threads (most teams are one thread) gets the blocks number team, team + teams, ... of each
batch, so that the same thread adds the same numbers in the same order every time. Where nothing is added up, who is
ready takes the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from layerscope.engine.native import barriers, kernel, rounds
from layerscope.engine.native.assembly import Recipe, Step
from layerscope.engine.native.flat import Group
from layerscope.engine.native.ir import ITEM_BYTES, Array, Code, Index, Value, bytes_of, scalar
from layerscope.engine.native.layout import ALIGN, Buffer

STOP, DONE, STATUS, BAD, DECISION, NEXT = range(6)
ARRIVED, TURN = 8, 16
COUNT, BATCH, ORDER, FIRST, END, SCALARS, RESULTS, PACKED, FLAT, MEMORY, STRIDE, SEED, AT, THREADS = range(24, 38)
KEPT, KEPT_STRIDE, TEAM, TEAMS = range(38, 42)
POINTERS = 42
"""Words of a job: flags, the barrier (on cache lines of its own), settings, then pointers to arrays."""

FINE, NOT_FINITE, BAD_SWITCH = 0, 1, 2
"""What `STATUS` says."""

THREAD_REGIONS = ("workspace", "scratch", "sums", "partial", "parts")
"""Regions of which each thread has its own."""


def regions(recipe: Recipe) -> dict[str, int]:
    """Where each region of a thread's memory starts, its whole size as "all", and as "kept" the bytes that each block
    keeps from one segment to another.
    """
    found: dict[str, int] = {}
    place = 0
    for name in THREAD_REGIONS:
        found[name] = place
        place += -(-recipe.memory.layout.regions.get(name, 0) // 4096) * 4096
    found["all"] = place + 4096 + 256  # neighbours' hot lines do not fall onto the same sets
    found["kept"] = -(-recipe.memory.layout.regions.get("kept", 0) // ALIGN) * ALIGN
    return found


def write(recipe: Recipe) -> str:
    """Add the function `work(job, thread)` to the recipe's module; the module as text."""
    barriers.write(recipe)
    Work(recipe).write()
    return recipe.module.text()


class Work:
    """The function `work` while it is written."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.memory = recipe, recipe.memory
        self.k = Code(recipe.module, [("job", "ptr"), ("thread", "i64")])
        self.job, self.thread = self.k.arguments
        self.words = Array(self.job, "i64", POINTERS + 2**20)
        self.bases: dict[str, Value] = {}
        if recipe.options.pause.startswith("call void @llvm.x86"):
            recipe.module.declare("void", "llvm.x86.sse2.pause")
        elif recipe.options.pause:
            recipe.module.declare("void", "llvm.aarch64.hint", "i32")

    # --- small things ---

    def word(self, place: int) -> Value:
        return self.k.put("i64", f"load i64, {self.word_at(place)}, align 8")

    def pointer(self, place: int) -> Value:
        return self.k.put("ptr", f"load ptr, {self.word_at(place)}, align 8")

    def word_at(self, place: int) -> Value:
        return self.k.put("ptr", f"getelementptr i64, {self.job}, i64 {place}")

    def shared(self, place: int) -> Value:
        """A word that others change meanwhile."""
        return self.k.put("i64", f"load atomic i64, {self.word_at(place)} acquire, align 8")

    def tell(self, place: int, value: Index) -> None:
        self.k.line(f"store atomic {self.k.i64(value)}, {self.word_at(place)} release, align 8")

    def wait(self) -> None:
        """All threads."""
        self.k.call("void", "barrier", self.word_at(ARRIVED), self.word_at(TURN), self.threads)

    def meet(self) -> None:
        """All threads of a team."""
        arrived, turn = (self.k.put("ptr", f"getelementptr i64, {self.place}, i64 {word}") for word in (0, 8))
        self.k.call("void", "barrier", arrived, turn, self.team)

    def base(self, buffer: Buffer) -> Value:
        return self.bases[buffer.region]

    def at(self, buffer: Buffer, shift: int = 0) -> Value:
        """The pointer to a buffer's first element, moved by some items."""
        offset = buffer.offset + (buffer.origin + shift) * bytes_of(buffer.item)
        return self.k.put("ptr", f"getelementptr i8, {self.base(buffer)}, i64 {offset}")

    def run(self, step: Step, *more: Value) -> None:
        """Call a kernel: its own parameters, then its buffers."""
        self.k.call("void", step.name, *more, *(self.at(buffer, shift) for buffer, shift in step.kernel.uses))

    def together(self, step: Step, *more: Value) -> None:
        """Call a kernel, with all threads of the team where they can share it; then wait for each other."""
        k, turns = self.k, step.kernel.turns
        if turns:
            low, high = (
                k.put("i64", f"udiv i64 {k.i64(k.mul(member, turns)).name}, {self.team.name}")
                for member in (self.member, k.i64(k.add(self.member, 1)))
            )
            with k.when(k.icmp("slt", low, high)):
                self.run(step, low, high, *more)
        else:
            with k.when(k.icmp("eq", self.member, 0)):
                self.run(step, *more)
        self.meet()

    def first_only(self, steps: Sequence[Step], body: str = "") -> None:
        """What one thread does for all."""
        if steps:
            with self.k.when(self.k.icmp("eq", self.thread, 0)):
                for step in steps:
                    self.run(step, *self._share(step.group, whole=True))

    def _levels(self, steps: Sequence[Step]) -> None:
        """What threads share, level by level, until all are done."""
        levels = [step.group.level for step in steps if step.group]
        for step, level, before in zip(steps, levels, levels[:1] + levels, strict=False):
            if level != before:
                self.wait()
            self.run(step, *self._share(step.group))
        if steps:
            self.wait()

    def _share(self, group: Group | None, whole: bool = False) -> tuple[Value, ...]:
        """The part of a group's elements that is this thread's: whole cache lines."""
        assert group is not None
        k, line = self.k, ALIGN // ITEM_BYTES[self.memory.module.real]
        if whole or group.size < 4 * line:
            low: Index = 0
            high: Index = group.size
            if not whole:  # small ones belong to the first thread
                mine = k.icmp("eq", self.thread, 0)
                high = k.put("i64", f"select {mine}, i64 {group.size}, i64 0")
        else:
            each = k.div(k.add(self.threads, -(-group.size // line) - 1), 1)
            lines = k.put("i64", f"udiv {k.i64(each)}, {self.threads.name}")
            size = k.mul(lines, line)
            low = k.intrinsic("smin", "i64", k.i64(k.mul(self.thread, size)), k.i64(group.size))
            high = k.intrinsic("smin", "i64", k.i64(k.add(low, size)), k.i64(group.size))
        return k.i64(low), k.i64(high), self.threads, self.stride

    # --- the whole ---

    def write(self) -> None:
        k = self.k
        self.threads, self.stride = self.word(THREADS), self.word(STRIDE)
        places = regions(self.recipe)
        memory = self.pointer(MEMORY)
        self._join_team()
        mine, leader = (
            k.put("ptr", f"getelementptr i8, {memory}, {k.i64(k.mul(thread, self.stride))}")
            for thread in (self.thread, k.sub(self.thread, self.member))
        )
        for name in THREAD_REGIONS:
            start = leader if name == "scratch" else mine
            self.bases[name] = k.put("ptr", f"getelementptr i8, {start}, i64 {places[name]}")
        # Sums of all threads are read from the first thread on.
        shared = ("parts", "partial")
        self.first = {n: k.put("ptr", f"getelementptr i8, {memory}, i64 {places[n]}") for n in shared}
        self.bases["packed"], self.bases["flat"] = self.pointer(PACKED), self.pointer(FLAT)
        kept = k.i64(k.mul(self.number, self.word(KEPT_STRIDE)))
        self.kept = k.put("ptr", f"getelementptr i8, {self.pointer(KEPT)}, {kept}")
        for number in range(len(self.recipe.tables)):
            self.bases[f"table{number}"] = self.pointer(POINTERS + number)
        start = POINTERS + len(self.recipe.tables)
        self.rows = [self.pointer(start + number) for _, number in self.recipe.data]
        inputs = len(self.recipe.options.dtypes)
        self.out = [self.pointer(start + inputs + number) for number in range(len(self.recipe.outputs))]
        counters = self.memory.counters
        self._count(counters, kernel.SEED, self.word(SEED))
        self._count(counters, kernel.ERROR, 0)
        if not self.recipe.trains:
            self.bases["scalars"] = self.pointer(SCALARS)
            self._weights()
        with k.loop(self.word(END), start=self.word(FIRST)) as (batch, _):
            self._batch(k.i64(batch))
        k.ret()
        self.recipe.module.add(k, "work")

    def _join_team(self) -> None:
        """Neighbouring threads are a team, which works on a block; the memory of its first one holds the block."""
        k = self.k
        self.team = self.word(TEAM)
        self.number = k.put("i64", f"udiv i64 {self.thread.name}, {self.team.name}")
        self.member = k.put("i64", f"urem i64 {self.thread.name}, {self.team.name}")
        self.teams = k.put("i64", f"udiv i64 {self.threads.name}, {self.team.name}")
        place = k.i64(k.mul(self.number, barriers.TEAM_BYTES))
        self.place = k.put("ptr", f"getelementptr i8, {self.pointer(TEAMS)}, {place}")

    def _count(self, counters: Buffer, place: int, value: Index) -> None:
        array = Array(self.at(counters), "i64", 4)
        self.k.store(self.k.i64(value), array, place)

    def _weights(self) -> None:
        """Flat values and packed weights, shared among the threads."""
        k = self.k
        self._levels(self.recipe.before)
        for step in self.recipe.packs:
            if step.tiles:
                self.run(step, *self.tiles(step))
        for number, step in enumerate(step for step in self.recipe.packs if not step.tiles):
            turn = k.put("i64", f"urem i64 {number}, {self.threads.name}")
            with k.when(k.icmp("eq", turn, self.thread)):
                self.run(step)
        self.wait()

    def tiles(self, step: Step) -> tuple[Value, Value]:
        """This thread's part of a step's tiles of weights."""
        k = self.k
        ends = [k.i64(k.mul(k.add(self.thread, n), step.tiles)) for n in (0, 1)]
        low, high = (k.put("i64", f"udiv i64 {end.name}, {self.threads.name}") for end in ends)
        return low, high

    def _batch(self, batch: Value) -> None:
        k, recipe = self.k, self.recipe
        size, total = self.word(BATCH), self.word(COUNT)
        begin = k.i64(k.mul(batch, size))
        count = k.intrinsic("smin", "i64", size, k.i64(k.sub(total, begin)))
        if recipe.trains:
            each = 64 * max(1, len(recipe.scalars))
            place = k.i64(k.mul(batch, each))
            self.bases["scalars"] = k.put("ptr", f"getelementptr i8, {self.pointer(SCALARS)}, {place}")
            self._weights()
        results = bytes_of(k.module.real) * max(1, recipe.width)
        self.bases["results"] = k.put(
            "ptr", f"getelementptr i8, {self.pointer(RESULTS)}, {k.i64(k.mul(batch, results))}"
        )
        self._count(self.memory.counters, kernel.STEP, k.add(self.word(AT), batch))
        real = k.module.real
        number = k.put(real, f"sitofp {count} to {real}")
        k.store(number, Array(self.at(self.memory.examples), real, 1), 0)
        for region in ("sums", "partial"):
            self._clear(region)
        for segment in range(len(recipe.between) + 1):
            self._blocks(begin, count, segment)
            for step in recipe.finish:
                if step.segment == segment:
                    self.run(step)
            rounds.shared(self, count, segment)
            if segment < len(recipe.between):
                self._between(recipe.between[segment])
        self._switches()
        if recipe.reports or recipe.updates:
            self._together(batch)

    def _between(self, steps: Sequence[Step]) -> None:
        """What comes of all threads' sums, for the segment that reads it."""
        self.wait()
        self.first_only(steps)
        self.wait()

    def _switches(self) -> None:
        """A switch that points outside of its plane ends the work before anything is updated."""
        k = self.k
        if not self.memory.planes:
            return
        plane = k.load(Array(self.at(self.memory.counters), "i64", 4), kernel.ERROR)
        with k.when(k.icmp("ne", plane, 0)):
            self.tell(BAD, k.sub(plane, 1))
            self.tell(STATUS, BAD_SWITCH)
            self.tell(STOP, 1)

    def _clear(self, region: str) -> None:
        k, layout = self.k, self.memory.layout
        parts = [(self.bases[region], layout.regions.get(region, 0), k.module.vector)]
        if layout.guard:  # what stands around the buffers is left alone
            parts = [(self.at(b), b.bytes, scalar(b.item)) for b in layout.own if b.region == region]
        for pointer, size, type in parts:
            if size:
                array = Array(pointer, type, size // bytes_of(type))
                with k.loop(array.extent) as (i, _):
                    k.store(Value("zeroinitializer", type), array, i)

    def _blocks(self, begin: Value, count: Value, segment: int) -> None:
        k, recipe = self.k, self.recipe
        block = recipe.options.block
        if rounds.independent(recipe):
            with (
                rounds.parts(self, count) as (start, end),
                k.loop_while(self._going(end), start, k.i64(block)) as here,
            ):
                self._block(begin, here, k.i64(k.sub(count, here)), segment)
            return
        step = k.i64(k.mul(self.teams, block))
        start = k.i64(k.mul(self.number, block))
        if any(step.once for step in recipe.of(segment)):  # nobody has more than one
            left, mine = k.i64(k.sub(count, start)), k.icmp("slt", start, count)
            self.bases["kept"] = self.kept
            with k.when(mine):
                self._begin(begin, start, left, segment)
            return rounds.once(self, count, segment, mine)
        with k.loop_while(self._going(count), start, step) as here:
            if recipe.memory.layout.regions.get("kept", 0):
                turn = k.put("i64", f"udiv i64 {k.i64(k.sub(here, start)).name}, {step.name}")
                shift = k.i64(k.mul(turn, regions(recipe)["kept"]))
                self.bases["kept"] = k.put("ptr", f"getelementptr i8, {self.kept}, {shift}")
            self._block(begin, here, k.i64(k.sub(count, here)), segment)

    def _going(self, end: Value) -> Callable[[Value], Value]:
        """Whether to go on with a block: there is one, and nobody has said to stop."""
        k = self.k

        def going(here: Value) -> Value:
            inside = k.icmp("slt", here, end)
            return k.both(inside, k.negate(k.icmp("ne", self._stopped(), 0)))

        return going

    def _block(self, begin: Value, here: Value, left: Value, segment: int) -> None:
        self._begin(begin, here, left, segment)
        for step in self.recipe.of(segment):
            self.together(step)
        self._end(begin, here, left, segment)

    def _begin(self, begin: Value, here: Value, left: Value, segment: int) -> None:
        """Gather the examples."""
        k, recipe = self.k, self.recipe
        first = k.i64(k.add(begin, here))
        order = self.pointer(ORDER)
        assert recipe.alive is not None
        with k.when(k.icmp("eq", self.member, 0)):
            self._count(self.memory.counters, kernel.FIRST, here)
            self.run(recipe.alive, left)
        if segment or not recipe.gathers:
            self.meet()
        for step, data in zip(recipe.gathers, self.rows, strict=True):
            if segment == 0:
                self.together(step, data, order, first, left)

    def _end(self, begin: Value, here: Value, left: Value, segment: int) -> None:
        """Scatter the results."""
        k, recipe = self.k, self.recipe
        last, first = segment == len(recipe.between), k.i64(k.add(begin, here))
        for step, out in zip(recipe.scatters, self.out, strict=True):
            if last:
                self.together(step, out, first, left)
        if not recipe.reports and last:
            with k.when(k.icmp("eq", self.member, 0)):
                k.put("i64", f"atomicrmw add {self.word_at(DONE)}, i64 1 monotonic")

    def _stopped(self) -> Value:
        """Whether to end: a team asks once, for all of its threads must know the same."""
        return barriers.asked(self.k, self.shared(STOP), self.place, self.team, self.member, self.meet)

    def _together(self, batch: Value) -> None:
        """Losses by one thread, which also decides whether to go on; then updates by all."""
        k, recipe = self.k, self.recipe
        own = dict(self.bases)
        self.bases |= self.first
        self.wait()
        if any(step.group and step.group.nest for step in recipe.reports):
            self._levels(recipe.reports)
        else:
            self.first_only(recipe.reports)
        with k.when(k.icmp("eq", self.thread, 0)):
            self._decide(batch)
        self.wait()
        going, done = k.label(), k.label()
        k.branch_if(k.icmp("eq", self.shared(DECISION), 0), going, done)
        # The function ends for all threads alike.
        k.start(done)
        k.ret()
        k.start(going)
        self._levels(recipe.updates)
        with k.when(k.icmp("eq", self.thread, 0)):
            self.tell(DONE, k.add(batch, 1))
        self.bases = own

    def _decide(self, batch: Value) -> None:
        k, recipe = self.k, self.recipe
        decision = self.shared(STOP)
        if recipe.trains:
            real = k.module.real
            loss = k.put(real, f"load {real}, {self.bases['results']}, align 4")
            wrong = k.compare("uno", loss, loss)
            size = k.fabs(loss)
            wrong = k.either(wrong, k.compare("oeq", size, Value("0x7FF0000000000000", real)))
            first = k.icmp("eq", self.shared(STATUS), FINE)
            first = k.both(first, k.icmp("eq", decision, 0))  # a batch that was cut short has no loss
            with k.when(k.both(wrong, first)):
                self.tell(STATUS, NOT_FINITE)
                self.tell(BAD, batch)
            decision = k.put("i64", f"or {decision}, {k.put('i64', f'zext {wrong} to i64').name}")
        self.tell(DECISION, decision)
