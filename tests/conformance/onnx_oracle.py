"""ONNX Runtime, forward only, in float32: each layer as one operator (two for some)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from layerscope.core.contract import Example

from .oracles import Answer, pads_of, transposed

SPELLED: dict[str, Callable[..., Any]] = {}
OPSET = 21
"""Gelu came with 20."""


def spells(*kinds: str):
    def keep(function):
        SPELLED.update(dict.fromkeys(kinds, function))
        return function

    return keep


@cache
def modules() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx
        import onnxruntime
    return onnx, onnxruntime


def model_of(op: str, arrays, outputs: int = 1, **attributes):
    """A model of one node; an input that is None is left out."""
    onnx, _ = modules()
    names = [f"x{n}" if a is not None else "" for n, a in enumerate(arrays)]
    made = [f"y{n}" for n in range(outputs)]
    node = onnx.helper.make_node(op, names, made, **attributes)
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in zip(names, arrays, strict=True)
        if a is not None
    ]
    results = [onnx.helper.make_empty_tensor_value_info(name) for name in made]
    graph = onnx.helper.make_graph([node], op, inputs, results)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model), {n: a for n, a in zip(names, arrays, strict=True) if n}


def run(op: str, *arrays, outputs: int = 1, **attributes):
    """What ONNX Runtime makes of one operator."""
    _, runtime = modules()
    model, feeds = model_of(
        op, [None if a is None else np.ascontiguousarray(a) for a in arrays], outputs, **attributes
    )
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run(None, feeds)
    return found[0] if outputs == 1 else found


def first(x):
    return np.moveaxis(x, -1, 1)


def last(x):
    return np.moveaxis(x, 1, -1)


def ask(case: Example, arrays, weights, cotangent) -> Answer:
    made = SPELLED[type(case.layer).__name__](case.layer, *arrays, **weights)
    return Answer(list(made) if isinstance(made, tuple) else [made])


def heavy(kernel):
    """(*k, a, b) → (b, a, *k)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def named(*forms: str) -> list[str]:
    """Kinds of one, two and three spatial axes."""
    return [form.format(rank) for form in forms for rank in (1, 2, 3)]


def ends(pads) -> list[int]:
    return [a for a, _ in pads] + [b for _, b in pads]


@spells("Dense")
def dense(layer, x, kernel, bias=None):
    if x.ndim == 2:
        return activated(layer.activation, run("Gemm", x, kernel, bias))
    y = run("MatMul", x, kernel)
    return activated(layer.activation, y if bias is None else run("Add", y, bias))


def moved(layer, x, kernel, bias, groups):
    """A convolution of any number of axes, channels first."""
    pads = pads_of(layer, x.shape[2:], layer.kernel_size, layer.dilation_rate)
    told = {"strides": layer.strides, "dilations": layer.dilation_rate}
    return run("Conv", x, heavy(kernel), bias, **told, group=groups, pads=ends(pads))


@spells(*named("Conv{}D"))
def conv(layer, x, kernel, bias=None):
    return activated(layer.activation, last(moved(layer, first(x), kernel, bias, layer.groups)))


@spells("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(layer, x, kernel, bias=None):
    return activated(layer.activation, last(deepened(layer, x, kernel, bias)))


def deepened(layer, x, kernel, bias):
    """As many groups as channels; the multiplier's kernels of one channel stand side by side."""
    return moved(layer, first(x), kernel.reshape(*layer.kernel_size, 1, -1), bias, x.shape[-1])


@spells("SeparableConv1D", "SeparableConv2D")
def separable(layer, x, depthwise_kernel, pointwise_kernel, bias=None):
    deep = deepened(layer, x, depthwise_kernel, None)
    return activated(layer.activation, last(run("Conv", deep, heavy(pointwise_kernel), bias)))


@spells(*named("Conv{}DTranspose"))
def conv_transpose(layer, x, kernel, bias=None):
    crops = transposed(layer, x.shape[1:-1])
    y = run(
        "ConvTranspose",
        *(first(x), heavy(kernel), bias),
        strides=layer.strides,
        dilations=layer.dilation_rate,
        group=layer.groups,
        pads=ends([(a, max(b, 0)) for a, b in crops]),
        output_padding=[max(-b, 0) for _, b in crops],
    )
    return activated(layer.activation, last(y))


def window(layer, x) -> dict[str, Any]:
    """Attributes of a pool."""
    pads = pads_of(layer, x.shape[1:-1], layer.pool_size)
    return {"kernel_shape": layer.pool_size, "strides": layer.strides, "pads": ends(pads)}


@spells(*named("MaxPooling{}D"))
def max_pooling(layer, x):
    """Its second output counts over the whole tensor, channels first; ours within the plane."""
    y, index = run("MaxPool", first(x), outputs=2, **window(layer, x))
    if not getattr(layer, "return_switches", False):
        return last(y)
    return last(y), last(index % (x.shape[1] * x.shape[2])).astype(np.int32)


@spells(*named("AveragePooling{}D"))
def average_pooling(layer, x):
    return last(run("AveragePool", first(x), **window(layer, x), count_include_pad=0))


@spells(*named("GlobalMaxPooling{}D"))
def global_max_pooling(layer, x):
    return pooled_whole(layer, x, "GlobalMaxPool")


@spells(*named("GlobalAveragePooling{}D"))
def global_average_pooling(layer, x):
    return pooled_whole(layer, x, "GlobalAveragePool")


def pooled_whole(layer, x, operator):
    y = last(run(operator, first(x)))
    return y if layer.keepdims else y.reshape(len(y), -1)


@spells(*named("UpSampling{}D"))
def up_sampling(layer, x):
    scales = np.array([1, 1, *layer.size], np.float32)
    if getattr(layer, "interpolation", "nearest") == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return last(run("Resize", first(x), None, scales, **how))


@spells("BedOfNails2D")
def bed_of_nails2d(layer, x):
    one = np.ones((x.shape[3], 1, 1, 1), np.float32)
    added = [s - 1 for s in layer.size]
    return last(run("ConvTranspose", first(x), one, strides=layer.size, group=x.shape[3], output_padding=added))


@spells("PixelShuffle2D")
def pixel_shuffle2d(layer, x):
    """With two factors Col2Im puts the blocks side by side: its channels have the same order."""
    r, s = layer.size
    if r == s:
        return last(run("DepthToSpace", first(x), blocksize=r, mode="CRD"))
    plane = np.array([x.shape[1] * r, x.shape[2] * s], np.int64)
    rows = first(x).reshape(x.shape[0], x.shape[3], -1)
    return last(run("Col2Im", rows, plane, np.array([r, s], np.int64), strides=(r, s)))


@spells("MaxUnpooling2D")
def max_unpooling2d(layer, x, switches):
    """Switches that count over the whole tensor, in the shape that is asked for."""
    pairs = zip(x.shape[1:3], layer.strides, layer.pool_size, strict=True)
    plane = layer.output_size or tuple((n - 1) * s + k for n, s, k in pairs)
    shape = (x.shape[0], x.shape[3], *plane)
    planes = np.arange(shape[0] * shape[1]).reshape(shape[0], shape[1], 1, 1)
    index = first(switches).astype(np.int64) + planes * plane[0] * plane[1]
    how = {"kernel_shape": layer.pool_size, "strides": layer.strides}
    how["pads"] = ends(pads_of(layer, plane, layer.pool_size))
    return last(run("MaxUnpool", first(x), index, np.array(shape, np.int64), **how))


@spells(*named("ZeroPadding{}D"))
def zero_padding(layer, x):
    return run("Pad", x, np.array(ends([(0, 0), *layer.padding, (0, 0)]), np.int64))


@spells(*named("Cropping{}D"))
def cropping(layer, x):
    begins, stops = zip(*((a, n - b) for (a, b), n in zip(layer.cropping, x.shape[1:-1], strict=True)), strict=True)
    parts = begins, stops, range(1, 1 + layer.rank)
    return run("Slice", x, *(np.array(part, np.int64) for part in parts))


@spells("Add")
def add(layer, *xs):
    return run("Sum", *xs)


@spells("Concatenate")
def concatenate(layer, *xs):
    return run("Concat", *xs, axis=layer.axis)


@spells("Flatten")
def flatten(layer, x):
    return run("Flatten", x)


@spells("Reshape")
def reshape(layer, x):
    return run("Reshape", x, np.array([x.shape[0], *layer.target_shape], np.int64))


@spells("Activation")
def activation(layer, x):
    return activated(layer.activation, x)


@spells("Dropout")
def dropout(layer, x):
    return run("Dropout", x)


def activated(name, x):
    if name in (None, "linear"):
        return run("Identity", x)
    if name in COMPOSED:
        return COMPOSED[name](x)
    operator, settings = OPERATORS.get(name, (name.capitalize(), {}))
    return run(operator, x, **settings)


def clipped(x, low: float, high: float):
    return run("Clip", x, np.float32(low), np.float32(high))


def sparse_plus(x):
    """Above one x itself, between -1 and one (x + 1)²/4."""
    inner = run("HardSigmoid", x, alpha=0.5, beta=0.5)
    return run("Add", run("Relu", run("Sub", x, ONE)), run("Mul", inner, inner))


ONE = np.float32(1)
OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "softmax": ("Softmax", {"axis": -1}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
    "exponential": ("Exp", {}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "hard_shrink": ("Shrink", {"lambd": 0.5}),
    "soft_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.5}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "sparse_sigmoid": ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}),
}
"""Activations that ONNX calls otherwise, or whose operators have settings."""
COMPOSED: dict[str, Callable[[Any], Any]] = {
    "relu6": lambda x: clipped(x, 0, 6),
    "hard_tanh": lambda x: clipped(x, -1, 1),
    "log_sigmoid": lambda x: run("Log", run("Sigmoid", x)),
    "silu": lambda x: run("Mul", x, run("Sigmoid", x)),
    "sparse_plus": sparse_plus,
    "squareplus": lambda x: run("Mean", x, run("Sqrt", run("Add", run("Mul", x, x), 4 * ONE))),
    "tanh_shrink": lambda x: run("Sub", x, run("Tanh", x)),
}
"""Activations that ONNX has in parts."""
