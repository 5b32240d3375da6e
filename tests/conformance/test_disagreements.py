"""Where the oracles disagree, with each other or with us; `docs/disagreements.md` says who is right and why."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from contract.cases import define
from contract.running import run_layer
from layerscope import layers as ls
from layerscope.core.contract import Example
from layerscope.core.types import TensorType

from . import keras_oracle, onnx_oracle, oracles, torch_oracle
from . import test_saved as saving


@pytest.fixture
def torch():
    pytest.importorskip("torch")
    return torch_oracle.modules()[0]


@pytest.fixture
def functional(torch):
    return torch_oracle.modules()[1]


@pytest.fixture
def keras():
    pytest.importorskip("jax")
    return pytest.importorskip("keras") and keras_oracle.modules()[0]


@pytest.fixture
def onnx():
    pytest.importorskip("onnxruntime")
    return pytest.importorskip("onnx")


def case_of(layer, *shapes) -> Example:
    types = tuple(TensorType(shape) for shape in shapes)
    return Example(layer, types, layer.out(*types))


def gradient(layer, x) -> np.ndarray:
    """Ours, of the sum of the outputs."""
    case = case_of(layer, x.shape)
    return run_layer(case, [x], cotangent=np.ones(case.outputs[0].shape)).inputs[0]


def their_gradient(case, x, oracle) -> np.ndarray:
    return oracle.ask(case, [x], {}, np.ones(case.outputs[0].shape)).inputs[0]


def torch_slope(torch, function, at: float) -> float:
    x = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    return float(torch.autograd.grad(function(x).sum(), x)[0][0])


def test_slope_of_leaky_relu(keras, torch, functional, onnx):
    ours = ls.Activation("leaky_relu").define(np.array([[-1.0]]))[0][0]
    assert ours.item() == -0.2
    assert float(keras.activations.leaky_relu(np.float32(-1))) == pytest.approx(-0.2)
    assert keras.layers.LeakyReLU().negative_slope == 0.3
    assert float(functional.leaky_relu(torch.tensor(-1.0))) == pytest.approx(-0.01)
    assert onnx_oracle.run("LeakyRelu", np.float32([-1]))[0] == pytest.approx(-0.01)


def test_gradient_of_leaky_relu_at_zero(keras, torch, functional):
    zero, case = np.zeros((1, 1)), case_of(ls.Activation("leaky_relu"), (1, 1))
    assert gradient(case.layer, zero).item() == 1
    assert their_gradient(case, zero, keras_oracle).item() == 1
    assert torch_slope(torch, lambda x: functional.leaky_relu(x, 0.2), 0.0) == pytest.approx(0.2)


def test_gradient_of_relu_at_zero(keras, torch, functional):
    zero, case = np.zeros((1, 1)), case_of(ls.Activation("relu"), (1, 1))
    assert gradient(case.layer, zero).item() == 0
    assert their_gradient(case, zero, keras_oracle).item() == 0
    assert torch_slope(torch, functional.relu, 0.0) == 0


def test_threshold_of_softplus(torch, functional, keras):
    x = np.array([[25.0]])
    exact = np.log1p(np.exp(25.0))
    assert ls.Activation("softplus").define(x)[0][0].item() == exact != 25
    theirs = keras_oracle.ask(case_of(ls.Activation("softplus"), (1, 1)), [x], {}, np.ones((1, 1))).outputs[0]
    assert theirs.item() == exact
    assert functional.softplus(torch.tensor(x)).item() == 25


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_ties_of_max_pooling(padding, keras, torch, onnx):
    """An image of few values: everyone lets the first of equal values win."""
    layer = ls.MaxPooling2D(3, 2, padding, return_switches=True)
    case = case_of(layer, (1, 7, 6, 2))
    x = np.random.default_rng(0).integers(0, 2, (1, 7, 6, 2)).astype(float)
    mine = gradient(layer, x)
    assert np.array_equal(mine, their_gradient(case, x, keras_oracle))
    assert np.array_equal(mine, their_gradient(case, x, torch_oracle))
    switches = define(layer, [x], {})[1]
    one = np.ones(switches.shape)
    assert np.array_equal(switches, torch_oracle.ask(case, [x], {}, one).outputs[1])
    assert np.array_equal(switches, onnx_oracle.ask(case, [x.astype("float32")], {}, one).outputs[1])


def test_ties_of_global_max_pooling(keras, torch, functional):
    """JAX and `torch.amax` share the gradient among equals; ours and PyTorch's pooling give it to the first."""
    zero, case = np.zeros((1, 2, 2, 1)), case_of(ls.GlobalMaxPooling2D(), (1, 2, 2, 1))
    first = np.array([1.0, 0, 0, 0]).reshape(1, 2, 2, 1)
    assert np.array_equal(gradient(case.layer, zero), first)
    assert np.array_equal(their_gradient(case, zero, torch_oracle), first)
    assert np.array_equal(their_gradient(case, zero, keras_oracle), np.full((1, 2, 2, 1), 0.25))
    x = torch.zeros(1, 1, 2, 2, requires_grad=True)
    assert torch.autograd.grad(x.amax((2, 3)).sum(), x)[0].unique().tolist() == [0.25]


def test_switches_of_onnx(onnx):
    """Its MaxPool counts over the whole tensor: the image's and channel's number times the plane come first."""
    x = np.random.default_rng(1).normal(size=(2, 4, 6, 3)).astype(np.float32)
    mine = define(ls.MaxPooling2D(2, return_switches=True), [x], {})[1]
    nchw = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    index = onnx_oracle.run("MaxPool", nchw, outputs=2, kernel_shape=(2, 2), strides=(2, 2))[1]
    planes = np.arange(6).reshape(2, 3, 1, 1) * 24
    assert np.array_equal(np.moveaxis(mine, -1, 1), index - planes)
    assert not np.array_equal(np.moveaxis(mine, -1, 1), index)


def test_plane_of_onnx_unpooling(onnx):
    """A 5×7 image pooled by 2: ONNX Runtime reads the switches in the 5×7 plane, ONNX's own reference in 4×6."""
    from onnx.reference import ReferenceEvaluator

    x = 35 - np.arange(35, dtype=np.float32).reshape(1, 5, 7, 1)  # each window's first cell wins
    values, switches = define(ls.MaxPooling2D(2, return_switches=True), [x], {})
    mine = define(ls.MaxUnpooling2D(2, output_size=(5, 7)), [values, switches], {})[0][0, :, :, 0]
    feeds = [np.moveaxis(values, -1, 1), np.moveaxis(switches, -1, 1).astype(np.int64), np.array([1, 1, 5, 7])]
    how = {"kernel_shape": (2, 2), "strides": (2, 2)}
    assert np.array_equal(mine, onnx_oracle.run("MaxUnpool", *feeds, **how)[0, 0])
    assert np.array_equal(mine, np.where(mine > 0, x[0, :, :, 0], 0)), "every value is back where it stood"
    model, named = onnx_oracle.model_of("MaxUnpool", feeds, **how)
    reference = ReferenceEvaluator(model).run(None, named)[0][0, 0]
    assert not np.array_equal(mine, reference)
    assert np.array_equal(reference[:4, :6].ravel()[switches.ravel()], values.ravel())


def test_colliding_unpooling(torch):
    """Two windows share a winner: PyTorch gives both its gradient, though its output holds the value once."""
    layer = ls.MaxUnpooling2D((1, 2), (1, 1), output_size=(1, 3))
    values, switches = np.array([7.0, 7.0]).reshape(1, 1, 2, 1), np.array([1, 1], np.int32).reshape(1, 1, 2, 1)
    types = (TensorType(values.shape), TensorType(values.shape, "int32"))
    case = Example(layer, types, layer.out(*types))
    ones = np.ones((1, 1, 3, 1))
    mine, theirs = (
        run_layer(case, [values, switches], cotangent=ones),
        torch_oracle.ask(case, [values, switches], {}, ones),
    )
    assert mine.outputs[0].ravel().tolist() == theirs.outputs[0].ravel().tolist() == [0, 7, 0]
    assert mine.inputs[0].ravel().tolist() == [0, 1], "the last stays and alone receives the gradient"
    assert theirs.inputs[0].ravel().tolist() == [1, 1]


def test_padding_counts_in_a_mean(torch, keras, onnx):
    """PyTorch's default counts the zeros of the padding; Keras, ONNX and we do not."""
    x = np.ones((1, 3, 3, 1), np.float32)
    layer = ls.AveragePooling2D(3, 1, "same")
    assert np.array_equal(define(layer, [x], {})[0], x)
    case = case_of(layer, x.shape)
    np.testing.assert_allclose(keras_oracle.ask(case, [x.astype(float)], {}, x.astype(float)).outputs[0], x)
    image = np.moveaxis(x, -1, 1)
    plain = onnx_oracle.run("AveragePool", image, kernel_shape=(3, 3), pads=(1, 1, 1, 1))
    np.testing.assert_allclose(plain, image)
    theirs = torch.nn.AvgPool2d(3, 1, 1)(torch.tensor(image))
    assert theirs[0, 0, 0, 0].item() == pytest.approx(4 / 9)
    theirs = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)(torch.tensor(image))
    np.testing.assert_allclose(theirs.numpy(), image)


def test_corners_of_bilinear_upsampling(torch, functional, onnx):
    """Half-pixel centres in all; PyTorch's `align_corners=True` and ONNX's `align_corners` are another law."""
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 4, 1)
    mine = define(ls.UpSampling2D((1, 2), interpolation="bilinear"), [x], {})[0].ravel()
    np.testing.assert_allclose(mine, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    image, scales = np.moveaxis(x, -1, 1), np.float32([1, 1, 1, 2])
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    aligned = onnx_oracle.run("Resize", image, None, scales, **how).ravel()
    theirs = functional.interpolate(torch.tensor(image), (1, 8), mode="bilinear", align_corners=True)
    np.testing.assert_allclose(aligned, theirs.numpy().ravel(), rtol=1e-6)
    np.testing.assert_allclose(aligned, np.linspace(0, 3, 8), rtol=1e-6)
    default = onnx_oracle.run("Resize", image, None, scales, mode="linear").ravel()
    np.testing.assert_allclose(default, mine, rtol=1e-6)


def test_crop_of_a_transposed_convolution(torch, keras):
    """Kernel 3, stride 2, twice the size: Keras crops the last row, PyTorch's usual spelling the first."""
    layer = ls.Conv2DTranspose(1, 3, strides=2, padding="same", use_bias=False)
    case = case_of(layer, (1, 4, 4, 1))
    rng = np.random.default_rng(3)
    x, kernel = rng.normal(size=(1, 4, 4, 1)), rng.normal(size=(3, 3, 1, 1))
    mine = define(layer, [x], {"kernel": kernel})[0][0, :, :, 0]
    keras_says = keras_oracle.ask(case, [x], {"kernel": kernel}, np.ones((1, 8, 8, 1))).outputs[0][0, :, :, 0]
    np.testing.assert_allclose(mine, keras_says, rtol=1e-10)
    image, weight = torch.tensor(x[..., 0])[None], torch.tensor(kernel[..., 0, 0])[None, None]
    usual = torch.nn.functional.conv_transpose2d(image, weight, stride=2, padding=1, output_padding=1)[0, 0].numpy()
    assert usual.shape == mine.shape
    assert not np.allclose(usual, mine)
    np.testing.assert_allclose(usual[:-1, :-1], mine[1:, 1:], rtol=1e-10)


@pytest.mark.parametrize("added", [0, 1])
def test_output_padding_with_same(added, keras):
    """Keras takes `output_padding` for a choice of the size: what is cropped in all, 4 - a, is halved."""
    layer = ls.Conv2DTranspose(1, 5, strides=2, padding="same", output_padding=added, use_bias=False)
    case = case_of(layer, (1, 3, 4, 1))
    rng = np.random.default_rng(4)
    x, kernel = rng.normal(size=(1, 3, 4, 1)), rng.normal(size=(5, 5, 1, 1))
    whole = define(ls.Conv2DTranspose(1, 5, strides=2, use_bias=False), [x], {"kernel": kernel})[0]
    begin = (4 - added) // 2
    rows, columns = case.outputs[0].shape[1:3]
    wanted = whole[:, begin : begin + rows, begin : begin + columns]
    np.testing.assert_allclose(define(layer, [x], {"kernel": kernel})[0], wanted, rtol=1e-12)
    theirs = keras_oracle.ask(case, [x], {"kernel": kernel}, np.ones(case.outputs[0].shape)).outputs[0]
    np.testing.assert_allclose(theirs, wanted, rtol=1e-10)


@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose"])
def test_strides_with_dilation(kind, keras, torch):
    layer = getattr(ls, kind)(2, 3, strides=2, dilation_rate=2)
    case = case_of(layer, (1, 7, 7, 2))
    with pytest.raises(ValueError, match="strides"):
        keras_oracle.make(layer)
    oracles.check(case, torch_oracle.ask)


def test_double_precision_of_keras(keras):
    """`mean`, `rsqrt` and `tanh` pass through single precision on JAX, whatever the layer's dtype."""
    x = np.random.default_rng(5).normal(size=(1, 3, 3, 1))
    fresh = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
    for layer in (ls.GlobalAveragePooling2D(), ls.BatchNormalization(), ls.Activation("tanh")):
        case = case_of(layer, x.shape)
        weights = {role: np.full(type.shape, fresh[role]) for role, type in layer.weight_types(*case.inputs).items()}
        theirs = keras_oracle.make(layer)
        assert theirs.compute_dtype == "float64"
        apart = np.abs(single(theirs, x) - define(layer, [x], weights)[0]).max()
        assert 1e-12 < apart < 1e-6
        assert case.outputs[0].shape == single(theirs, x).shape


def single(layer, x) -> np.ndarray:
    _, jax = keras_oracle.modules()
    with jax.enable_x64(True):
        return np.asarray(layer(x))


def test_order_of_flatten(torch):
    """The same numbers in another order: channels first, a channel's plane stays together."""
    x = np.arange(12.0).reshape(1, 2, 3, 2)
    mine = define(ls.Flatten(), [x], {})[0]
    theirs = torch.nn.Flatten()(torch.tensor(np.moveaxis(x, -1, 1))).numpy()
    assert mine.tolist() == [list(range(12))]
    assert theirs.tolist() == [[0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]]


def test_order_of_depth_to_space(torch, keras, onnx):
    """Which channels are neighbours in the enlarged image: those that follow each other, or those C apart."""
    tensorflow = pytest.importorskip("tensorflow")
    x = np.random.default_rng(6).normal(size=(2, 3, 2, 12)).astype(np.float32)
    image = np.moveaxis(x, -1, 1)
    mine = define(ls.PixelShuffle2D(2), [x], {})[0]

    def onnx_says(**mode):
        return np.moveaxis(onnx_oracle.run("DepthToSpace", image, blocksize=2, **mode), 1, -1)

    assert np.array_equal(mine, np.moveaxis(torch.nn.PixelShuffle(2)(torch.tensor(image)).numpy(), 1, -1))
    assert np.array_equal(mine, onnx_says(mode="CRD"))
    other = tensorflow.nn.depth_to_space(x, 2).numpy()
    assert np.array_equal(other, onnx_says(mode="DCR"))
    assert np.array_equal(other, onnx_says())
    assert np.array_equal(other, keras.ops.depth_to_space(x, 2, data_format="channels_last"))
    assert other.shape == mine.shape
    assert not np.array_equal(other, mine)
    turned = x.reshape(2, 3, 2, 3, 4).swapaxes(-1, -2).reshape(x.shape)  # block first → place first
    assert np.array_equal(tensorflow.nn.depth_to_space(turned, 2).numpy(), mine)
    channels_first = np.moveaxis(np.asarray(keras.ops.depth_to_space(image, 2, data_format="channels_first")), 1, -1)
    assert np.array_equal(channels_first, mine), "on JAX; on TensorFlow it is the other order here, too"


def test_what_a_backward_pass_keeps(torch):
    nn, start = torch.nn, ls.Input((8, 8, 3))
    wide, pooled = 2 * 4 * 6 * 6, 2 * 4 * 3 * 3  # elements behind the convolution, and behind a pool

    def both(module, *layers):
        x = start
        for layer in (ls.Conv2D(4, 3), *layers, ls.Conv2D(1, 1)):
            x = layer(x)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), module, nn.Conv2d(4, 1, 1))
        mine = saving.kept_by_us(start, x)
        return saving.kept_by_torch(network, [network], torch.rand(2, 3, 8, 8)) - mine

    assert both(nn.ReLU(), ls.Activation("relu")) == 0
    assert both(nn.LeakyReLU(0.2), ls.Activation("leaky_relu")) == 4 * wide
    assert both(nn.ELU(), ls.Activation("elu")) == 4 * wide
    assert both(nn.MaxPool2d(2), ls.MaxPooling2D(2)) == 4 * wide + (8 - 4) * pooled
    assert both(nn.AvgPool2d(2), ls.AveragePooling2D(2)) == 4 * wide
    assert both(nn.Dropout(0.5), ls.Dropout(0.5)) == (4 - 1) * wide
    behind = nn.Sequential(nn.ReLU(), nn.Dropout(0.5))
    assert both(behind, ls.Activation("relu"), ls.Dropout(0.5)) == (4 - 1) * wide
    square = saving.Pair(6, 3)
    square.add(ls.Conv2D(3, 1), nn.Conv2d(3, 3, 1))
    square.join(ls.Multiply(), (square.start, 0), lambda a, b: a * b)
    mine, saved = square.compare()
    assert mine - saved == 4 * 2 * 3 * 6 * 6  # the convolution's result: its factor is an image, without a gradient


def test_scale_of_rms_normalization(keras):
    x, scale = np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32), np.float32([1, 2, 4])
    theirs = keras.layers.RMSNormalization(axis=1)
    theirs.build(x.shape)
    theirs.set_weights([scale])
    bare = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(np.asarray(theirs(x)), bare * scale, rtol=1e-5)
    ours = ls.RMSNormalization(axis=1).define(x, scale=scale)[0][0]
    np.testing.assert_allclose(ours, bare * scale[:, None], rtol=1e-5)


def test_gradient_of_batch_normalisation_behind_a_permute(torch, functional):
    """The smallest: at inference, with a mean of 0 and a variance of 1, the slope is the scale of the channel."""
    scale, flat = torch.tensor([1.0, 10.0]), torch.zeros(2)

    def slope(turned, function=lambda x, batch_norm: batch_norm(x)):
        """By the upstream gradient [[1, 2], [3, 4]] of 2 channels of 2 positions, with an axis of size 1 behind."""
        x, upstream = torch.zeros(1, 2, 2, 1), torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]
        x = (x.transpose(1, 2) if "input" in turned else x).requires_grad_()
        upstream = upstream.transpose(1, 2).contiguous().transpose(1, 2) if "gradient" in turned else upstream
        made = function(x, lambda one: functional.batch_norm(one, flat, flat + 1, scale, flat, eps=0.0))
        return torch.autograd.grad(made, x, upstream)[0][0, :, :, 0].tolist()

    right = [[1.0, 2.0], [30.0, 40.0]]
    assert slope(()) == slope(("input", "gradient")) == right
    assert slope(("input",)) == slope(("gradient",)) == [[1.0, 3.0], [20.0, 40.0]]
    for turned in (("input",), ("gradient",)):
        assert slope(turned, lambda x, batch_norm: batch_norm(x.flatten(2)).unflatten(2, (2, 1))) == right


def test_a_sixth_in_hard_sigmoid(torch):
    def slope(function):
        x = torch.linspace(-2.9, 2.9, 50, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(function(x).sum(), x)[0].numpy()

    functional = torch.nn.functional
    assert set(np.abs(slope(functional.hardsigmoid) - 1 / 6)) == {abs(float(np.float32(1 / 6)) - 1 / 6)}
    np.testing.assert_allclose(slope(lambda x: functional.relu6(x + 3) / 6), 1 / 6, rtol=1e-14)
    layer, x = ls.Activation("hard_sigmoid"), TensorType((1, 50))
    case = Example(layer, (x,), (x,))
    ours = run_layer(case, [np.linspace(-2.9, 2.9, 50)[None]], cotangent=np.ones((1, 50))).inputs[0]
    np.testing.assert_allclose(ours, 1 / 6, rtol=1e-14)


def test_variance_of_a_moving_average(keras, torch):
    x = np.array([[1.0], [3], [5], [11]])
    start = {"moving_mean": np.zeros(1), "moving_variance": np.zeros(1)}
    layer = ls.BatchNormalization(momentum=0.0, center=False, scale=False)
    (mine,), state = layer.define(x, training=True, **start)
    theirs = keras.layers.BatchNormalization(momentum=0.0, center=False, scale=False, epsilon=layer.epsilon)
    theirs(x.astype("float32"), training=True)
    module = torch.nn.BatchNorm1d(1, eps=layer.epsilon, momentum=1.0, affine=False).double().train()
    np.testing.assert_allclose(mine, module(torch.tensor(x)).numpy(), rtol=1e-12, atol=1e-14)
    assert state["moving_variance"].item() == x.var()
    assert float(theirs.moving_variance.value[0]) == pytest.approx(x.var(), rel=1e-6)
    assert module.running_var.item() == pytest.approx(x.var(ddof=1))


def test_every_row_of_the_document_is_held_by_a_test():
    text = (Path(__file__).parents[2] / "docs" / "disagreements.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    mine = {name for name in globals() if name.startswith("test_")} - {
        "test_every_row_of_the_document_is_held_by_a_test"
    }
    assert named == mine
