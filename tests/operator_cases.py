"""The examples of described operators, and a network of each."""

from __future__ import annotations

from layerscope import operators
from layerscope.core.contract import Example
from layerscope.core.graph import Call, Graph, Symbolic, trace_calls
from layerscope.layers import InputLayer

EXAMPLES = [example for cls in operators.kinds().values() for example in cls.examples()]
OURS = {
    f"layerscope.operators.{name}"
    for name in (
        *("attention", "convolution", "losses", "normalisation", "pointwise", "pooling", "products", "recurrent"),
        *("reductions", "resize", "signal", "strings", "transformers"),
    )
}


def title(case: Example) -> str:
    return f"{type(case.layer).__name__}-{case.layer.kind} on {' and '.join(map(str, case.inputs))}"


def graph_of(case: Example) -> Graph:
    """A network of inputs and the one operator."""
    fed = []
    for number, kind in enumerate(case.inputs):
        layer = InputLayer(kind.shape[1:], kind.shape[0], kind.dtype, name=f"x{number}")
        fed.append(Symbolic(Call(layer, (), layer.out())))
    call = Call(case.layer, tuple(fed), case.layer.out(*case.inputs))
    return trace_calls(fed, [Symbolic(call, n) for n in range(len(call.types))])
