"""What the page must know of the layers to read a line of text: their words and settings, for `layers.json`.

`layers.json` is `table()` as it was when it was written; a test compares the two, so that a layer's new setting or
word reaches the page.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any

from layerscope.core.contract import OF_TRAINING, snake_case
from layerscope.layers import kinds
from layerscope.layers._activation import DESCRIBED, NAMES, OTHER_NAMES
from layerscope.layers._upsampling import INTERPOLATIONS

KINDS = (
    "Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose", "MaxPooling2D", "AveragePooling2D",
    "GlobalAveragePooling2D", "GlobalMaxPooling2D", "UpSampling2D", "BedOfNails2D", "MaxUnpooling2D",
    "PixelShuffle2D", "ZeroPadding2D", "Cropping2D", "Flatten", "Reshape", "Dense", "Activation", "LeakyReLU",
    "Dropout", "BatchNormalization", "Identity",
)  # fmt: skip
"""The layers that the page computes by itself."""


def table() -> dict[str, Any]:
    """The page's layers, and the words of all the others, of which it says that only Python knows them."""
    found = kinds()
    layers: dict[str, Any] = {}
    for kind in KINDS:
        told = [f for f in fields(found[kind]) if f.init and not f.name.endswith(OF_TRAINING)]
        words = found[kind].words
        assert words is not None
        layers[kind] = {
            "name": snake_case(kind),
            "words": list(words.names),
            "places": list(words.places),
            "settings": [f.name for f in told],
            "needed": [f.name for f in told if f.default is MISSING and f.default_factory is MISSING],
        }
    others = {name for kind, cls in found.items() if kind not in KINDS for name in _spelled(kind, cls)}
    return {
        "layers": layers,
        "others": sorted(others),
        "activations": [*NAMES, *DESCRIBED],
        "synonyms": OTHER_NAMES,
        "interpolations": INTERPOLATIONS,
    }


def _spelled(kind: str, cls: Any) -> list[str]:
    return [kind.lower(), *(cls.words.names if cls.words else ())]


def written() -> str:
    """The text of `layers.json`."""
    told = table()
    lines = [f"    {json.dumps(kind)}: {json.dumps(entry)}" for kind, entry in told["layers"].items()]
    rest = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in told.items() if key != "layers"]
    return '{\n  "layers": {\n' + ",\n".join(lines) + "\n  },\n" + ",\n".join(rest) + "\n}\n"
