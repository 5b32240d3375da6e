"""From a layer of a journey to the screen that shows it alone, with the layer's own settings as far as these go."""

from __future__ import annotations

from typing import Any

from layerscope.core.contract import Layer
from layerscope.lab import state
from layerscope.lab.net import Net

SCREENS = {
    "Conv2D": "conv", "DepthwiseConv2D": "conv", "SeparableConv2D": "conv", "Conv2DTranspose": "convt",
    "MaxPooling2D": "pool", "UpSampling2D": "upsampling", "BedOfNails2D": "upsampling",
    "MaxUnpooling2D": "upsampling", "Dense": "dense",
}  # fmt: skip


def of_layer(found: Net, stage: int, kind: str) -> str:
    """The hash of a stage's own screen; "" where there is none."""
    screen = SCREENS.get(kind, "")
    entries = state.described()["screens"].get(screen)
    if not entries or found.graph is None:
        return ""
    shape = [int(str(size)) for size in found.types[stage - 1][0].shape[1:]]
    asked = _settings(found.graph.nodes[stage].layer, shape)
    told = {entry["name"]: _fitted(entry, asked[entry["name"]]) for entry in entries if entry["name"] in asked}
    return state.spell(screen, told)


def _fitted(entry: dict[str, Any], value: Any) -> Any:
    """A value that the screen can be set to."""
    if entry["kind"] == "int":
        return min(max(value, entry["min"]), entry["max"])
    return value if value in entry.get("choices", [value]) else entry["default"]


def _settings(layer: Layer, shape: list[int]) -> dict[str, Any]:
    """What the screens call the settings of a layer; of unequal axes the first."""
    told: Any = layer
    if layer.kind == "Dense":
        return {"units": told.units, "n": shape[-1], "rows": shape[-2] if len(shape) > 1 else 1}
    found: dict[str, Any] = {"n": shape[0]}
    window = getattr(told, "kernel_size", getattr(told, "pool_size", None))
    factor = getattr(told, "strides", None) or told.size
    found |= {"k": window[0] if window else factor[0], "s": factor[0]}
    found["d"] = getattr(told, "dilation_rate", (1,))[0]
    padding = getattr(told, "padding", "valid")
    found["pad"] = padding
    covered = found["d"] * (found["k"] - 1) + 1
    found["p"] = (covered - 1) // 2 if padding == "same" else 0
    if layer.kind == "Conv2DTranspose":
        found |= _cropped(told, shape[0], covered, found["s"])
    return found


def _cropped(layer: Any, n: int, covered: int, s: int) -> dict[str, int]:
    """Keras's padding as one crop on both sides and an output padding: the size is the same."""
    out = layer.out(_square(layer, n))[0].shape[1]
    total = (n - 1) * s + covered - out
    p = max(-(-total // 2), 0)
    return {"p": p, "op": 2 * p - total}


def _square(layer: Any, n: int) -> Any:
    from layerscope.core.types import TensorType

    return TensorType((1, n, n, layer.groups))
