"""The vocabulary over LLVM IR: functions, loops, vectors, arrays with known extents.

A `Module` (module.py) collects functions as text; a `Code` is the body of one of them while it is written.
Numbers that are known while generating are Python numbers, and arithmetic with them is done here,
so that what reaches LLVM is short. With `checked`, each load and store is preceded by a comparison
of its index with the extent of its array; a violation is counted and goes to the array's first item instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from layerscope.engine.native.module import Module
from layerscope.engine.native.types import (
    ITEM_BYTES,
    REAL_BYTES,
    Array,
    Index,
    Value,
    bytes_of,
    lanes,
    like,
    literal,
    scalar,
    vector,
)


@dataclass
class Carry:
    """What a loop hands from turn to turn: `values` are read at the start of a turn and set for the next."""

    values: list[Value]


class Code:
    """The body of one function."""

    def __init__(
        self, module: Module, parameters: Sequence[tuple[str, str]], result: str = "void", noalias: bool = True
    ) -> None:
        self.module, self.parameters, self.result, self.noalias = module, parameters, result, noalias
        self._lines: list[str] = ["entry:"]
        self._count = 0
        self._misses, self._ends = False, list[int]()
        self.block = "entry"
        self.arguments = [Value(f"%{name}", type) for name, type in parameters]

    def text(self) -> str:
        """The body as text."""
        lines = list(self._lines)
        if self._misses:
            for place in reversed(self._ends):
                total = f"%total{place}"
                lines[place:place] = [
                    f"  {total} = load i64, ptr %missed",
                    f"  atomicrmw add ptr @violations, i64 {total} seq_cst",
                ]
            lines[1:1] = ["  %missed = alloca i64", "  store i64 0, ptr %missed"]
        return "\n".join(lines) + "\n"

    # --- statements ---

    def line(self, text: str) -> None:
        """One line as it stands."""
        self._lines.append("  " + text)

    def _fresh(self, type: str) -> Value:
        self._count += 1
        return Value(f"%v{self._count}", type)

    def put(self, type: str, text: str) -> Value:
        """One instruction with a result."""
        made = self._fresh(type)
        self.line(f"{made.name} = {text}")
        return made

    def label(self) -> str:
        """The name of a new basic block."""
        self._count += 1
        return f"b{self._count}"

    def start(self, label: str) -> None:
        """Begin a basic block."""
        self._lines.append(f"{label}:")
        self.block = label

    def branch(self, label: str) -> None:
        """End the block by going to another."""
        self.line(f"br label %{label}")

    def branch_if(self, condition: Value, yes: str, no: str) -> None:
        """End the block by going to one of two."""
        self.line(f"br i1 {condition.name}, label %{yes}, label %{no}")

    def ret(self, value: Value | None = None) -> None:
        """End the function."""
        self._ends.append(len(self._lines))
        self.line(f"ret {value}" if value else "ret void")

    def call(self, result: str, name: str, *arguments: Value) -> Value:
        """A call of a function; its result has the type `result`."""
        text = f"call {result} @{name}({', '.join(map(str, arguments))})"
        if result == "void":
            self.line(text)
            return Value("", "void")
        return self.put(result, text)

    def intrinsic(self, name: str, result: str, *arguments: Value) -> Value:
        """A call of llvm.<name>, overloaded on the type of its result."""
        suffix = "".join(c for c in result.replace("float", "f32").replace("double", "f64") if c not in "<> ")
        suffix = "v" + suffix.replace("x", "", 1) if result.startswith("<") else suffix
        self.module.declare(result, f"llvm.{name}.{suffix}", *(a.type for a in arguments))
        return self.call(result, f"llvm.{name}.{suffix}", *arguments)

    # --- whole numbers ---

    def i64(self, index: Index) -> Value:
        """An index as a value."""
        return index if isinstance(index, Value) else Value(str(index), "i64")

    def _whole(self, operation: str, a: Index, b: Index) -> Value:
        return self.put("i64", f"{operation} i64 {self.i64(a).name}, {self.i64(b).name}")

    def add(self, *terms: Index) -> Index:
        """The sum; what is known is added up now."""
        known = sum(term for term in terms if isinstance(term, int))
        total: Index | None = None
        for term in terms:
            if isinstance(term, Value):
                total = term if total is None else self._whole("add nsw", total, term)
        return known if total is None else self._whole("add nsw", total, known) if known else total

    def sub(self, a: Index, b: Index) -> Index:
        """a - b."""
        if isinstance(b, int):
            return self.add(a, -b)
        return self._whole("sub nsw", a, b)

    def mul(self, a: Index, b: Index) -> Index:
        """a·b; what is known is multiplied now."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if 0 in (a, b):
            return 0
        return b if a == 1 else a if b == 1 else self._whole("mul nsw", a, b)

    def div(self, a: Index, b: int) -> Index:
        """a // b for a >= 0."""
        if isinstance(a, int):
            return a // b
        return a if b == 1 else self._whole("udiv", a, b)

    def rem(self, a: Index, b: int) -> Index:
        """a % b for a >= 0."""
        if isinstance(a, int):
            return a % b
        return 0 if b == 1 else self._whole("urem", a, b)

    def dot(self, indices: Sequence[Index], strides: Sequence[int], start: Index = 0) -> Index:
        """The place of an element: start + the sum of index times stride."""
        return self.add(start, *(self.mul(i, s) for i, s in zip(indices, strides, strict=True)))

    def icmp(self, how: str, a: Index, b: Index) -> Value:
        """A comparison of indices: eq, ne, slt, ult, uge, ... (LLVM's names)."""
        return self.put("i1", f"icmp {how} i64 {self.i64(a).name}, {self.i64(b).name}")

    def both(self, a: Value, b: Value) -> Value:
        """Where both masks are set; one of them may be the same for all lanes."""
        if a.type != b.type:
            a, b = (mask if lanes(mask.type) > 1 else self.splat(mask) for mask in (a, b))
        return self.put(a.type, f"and {a.type} {a.name}, {b.name}")

    def either(self, a: Value, b: Value) -> Value:
        """Where one of the masks is set."""
        return self.put(a.type, f"or {a.type} {a.name}, {b.name}")

    def negate(self, mask: Value) -> Value:
        """Where the mask is not set."""
        ones = "true" if mask.type == "i1" else "splat (i1 true)"
        return self.put(mask.type, f"xor {mask.type} {mask.name}, {ones}")

    # --- control ---

    @contextlib.contextmanager
    def loop(
        self, end: Index, step: int = 1, start: Index = 0, carry: Sequence[Value] = ()
    ) -> Generator[tuple[Index, Carry]]:
        """Turns for start, start + step, ... below `end`; at least one when all are known, else maybe none.

        After the loop the carry holds the values of the last turn.
        """
        state = Carry(list(carry))
        known = isinstance(start, int) and isinstance(end, int)
        if known and end <= start + step:  # pyright: ignore[reportOperatorIssue]
            assert end > start, "a loop without turns"  # pyright: ignore[reportOperatorIssue]
            yield start, state
            return
        before, head, done = self.block, self.label(), self.label()
        if known:
            self.branch(head)
        else:
            self.branch_if(self.icmp("slt", start, end), head, done)
            before = self.block
        self.start(head)
        index = self._fresh("i64")
        heads = [self._fresh(value.type) for value in carry]
        place = len(self._lines)
        self._lines += [""] * (1 + len(heads))
        state.values = list(heads)
        yield index, state
        following = self.add(index, step)
        last = self.block
        for offset, (phi, first, again) in enumerate(
            zip([index, *heads], [self.i64(start), *carry], [self.i64(following), *state.values], strict=True)
        ):
            self._lines[place + offset] = (
                f"  {phi.name} = phi {phi.type} [ {first.name}, %{before} ], [ {again.name}, %{last} ]"
            )
        self.branch_if(self.icmp("slt", following, end), head, done)
        self.start(done)
        if not known:
            state.values = [
                self.put(first.type, f"phi {first.type} [ {first.name}, %{before} ], [ {again.name}, %{last} ]")
                for first, again in zip(carry, state.values, strict=True)
            ]

    @contextlib.contextmanager
    def loop_while(self, going: Callable[[Value], Value], start: Value, step: Value) -> Generator[Value]:
        """Turns for start, start + step, ...; before each, `going` writes the condition (an i1) that lets it run."""
        before, head, body, done = self.block, self.label(), self.label(), self.label()
        self.branch(head)
        self.start(head)
        index, following = self._fresh("i64"), self._fresh("i64")
        place = len(self._lines)
        self._lines.append("")
        self.branch_if(going(index), body, done)
        self.start(body)
        yield index
        self.line(f"{following.name} = add i64 {index.name}, {step.name}")
        self._lines[place] = (
            f"  {index.name} = phi i64 [ {start.name}, %{before} ], [ {following.name}, %{self.block} ]"
        )
        self.branch(head)
        self.start(done)

    @contextlib.contextmanager
    def when(self, condition: Value) -> Generator[None]:
        """Statements for the case that a condition holds."""
        inside, after = self.label(), self.label()
        self.branch_if(condition, inside, after)
        self.start(inside)
        yield
        self.branch(after)
        self.start(after)

    # --- memory ---

    def address(self, array: Array, index: Index) -> Value:
        """The pointer to an item."""
        if self.module.checked:
            index = self._checked(array, index)
        if index == 0:
            return array.pointer
        return self.put("ptr", f"getelementptr {array.item}, {array.pointer}, {self.i64(index)}")

    def _checked(self, array: Array, index: Index) -> Index:
        """The index, or that of the first item where there is no such item, which is counted."""
        if isinstance(index, int) and array.first <= index < array.first + array.extent:
            return index
        place = self.sub(index, array.first)
        wrong = self.put("i1", f"icmp uge i64 {self.i64(place).name}, {array.extent}")
        missed = self.put("i64", "load i64, ptr %missed")
        self.line(f"store {self.add(missed, self.put('i64', f'zext {wrong} to i64'))}, ptr %missed")
        self._misses = True
        return self.put("i64", f"select {wrong}, i64 {array.first}, {self.i64(index)}")

    def load(self, array: Array, index: Index, aligned: bool = True) -> Value:
        """One item."""
        align = bytes_of(array.item) if aligned else ITEM_BYTES[scalar(array.item)]
        return self.put(array.item, f"load {array.item}, {self.address(array, index)}, align {align}")

    def store(self, value: Value, array: Array, index: Index, aligned: bool = True) -> None:
        """Write one item."""
        align = bytes_of(array.item) if aligned else ITEM_BYTES[scalar(array.item)]
        self.line(f"store {value}, {self.address(array, index)}, align {align}")

    def broadcast(self, array: Array, index: Index) -> Value:
        """One scalar, in all lanes of a register."""
        return self.splat(self.load(array.of(scalar(array.item)), index))

    def shifted(self, array: Array, offset: Index) -> Array:
        """The array as seen from another item."""
        if offset == 0:
            return array
        pointer = self.put("ptr", f"getelementptr {array.item}, {array.pointer}, {self.i64(offset)}")
        if isinstance(offset, int):
            return replace(array, pointer=pointer, first=array.first - offset)
        return replace(array, pointer=pointer)

    # --- numbers: scalars or vectors, by the type of what is given ---

    def splat(self, value: Value, count: int = 0) -> Value:
        """A scalar in all lanes."""
        count = count or self.module.lanes
        if count == 1:
            return value
        type = vector(value.type, count)
        first = self.put(type, f"insertelement {type} poison, {value}, i64 0")
        return self.put(type, f"shufflevector {first}, {type} poison, <{count} x i32> zeroinitializer")

    def constant(self, number: float, type: str = "") -> Value:
        """A number in all lanes of a type (the register's by default)."""
        type = type or self.module.vector
        item = scalar(type)
        text = literal(number, item)
        return Value(text if lanes(type) == 1 else f"splat ({item} {text})", type)

    def _binary(self, operation: str, a: Value, b: Value) -> Value:
        return self.put(a.type, f"{operation} {a}, {b.name}")

    def fadd(self, a: Value, b: Value) -> Value:
        """a + b."""
        return self._binary("fadd", a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        """a - b."""
        return self._binary("fsub", a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        """a·b."""
        return self._binary("fmul", a, b)

    def fdiv(self, a: Value, b: Value) -> Value:
        """a / b."""
        return self._binary("fdiv", a, b)

    def fneg(self, a: Value) -> Value:
        """-a."""
        return self.put(a.type, f"fneg {a}")

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a·b + c: rounded once where the processor can, else twice."""
        if not self.module.fused:
            return self.fadd(self.fmul(a, b), c)
        return self.intrinsic("fma", a.type, a, b, c)

    def fabs(self, a: Value) -> Value:
        """|a|."""
        return self.intrinsic("fabs", a.type, a)

    def sqrt(self, a: Value) -> Value:
        """The square root."""
        return self.intrinsic("sqrt", a.type, a)

    def compare(self, how: str, a: Value, b: Value) -> Value:
        """A mask from a comparison of numbers: ogt, oge, oeq, olt, ole, uno, ... (LLVM's names)."""
        return self.put(like("i1", a.type), f"fcmp {how} {a}, {b.name}")

    def select(self, mask: Value, a: Value, b: Value) -> Value:
        """a where the mask is set, b elsewhere."""
        return self.put(a.type, f"select {mask}, {a}, {b}")

    def shuffle(self, a: Value, b: Value | None, order: Sequence[int]) -> Value:
        """Lanes of a and b (counted on) in an order."""
        other = b.name if b else "poison"
        picks = ", ".join(f"i32 {n}" for n in order)
        type = f"<{len(order)} x {scalar(a.type)}>"
        return self.put(type, f"shufflevector {a}, {a.type} {other}, <{len(order)} x i32> <{picks}>")

    def lane(self, a: Value, number: int) -> Value:
        """One lane as a scalar."""
        if lanes(a.type) == 1:
            return a
        return self.put(scalar(a.type), f"extractelement {a}, i64 {number}")

    def convert(self, operation: str, a: Value, item: str) -> Value:
        """A cast of each lane: sitofp, fptosi, trunc, zext, sext, bitcast, fpext, fptrunc."""
        to = like(item, a.type)
        return a if to == a.type else self.put(to, f"{operation} {a} to {to}")


__all__ = [
    "ITEM_BYTES",
    "REAL_BYTES",
    "Array",
    "Carry",
    "Code",
    "Index",
    "Module",
    "Value",
    "bytes_of",
    "lanes",
    "like",
    "literal",
    "scalar",
    "vector",
]
