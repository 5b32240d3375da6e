"""A model's inputs and outputs, and the whole of it as a Graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from layerscope.core.dataclasses import replace
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.graph import Call, Graph, Symbolic, trace_calls
from layerscope.core.graph import Node as Placed
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers.input_layer import OPEN
from layerscope.operators._operator import Operator
from layerscope.sources._followed import input_layer
from layerscope.sources._onnx import frames, rules
from layerscope.sources._onnx.frames import Entry, Listed
from layerscope.sources._onnx.reader import Reader
from layerscope.sources._onnx.site import Operand
from layerscope.sources._onnx.structures import ModelInfo, Node, TypeInfo
from layerscope.sources._orientation import oriented

CHANNELS = (
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "MaxPool", "AveragePool", "LpPool",
    "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool", "MaxUnpool", "BatchNormalization", "InstanceNormalization",
    "GroupNormalization", "LRN", "SpaceToDepth", "DepthToSpace", "GridSample", "RoiAlign", "MaxRoiPool", "Upsample",
)  # fmt: skip
"""Operators whose axis 1 is the channels'."""
FORMS = {
    "": "of a type that the file does not state",
    "sequence": "a sequence, of which only the data say how many tensors are in it",
    "optional": "optional, and only the data say whether it is there",
    "map": "a map, which has no shape",
    "sparse": "a sparse tensor, which is not followed here",
    "opaque": "of a type of its own, which has no shape",
}
"""Why an input that is no tensor is refused."""


def graph(model: ModelInfo, name: str) -> Graph:
    """The network of a file; SourceError, naming the node, where it cannot be read."""
    reader = Reader(model)
    main = model.graph
    frame = reader.frame(main, None, ())
    fed = [(label, info) for label, info in main.inputs if label not in frame.values]
    types = [_type(reader, label, info, len(fed)) for label, info in fed]
    inputs: list[Symbolic] = []
    for (label, _), kind in zip(fed, types, strict=True):
        if label in frame.values:
            raise SourceError(f"two inputs are called {label!r}")
        _, free = reader.names.unique((), label or "input")
        inputs.append(_input(kind, free))
        frame.values[label] = Operand(label, kind, inputs[-1])
    if not main.outputs:
        raise SourceError("the graph has no outputs")
    frames.bounded(main, model.functions)
    found = reader.run(main.nodes, frame, [label for label, _ in main.outputs])
    outputs = [
        reader.tensor(operand, Node("", "", "", (), (), {}), frame) for entry in found for operand in _operands(entry)
    ]
    if not outputs:
        raise SourceError("every output is an empty sequence, or absent")
    used = _used(outputs)
    made = trace_calls([x for x in inputs if id(x.call) in used], outputs, name)
    counted = replace(made, nodes=tuple(_counted(node, reader.times) for node in made.nodes))
    return oriented(counted, lambda node, _: node.layer.kind in CHANNELS)


def _counted(node: Placed, times: Mapping[int, Size | None]) -> Placed:
    """The node with how often it counts."""
    if id(node.layer) not in times or not isinstance(node.layer, Operator):
        return node
    return replace(node, layer=replace(node.layer, times=times[id(node.layer)]))


def _operands(entry: Entry) -> Iterable[Operand]:
    if entry is None:
        return ()
    return entry.parts if isinstance(entry, Listed) else (entry,)


def _type(reader: Reader, label: str, info: TypeInfo | None, inputs: int) -> TensorType:
    """The type of an input. Its first size, where open and not called otherwise, is the number of examples."""
    if info is None or info.form != "tensor":
        raise SourceError(f"the input {label!r} is {FORMS['' if info is None else info.form]}")
    if info.dims is None or not info.dtype:
        raise SourceError(
            f"the input {label!r} has no shape in the file, not even the number of its axes; "
            "write one into it (onnx.helper.make_tensor_value_info) and try again"
        )
    rank, prefix = len(info.dims), f"{label}_" if inputs > 1 else ""
    behind = OPEN[rank] if rank in (4, 5) else ()  # images and volumes; of three axes nobody can say
    names = ("batch", "channels", *behind) if behind else tuple(f"size_{axis}" for axis in range(rank))
    shape = [reader.sizes.batch(info.dims[0])] if rank else []
    shape += [reader.sizes.size(dim, prefix + stem) for dim, stem in zip(info.dims[1:], names[1:], strict=True)]
    return TensorType(tuple(shape), info.dtype)


def _input(kind: TensorType, name: str) -> Symbolic:
    return Symbolic(Call(input_layer(kind, name), (), (kind,), name=name))


def _used(outputs: Sequence[Symbolic]) -> set[int]:
    seen, stack = set[int](), [value.call for value in outputs]
    while stack:
        call = stack.pop()
        if id(call) not in seen:
            seen.add(id(call))
            stack += [value.call for value in call.inputs]
    return seen


def read(model: ModelInfo, name: str, where: str) -> Graph:
    """As `graph`; errors name the file."""
    rules.table()
    try:
        return graph(model, name)
    except LayerscopeError as error:
        raise SourceError(f"{where}: {error}") from None
    except RecursionError:
        raise SourceError(f"{where}: graphs, functions or sizes nested too deep") from None
