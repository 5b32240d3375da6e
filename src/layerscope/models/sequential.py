"""Sequential: a chain of layers, built as soon as the input's shape is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope import losses, optimizers
from layerscope.core import sketch
from layerscope.core.contract import Layer
from layerscope.core.errors import GraphError, LayerscopeError, ShapeError
from layerscope.core.graph import Call, Graph, Symbolic, trace_calls
from layerscope.layers.input_layer import Input, InputLayer
from layerscope.models import data
from layerscope.models.batches import Batches, of_batches
from layerscope.models.model import Model
from layerscope.models.streams import stored

BUILT = (
    "graph", "objectives", "history", "stop_training", "_types", "_variables", "_single", "_state", "_job",
    "_specific", "_optimizer", "_engine", "_precision", "_trained", "_compiled_still", "position",
)  # fmt: skip
"""What a model has once its input's shape is known."""


class Sequential(Model):
    """Layers one after another: Sequential([Input((28, 28, 1)), Conv2D(16, 3), ...]).

    Without an Input it is built at the first call on data (fit, predict).
    Source: Keras 3, `keras.Sequential`.
    """

    def __init__(self, layers: Sequence[Any] | None = None, name: str | None = None) -> None:
        self._parts: list[Any] = []
        self.name = name or "sequential"
        self._shape: Sequence[int | None] | None = None
        self._compiled_as: dict[str, Any] | None = None
        for layer in layers or ():
            self._append(layer)
        self._build()

    def add(self, layer: Any) -> None:
        """Append a layer, an Input or a model; ShapeError, leaving the chain as it was, when it does not fit."""
        self._append(layer)
        try:
            self._build()
        except LayerscopeError:
            self._parts.pop()
            self._build()
            raise

    def pop(self) -> Any:
        """Remove the last layer."""
        if not self._parts:
            raise GraphError("there is no layer to remove")
        gone = self._parts.pop()
        self.__dict__.pop("graph", None)
        self._build()
        return gone

    def _append(self, layer: Any) -> None:
        if not isinstance(layer, Layer | Model | Symbolic):
            raise GraphError(f"Sequential takes layers, an Input or models, not {type(layer).__name__}")
        if isinstance(layer, Symbolic | InputLayer) and self._parts:
            raise GraphError("Input stands first in a Sequential")
        self._parts.append(layer)

    @property
    def layers(self) -> list[Any]:
        """The layers and models that it was given, without the Input, as in Keras."""
        return [part for part in self._parts if not isinstance(part, Symbolic | InputLayer)]

    def __repr__(self) -> str:
        if "graph" in self.__dict__:
            return super().__repr__()
        return f"<{type(self).__name__} {self.name!r}: not built yet, {len(self.layers)} layers>"

    def _build(self, shape: Sequence[int | None] | None = None) -> None:
        if not self._parts:
            return
        first, rest = self._parts[0], self._parts[1:]
        if isinstance(first, InputLayer):
            first = Symbolic(Call(first, (), first.out()))
        if shape is None and isinstance(first, Model) and "graph" in first.__dict__:
            shape = first.input_shape[1:]
        shape = self._shape if shape is None else shape
        if not isinstance(first, Symbolic):
            if shape is None:
                return
            first, rest = Input(tuple(shape)), self._parts
        if not rest:
            return
        try:
            tensor = _chained(first, rest)
        except ShapeError as error:
            raise error.of(lambda: _sketched(first, rest, self.name))  # noqa: B904 - the same error
        if not isinstance(tensor, Symbolic):
            raise GraphError(
                f"{type(self._parts[-1]).__name__} has {len(tensor)} outputs, but a Sequential has one; "
                "use Model(inputs, outputs)"
            )
        self._take(trace_calls([first], [tensor], self.name), single=True)
        self._shape = shape
        if self._compiled_as is not None:
            super().compile(**self._compiled_as)

    def __getattr__(self, name: str) -> Any:
        if name in BUILT:
            raise GraphError(
                "this Sequential is not built yet: start it with Input(shape), or call fit or predict on data"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **settings: Any,
    ) -> None:
        """As Model.compile; before the model is built, kept until then."""
        asked = {"optimizer": optimizer, "loss": loss, "loss_weights": loss_weights, "metrics": metrics}
        asked |= {"weighted_metrics": weighted_metrics} | settings
        if "graph" in self.__dict__:
            super().compile(**asked)
        else:
            optimizers.get(optimizer)
            if isinstance(loss, str):
                losses.get(loss)
        self._compiled_as = asked

    def _ready(self, x: Any, y: Any = None) -> Any:
        """x, which builds the model first where need be."""
        if "graph" in self.__dict__ or x is None:
            return x
        given = Batches.of(x) if of_batches(x, y) else None
        first = x if given is None else given.first()[0]
        (value,) = data.listed(list(first.values()) if isinstance(first, Mapping) else first, ["x"], "x")
        like = isinstance(value, Symbolic) or stored(value)
        shape = value.shape if like else data.numbers(value, "x").shape
        if len(shape) > 1:
            self._build(shape[1:])
        return x if given is None else given

    def fit(self, x: Any = None, y: Any = None, *args: Any, **settings: Any) -> Any:
        """As Model.fit, building the model first where need be."""
        return super().fit(self._ready(x, y), y, *args, **settings)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **settings: Any) -> Any:
        """As Model.evaluate, building the model first where need be."""
        return super().evaluate(self._ready(x, y), y, *args, **settings)

    def predict(self, x: Any, *args: Any, **settings: Any) -> Any:
        """As Model.predict, building the model first where need be."""
        return super().predict(self._ready(x), *args, **settings)

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **settings: Any) -> Any:
        """As Model.train_on_batch, building the model first where need be."""
        return super().train_on_batch(self._ready(x, y), y, *args, **settings)

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **settings: Any) -> Any:
        """As Model.test_on_batch, building the model first where need be."""
        return super().test_on_batch(self._ready(x, y), y, *args, **settings)

    def predict_on_batch(self, x: Any) -> Any:
        """As Model.predict_on_batch, building the model first where need be."""
        return super().predict_on_batch(self._ready(x))

    def __call__(self, *inputs: Any, training: bool = False) -> Any:
        """As Model's call, building the model first where need be."""
        if len(inputs) == 1:
            self._ready(inputs[0])
        return super().__call__(*inputs, training=training)


def _chained(first: Symbolic, rest: Sequence[Any]) -> Any:
    tensor: Any = first
    for layer in rest:
        tensor = layer(tensor)
    return tensor


def _sketched(first: Symbolic, rest: Sequence[Any], name: str) -> Graph:
    """The chain, whether its sizes fit or not."""
    with sketch.sketching():
        return trace_calls([first], [_chained(first, rest)], name)
