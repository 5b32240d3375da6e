"""What cannot go from Keras to here, or back: all of it at once, by name, and why."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope import layers
from layerscope.core.errors import ShapeError, SourceError
from layerscope.sources._keras_layers import rules

from . import keras_oracle

KNOWN = f"Layers that can be: {', '.join(sorted(rules()))}."
FUNCTIONS = (
    "linear, relu, leaky_relu, elu, gelu, sigmoid, tanh, softmax, softplus, celu, exponential, gelu_tanh, hard_shrink, "
    "hard_sigmoid, hard_silu, hard_tanh, log_sigmoid, log_softmax, mish, relu6, selu, silu, soft_shrink, softsign, "
    "sparse_plus, sparse_sigmoid, squareplus, tanh_shrink"
)


@pytest.fixture(scope="module", autouse=True)
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


def refused(model) -> str:
    with pytest.raises(SourceError) as caught:
        ls.from_keras(model)
    return str(caught.value)


def foreign(keras):
    """A model with one of everything that is not here."""
    kl = keras.layers

    class Own(kl.Dense):
        """Called like nothing of Keras's."""

    class Conv2D(kl.Conv2D):
        """Called like one of Keras's, and something else."""

    class Sparse(keras.regularizers.L2):
        """Nobody knows what it adds."""

    class Kept(keras.constraints.Constraint):
        """Nobody knows what it leaves."""

    image = keras.Input((16, 16, 3), name="image")
    x = kl.Conv2D(4, 3, activation="sparsemax", name="conv")(image)
    x = kl.Conv2D(4, 1, kernel_regularizer=Sparse(0.5), name="sparse")(x)
    x = kl.Conv2D(4, 1, bias_constraint=Kept(), name="kept")(x)
    x = kl.RMSNormalization(axis=1, name="norm")(x)
    part = keras.Sequential(
        [keras.Input((14, 14, 4)), kl.GaussianDropout(1, name="none"), kl.RandomBrightness(0.1, name="deep")],
        name="part",
    )
    x = part(x)
    x = kl.Dropout(0.5, noise_shape=(1, 1, 1, 4), name="drop")(x)
    x = kl.UpSampling2D(2, interpolation="bicubic", name="up")(x)
    x = Conv2D(2, 1, name="look_alike")(x)
    x = kl.Lambda(lambda value: value * 2, name="twice")(x)
    x = keras.ops.celu(x + 1, alpha=0.5)
    x = keras.ops.square(x)
    return keras.Model(image, Own(3, name="own")(x), name="net")


def test_everything_that_is_not_here_at_once(keras):
    model, here = foreign(keras), f"{__name__}.foreign.<locals>"
    names = [op.name for op in model.operations if not isinstance(op, keras.layers.Layer)]
    assert refused(model) == (
        "this Keras model (net) cannot be taken over:\n"
        "  conv (Conv2D): activation=sparsemax is not known here; known: " + FUNCTIONS + "\n"
        "  sparse (Conv2D): kernel_regularizer=Sparse(l2=0.5) is not known here; known: L1, L2, L1L2, "
        "OrthogonalRegularizer\n"
        "  kept (Conv2D): bias_constraint=Kept() is not known here; known: NonNeg, MaxNorm, UnitNorm, MinMaxNorm\n"
        "  norm (RMSNormalization): axis=[1]: Keras (3.15.1) multiplies by its scale along the last axes, whatever its axis "
        "says; here it is along the axis. Move that to the end by Permute\n"
        "  part/none (GaussianDropout): with rate=1 nothing is left to compute with\n"
        "  part/deep (RandomBrightness): it can be traced here, but not computed or trained\n"
        "  drop (Dropout): noise_shape must have None for the batch, so that each example has random numbers of its own\n"
        "  up (UpSampling2D): interpolation='bicubic' can be traced, but not computed or trained; those that can: "
        "nearest, bilinear\n"
        f"  look_alike (Conv2D): {here}.Conv2D is none of Keras's layers, and what it computes is Python code\n"
        "  twice (Lambda): what it computes is a Python function\n"
        f"  {names[0]} (Add): one of its inputs is a constant\n"
        f"  {names[1]} (Celu): alpha=0.5: celu here has 1.0\n"
        f"  {names[2]} (Square): this function of keras.ops is no layer here\n"
        f"  own (Own): {here}.Own is none of Keras's layers, and what it computes is Python code\n"
        f"{KNOWN}"
    )


def test_channels_first(keras):
    image = keras.Input((3, 8, 8))
    model = keras.Model(
        image, keras.layers.Conv2D(2, 3, data_format="channels_first", name="conv")(image), name="net"
    )
    assert refused(model) == (
        "this Keras model (net) cannot be taken over:\n"
        "  conv (Conv2D): data_format='channels_first' is not supported; layers here are channels last: "
        f"(batch, height, width, channels)\n{KNOWN}"
    )


def test_models_without_a_graph(keras):
    class Free(keras.Model):
        def __init__(self):
            super().__init__(name="free")
            self.dense = keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    assert refused(Free()) == (
        "this Keras model (free) cannot be taken over:\n"
        "  free (Free): a subclassed model has no graph of layers: what it computes is Python code. If that puts "
        "layers to its input and nothing else, keras.Model(x, model.call(x)) with x = keras.Input(shape) has one\n"
        f"{KNOWN}"
    )
    x = keras.Input((3,))
    assert ls.from_keras(keras.Model(x, Free().call(x))).count_params() == 8
    assert refused(keras.Sequential([keras.layers.Dense(2)], name="late")) == (
        "this Keras model (late) cannot be taken over:\n"
        "  late (Sequential): it is not built: its input's shape is unknown. Put keras.Input(shape) first, or call "
        f"build\n{KNOWN}"
    )


def test_what_is_no_keras_model(keras):
    assert refused("model.keras") == (
        "this is no Keras 3 model in memory but a str: load it first, keras.models.load_model('model.keras')"
    )
    assert refused(keras.layers.Dense(3)) == "this is no Keras 3 model in memory but a Dense"


def test_the_list_of_what_is_known_is_what_computes():
    """Keras's layers of the same names, and those that are activations or have switches here."""
    named = {cls.spellings["keras"].name or kind for kind, cls in layers.kinds().items() if cls.executable}
    others = {"MaxPoolingWithSwitches2D", "ReLU", "LeakyReLU", "ELU", "Softmax", "Identity"}
    assert set(rules()) == (named | others) - {"InputLayer", "Input"}
    assert {"Conv1D", "DepthwiseConv2D", "MaxPooling3D", "Dense"} <= set(rules())


def test_a_wrong_image_for_the_plane(keras):
    import layerscope.keras as own

    image, other = keras.Input((7, 6, 1)), keras.Input((8, 6, 1))
    values, switches = own.MaxPoolingWithSwitches2D(2, padding="same")(image)
    loose = keras.Input((4, 3, 1), dtype="int32")
    placed = own.MaxUnpooling2D(2, name="back")([values, loose, other])
    model = keras.Model([loose, image, other], keras.layers.Add()([placed, other]))
    x = [np.full((1, 4, 3, 1), 9, "int32"), np.ones((1, 7, 6, 1), "float32"), np.zeros((1, 8, 6, 1), "float32")]
    ours = ls.from_keras(model)(x)
    assert np.flatnonzero(ours).tolist() == [9]
    np.testing.assert_array_equal(ours, np.asarray(model(x)))
    open_image = keras.Input((None, None, 1))
    values, switches = own.MaxPoolingWithSwitches2D(2, padding="same")(open_image)
    model = keras.Model([open_image, other], own.MaxUnpooling2D(2, name="back")([values, switches, other]))
    with pytest.raises(ShapeError) as caught:
        ls.from_keras(model)
    assert str(caught.value) == (
        "back (MaxUnpooling2D): its switches do not come from pooling its third input, of (batch, 8, 6, 1)"
    )
