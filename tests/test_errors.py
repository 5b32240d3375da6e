"""Every class of error is raised by something that a user can do, with its whole message."""

import numpy as np
import pytest

import layerscope as ls
from layerscope.core import errors
from layerscope.layers import Add, Conv2D, Dense, Flatten, Input, MaxUnpooling2D, PixelShuffle2D, Reshape
from layerscope.models import Model, load_model


def dense_model(**settings):
    x = Input((3,))
    model = Model(x, Dense(1)(x))
    model.compile(**({"optimizer": "sgd", "loss": "mse"} | settings))
    return model


def explode(tmp_path):
    x = np.full((8, 3), 100.0, np.float32)
    model = dense_model(optimizer=ls.optimizers.SGD(learning_rate=1e20))
    model.fit(x, x[:, :1] * 3 + 1, batch_size=4, epochs=5, verbose=0)


def offline(tmp_path):
    from layerscope.datasets import kmnist

    kmnist.load_data()


CASES = [
    (errors.SizeError, lambda tmp: Dense(0), "Dense: units must be at least 1, not 0"),
    (errors.SizeError, lambda tmp: Conv2D(3, 2.5), "Conv2D: kernel_size must be a whole number, not 2.5"),
    (errors.SizeError, lambda tmp: Input((28, -1, 1)), "a size of width must be at least 1, not -1"),
    (
        errors.SettingError,
        lambda tmp: Conv2D(3, 3, padding="full"),
        "Conv2D: padding must be 'valid' or 'same', not 'full'",
    ),
    (
        errors.SettingError,
        lambda tmp: Conv2D(3, 3, data_format="first"),
        "Conv2D: data_format must be 'channels_last' or 'channels_first', not 'first'",
    ),
    (
        errors.SettingError,
        lambda tmp: Flatten().count_params() or Dense(3).count_params(),
        "Flatten has no weights yet: their shape depends on its input; call it on one first",
    ),
    (
        errors.ShapeError,
        lambda tmp: Add()([Input((8, 8, 3)), Input((8, 8, 4))]),
        "Add: cannot add (batch, 8, 8, 3) and (batch, 8, 8, 4): axis 3 has 3 against 4",
    ),
    (
        errors.ShapeError,
        lambda tmp: Conv2D(3, 3, name="first")(Input((28, 28))),
        "first (Conv2D): needs an input of 4 axes (batch, height, width, channels), but got 3: (batch, 28, 28). "
        "Is the channel axis missing? Grey images need a last axis of size 1.",
    ),
    (
        errors.ShapeError,
        lambda tmp: Reshape((7, 7))(Input((50,))),
        "Reshape: cannot bring (50,), which has 50 elements, into (7, 7), which has 49",
    ),
    (
        errors.ShapeError,
        lambda tmp: PixelShuffle2D(2)(Input((7, 7, 6))),
        "PixelShuffle2D: blocks of 2×2 positions take a multiple of 4 channels, but got 6: (batch, 7, 7, 6). "
        "Give the layer before it 4 or 8 channels, or this one another size.",
    ),
    (
        errors.ShapeError,
        lambda tmp: PixelShuffle2D((3, 1))(Input((7, 7, 1))),
        "PixelShuffle2D: blocks of 3×1 positions take a multiple of 3 channels, but got 1: (batch, 7, 7, 1). "
        "Give the layer before it 3 channels, or this one another size.",
    ),
    (errors.SizeError, lambda tmp: PixelShuffle2D((2, 0)), "PixelShuffle2D: size must be at least 1, not 0"),
    (
        errors.SettingError,
        lambda tmp: PixelShuffle2D((2, 2, 2)),
        "PixelShuffle2D: size must be one number or 2, not (2, 2, 2)",
    ),
    (
        errors.ShapeError,
        lambda tmp: MaxUnpooling2D(2)(Input((4, 4, 1))),
        "MaxUnpooling2D: takes two inputs, [values, switches], but got 1. "
        "The switches are the second output of MaxPooling2D(..., return_switches=True).",
    ),
    (
        errors.GraphError,
        lambda tmp: Model(Input((3,)), Dense(1)(Input((3,)))),
        "the outputs also depend on 'InputLayer', which is not among the inputs",
    ),
    (
        errors.UnknownNameError,
        lambda tmp: Dense(3, "rellu"),
        "unknown activation 'rellu'. Did you mean 'relu' or 'relu6' or 'elu'?",
    ),
    (
        errors.TextError,
        lambda tmp: ls.trace("8x8x1 | cnv 3 3"),
        "unknown layer 'cnv'. Did you mean 'conv' or 'convt' or 'deconv'?\n\n  8x8x1 | cnv 3 3\n          ^^^",
    ),
    (errors.SourceError, lambda tmp: load_model(tmp / "no.npz"), "{tmp}/no.npz: there is no such file"),
    (
        errors.DataError,
        lambda tmp: dense_model().fit(np.array([[1, 2, np.nan]]), [[1.0]]),
        "x contains NaN: first in example 0. Remove such examples, or replace the values (numpy.nan_to_num), "
        "before training.",
    ),
    (
        errors.DatasetMissingError,
        offline,
        "kmnist is not on this machine and was not downloaded.\n"
        "Looked for train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
        "t10k-labels-idx1-ubyte, each with or without .gz, in\n"
        "  $LAYERSCOPE_DATA: not set\n"
        "  the cache {cache}: no such folder\n"
        "Download:\n  LAYERSCOPE_OFFLINE forbids it\nWhat you can do:\n"
        "  - put the four files, from https://codh.rois.ac.jp/kmnist/dataset/kmnist/, into {cache}\n"
        "  - or into a folder kmnist within a folder that you name in LAYERSCOPE_DATA\n"
        "  - or use digits: 1,797 real handwritten digits that need no download",
    ),
    (
        errors.OutputError,
        lambda tmp: dense_model().save(tmp / "file" / "model.npz"),
        "cannot write {tmp}/file/model.npz: a part of this path is a file, not a folder",
    ),
    (
        errors.ExportError,
        lambda tmp: dense_model().export(tmp / "model.tflite"),
        "{tmp}/model.tflite: .tflite is none of the formats that can be written; name it .onnx (ONNX), .keras (Keras) "
        "or .pt2 (PyTorch)",
    ),
    (
        errors.TrainingError,
        lambda tmp: Model(x := Input((3,)), Dense(1)(x)).fit([[1, 2, 3]], [[1]]),
        "compile the model first: model.compile(optimizer='adadelta', loss=...)",
    ),
    (
        errors.NotFiniteError,
        explode,
        "the loss became inf in epoch 1, batch 2 of 2. The weights are those before that batch. Try a smaller "
        "learning rate (it is 1e+20; try 1e+19) and smaller inputs (they reach 100; divide them to lie within 0 to 1).",
    ),
]


@pytest.mark.parametrize(
    ("kind", "cause", "message"), CASES, ids=[f"{k.__name__}-{n}" for n, (k, *_) in enumerate(CASES)]
)
def test_messages(kind, cause, message, tmp_path, monkeypatch):
    import platformdirs

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAYERSCOPE_OFFLINE", "1")
    monkeypatch.delenv("LAYERSCOPE_DATA", raising=False)
    cache = f"{platformdirs.user_cache_dir('layerscope')}/datasets/kmnist"
    with pytest.raises(kind) as caught:
        cause(tmp_path)
    assert type(caught.value) is kind
    assert str(caught.value) == message.replace("{tmp}", str(tmp_path)).replace("{cache}", cache)


def test_every_class_is_there():
    known = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.LayerscopeError)}
    assert {kind for kind, *_ in CASES} == known - {errors.LayerscopeError}
