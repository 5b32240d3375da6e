"""One operator of ONNX: computed by ONNX Runtime, and read by our source from the same bytes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.types import TensorType
from layerscope.sources import onnx as source

OPSET = 21


@cache
def modules() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx
        import onnxruntime
    return onnx, onnxruntime


@dataclass
class Read:
    """Our layer of the node, the types that it is given and those that it gives."""

    layer: Layer
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]

    @property
    def macs(self):
        return self.layer.macs(*self.inputs)


@dataclass
class Operation:
    """A model of one node: what is fed has the shape of `x`; the other operands are stored in the model."""

    model: Any
    feeds: dict[str, np.ndarray]

    def session(self):
        _, runtime = modules()
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        return runtime.InferenceSession(self.model.SerializeToString(), options, ["CPUExecutionProvider"])

    def run(self) -> list[np.ndarray]:
        return self.session().run(None, self.feeds)

    def read(self) -> Read:
        graph = source.read_bytes(self.model.SerializeToString(), "model")
        types = propagate.types(graph)
        (edge, *_) = graph.outputs
        return Read(graph.nodes[edge[0]].layer, propagate.fed_types(graph, types)[edge[0]], types[edge[0]])


def operation(
    op: str, fed: list, stored: list = (), outputs: int = 1, opset: int = OPSET, domain: str = "", **attributes
) -> Operation:
    """The node op(*fed, *stored); an operand that is None is left out."""
    onnx, _ = modules()
    given = [*fed, *stored]
    names = [f"x{n}" if a is not None else "" for n, a in enumerate(given)]
    made = [f"y{n}" for n in range(outputs)]
    node = onnx.helper.make_node(op, names, made, domain=domain, **attributes)
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in zip(names, fed, strict=False)
        if a is not None
    ]
    constants = [
        onnx.numpy_helper.from_array(np.asarray(a), name)
        for name, a in zip(names[len(fed) :], stored, strict=True)
        if a is not None
    ]
    results = [onnx.helper.make_empty_tensor_value_info(name) for name in made]
    graph = onnx.helper.make_graph([node], op, inputs, results, constants)
    opsets = [onnx.helper.make_opsetid("", opset)] + ([onnx.helper.make_opsetid(domain, 1)] if domain else [])
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    model = onnx.shape_inference.infer_shapes(model)
    for result in model.graph.output:  # the shapes are what is to be compared: our reader must not see them
        result.ClearField("type")
    return Operation(model, {n: a for n, a in zip(names, fed, strict=False) if n})


def ones(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.ones(shape, dtype)
