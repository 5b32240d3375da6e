"""A few lines of Python that use a layer, for its page: small arrays through it, or the trace of a network of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from layerscope.core.contract import Example, Layer, describe_settings
from layerscope.core.errors import LayerscopeError
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType

SMALL = (4, 5, 6, 8)
"""Sizes that axes are brought to, where the layer takes them."""
CALL = re.compile(r"\b([A-Z]\w+)\(")

MADE = {
    "InputLayer": """\
import layerscope as ls

print(ls.Input((28, 28, 1)).shape)
print(ls.trace("28x28x1 | flatten"))
""",
    "MaxUnpooling2D": """\
import numpy as np

from layerscope.layers import MaxPooling2D, MaxUnpooling2D

x = np.array([[3, 1, 4, 1], [5, 9, 2, 6], [5, 3, 5, 8], [9, 7, 9, 3]], "float32").reshape(1, 4, 4, 1)
largest, switches = MaxPooling2D(2, return_switches=True)(x)
print(largest[0, :, :, 0])
print(MaxUnpooling2D(2)(largest, switches)[0, :, :, 0])
""",
    "Opaque": """\
import layerscope as ls
from layerscope import Input, Model
from layerscope.core.types import TensorType
from layerscope.layers import Opaque

x = Input((5,), batch_size=2)
y = Opaque(type_name="Mystery", outputs=(TensorType((2, 8)),))(x)
print(ls.trace(Model(x, y)))
""",
}
"""Examples written by hand, of layers that are not called as others are."""
TRAINING = (
    "AlphaDropout", "BatchNormalization", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D",
)  # fmt: skip
"""Layers that are called as in training, where they do what they are for."""


def code(cls: type[Layer]) -> str:
    """The lines of Python; they print what the page shows behind them."""
    if cls.__name__ in MADE:
        return MADE[cls.__name__]
    for example in cls.examples():
        if example.layer.executable and all(type.dtype == "float32" for type in example.inputs):
            return _computed(example.layer, shrunk(example))
    return _traced(cls.examples()[0])


def shrunk(example: Example) -> tuple[TensorType, ...]:
    """The example's inputs with batch 1 and small sizes, equal where the example's are, if the layer takes them."""
    found = sorted({size for type in example.inputs for size in type.shape[1:] if isinstance(size, int)})
    choices = [tuple(n for n in SMALL if n < size) + (size,) if size > SMALL[0] else (size,) for size in found]
    best = sorted(product(*choices), key=sum)[:200]
    for sizes in best:
        to: dict[Size, Size] = dict(zip(found, sizes, strict=True))
        types = tuple(
            type.with_shape((1, *(to.get(size, size) for size in type.shape[1:]))) for type in example.inputs
        )
        try:
            outs = example.layer.out(*types)
        except LayerscopeError:
            continue
        if all(isinstance(size, int) and size > 0 for out in outs for size in out.shape):
            return types
    return example.inputs


def _computed(layer: Layer, types: Sequence[TensorType]) -> str:
    names = ["x"] if len(types) == 1 else [f"x{n + 1}" for n in range(len(types))]
    lines = [
        "import numpy as np",
        "",
        "import layerscope as ls",
        f"from layerscope.layers import {_names(layer)}",
        "",
    ]
    lines += ["ls.utils.set_random_seed(0)", "random = np.random.default_rng(0)"]
    lines.append(f"layer = {describe_settings(layer)}")
    for name, type in zip(names, types, strict=True):
        lines.append(f'{name} = random.integers(-4, 5, {tuple(type.shape)}).astype("float32")')
    training = ", training=True" if layer.kind in TRAINING else ""
    given = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
    lines.append(f"y = layer({given}{training})")
    for name, type in zip(names, types, strict=True):
        lines.append(f'print({name}.shape, {name}[0{_first(type)}], sep="\\n")')
    lines.append(f'print(y.shape, y[0{_first(layer.out(*types)[0])}].round(3), sep="\\n")')
    return "\n".join(lines) + "\n"


def _first(type: TensorType) -> str:
    """How to take so much of one example that it is read at a glance: of planes the first channel."""
    return "".join([", 0"] * max(0, type.rank - 4) + [", :, :, 0"] * (type.rank >= 4))


def _names(layer: Layer) -> str:
    return ", ".join(sorted(set(CALL.findall(describe_settings(layer)))))


def _traced(example: Example) -> str:
    layer, types = example.layer, example.inputs
    lines = ["import layerscope as ls", "from layerscope import Input, Model"]
    lines += [f"from layerscope.layers import {_names(layer)}", ""]
    names = ["x"] if len(types) == 1 else [f"x{n + 1}" for n in range(len(types))]
    for name, type in zip(names, types, strict=True):
        dtype = "" if type.dtype == "float32" else f', dtype="{type.dtype}"'
        lines.append(f"{name} = Input({tuple(type.shape[1:])}{dtype})")
    given = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
    lines.append(f"model = Model({given}, {describe_settings(layer)}({given}))")
    lines.append("print(ls.trace(model))")
    return "\n".join(lines) + "\n"
