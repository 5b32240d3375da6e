"""layerscope export: files that their own runtimes compute as the model does, and what is said about them."""

from __future__ import annotations

import re

import numpy as np
import pytest

import layerscope as ls
from layerscope.cli import main
from layerscope.core.errors import ExportError
from layerscope.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D, MaxUnpooling2D
from layerscope.studies import exporting
from layerscope.targets import runtimes

TEXT = "28x28x1 | conv 4 3 same relu | maxpool 2 same | upsample 2 | conv 1 3 same sigmoid"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder."""
    for package in ("onnx", "onnxruntime", "torch", "keras"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("runs") / "a"
    ls.studies.train(TEXT, "digits", epochs=1, batch_size=256, out=folder, verbose=0)
    return folder


def said(capsys, *arguments):
    """Exit code, and what stands on stdout with the number of the difference left out."""
    code = main(["export", *map(str, arguments)])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, re.sub(r"\d\.\de-\d\d", "TINY", printed.out)


def test_onnx(run, capsys, tmp_path):
    path = tmp_path / "model.onnx"
    code, out = said(capsys, run, "-o", path)
    assert code == 0
    assert out == (
        f"{path}: ONNX, {path.stat().st_size:,} bytes\n"
        "  in  input_layer  (batch, 28, 28, 1)  channels last\n"
        "  out conv2d_1     (batch, 28, 28, 1)  channels last\n"
        "Compared with ONNX Runtime on 4 random inputs: the outputs differ by TINY at most.\n"
    )


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's variables under NumPy 2
def test_keras(run, capsys, tmp_path):
    path = tmp_path / "model.keras"
    code, out = said(capsys, run, "-o", path)
    assert code == 0
    assert out == (
        f"{path}: Keras, {path.stat().st_size:,} bytes\n"
        "  in  input_layer  (batch, 28, 28, 1)  channels last\n"
        "  out conv2d_1     (batch, 28, 28, 1)  channels last\n"
        "Compared with Keras on 4 random inputs: the outputs differ by TINY at most.\n"
    )
    assert list(tmp_path.iterdir()) == [path]


def test_pytorch(run, capsys, tmp_path):
    path = tmp_path / "model.pt2"
    code, out = said(capsys, run / "model.npz", "-o", path)
    assert code == 0
    assert out == (
        f"{path}: PyTorch, {path.stat().st_size:,} bytes\n"
        "  in  input_layer  (batch, 1, 28, 28)  channels first\n"
        "  out conv2d_1     (batch, 1, 28, 28)  channels first\n"
        "Compared with PyTorch on 4 random inputs: the outputs differ by TINY at most.\n"
    )


def model():
    """Two inputs, one of which are switches; two outputs; open sizes."""
    image = Input((None, None, 1), name="image")
    values, switches = MaxPooling2D(2, return_switches=True, name="pool")(Conv2D(2, 3, padding="same")(image))
    back = MaxUnpooling2D(2, name="back")([values, switches])
    return ls.Model(image, [back, switches])


def test_what_the_function_returns(run, tmp_path):
    found = ls.studies.export(model(), tmp_path / "model.onnx")
    assert [(name, str(type)) for name, type in found.inputs] == [("image", "(batch, image_height, image_width, 1)")]
    assert [(name, str(type)) for name, type in found.outputs] == [
        ("back", "(batch, image_height, image_width, 2)"),
        ("pool:1", "(batch, floor((image_height) / 2), floor((image_width) / 2), 2)"),
    ]
    assert found.size == (tmp_path / "model.onnx").stat().st_size
    assert found.difference is not None
    assert found.difference < 1e-5


def test_switches_as_an_input(run, tmp_path):
    x = Input((3, 4, 2), name="values")
    switches = Input((3, 4, 2), dtype="int32", name="switches")
    unpooled = ls.Model([x, switches], Dense(3)(Flatten()(MaxUnpooling2D(2)([x, switches]))))
    for name in ("model.onnx", "model.pt2"):
        found = ls.studies.export(unpooled, tmp_path / name)
        assert found.difference is not None
        assert found.difference < 1e-5


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_whole_numbers_as_an_input(dtype, run, tmp_path):
    """An image of bytes goes in as it is."""
    image = Input((6, 6, 1), dtype=dtype, name="bytes")
    whole = ls.Model(image, Conv2D(2, 3, activation="tanh")(MaxPooling2D(2)(image)))
    for name in ("model.onnx", "model.pt2"):
        found = ls.studies.export(whole, tmp_path / name)
        assert found.difference is not None
        assert found.difference < 1e-5


def test_without_a_runtime_it_is_said(run, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    code, out = said(capsys, run, "-o", tmp_path / "model.onnx")
    assert code == 0
    assert out.splitlines()[-1] == "Not compared: ONNX Runtime is not here (pip install onnxruntime)."


def test_a_file_that_computes_otherwise_is_an_error(run, capsys, tmp_path, monkeypatch):
    real = runtimes.RUN[".onnx"]
    monkeypatch.setitem(runtimes.RUN, ".onnx", lambda path, given: [1.01 * a + 0.25 for a in real(path, given)])
    path = tmp_path / "model.onnx"
    with pytest.raises(ExportError) as caught:
        ls.studies.export(run, path)
    assert re.sub(r"\d\.\de-\d\d", "MUCH", str(caught.value)) == (
        f"{path} was written, but ONNX Runtime computes other numbers from it than the model does: they differ by MUCH. "
        "Do not use the file; this is a fault of Layerscope, which please report."
    )


def test_an_existing_file_is_replaced_whole_or_not_at_all(run, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_text("before")
    x = Input((4,))
    described = ls.layers.Opaque("Norm", [x.type], name="norm")(x)
    with pytest.raises(ExportError):
        ls.Model(x, described).export(path)
    assert path.read_text() == "before"
    ls.studies.export(run, path)
    assert path.read_bytes() != b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_the_model_is_left_as_it_was(run, tmp_path):
    trained = ls.load_model(run / "model.npz")
    before = trained.get_weights()
    ls.studies.export(trained, tmp_path / "model.onnx")
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.get_weights(), strict=True))
    assert trained.optimizer is not None
