"""The vocabulary over LLVM IR: functions, loops, vectors, arrays with known extents.

A `Module` collects functions as text; a `Code` is the body of one of them while it is written.
Numbers that are known while generating are Python numbers, and arithmetic with them is done here,
so that what reaches LLVM is short. With `checked`, each load and store is preceded by a comparison
of its index with the extent of its array; a violation is counted and goes to index 0 instead.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

REAL_BYTES = {"float": 4, "double": 8}
ITEM_BYTES = {**REAL_BYTES, "half": 2, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "ptr": 8}


class Value(NamedTuple):
    """An LLVM value: its name (or constant) and its type."""

    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


Index = int | Value
"""An i64 that is known now, or when the code runs."""


def scalar(type: str) -> str:
    """The element type: "float" of "<16 x float>"."""
    return type.split(" x ")[1][:-1] if type.startswith("<") else type


def lanes(type: str) -> int:
    """How many elements: 16 of "<16 x float>"; 1 of a scalar."""
    return int(type[1:].split(" x ")[0]) if type.startswith("<") else 1


def vector(item: str, count: int) -> str:
    """The type of `count` items; the item itself for one."""
    return item if count == 1 else f"<{count} x {item}>"


def like(item: str, type: str) -> str:
    """A type of other items with as many lanes."""
    return vector(item, lanes(type))


def bytes_of(type: str) -> int:
    return lanes(type) * ITEM_BYTES[scalar(type)]


def literal(number: float, item: str) -> str:
    """A constant as LLVM writes it exactly."""
    if item in REAL_BYTES or item == "half":
        code = {"float": "f", "half": "e", "double": "d"}[item]
        value = struct.unpack(code, struct.pack(code, number))[0]
        return "0x" + struct.pack(">d", value).hex().upper()
    return str(int(number))


@dataclass(frozen=True)
class Array:
    """Memory that a function may touch: items of one type, counted from `pointer`.

    Items from `first` on, `extent` of them, exist: a pointer may stand inside of a buffer with a margin.
    """

    pointer: Value
    item: str
    extent: int
    first: int = 0

    def of(self, item: str) -> Array:
        """The same memory as smaller or larger items."""
        old, new = bytes_of(self.item), bytes_of(item)
        first, end = -(-self.first * old // new), (self.first + self.extent) * old // new
        return replace(self, item=item, extent=end - first, first=first)


@dataclass
class Module:
    """Functions and constants, as text; functions of the same text exist once."""

    lanes: int
    real: str = "float"
    checked: bool = False
    attributes: str = ""
    fused: bool = True
    _parts: list[str] = field(default_factory=list[str])
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _declared: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def vector(self) -> str:
        """The type of one register of numbers."""
        return vector(self.real, self.lanes)

    def table(self, numbers: Sequence[float], item: str) -> Value:
        """A constant array in memory."""
        body = ", ".join(f"{item} {literal(n, item)}" for n in numbers)
        text = f"internal unnamed_addr constant [{len(numbers)} x {item}] [{body}], align 64"
        if text not in self._names:
            self._names[text] = f"@table{len(self._names)}"
            self._parts.append(f"{self._names[text]} = {text}")
        return Value(self._names[text], "ptr")

    def declare(self, result: str, name: str, *arguments: str) -> None:
        """Mention an intrinsic or an outside function."""
        self._declared[name] = f"declare {result} @{name}({', '.join(arguments)})"

    def add(self, code: Code, export: str = "") -> str:
        """Finish a function; its name, which is an earlier one's if that has the same text."""
        parameters = ", ".join(
            f"{type} {'noalias ' if type == 'ptr' and code.noalias else ''}%{parameter}"
            for parameter, type in code.parameters
        )
        body = f"({parameters}) #0 {{\n{code.text()}}}"
        key = f"{code.result} {body}"
        if not export and key in self._names:
            return self._names[key]
        name = export or f"kernel{len(self._names)}"
        self._names[key] = name
        linkage = "" if export else "internal "
        self._parts.append(f"define {linkage}{code.result} @{name}{body}")
        return name

    def text(self) -> str:
        """The whole module."""
        violation = ["@violations = global i64 0, align 8"] if self.checked else []
        return "\n\n".join(
            [*violation, *self._declared.values(), *self._parts, f"attributes #0 = {{ nounwind {self.attributes} }}"]
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
        self.block = "entry"
        self.arguments = [Value(f"%{name}", type) for name, type in parameters]

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    # --- statements ---

    def line(self, text: str) -> None:
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
        self._count += 1
        return f"b{self._count}"

    def start(self, label: str) -> None:
        """Begin a basic block."""
        self._lines.append(f"{label}:")
        self.block = label

    def branch(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch_if(self, condition: Value, yes: str, no: str) -> None:
        self.line(f"br i1 {condition.name}, label %{yes}, label %{no}")

    def ret(self, value: Value | None = None) -> None:
        self.line(f"ret {value}" if value else "ret void")

    def call(self, result: str, name: str, *arguments: Value) -> Value:
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
        if isinstance(b, int):
            return self.add(a, -b)
        return self._whole("sub nsw", a, b)

    def mul(self, a: Index, b: Index) -> Index:
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
        return self.put("i1", f"icmp {how} i64 {self.i64(a).name}, {self.i64(b).name}")

    def both(self, a: Value, b: Value) -> Value:
        return self.put(a.type, f"and {a.type} {a.name}, {b.name}")

    def either(self, a: Value, b: Value) -> Value:
        return self.put(a.type, f"or {a.type} {a.name}, {b.name}")

    def negate(self, mask: Value) -> Value:
        ones = "true" if mask.type == "i1" else "splat (i1 true)"
        return self.put(mask.type, f"xor {mask.type} {mask.name}, {ones}")

    # --- control ---

    @contextlib.contextmanager
    def loop(
        self, end: Index, step: int = 1, start: Index = 0, carry: Sequence[Value] = ()
    ) -> Iterator[tuple[Index, Carry]]:
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
    def when(self, condition: Value) -> Iterator[None]:
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
        place = self.sub(index, array.first)
        wrong = self.put("i1", f"icmp uge i64 {self.i64(place).name}, {array.extent}")
        bad, good, before = self.label(), self.label(), self.block
        self.branch_if(wrong, bad, good)
        self.start(bad)
        self.put("i64", "atomicrmw add ptr @violations, i64 1 seq_cst")
        self.branch(good)
        self.start(good)
        return self.put("i64", f"phi i64 [ {self.i64(index).name}, %{before} ], [ {array.first}, %{bad} ]")

    def load(self, array: Array, index: Index, aligned: bool = True) -> Value:
        """One item."""
        align = bytes_of(array.item) if aligned else ITEM_BYTES[scalar(array.item)]
        return self.put(array.item, f"load {array.item}, {self.address(array, index)}, align {align}")

    def store(self, value: Value, array: Array, index: Index, aligned: bool = True) -> None:
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
        return self._binary("fadd", a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        return self._binary("fsub", a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        return self._binary("fmul", a, b)

    def fdiv(self, a: Value, b: Value) -> Value:
        return self._binary("fdiv", a, b)

    def fneg(self, a: Value) -> Value:
        return self.put(a.type, f"fneg {a}")

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a·b + c: rounded once where the processor can, else twice."""
        if not self.module.fused:
            return self.fadd(self.fmul(a, b), c)
        return self.intrinsic("fma", a.type, a, b, c)

    def fabs(self, a: Value) -> Value:
        return self.intrinsic("fabs", a.type, a)

    def sqrt(self, a: Value) -> Value:
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
