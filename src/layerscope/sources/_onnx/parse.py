"""From the wire format to plain data (onnx.proto3 of ONNX, IR version 14). Payloads of tensors are not read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.sources._onnx import wire
from layerscope.sources._onnx.payload import MOST_INTEGERS, numbers
from layerscope.sources._onnx.structures import (
    DTYPES,
    Dim,
    Function,
    GraphInfo,
    ModelInfo,
    Node,
    Reference,
    Tensor,
    TypeInfo,
)  # fmt: skip
from layerscope.sources._onnx.wire import Field, Memory, Span, Store, fields, integer, span

SHORT = 128
"""Bytes of a message that is read once where another one is the same."""
MOST_NODES = 300_000
MOST_AXES = 64
MOST_NUMBERS = 1 << 20
LARGEST = (1 << 63) - 1
DEEPEST = 32
FIRST_IR, LAST_IR = 1, 64


def model(store: Store) -> ModelInfo:
    """The model in a file or in memory; SourceError says what is wrong and where."""
    return _Parser(store).model()


def looks_like_model(head: bytes, size: int) -> bool:
    """Whether bytes can be the start of a ModelProto: its first field, and the ones that follow within them."""
    seen = set[int]()
    try:
        for number, kind, _ in fields(Span(Memory(head, ""), 0, len(head))):
            if MODEL_FIELDS.get(number) != kind:
                return False
            seen.add(number)
    except SourceError:
        # the head cuts a field off; unless the file is no longer than its head, that is no flaw
        return bool(seen) and 1 in seen
    return 1 in seen or (7 in seen and size == len(head))


MODEL_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""Wire types by field number of ModelProto."""


class _Parser:
    """One reading of a file. `types` and `plain` have what short messages say that occur again and again."""

    def __init__(self, store: Store) -> None:
        self.store, self.depth, self.nodes = store, 0, 0
        self.types: dict[bytes, TypeInfo] = {}
        self.plain: dict[bytes, tuple[str, Any]] = {}

    def deeper(self, place: Span) -> _Parser:
        """Bounds how far messages are nested."""
        if self.depth == DEEPEST:
            raise wire.damaged(self.store, place.start, f"graphs or types nested more than {DEEPEST} deep")
        return self

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1

    def model(self) -> ModelInfo:
        if self.store.size == 0:
            raise SourceError(f"{self.store.name}: the file is empty")
        version, producer, opsets, graph, functions = 0, "", dict[str, int](), None, list[Function]()
        for field in fields(Span(self.store, 0, self.store.size)):
            match field[0]:
                case 1:
                    version = integer(field, "the IR version")
                case 2:
                    producer = span(field, "the producer").text()
                case 7:
                    graph = self.graph(span(field, "the graph"))
                case 8:
                    opsets |= self.opset(span(field, "an operator set"))
                case 25:
                    functions.append(self.function(span(field, "a function")))
                case _:
                    pass
        if graph is None:
            raise SourceError(f"{self.store.name}: not a readable ONNX file: there is no graph in it")
        if not FIRST_IR <= version <= LAST_IR:
            raise SourceError(
                f"{self.store.name}: its IR version is {version}; known are versions of ONNX from {FIRST_IR} on"
            )
        return ModelInfo(version, producer, opsets, graph, {(f.domain, f.name, f.overload): f for f in functions})

    def opset(self, whole: Span) -> dict[str, int]:
        domain, version = "", 1
        for field in fields(whole):
            if field[0] == 1:
                domain = span(field, "a domain").text()
            elif field[0] == 2:
                version = integer(field, "the version of an operator set")
        return {_domain(domain): version}

    def graph(self, whole: Span) -> GraphInfo:
        name, nodes, tensors = "", list[Node](), list[Tensor]()
        inputs, outputs = list[tuple[str, TypeInfo | None]](), list[tuple[str, TypeInfo | None]]()
        stated = dict[str, TypeInfo]()
        with self.deeper(whole):
            for field in fields(whole):
                match field[0]:
                    case 1:
                        nodes.append(self.node(span(field, "a node")))
                    case 2:
                        name = span(field, "the name of a graph").text()
                    case 5:
                        tensors.append(self.tensor(span(field, "an initializer")))
                    case 15:
                        tensors.append(self.sparse(span(field, "a sparse initializer")))
                    case 11:
                        inputs.append(self.value(span(field, "an input")))
                    case 12:
                        outputs.append(self.value(span(field, "an output")))
                    case 13:
                        label, kind = self.value(span(field, "a value"))
                        if kind is not None:
                            stated[label] = kind
                    case _:
                        pass
        return GraphInfo(name, tuple(nodes), tuple(tensors), tuple(inputs), tuple(outputs), stated)

    def function(self, whole: Span) -> Function:
        texts: dict[int, list[str]] = {n: [] for n in (1, 4, 5, 6, 10, 13)}
        defaults, nodes, opsets = dict[str, Any](), list[Node](), dict[str, int]()
        stated = dict[str, TypeInfo]()
        for field in fields(whole):
            number = field[0]
            if number in texts:
                texts[number].append(span(field, "a text of a function").text())
            elif number == 7:
                nodes.append(self.node(span(field, "a node")))
            elif number == 9:
                opsets |= self.opset(span(field, "an operator set"))
            elif number == 11:
                key, value = self.attribute(span(field, "an attribute"))
                defaults[key] = value
            elif number == 12:
                label, kind = self.value(span(field, "a value"))
                if kind is not None:
                    stated[label] = kind
        name, domain, overload = ("".join(texts[n][-1:]) for n in (1, 10, 13))
        inputs, outputs, attributes = (tuple(texts[n]) for n in (4, 5, 6))
        return Function(
            name, _domain(domain), overload, inputs, outputs, attributes, defaults, tuple(nodes), opsets, stated
        )

    def node(self, whole: Span) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise wire.damaged(self.store, whole.start, f"more than {MOST_NODES} nodes")
        inputs, outputs, texts = list[str](), list[str](), dict[int, str]()
        attributes, scopes = dict[str, Any](), ()
        for field in fields(whole):
            number = field[0]
            if number == 1:
                inputs.append(span(field, "a text of a node").text())
            elif number == 2:
                outputs.append(span(field, "a text of a node").text())
            elif number in (3, 4, 7, 8):
                texts[number] = span(field, "a text of a node").text()
            elif number == 5:
                key, value = self.attribute(span(field, "an attribute"))
                attributes[key] = value
            elif number == 9:
                scopes = self.scopes(span(field, "metadata")) or scopes
        op, domain, name, overload = (texts.get(n, "") for n in (4, 7, 3, 8))
        if not op:
            raise wire.damaged(self.store, whole.start, f"a node {name!r} without the name of its operator")
        return Node(op, _domain(domain), name, tuple(inputs), tuple(outputs), attributes, overload, scopes)

    def scopes(self, whole: Span) -> tuple[str, ...]:
        """The paths of modules that PyTorch writes to a node's metadata: "['', 'layer1', 'layer1.0', 'conv']"."""
        texts = {field[0]: span(field, "metadata").text() for field in fields(whole)}
        if texts.get(1) != "pkg.torch.onnx.name_scopes":
            return ()
        return tuple(re.findall(r"'([^']*)'", texts.get(2, "")))

    def attribute(self, whole: Span) -> tuple[str, Any]:
        """Its name and value; one of numbers and texts is read once."""
        message = whole.bytes() if whole.size <= SHORT else b""
        told = self.plain.get(message)
        if told is None:
            told, nodes = self.any_attribute(whole), self.nodes
            if message and isinstance(told[1], (int, float, str, tuple)) and nodes == self.nodes:
                self.plain[message] = told
        return told

    def any_attribute(self, whole: Span) -> tuple[str, Any]:
        name, found, listed = "", dict[int, Any](), {n: list[Any]() for n in (7, 8, 9, 10, 11, 15, 23)}
        kind, reference = 0, ""
        with self.deeper(whole):
            for field in fields(whole):
                number = field[0]
                if number in (1, 21):
                    text = span(field, "the name of an attribute").text()
                    name, reference = (text, reference) if number == 1 else (name, text)
                elif number == 20:
                    kind = integer(field, "the type of an attribute")
                elif number in SINGLE:
                    found[number] = SINGLE[number](self, field)
                elif number == 7:
                    listed[7] += wire.floats(field, MOST_NUMBERS, f"attribute {name}")
                elif number == 8:
                    listed[8] += wire.varints(field, MOST_NUMBERS, f"attribute {name}")
                elif number in MANY:
                    listed[number].append(MANY[number](self, field))
        if reference:
            return name, Reference(reference)
        place = PLACE.get(kind) or next(iter(found), 0) or next((n for n, items in listed.items() if items), 0)
        if place in listed:
            return name, tuple(listed[place])
        return name, found.get(place, ZERO.get(place))

    def tensor(self, whole: Span) -> Tensor:
        name, dims, code, external = "", list[int](), 0, False
        payload: list[Field] = []
        for field in fields(whole):
            match field[0]:
                case 1:
                    dims += wire.varints(field, MOST_AXES, "sizes of a tensor")
                case 2:
                    code = integer(field, "the type of a tensor")
                case 8:
                    name = span(field, "the name of a tensor").text()
                case 4 | 5 | 7 | 9 | 10 | 11:
                    if len(payload) <= MOST_INTEGERS:
                        payload.append(field)
                case 13:
                    external = True
                case 14:
                    external = integer(field, "the place of a payload") == 1
                case _:
                    pass
        what = f"tensor {name!r}" if name else "a tensor"
        self.check(dims, what, whole)
        if code not in DTYPES:
            raise wire.damaged(self.store, whole.start, f"{what} has elements of the unknown type {code}")
        made = Tensor(name, tuple(dims), DTYPES[code])
        return made if external else Tensor(made.name, made.dims, made.dtype, numbers(made, payload, whole))

    def check(self, dims: list[int], what: str, place: Span) -> None:
        """Sizes of a tensor that is stored: none negative, their product a number of 64 bits."""
        if len(dims) > MOST_AXES:
            raise wire.damaged(self.store, place.start, f"{what} has more than {MOST_AXES} axes")
        for size in dims:
            if size < 0:
                raise wire.damaged(self.store, place.start, f"{what} has the negative size {size}")
        if math.prod(dims) > LARGEST:
            raise wire.damaged(self.store, place.start, f"{what} has {math.prod(dims)} elements")

    def sparse(self, whole: Span) -> Tensor:
        """A sparse tensor as the dense one that it stands for."""
        values, dims = None, list[int]()
        for field in fields(whole):
            if field[0] == 1:
                values = self.tensor(span(field, "the values of a sparse tensor"))
            elif field[0] == 3:
                dims += wire.varints(field, MOST_AXES, "sizes of a sparse tensor")
        if values is None:
            raise wire.damaged(self.store, whole.start, "a sparse tensor without values")
        self.check(dims, f"sparse tensor {values.name!r}", whole)
        return Tensor(values.name, tuple(dims), values.dtype)

    def value(self, whole: Span) -> tuple[str, TypeInfo | None]:
        name, kind = "", None
        for field in fields(whole):
            if field[0] == 1:
                name = span(field, "the name of a value").text()
            elif field[0] == 2:
                part = span(field, "the type of a value")
                message = part.bytes() if part.size <= SHORT else b""
                kind = self.types.get(message)
                if kind is None:
                    kind = self.type(part)
                    if message:
                        self.types[message] = kind
        return name, kind

    def type(self, whole: Span) -> TypeInfo:
        with self.deeper(whole):
            for field in fields(whole):
                if field[0] in (1, 8):
                    return self.tensor_type(span(field, "a type"), "tensor" if field[0] == 1 else "sparse")
                if field[0] in (4, 9):
                    inner = [self.type(span(f, "a type")) for f in fields(span(field, "a type")) if f[0] == 1]
                    return TypeInfo("sequence" if field[0] == 4 else "optional", inner=inner[0] if inner else None)
                if field[0] in (5, 7):
                    return TypeInfo("map" if field[0] == 5 else "opaque")
        return TypeInfo()

    def tensor_type(self, whole: Span, form: str) -> TypeInfo:
        dtype, dims = "", None
        for field in fields(whole):
            if field[0] == 1:
                code = integer(field, "the type of elements")
                if code not in DTYPES and code != 0:
                    raise wire.damaged(self.store, whole.start, f"elements of the unknown type {code}")
                dtype = DTYPES.get(code, "")
            elif field[0] == 2:
                dims = tuple(self.dim(span(f, "a size")) for f in fields(span(field, "sizes")) if f[0] == 1)
                if len(dims) > MOST_AXES:
                    raise wire.damaged(self.store, whole.start, f"a value with more than {MOST_AXES} axes")
        return TypeInfo(form, dtype, dims)

    def dim(self, whole: Span) -> Dim:
        found: Dim = None
        for field in fields(whole):
            if field[0] == 1:
                number = integer(field, "a size")
                if number < -1:
                    raise wire.damaged(self.store, whole.start, f"the negative size {number}")
                found = None if number == -1 else number  # some writers say -1 where a size is open
            elif field[0] == 2:
                found = span(field, "the name of a size").text() or None
        return found


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _bytes(parser: _Parser, field: Field) -> str:
    whole = span(field, "a text")
    return whole.bytes().decode("utf-8", "replace") if whole.size <= wire.LONGEST_TEXT else ""


def _float(parser: _Parser, field: Field) -> float:
    (number,) = wire.floats(field, 1, "an attribute") or [0.0]
    return number


SINGLE: dict[int, Callable[[_Parser, Field], Any]] = {
    2: _float,
    3: lambda parser, field: integer(field, "an attribute"),
    4: _bytes,
    5: lambda parser, field: parser.tensor(span(field, "an attribute")),
    6: lambda parser, field: parser.graph(span(field, "an attribute")),
    14: lambda parser, field: parser.type(span(field, "an attribute")),
    22: lambda parser, field: parser.sparse(span(field, "an attribute")),
}
MANY: dict[int, Callable[[_Parser, Field], Any]] = {
    9: _bytes,
    10: lambda parser, field: parser.tensor(span(field, "an attribute")),
    11: lambda parser, field: parser.graph(span(field, "an attribute")),
    15: lambda parser, field: parser.type(span(field, "an attribute")),
    23: lambda parser, field: parser.sparse(span(field, "an attribute")),
}
PLACE = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 11: 22, 12: 23, 13: 14, 14: 15}
"""Field of the value by AttributeProto.AttributeType."""
ZERO = {2: 0.0, 3: 0, 4: ""}
