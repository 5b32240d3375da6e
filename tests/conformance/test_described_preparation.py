"""Layers that prepare data and vary images, against Keras 3; and that no layer of Keras has been forgotten."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from random import Random

import numpy as np
import pytest

from layerscope import layers as ls
from layerscope.core.contract import describe_settings
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType
from layerscope.layers import kinds
from layerscope.layers._augmentation import Augmentation

from .keras_described import arrays, call, make, ours, quiet, symbolic, told
from .keras_oracle import modules

ABSTRACT = {
    "Layer": "the base of all layers",
    "Wrapper": "the base of layers that hold one: TimeDistributed, Bidirectional, SpectralNormalization",
    "InputSpec": "no layer: what a layer asks of its input",
}
UNKNOWN = {
    "Lambda": "a Python function",
    "TFSMLayer": "a program of TensorFlow",
    "JaxLayer": "a function of JAX",
    "FlaxLayer": "a module of Flax",
    "TorchModuleWrapper": "a module of PyTorch",
}
"""What they compute stands in code, so a trace shows them as Opaque."""
NO_SETTING = ("kwargs", "lora_rank", "lora_alpha", "quantization_config", "gptq_unpacked_column_size", "use_cudnn")
"""Arguments that change neither what is computed nor its shape, or change the layer's weights later."""
OTHERWISE = {("Bidirectional", "weights"), ("Embedding", "weights")}
"""First weights: a model holds them, not a layer."""

OURS = {("Conv1DTranspose", "groups"), ("Conv3DTranspose", "groups"), ("LayerNormalization", "rms_scaling")}
"""Settings that only ours have; Keras's earlier versions had the last one."""
EASIER = {("AveragePooling1D", "pool_size"), ("AveragePooling3D", "pool_size")}
"""Settings with a default that only ours have."""


def keras_layers() -> dict[str, type]:
    keras, _ = modules()
    return {name: cls for name, cls in vars(keras.layers).items() if inspect.isclass(cls)}


def test_every_layer_of_keras_is_known_or_left_out_for_a_reason():
    missing = []
    for name in keras_layers():
        try:
            ls.layer_class(name)
        except LayerscopeError:
            missing.append(name)
    assert set(missing) == {*ABSTRACT, *UNKNOWN}


MINE = [kind for kind, cls in kinds().items() if not cls.executable and kind != "Opaque"]


@pytest.mark.parametrize("kind", MINE)
def test_settings_have_keras_names_order_and_defaults(kind):
    theirs = inspect.signature(keras_layers()[kinds()[kind].spellings["keras"].name].__init__).parameters
    left_out = [
        n for n in theirs if n in NO_SETTING or n.endswith(("_regularizer", "_constraint")) or (kind, n) in OTHERWISE
    ]
    wanted = [(n, p) for n, p in theirs.items() if n not in (*left_out, "self", "name", "dtype")]
    mine = [f for f in fields(kinds()[kind]) if f.init and not f.kw_only and (kind, f.name) not in OURS]
    assert [f.name for f in mine] == [name for name, _ in wanted]
    for setting, (_, parameter) in zip(mine, wanted, strict=True):
        required = parameter.default is inspect.Parameter.empty
        assert required == (setting.default is MISSING) or (kind, setting.name) in EASIER
        assert required or same_default(setting.default, parameter.default), setting.name


def same_default(one, other) -> bool:
    """(2, 2) is 2 for each axis, and "Zeros" an initializer that is also called "zeros"."""
    while isinstance(other, tuple) and not isinstance(one, tuple) and len(set(other)) == 1:
        other = other[0]
    return str(one).lower() == str(other).lower()


AUGMENTATIONS = [kind for kind, cls in kinds().items() if issubclass(cls, Augmentation)]
INFERENCE_TOO = ("AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization")


def images(layer):
    """Batches and single images, channels where the layer looks for them."""
    first = getattr(layer, "data_format", None) == "channels_first"
    for sizes in ((9, 8), (16, 24)):
        yield TensorType((2, 3, *sizes) if first else (2, *sizes, 3))
        yield TensorType((3, *sizes) if first else (*sizes, 3))


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_images_keep_the_shape_that_keras_says(kind):
    for example in kinds()[kind].examples():
        for type in images(example.layer):
            shape = told(example.layer, symbolic((type,)))
            assert ours(example.layer, (type,)) == shape, describe_settings(example.layer)


@pytest.mark.parametrize("kind", [kind for kind in AUGMENTATIONS if kind not in (*INFERENCE_TOO, "RandomCrop")])
def test_images_pass_through_at_inference(kind):
    """So `operations` are none, and the output is a view of the input."""
    example = kinds()[kind].examples()[0]
    (x,) = arrays(example.inputs)
    passed = quiet(lambda: make(example.layer)(x, training=False))()
    np.testing.assert_array_equal(np.asarray(passed), x)
    assert example.layer.shares(*example.inputs) == 0


@pytest.mark.parametrize("kind", INFERENCE_TOO)
def test_what_changes_images_at_inference_says_so(kind):
    example = kinds()[kind].examples()[0]
    (x,) = arrays(example.inputs)
    changed = quiet(lambda: make(example.layer)(100 + 50 * x, training=False))()
    assert not np.allclose(np.asarray(changed), 100 + 50 * x)
    assert example.layer.shares(*example.inputs) is None
    assert example.layer.operations(*example.inputs).pointwise > 0


def sized(kind):
    def draw(random: Random):
        settings = {"data_format": random.choice([None, "channels_first"])}
        layer = getattr(ls, kind)(random.randint(1, 12), random.randint(1, 12), **settings)
        return layer, (random.choice([*images(layer)]),)

    return draw


def normalization(random: Random):
    shape = tuple(random.randint(1, 5) for _ in range(random.randint(2, 4)))
    axes = tuple(sorted(random.sample(range(1, len(shape)), random.randint(1, len(shape) - 1))))
    axis = random.choice([None, -1, axes[0], axes, tuple(a - len(shape) for a in axes)])
    given = random.choice([{}, {"mean": 0.5, "variance": 2.0}])
    return ls.Normalization(axis, **given, invert=random.random() < 0.5), (TensorType(shape),)


def rescaling(random: Random):
    layer = ls.Rescaling(random.choice([0.5, 2, (0.1, 0.2, 0.3)]), random.choice([0.0, 1, (1, 2, 3)]))
    return layer, (TensorType((2, random.randint(1, 5), 3), random.choice(["float32", "uint8"])),)


def mel(random: Random):
    layer = ls.MelSpectrogram(
        2 ** random.randint(4, 6), random.randint(3, 20), random.choice([None, 11]), num_mel_bins=random.randint(1, 9),
        power_to_db=random.random() < 0.5,
    )  # fmt: skip
    return layer, (TensorType((2, random.randint(70, 200))),)


def stft(random: Random):
    length = random.randint(2, 9)
    mode = random.choice(["log", "magnitude", "psd", "real", "imag", "angle", "stft"])
    layer = ls.STFTSpectrogram(
        mode, length, random.choice([None, random.randint(1, length)]), random.choice([None, 16]),
        padding=random.choice(["valid", "same"]), expand_dims=random.random() < 0.5,
        data_format=random.choice([None, "channels_first"]),
    )  # fmt: skip
    samples, channels = random.randint(9, 30), random.randint(1, 3)
    return layer, (TensorType((2, channels, samples) if layer.data_format else (2, samples, channels)),)


def pipeline(random: Random):
    parts = [
        ls.Rescaling(0.5),
        ls.Resizing(random.randint(1, 9), 5),
        ls.RandomFlip(),
        ls.Dense(4),
        ls.CenterCrop(3, 3),
    ]
    return ls.Pipeline(random.sample(parts, random.randint(1, 5))), (TensorType((2, 7, 6, 3)),)


SYMBOLIC = {
    **{kind: sized(kind) for kind in ("Resizing", "CenterCrop", "RandomCrop")},
    "Normalization": normalization,
    "Rescaling": rescaling,
    "MelSpectrogram": mel,
    "STFTSpectrogram": stft,
    "Pipeline": pipeline,
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_shapes_and_weights_of_random_settings(name):
    for layer, types in (SYMBOLIC[name](Random(seed)) for seed in range(40)):
        assert ours(layer, types) == told(layer, symbolic(types)), f"{describe_settings(layer)} on {types[0]}"


SHAPES = [(2,), (2, 1), (2, 3), (2, 3, 1), (2, 3, 4)]
MODES = ("one_hot", "multi_hot", "count")
VECTORS = [
    *(("CategoryEncoding", {"num_tokens": 5, "output_mode": mode}) for mode in MODES),
    *(("Discretization", {"bin_boundaries": [0.0, 1.0], "output_mode": mode}) for mode in ("int", *MODES)),
    *(("Hashing", {"num_bins": 5, "output_mode": mode}) for mode in ("int", *MODES)),
    *(("IntegerLookup", {"vocabulary": [3, 5, 8], "mask_token": 0, "output_mode": m}) for m in ("int", *MODES)),
    ("IntegerLookup", {"vocabulary": [3, 5], "output_mode": "tf_idf", "idf_weights": [1.0, 2.0]}),
    ("IntegerLookup", {"max_tokens": 7, "vocabulary": [-1, 3], "output_mode": "count", "pad_to_max_tokens": True}),
    ("IntegerLookup", {"vocabulary": [3, 5], "invert": True}),
]


@pytest.mark.parametrize(("kind", "settings"), VECTORS, ids=str)
def test_entries_become_vectors_of_the_shape_that_keras_computes(kind, settings):
    """Computed, for Keras's symbolic shapes of one_hot and of three axes are not always those that come out."""
    layer = getattr(ls, kind)(**settings)
    for shape in SHAPES:
        type = TensorType(shape, "float32" if kind == "Discretization" else "int64")
        assert ours(layer, (type,)) == told(layer, arrays((type,))), shape


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
@pytest.mark.parametrize("mode", ["int", "one_hot"])
def test_pairs_are_crossed(mode, shape):
    layer, types = ls.HashedCrossing(5, mode), (TensorType(shape, "int64"),) * 2
    assert ours(layer, types) == told(layer, arrays(types))


TEXTS = [
    ("TextVectorization", {"vocabulary": ["a", "b"], "output_sequence_length": 5}),
    ("TextVectorization", {"vocabulary": ["a", "b"], "output_mode": "count"}),
    ("TextVectorization", {"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": [1.0]}),
    (
        "TextVectorization",
        {"vocabulary": ["a"], "max_tokens": 9, "pad_to_max_tokens": True, "output_mode": "multi_hot"},
    ),
    ("StringLookup", {"vocabulary": ["a", "b"], "num_oov_indices": 2, "mask_token": ""}),
    ("StringLookup", {"vocabulary": ["[UNK]", "a", "b"], "output_mode": "one_hot"}),
    ("StringLookup", {"vocabulary": ["a", "b"], "num_oov_indices": 2, "mask_token": "m", "output_mode": "count"}),
]


@pytest.mark.parametrize(("kind", "settings"), TEXTS)
@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_texts(kind, settings, shape):
    import tensorflow as tf

    layer = getattr(ls, kind)(**settings)
    texts = quiet(lambda: tf.constant(np.full(shape, "a b")))()
    assert ours(layer, (TensorType(shape, "string"),)) == told(layer, [texts])


def test_a_text_of_open_length():
    layer = ls.TextVectorization(vocabulary=["a"], name="reviews")
    (y,) = layer.out(TensorType((2, 1), "string"))
    assert str(y) == "(2, reviews_tokens)"
    keras, _ = modules()
    assert tuple(
        quiet(lambda: call(layer, make(layer), [keras.Input(batch_shape=(2, 1), dtype="string")]))().shape
    ) == (2, None)


REFUSED = {
    "tokens": (lambda: ls.CategoryEncoding(), "CategoryEncoding: num_tokens must be given; where it is not known, use IntegerLookup"),
    "mode": (lambda: ls.CategoryEncoding(3, "int"), "CategoryEncoding: output_mode must be one of one_hot, multi_hot, count, not 'int'"),
    "bins": (lambda: ls.Discretization(), "Discretization: give either bin_boundaries or num_bins"),
    "both": (lambda: ls.Discretization([1.0], 2), "Discretization: give either bin_boundaries or num_bins"),
    "sparse": (lambda: ls.Hashing(3, sparse=True), "Hashing: sparse=True is for vectors, not for output_mode='int'"),
    "pad": (lambda: ls.StringLookup(pad_to_max_tokens=True), "StringLookup: pad_to_max_tokens=True needs max_tokens"),
    "invert": (
        lambda: ls.IntegerLookup(vocabulary=[1], invert=True, output_mode="count"),
        "IntegerLookup: invert=True needs output_mode='int', not 'count'",
    ),
    "weights": (
        lambda: ls.IntegerLookup(vocabulary=[1], idf_weights=[1.0]), "IntegerLookup: idf_weights are for output_mode='tf_idf', not 'int'",
    ),
    "mean": (lambda: ls.Normalization(mean=1.0), "Normalization: give both mean and variance or none, not mean=1.0 and variance=None"),
    "frame": (lambda: ls.STFTSpectrogram(frame_length=8, frame_step=9), "STFTSpectrogram: frame_step (9) must not be above frame_length (8)"),
    "spectrum": (lambda: ls.STFTSpectrogram("power"), "STFTSpectrogram: mode must be one of log, magnitude, psd, real, imag, angle, stft, not 'power'"),
    "mel": (lambda: ls.MelSpectrogram(16, sequence_length=17), "MelSpectrogram: sequence_length (17) must not be above fft_length (16)"),
    "factor": (lambda: ls.RandomContrast(1.5), "RandomContrast: factor must be a number from 0 to 1, or two, not 1.5"),
    "flip": (lambda: ls.RandomFlip("up"), "RandomFlip: mode must be one of horizontal, vertical, horizontal_and_vertical, not 'up'"),
    "fill": (lambda: ls.RandomZoom(0.1, fill_mode="zero"), "RandomZoom: fill_mode must be one of constant, nearest, wrap, reflect, not 'zero'"),
}  # fmt: skip
THEIRS = {
    "tokens": ("CategoryEncoding", {}), "mode": ("CategoryEncoding", {"num_tokens": 3, "output_mode": "int"}),
    "bins": ("Discretization", {}), "both": ("Discretization", {"bin_boundaries": [1.0], "num_bins": 2}),
    "sparse": ("Hashing", {"num_bins": 3, "sparse": True}), "pad": ("StringLookup", {"pad_to_max_tokens": True}),
    "invert": ("IntegerLookup", {"vocabulary": [1], "invert": True, "output_mode": "count"}),
    "weights": ("IntegerLookup", {"vocabulary": [1], "idf_weights": [1.0]}), "mean": ("Normalization", {"mean": 1.0}),
    "frame": ("STFTSpectrogram", {"frame_length": 8, "frame_step": 9}), "spectrum": ("STFTSpectrogram", {"mode": "power"}),
    "mel": ("MelSpectrogram", {"fft_length": 16, "sequence_length": 17}), "factor": ("RandomContrast", {"factor": 1.5}),
    "flip": ("RandomFlip", {"mode": "up"}), "fill": ("RandomZoom", {"height_factor": 0.1, "fill_mode": "zero"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_keras_refuses_are_refused_with_a_reason(name):
    made, message = REFUSED[name]
    with pytest.raises(LayerscopeError) as caught:
        made()
    assert str(caught.value) == message
    kind, settings = THEIRS[name]
    keras, _ = modules()
    if name == "flip":  # noticed there when an image is turned
        return
    with pytest.raises((ValueError, NotImplementedError)):
        quiet(lambda: getattr(keras.layers, kind)(**settings))()


def test_a_vocabulary_of_unknown_size_has_no_vectors():
    layer = ls.StringLookup(output_mode="count")
    with pytest.raises(LayerscopeError) as caught:
        layer.out(TensorType((2, 1), "string"))
    assert str(caught.value) == (
        "StringLookup: the size of its vocabulary is not known, so neither is that of its vectors; give "
        "vocabulary=[...], vocabulary_size=N, or max_tokens=N with pad_to_max_tokens=True"
    )
    assert ls.StringLookup(output_mode="count", vocabulary_size=4).out(TensorType((2, 1), "string"))[0].shape == (
        2,
        4,
    )
