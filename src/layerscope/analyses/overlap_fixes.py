"""What makes an uneven enlargement even: three other layers in its place, each put into the network and analysed.

A kernel that the stride divides overlaps evenly; repeating values and convolving then has no overlap to begin with;
a convolution to more channels that are laid out as pixels is a transposed convolution whose kernel the stride
divides.

Source: Odena et al. (2016); Shi et al., "Is the deconvolution layer the same as a convolutional layer?" (2016);
Aitken et al., "Checkerboard artifact free sub-pixel convolution" (2017), for the initial weights of the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from layerscope.analyses.checkerboard import Checkerboard, Pattern, checkerboard, even, through
from layerscope.analyses.cost import cost
from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import LayerscopeError, SettingError
from layerscope.core.graph import Call, Graph, Symbolic, connect, trace_calls
from layerscope.core.sizes import Size, numbers
from layerscope.core.types import TensorType, example
from layerscope.layers.conv2d import Conv2D
from layerscope.layers.cropping2d import Cropping2D
from layerscope.layers.input_layer import Input
from layerscope.layers.pixel_shuffle2d import PixelShuffle2D
from layerscope.layers.up_sampling2d import UpSampling2D
from layerscope.layers.zero_padding2d import ZeroPadding2D


@dataclass(frozen=True)
class Fix:
    """One change of one layer, and the whole network with it.

    `words` say what stands in the layer's place; `parameters` and `macs` (None where unknown) are those of the
    network; `behind` is the pattern where the layer ended, if all before it is even, `ends` that of the network's
    first output.
    """

    layer: str
    way: str
    words: str
    graph: Graph
    parameters: int
    macs: Size | None
    behind: Pattern | None
    ends: Pattern | None


def fixes(graph: Graph, found: Checkerboard | None = None) -> tuple[Fix, ...]:
    """For every transposed convolution (or bed of nails) that overlaps unevenly what would be even in its place.

    Every fix was propagated: all its tensors that the network already had keep their types. What does not fit is left
    out, and so is what is no more even than before. Layers before it, and other uneven ones, stay as they are.
    """
    uneven = (found or checkerboard(graph)).uneven
    return tuple(fix for row in uneven for fix in _of(graph, row.name))


def repaired(graph: Graph, way: str) -> Graph:
    """The network with every uneven enlargement changed in this way, as far as it can be."""
    for _ in range(len(graph.nodes)):
        uneven = checkerboard(graph).uneven
        fix = next((fix for row in uneven for fix in _of(graph, row.name, way)), None)
        if fix is None:
            break
        graph = fix.graph
    return graph


def _of(graph: Graph, name: str, asked: str | None = None) -> Iterator[Fix]:
    """What would be even in a layer's place, in each way or the one asked for."""
    number = next(n for n, node in enumerate(graph.nodes) if node.label == name)
    layer: Any = graph.nodes[number].layer
    for way, build in _ways(layer).items():
        if asked not in (None, way):
            continue
        with suppress(LayerscopeError):
            fix = _tried(graph, number, way, build)
            if fix is not None:
                yield fix


def alone(layer: Any, type: TensorType, way: str | None = None) -> Graph:
    """A layer by itself, new and without activation, behind an input of this type; or, with `way`, what stands in its
    place. LayerscopeError where that does not fit; KeyError where the layer has no such way.
    """
    plain = replace(layer, activation=None) if hasattr(layer, "activation") else replace(layer)
    x = Input(numbers(type.shape[1:]))
    last = _put(plain, x) if way is None else _ways(layer)[way](plain, x)[0]
    return trace_calls([x], [last], way or "as it is")


def _ways(layer: Any) -> dict[str, Build]:
    ways: dict[str, Build] = {}
    if layer.kind in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"):
        ways["kernel"] = _divisible
    if layer.kind == "Conv2DTranspose" and not layer.first:
        ways |= {"resize": _resized, "subpixel": _shuffled}
    if layer.kind == "BedOfNails2D":
        ways["resize"] = _repeated
    return ways


Build = Callable[[Any, Symbolic], tuple[Symbolic, str]]
"""From a layer and its input to what stands in its place, and that in words."""


def _tried(graph: Graph, number: int, way: str, build: Build) -> Fix | None:
    """The network with a layer changed, and what the analyses say of it; None where it does not fit or help."""
    made: dict[int, tuple[Symbolic, ...]] = {}
    words, behind = "", None
    for place, node in enumerate(graph.nodes):
        fed = tuple(made[source][output] for source, output in node.inputs)
        types = node.layer.out(*(value.type for value in fed))
        if place == number:
            last, words = build(node.layer, fed[0])
            if last.type != types[0]:
                return None
            made[place], behind = (last,), _behind(last, fed[0])
            continue
        call = Call(node.layer, fed, types, node.scope, node.name)
        made[place] = tuple(Symbolic(call, n) for n in range(len(types)))
    if behind is None or not behind.even:
        return None
    inputs = [made[place][0] for place in graph.inputs]
    changed = trace_calls(inputs, [made[place][n] for place, n in graph.outputs], graph.name)
    costs = cost(changed, [tuple(example(type) for type in row) for row in propagate.types(changed)])
    rows = {row.name: row for row in checkerboard(changed).layers}
    end = rows[changed.nodes[changed.outputs[0][0]].label].so_far
    macs = None if costs.at_least else costs.macs
    return Fix(graph.nodes[number].label, way, words, changed, costs.parameters, macs, behind, end)


def _behind(last: Symbolic, first: Symbolic) -> Pattern | None:
    """The pattern behind a chain of layers whose input is even."""
    chain: list[Call] = []
    while last is not first:
        chain.append(last.call)
        last = last.call.inputs[0]
    pattern: Pattern | None = even(first.type.rank)
    for call in reversed(chain):
        (reads,) = call.layer.reach(0, *(value.type for value in call.inputs))
        pattern = None if pattern is None or reads is None else through(pattern, reads, call.types[0].rank)
    return pattern


def _put(layer: Layer, x: Symbolic) -> Symbolic:
    made = connect(layer, (x,))
    assert isinstance(made, Symbolic)
    return made


def _times(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def _factor(sizes: Sequence[int]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else _times(sizes)


def _framed(x: Symbolic, before: Sequence[int], after: Sequence[int]) -> Symbolic:
    """Zeros put around an image, or (where negative) rows and columns cut off."""
    more = [(max(b, 0), max(a, 0)) for b, a in zip(before, after, strict=True)]
    less = [(max(-b, 0), max(-a, 0)) for b, a in zip(before, after, strict=True)]
    if any(map(any, more)):
        x = _put(ZeroPadding2D(tuple(more)), x)
    return _put(Cropping2D(tuple(less)), x) if any(map(any, less)) else x


def _divisible(layer: Any, x: Symbolic) -> tuple[Symbolic, str]:
    """The same layer with the next larger kernel that the stride divides, cut to the same size."""
    kernel = [-(-k // s) * s for k, s in zip(layer.kernel_size, layer.strides, strict=True)]
    words = f"kernel {_times(kernel)} for {_times(layer.kernel_size)}"
    wider = replace(layer, kernel_size=tuple(kernel))
    made = _put(wider, x)
    if made.type == layer.out(x.type)[0] or layer.rank != 2 or layer.first:
        return made, words
    made = _put(replace(wider, padding="valid", output_padding=None), x)
    grown = [d * (k - o) for d, k, o in zip(layer.dilation_rate, kernel, layer.kernel_size, strict=True)]
    begin = [p.begin + g // 2 for p, g in zip(layer.placements(x.type), grown, strict=True)]
    spare = [
        a - b for a, b in zip(numbers(made.type.shape[1:3]), numbers(layer.out(x.type)[0].shape[1:3]), strict=True)
    ]
    begin = [max(min(b, s), min(s, 0)) for b, s in zip(begin, spare, strict=True)]
    cut = _framed(made, [-b for b in begin], [b - s for b, s in zip(begin, spare, strict=True)])
    return cut, f"{words}, cut to the same size"


def _resized(layer: Any, x: Symbolic) -> tuple[Symbolic, str]:
    """Values repeated, then a convolution with the same kernel."""
    target = layer.out(x.type)[0].shape[1:3]
    span = [d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    settings = {
        "dilation_rate": layer.dilation_rate, "groups": layer.groups, "activation": layer.activation,
        "use_bias": layer.use_bias, "kernel_initializer": layer.kernel_initializer,
        "bias_initializer": layer.bias_initializer,
    }  # fmt: skip
    y = _put(UpSampling2D(layer.strides), x)
    words = f"upsampling ×{_factor(layer.strides)}, conv {_times(layer.kernel_size)}"
    if y.type.shape[1:3] == target:
        return _put(Conv2D(layer.filters, layer.kernel_size, padding="same", **settings), y), words
    total = [t + k - n for t, k, n in zip(numbers(target), span, numbers(y.type.shape[1:3]), strict=True)]
    y = _framed(y, [n // 2 for n in total], [n - n // 2 for n in total])
    return _put(Conv2D(layer.filters, layer.kernel_size, **settings), y), words


def _shuffled(layer: Any, x: Symbolic) -> tuple[Symbolic, str]:
    """A convolution to a channel for each of the positions that one becomes, and these laid out."""
    target = layer.out(x.type)[0].shape[1:3]
    kernel = [-(-k // s) for k, s in zip(layer.kernel_size, layer.strides, strict=True)]
    channels = layer.filters * math.prod(layer.strides)
    if any(d > 1 for d in layer.dilation_rate):
        raise SettingError("a dilated transposed convolution is no subpixel convolution")
    start = {"initializer": "ICNR", "settings": {"size": list(layer.strides)}}
    words = f"conv {_times(kernel)}, pixel shuffle ×{_factor(layer.strides)}, ICNR"
    conv = Conv2D(
        channels, tuple(kernel), padding="same", groups=layer.groups, activation=layer.activation,
        use_bias=layer.use_bias, kernel_initializer=start,
    )  # fmt: skip
    y = _put(PixelShuffle2D(layer.strides), _put(conv, x))
    if y.type.shape[1:3] == target:
        return y, words
    short = [t - n for t, n in zip(numbers(target), numbers(y.type.shape[1:3]), strict=True)]
    if any(n > 0 for n in short):
        more = [max(0, -(-n // s)) for n, s in zip(short, layer.strides, strict=True)]
        x = _framed(x, [n // 2 for n in more], [n - n // 2 for n in more])
        y = _put(PixelShuffle2D(layer.strides), _put(conv, x))
        short = [t - n for t, n in zip(numbers(target), numbers(y.type.shape[1:3]), strict=True)]
    return _framed(y, [n // 2 for n in short], [n - n // 2 for n in short]), words


def _repeated(layer: Any, x: Symbolic) -> tuple[Symbolic, str]:
    """Values repeated in place of zeros between them."""
    return _put(UpSampling2D(layer.size), x), f"upsampling ×{_factor(layer.size)}"
