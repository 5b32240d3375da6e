from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import Reads
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _wrapper

NORMALISED = ("kernel", "embeddings")


@dataclass(frozen=True, eq=False)
class SpectralNormalization(Layer):
    """The inner layer with its kernel divided, while training, by its largest singular value, which is estimated.

    Each training step makes `power_iterations` steps towards the singular vector that it keeps as vector_u. At
    inference the inner layer computes with the kernel that training left, so this one adds nothing.

    Shapes: as the inner layer. Weights: those of the inner layer, and behind its kernel vector_u (1, last axis of the
    kernel), not trainable.
    MACs: those of the inner layer.
    Errors: SettingError when `layer` is no layer; ShapeError when it has no kernel, or the input does not fit it.
    Source: Miyato et al., "Spectral normalization for generative adversarial networks" (2018).
    """

    layer: Any
    power_iterations: Any = 1

    executable = False
    law = "(...) → inner(...)"

    def __post_init__(self) -> None:
        _wrapper.inner(self.layer, f"{self.kind}: layer")
        given = sizes.checked(self.power_iterations, f"{self.kind}: power_iterations")
        object.__setattr__(self, "power_iterations", given)

    @property
    def weights_known(self) -> bool:
        return self.layer.weights_known

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        found = _wrapper.answers(self.layer, *types)
        self._normalised(*types)
        return found

    def _normalised(self, *types: TensorType) -> str:
        """The inner weight that is normalised."""
        weights: dict[str, WeightType] = self.layer.weight_types(*types)
        for name in NORMALISED:
            if name in weights:
                return name
        raise ShapeError(f"the inner {self.layer.kind} has neither a kernel nor embeddings to be normalised")

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        normalised = self._normalised(*types)
        found: dict[str, WeightType] = {}
        for name, weight in self.layer.weight_types(*types).items():
            found[name] = weight
            if name == normalised:
                found["vector_u"] = WeightType((1, weight.shape[-1]), "truncated_normal", trainable=False)
        return found

    def macs(self, *types: TensorType) -> Size | None:
        return self.layer.macs(*types)

    def operations(self, *types: TensorType) -> Operations | None:
        return self.layer.operations(*types)

    def saved(self, *types: TensorType) -> Saved | None:
        return self.layer.saved(*types)

    def workspace(self, *types: TensorType) -> Size | None:
        return self.layer.workspace(*types)

    def shares(self, *types: TensorType) -> int | None:
        return self.layer.shares(*types)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return self.layer.reach(output, *types)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        layers = import_module("layerscope.layers")
        x = TensorType((2, 9, 7, 3))
        return [
            Example(cls(layers.Conv2D(4, 3)), (x,), (TensorType((2, 7, 5, 4)),)),
            Example(cls(layers.Dense(5), 2), (TensorType((2, 8)),), (TensorType((2, 5)),)),
        ]

    spellings = {
        "keras": Spelling("SpectralNormalization"),
        "torch": Spelling("torch.nn.utils.parametrizations.spectral_norm"),
        "onnx": Spelling("", "files hold the kernel as training left it"),
    }
