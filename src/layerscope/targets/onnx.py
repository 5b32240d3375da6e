"""A model as ONNX: `model` makes the ModelProto, `write` the file. `onnx` alone is needed, no framework.

Inputs and outputs are those of `Model.predict`, channels last, with the batch open. Inside, images are channels
first, as ONNX's operators want them: a value is turned when an operator first needs it the other way round, once, so
neighbours that agree have no Transpose between them.

Opset 18 (ONNX 1.13, 2022): the last one that every runtime in use reads. All it lacks is Gelu, which is five
operators here. Source: https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core import propagate, sizes
from layerscope.core.errors import ExportError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph, Node
from layerscope.core.sizes import Expression, Floor, Maximum, Named, Size
from layerscope.core.types import TensorType
from layerscope.targets import framework, output_names, refuse

if TYPE_CHECKING:
    from layerscope.models import Model

OPSET, IR = 18, 8
WHOLE = ("bool", "uint8", "int32", "int64")
"""Types of inputs that are kept; all others are single precision."""
LIMIT = (1 << 31) - 1
"""Bytes that one protobuf message holds."""


def channels_first(rank: int) -> tuple[int, ...]:
    """Where the axes of a tensor with its channels first stand in one with its channels last."""
    return (0, rank - 1, *range(1, rank - 1))


def channels_last(rank: int) -> tuple[int, ...]:
    """Where the axes of a tensor with its channels last stand in one with its channels first."""
    return (0, *range(2, rank), 1)


@dataclass
class Value:
    """A tensor of the network under the names that it has: channels last, channels first (rank 3 to 5 only).

    `pool` is the node of the max pool whose switches these are.
    """

    type: TensorType
    last: str | None = None
    first: str | None = None
    pool: Node | None = None

    @property
    def image(self) -> bool:
        """Whether it may lie channels first: an image, a sequence or a volume."""
        return self.type.rank in (3, 4, 5)


@dataclass
class Writer:
    """Operators and constants of the graph while it is written."""

    onnx: Any
    model: Model
    nodes: list[Any] = field(default_factory=list[Any])
    constants: dict[object, Any] = field(default_factory=dict[object, Any])
    sizes: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    looked_up: dict[str, str] = field(default_factory=dict[str, str])
    where: str = ""
    taken: set[str] = field(default_factory=set[str])

    def unique(self, name: str) -> str:
        """`name`, numbered where it is taken."""
        found, number = name, 1
        while found in self.taken:
            found, number = f"{name}_{number}", number + 1
        self.taken.add(found)
        return found

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """One operator; the name of its output, or names of its outputs."""
        title = self.unique(f"{self.where}/{kind}")
        names = [title if number == 0 else f"{title}:{number}" for number in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, name=title, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array: Any, name: str | None = None, dtype: Any = None) -> str:
        """The name of a constant with these numbers; equal ones are one."""
        held = np.ascontiguousarray(array, dtype)
        label = name or (str(held.dtype), held.shape, held.tobytes())
        if label not in self.constants:
            known = self.unique(name or f"constant_{len(self.constants)}")
            self.constants[label] = self.onnx.numpy_helper.from_array(held, known)
        return self.constants[label].name

    def whole(self, *numbers: int) -> str:
        """A constant row of whole numbers."""
        return self.constant(np.array(numbers, np.int64))

    def weight(self, node: Node, role: str, *order: int, shape: Sequence[int] | None = None) -> str:
        """A weight of a node in float32, with its axes in another order, or in another shape."""
        id = node.weights[role]
        array = self.model._variables[id].array.astype(np.float32)
        array = array.transpose(order) if order else array
        name = id if not order and shape is None else f"{id}:{','.join(map(str, shape or order))}"
        return self.constant(array if shape is None else array.reshape(shape), name)

    # --- values ---

    def first(self, value: Value) -> str:
        """The value channels first."""
        if value.first is None:
            assert value.last is not None
            value.first = str(self.op("Transpose", value.last, perm=channels_first(value.type.rank)))
        return value.first

    def last(self, value: Value) -> str:
        """The value as the network has it, channels last."""
        if value.last is None:
            assert value.first is not None
            value.last = str(self.op("Transpose", value.first, perm=channels_last(value.type.rank)))
        return value.last

    def put(self, type: TensorType, name: str, first: bool) -> Value:
        """What an operator made, channels first or as the network has it."""
        return Value(type, first=name) if first else Value(type, last=name)

    # --- sizes that are known when the network runs ---

    def size(self, size: Size) -> str:
        """A row of one whole number: a size, worked out from those of the inputs where it is open."""
        if isinstance(size, int):
            return self.whole(size)
        total: str | None = None
        for monomial, factor in size.terms:
            term = None if factor == 1 and monomial else self.whole(factor)
            for atom in monomial:
                term = self._atom(atom) if term is None else self.op("Mul", term, self._atom(atom))
            assert term is not None
            total = term if total is None else self.op("Add", total, term)
        assert total is not None
        return total

    def _atom(self, atom: Named | Floor | Maximum) -> str:
        if isinstance(atom, Floor):
            return self.op("Div", self.size(atom.numerator), self.whole(atom.denominator))
        if isinstance(atom, Maximum):
            return self.op("Max", self.size(atom.left), self.size(atom.right))
        if atom.name not in self.looked_up:
            if atom.name not in self.sizes:
                raise ExportError(
                    f"this model cannot become ONNX: {self.where} needs the size {atom}, which no input has"
                )
            label, axis = self.sizes[atom.name]
            self.looked_up[atom.name] = self.op("Gather", self.op("Shape", label), self.whole(axis), axis=0)
        return self.looked_up[atom.name]

    def shape(self, *parts: Size) -> str:
        """A shape as a row of whole numbers."""
        if all(isinstance(part, int) for part in parts):
            return self.whole(*sizes.numbers(parts))
        return self.op("Concat", *(self.size(part) for part in parts), axis=0)


def model(model: Model, name: str | None = None) -> Any:
    """The model as an `onnx.ModelProto` with its weights in float32; checked, with shapes inferred.

    Shapes: inputs and outputs as those of `Model.predict`, channels last; open sizes stay open, by their names.
    Errors: ExportError, naming each layer that cannot be expressed and why; or when the package onnx is missing.
    """
    onnx = framework("onnx", "ONNX", "pip install onnx")
    from layerscope.targets import _onnx_layers as layers
    from layerscope.targets import _onnx_normalisation, _onnx_pointwise, _onnx_spatial  # noqa: F401

    graph = model.graph
    refuse(graph, "ONNX", layers.FORMS)
    size = 4 * sum(row.size for row in graph.parameters.values())
    if size > LIMIT - (1 << 24):
        raise ExportError(
            f"this model cannot become ONNX: the weights take {size:,} bytes, and one ONNX file holds {LIMIT:,}; use "
            "a .pt2 or .npz file"
        )
    writer = Writer(onnx, model, taken={node.label for node in graph.nodes})
    inputs = [_input(writer, graph.nodes[number]) for number in graph.inputs]
    found = _walk(writer, graph, layers.FORMS)
    outputs = _outputs(writer, graph, found)
    body = onnx.helper.make_graph(
        writer.nodes, name or model.name, inputs, outputs, initializer=list(writer.constants.values())
    )
    proto = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR)
    _sign(onnx, proto)
    onnx.checker.check_model(proto, full_check=True)
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True)


def write(model_: Model, path: str | os.PathLike[str]) -> None:
    """Write the model as an ONNX file. Errors: as `model`; OutputError when the file cannot be written."""
    content = model(model_).SerializeToString()
    with replacing(path) as aside:
        aside.write_bytes(content)


def _sign(onnx: Any, proto: Any) -> None:
    from layerscope import __version__

    proto.producer_name, proto.producer_version = "layerscope", __version__
    onnx.helper.set_model_props(proto, {"layerscope": __version__, "layout": "channels last"})


def _element(onnx: Any, type: TensorType) -> int:
    return onnx.TensorProto.INT32 if type.dtype == "int32" else onnx.TensorProto.FLOAT


def _dimensions(type: TensorType) -> list[int | str]:
    return [size if isinstance(size, int) else str(size) for size in type.shape]


def _input(writer: Writer, node: Node) -> Any:
    """An input; where the sizes that it leaves open can be looked up."""
    (type,) = node.layer.out()
    for axis, size in enumerate(type.shape):
        if isinstance(size, Expression):
            writer.sizes.setdefault(str(size), (node.label, axis))
    element = getattr(writer.onnx.TensorProto, type.dtype.upper() if type.dtype in WHOLE else "FLOAT")
    return writer.onnx.helper.make_tensor_value_info(node.label, element, _dimensions(type))


def _given(writer: Writer, type: TensorType, label: str) -> Value:
    """An input as a value: whole numbers but switches become others, as in `Model.predict`."""
    if type.dtype not in WHOLE or type.dtype == "int32":
        return Value(type, label)
    writer.where = label
    return Value(type, writer.op("Cast", label, to=writer.onnx.TensorProto.FLOAT))


def _walk(writer: Writer, graph: Graph, forms: dict[str, Any]) -> list[tuple[Value, ...]]:
    types = propagate.types(graph)
    number = {id(node): place for place, node in enumerate(graph.nodes)}

    def rule(node: Node, fed: tuple[Value, ...]) -> tuple[Value, ...]:
        writer.where = node.label
        out = types[number[id(node)]]
        cast = [
            value if at in node.layer.integer_inputs or out[0].dtype == "int32" else _floats(writer, value)
            for at, value in enumerate(fed)
        ]
        made = forms[type(node.layer).__name__](writer, node, *cast, out=out)
        return made if isinstance(made, tuple) else (made,)

    seeds = {place: (_given(writer, types[place][0], graph.nodes[place].label),) for place in graph.inputs}
    return propagate.forward(graph, seeds, rule)


def _floats(writer: Writer, value: Value) -> Value:
    """Switches that are used as numbers become such."""
    if value.type.dtype != "int32":
        return value
    name = writer.op("Cast", value.first or value.last or "", to=writer.onnx.TensorProto.FLOAT)
    return writer.put(replace(value.type, dtype="float32"), name, value.first is not None)


def _outputs(writer: Writer, graph: Graph, found: list[tuple[Value, ...]]) -> list[Any]:
    """The outputs under the names of their layers, without an operator more where that is possible."""
    named = {graph.nodes[number].label for number in graph.inputs}
    told: list[Any] = []
    for (node, number), label in zip(graph.outputs, output_names(graph), strict=True):
        value = found[node][number]
        writer.where = graph.nodes[node].label
        name = writer.last(value)
        if name in named:
            writer.nodes.append(writer.onnx.helper.make_node("Identity", [name], [label], name=f"{label}/Identity"))
        else:
            _rename(writer.nodes, name, label)
            value.last = label
        named.add(label)
        element, dimensions = _element(writer.onnx, value.type), _dimensions(value.type)
        told.append(writer.onnx.helper.make_tensor_value_info(label, element, dimensions))
    return told


def _rename(nodes: list[Any], old: str, new: str) -> None:
    for node in nodes:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == old:
                    names[at] = new
