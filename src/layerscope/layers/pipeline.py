from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import Reads
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _wrapper


@dataclass(frozen=True, eq=False)
class Pipeline(Layer):
    """Layers one after the other as a single layer, mostly those that prepare and vary images.

    Shapes: as its layers say, each for the output of the one before it. Weights: the layers', as layer_0/kernel, ...
    MACs and other operations: the sums of the layers'.
    Errors: SettingError when `layers` is no list of layers; ShapeError when one does not fit the one before it.
    Source: Keras 3, `keras.layers.Pipeline`.
    """

    layers: Any

    executable = False
    law = "each of its layers, in order"

    def __post_init__(self) -> None:
        given = self.layers
        if not isinstance(given, tuple | list) or not given:
            raise SettingError(f"{self.kind}: layers must be a list of layers, not {given!r}")
        parts = cast(Sequence[Any], given)
        object.__setattr__(self, "layers", tuple(_wrapper.inner(part, f"{self.kind}: a part") for part in parts))

    @property
    def weights_known(self) -> bool:
        return all(layer.weights_known for layer in self.layers)

    def fed(self, types: Sequence[TensorType]) -> list[tuple[Layer, tuple[TensorType, ...], tuple[TensorType, ...]]]:
        """Each layer with the types of its inputs and outputs."""
        found: list[tuple[Layer, tuple[TensorType, ...], tuple[TensorType, ...]]] = []
        current = tuple(types)
        for layer in self.layers:
            made = _wrapper.answers(layer, *current)
            found.append((layer, current, made))
            current = made
        return found

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return self.fed(types)[-1][2]

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        weights: dict[str, WeightType] = {}
        for number, (layer, fed, _) in enumerate(self.fed(types)):
            weights |= _wrapper.prefixed(f"layer_{number}", layer.weight_types(*fed))
        return weights

    def macs(self, *types: TensorType) -> Size | None:
        total: Size = 0
        for layer, fed, _ in self.fed(types):
            part = layer.macs(*fed)
            if part is None:
                return None
            total = total + part
        return total

    def operations(self, *types: TensorType) -> Operations | None:
        total = Operations()
        for layer, fed, _ in self.fed(types):
            part = layer.operations(*fed)
            if part is None:
                return None
            total += part
        return total

    def saved(self, *types: TensorType) -> Saved | None:
        return _wrapper.chain_saved([(layer.saved(*fed), made) for layer, fed, made in self.fed(types)])

    def workspace(self, *types: TensorType) -> Size | None:
        most: Size = 0
        parts = self.fed(types)
        for number, (layer, fed, made) in enumerate(parts):
            part = layer.workspace(*fed)
            if part is None:
                return None
            between = [*(fed if number else ()), *(made if number < len(parts) - 1 else ())]
            for x in between[1 if layer.shares(*fed) is not None else 0 :]:  # a view has no memory of its own
                part = part + x.bytes
            most = sizes.maximum(most, part)
        return most

    def shares(self, *types: TensorType) -> int | None:
        views = [layer.shares(*fed) for layer, fed, _ in self.fed(types)]
        return views[0] if all(view == 0 for view in views[1:]) else None

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        *before, (layer, fed, _) = self.fed(types)
        reads: tuple[Reads | None, ...] = layer.reach(output, *fed)
        for earlier, given, _ in reversed(before):
            reads = _wrapper.chained(earlier.reach(0, *given), reads[0])
        return reads

    @classmethod
    def examples(cls) -> Sequence[Example]:
        layers = import_module("layerscope.layers")
        x = TensorType((2, 9, 8, 3))
        shrink = cls([layers.Resizing(6, 4), layers.Rescaling(1 / 255)])
        return [
            Example(shrink, (x,), (TensorType((2, 6, 4, 3)),)),
            Example(cls([layers.ZeroPadding2D(1), layers.Dense(5, "relu")]), (x,), (TensorType((2, 11, 10, 5)),)),
        ]

    spellings = {
        "keras": Spelling("Pipeline"),
        "torch": Spelling("torch.nn.Sequential"),
        "onnx": Spelling("", "its operators one after the other"),
    }
