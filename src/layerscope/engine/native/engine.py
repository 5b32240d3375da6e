"""The native engine: the reference engine's three verbs, run by machine code made for the network."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.core.errors import DataError
from layerscope.core.sizes import numbers
from layerscope.engine.native import barriers, compiled, driver, objects, sizing
from layerscope.engine.native.cache import Cache
from layerscope.engine.native.compiled import Call, Code
from layerscope.engine.native.ir import bytes_of
from layerscope.engine.native.operations import elements
from layerscope.engine.native.options import Options
from layerscope.engine.native.targets import loads
from layerscope.engine.plan import Compiling, Job
from layerscope.engine.primitives.base import Array
from layerscope.engine.program import Key, Program
from layerscope.engine.reference import Means, NotFinite, OnBatch, State

KEPT = 256 << 20
"""Bytes of results up to which their memory is kept for the next prediction."""

_BOX = [np.empty(0)]
ALONE = sys.getrefcount(_BOX[0])
"""What the interpreter counts for an array that a list alone holds."""

RESULTS = 4 << 20
"""Bytes of losses and sums of batches that are in memory at once."""

REAL = {"float32": "float", "float64": "double"}


class NativeEngine:
    """Runs a job as machine code on several threads.

    Weights and slots change in place, after each batch. With one seed and one number of threads results
    repeat to the bit. `compiling` is entered while a program is compiled, which takes a second or so.
    """

    name = "native"

    def __init__(
        self,
        job: Job,
        state: State,
        dtype: str = "float32",
        seed: int = 0,
        threads: int | None = None,
        compiling: Compiling = contextlib.nullcontext,
    ) -> None:
        self.job, self.state, self.seed = job, state, seed
        self.dtype = np.dtype(dtype)
        self.threads = compiled.thread_count(threads)
        self.compiling = compiling

    # --- the verbs ---

    def predict(self, inputs: Sequence[Array], batch_size: int, on_batch: OnBatch) -> list[Array]:
        """All outputs for all inputs, in order."""
        program, count = self.job.inference, len(inputs[0])
        code = self._code(program, inputs, (), count)
        results = [
            self._memory(code.kept, key, (count, *numbers(program.outputs[key].type.shape[1:])), program)
            for key in code.outputs
        ]
        call = self._call(code, program, inputs, np.arange(count), count, (0, 1), results)
        status, bad = compiled.run(code, call, self.threads, lambda done: on_batch(done, {}))
        compiled.check(code, status, bad)
        code.kept = {key: [array] for key, array in zip(code.outputs, results, strict=True) if array.nbytes <= KEPT}
        named = {key: array.view() for key, array in zip(code.outputs, results, strict=True)}
        found = [named[key] for key in program.outputs if key in named]
        for key, value in program.outputs.items():  # an output that no example reaches is the same for all
            if key not in code.outputs:
                raise DataError(f"output {key[1]} does not depend on the input: {value.type}")
        return found

    def _memory(self, kept: dict[Key, list[Array]], key: Key, shape: tuple[int, ...], program: Program) -> Array:
        """Memory for results: that of the last prediction, if nobody holds its results any more. What is fresh from
        the system is cleared page by page, which takes as long as a small network.
        """
        box, dtype = kept.pop(key, None), self._output_dtype(program, key)
        if box and sys.getrefcount(box[0]) == ALONE and (box[0].shape, box[0].dtype) == (shape, dtype):
            return box[0]
        return np.empty(shape, dtype)

    def _output_dtype(self, program: Program, key: Key) -> np.dtype[Any]:
        return np.dtype(np.int32) if program.outputs[key].type.dtype == "int32" else self.dtype

    def evaluate(
        self,
        inputs: Sequence[Array],
        targets: Sequence[Array],
        batch_size: int,
        on_batch: OnBatch,
        means: Means | None = None,
    ) -> dict[str, Any]:
        """Loss and metrics: means over examples, with those that are in `means` already."""
        order = np.arange(len(inputs[0]))
        return self._batches(self.job.evaluation, inputs, targets, order, batch_size, on_batch, False, means)

    def train_epoch(
        self,
        inputs: Sequence[Array],
        targets: Sequence[Array],
        order: Array,
        batch_size: int,
        on_batch: OnBatch,
        exact: bool = False,
        means: Means | None = None,
    ) -> dict[str, Any]:
        """One pass over the examples in the given order; weights and slots change in place.

        `on_batch` hears of each batch soon after it; with `exact`, before the next one starts. `means` goes on
        with those of the examples before, where a pass is made in parts.
        """
        return self._batches(self.job.training, inputs, targets, order, batch_size, on_batch, exact, means)

    # --- how ---

    def _batches(
        self,
        program: Program,
        inputs: Sequence[Array],
        targets: Sequence[Array],
        order: Array,
        batch: int,
        on_batch: OnBatch,
        exact: bool,
        means: Means | None,
    ) -> dict[str, Any]:
        arrays, count = [*inputs, *targets], len(order)
        code = self._code(program, inputs, targets, min(batch, count))
        total, means = -(-count // batch), means or Means(self.job.measures)
        rows = 1 if exact else _rows(code, self.dtype.itemsize)
        call = self._call(code, program, arrays, order, batch, (0, total), (), min(rows, total))
        heard = 0
        going, training = True, program is self.job.training

        def watch(done: int) -> bool:
            nonlocal heard, going
            while heard < done:
                made = _results(code, call, heard)
                if training and not code.trains and not np.isfinite(made["loss",]):  # nobody else looks at it
                    raise NotFinite(heard, float(made["loss",]))
                means.add(made, min(batch, count - heard * batch))
                heard += 1
                going = on_batch(heard - 1, means.now()) and going
            return going

        for call.first in range(0, total, rows):
            call.end = min(call.first + rows, total)
            if exact and call.first:  # a callback may have changed weights or learning rate
                call.tables = [self._table(program, key) for key in code.tables]
                self._put_scalars(code, call.scalars, call.first, self.state.step + 1)
            try:
                status, bad = compiled.run(code, call, self.threads, watch if not exact else lambda done: True)
            finally:
                if training:
                    self.state.step += max(0, call.done - call.first)
                    self._put_back(code, call)
            watch(call.done)
            compiled.check(code, status, bad)
            if status == driver.NOT_FINITE:
                raise NotFinite(bad, float(_results(code, call, bad)["loss",]))
            if not going:
                break
        return means.values()

    def _code(self, program: Program, inputs: Sequence[Array], targets: Sequence[Array], batch: int) -> Code:
        """Code for these arrays; that of the last call at once, where nothing is different."""
        same = tuple(next((n for n, x in enumerate(inputs) if _twins(x, y)), -1) for y in targets)
        asked = (
            *(array.dtype for array in (*inputs, *targets)),
            *(same, batch, self.threads, self.dtype, objects.asked(), os.environ.get(CHECKED, "")),
            *SETTINGS.items(),
        )
        last = self.job.__dict__.setdefault("_native_last", {})
        if last.get(id(program), (None,))[0] != asked:
            last[id(program)] = asked, self._coded(program, [*inputs, *targets], same, batch)
        return last[id(program)][1]

    def _coded(self, program: Program, arrays: Sequence[Array], same: tuple[int, ...], batch: int) -> Code:
        dtypes = tuple(_readable(array.dtype).name for array in arrays)
        options = options_for(self.dtype.name, dtypes, same)
        options = suited(self.job, program, options, batch, self.threads)
        target = objects.chosen(objects.host())
        known = self.job.__dict__.setdefault("_native", {})
        key = (id(program), options, target.name)
        if key not in known:
            known[key] = compiled.compiled(program, options, target, Cache(), self.compiling)
        return known[key]

    def _call(
        self,
        code: Code,
        program: Program,
        arrays: Sequence[Array],
        order: Array,
        batch: int,
        span: tuple[int, int],
        outputs: Sequence[Array],
        rows: int = 1,
    ) -> Call:
        batches = span[1]
        ready = [np.ascontiguousarray(array, _readable(array.dtype)) for array in arrays]
        return Call(
            len(order),
            batch,
            *span,
            np.ascontiguousarray(order, np.int64),
            ready,
            outputs,
            [self._table(program, key) for key in code.tables],
            self._scalars(code, batches),
            np.zeros((rows, max(1, sum(map(elements, code.shapes)))), self.dtype),
            self.seed,
            self.state.step,
        )

    def _table(self, program: Program, key: Key) -> Array:
        """The array behind a weight or slot, as the code reads it."""
        if key[0] == "slot":
            slot = (str(key[1]), str(key[2]))
            shape = numbers(program.inputs[key].type.shape)
            array = self.state.slots.setdefault(slot, np.zeros(shape, self.dtype))
        else:
            array = self.state.weights[str(key[1])]
        return np.require(array, self.dtype, ["C", "W", "A"])

    def _put_back(self, code: Code, call: Call) -> None:
        """Where the state's array was not as the code reads it, its copy goes back."""
        for key, array in zip(code.tables, call.tables, strict=True):
            own = (
                self.state.weights[str(key[1])] if key[0] == "weight" else self.state.slots[str(key[1]), str(key[2])]
            )
            if own is not array:
                own[...] = array

    def _scalars(self, code: Code, batches: int) -> Array:
        """The optimizer's numbers for each batch; each on a cache line of its own."""
        width = 64 // self.dtype.itemsize
        found = np.zeros((max(1, batches), max(1, len(code.scalars)), width), self.dtype)
        for batch in range(batches):
            self._put_scalars(code, found, batch, self.state.step + batch + 1)
        return found

    def _put_scalars(self, code: Code, into: Array, batch: int, step: int) -> None:
        given: Mapping[str, float] = {"one": 1.0}
        if self.job.update is not None and code.trains:
            given = {"one": 1.0, **self.job.update.scalars(step)}
        for number, name in enumerate(code.scalars):
            into[batch, number, :] = given[name]


def _results(code: Code, call: Call, batch: int) -> dict[Key, Array]:
    """What a batch came to, by name."""
    row, found, start = call.results[batch - call.first], dict[Key, Array](), 0
    for key, shape in zip(code.results, code.shapes, strict=True):
        end = start + elements(shape)
        found[key] = row[start:end].reshape(shape)
        start = end
    return found


def _rows(code: Code, item: int) -> int:
    """Batches whose results are kept until they are added up: thousands of numbers each for metrics of thresholds."""
    return max(1, RESULTS // (max(1, sum(map(elements, code.shapes))) * item))


def options_for(precision: str, dtypes: tuple[str, ...] = (), same: tuple[int, ...] = ()) -> Options:
    """What programs are compiled for on this processor."""
    host = objects.host()
    target = objects.chosen(host)
    real = REAL[precision]
    found = Options(
        lanes=target.lanes(real),
        sums=target.sums,
        loads=loads(host.cpu, target),
        real=real,
        groups=1,
        dtypes=dtypes,
        same=same,
        checked=os.environ.get(CHECKED, "") not in ("", "0"),
        attributes=objects.attributes(target),
        fused="fma" in target.features or target.name == "neon",
        pause=barriers.pause(host.architecture),
    )
    return replace(found, **SETTINGS)


def suited(job: Job, program: Program, options: Options, batch: int, threads: int, look: bool = False) -> Options:
    """The options with those that depend on the size of a batch. With `look` the choice is not remembered."""
    register = options.lanes * bytes_of(options.real)
    about = job.__dict__.setdefault("_native_sizes", {})
    if id(program) not in about:
        about[id(program)] = sizing.Sizes.of(program), sizing.Choice(program, register)
    sizes, choice = about[id(program)]
    trains = job.update is not None and bool(job.aims) and program is job.training
    if "strips" not in SETTINGS:
        choice = replace(choice, made=set(choice.made)) if look else choice
        options = replace(options, strips=choice.best(COUNTS, batch, options.lanes, threads))
    elif options.strips > 1 and sizing.tried(program, options.strips) is None:
        options = replace(options, strips=1)
    if "large" not in SETTINGS and not trains:
        options = replace(options, large=PACKED)
    if "groups" not in SETTINGS and options.strips == 1:
        options = replace(options, groups=sizes.groups(batch, options.lanes * threads, register))
    if "large" not in SETTINGS and trains and compiled.blocks(options, batch) >= MANY:
        options = replace(options, packed=PACKED // 2)
    if "once" not in SETTINGS and trains and 1 < threads >= compiled.blocks(options, batch):
        options = replace(options, once=sizes.kernel * bytes_of(options.real) > options.large)
    if "few" not in SETTINGS and batch <= FEW and sizes.largest >= 4 * sizing.LARGE:
        options = replace(options, few=1 if batch == 1 else FEW)
    return options


FEW = 4
"""Examples up to which a product reads its matrix as it lies."""

COUNTS = (1, 2, 4, 8, 16)
"""Strips that examples of large images are cut into; every second of them where only results are asked for, so that
few batches want code of their own.
"""

PACKED = 16 << 20
"""Bytes of a kernel up to which it is packed, once for all blocks of a call, where only results are asked for; in
training half of them, of a matrix, where a batch has MANY blocks.
"""

MANY = 8
"""Blocks of a batch from which on packing a large matrix takes less time than reading it as it lies for each."""

CHECKED = "LAYERSCOPE_CHECKED"
"""The environment variable that has each index compared with the size of its array."""


SETTINGS: dict[str, Any] = {}
"""Options that tests set to something else: checked, guard, lanes, ..."""


def _twins(x: Array, y: Array) -> bool:
    """Whether two arrays are the same memory in the same order."""
    return (
        x.__array_interface__["data"] == y.__array_interface__["data"]
        and x.dtype == y.dtype
        and x.size == y.size
        and x.flags.c_contiguous
        and y.flags.c_contiguous
    )


@functools.cache
def _readable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which the code reads an array of this type: its own, where it can."""
    from layerscope.engine.native.rows import CODES

    native = dtype.newbyteorder("=")
    return native if native.name in CODES else np.dtype(np.float64)
