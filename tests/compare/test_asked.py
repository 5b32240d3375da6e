"""compare decoders: what is left out or refused, and the command."""

import json
import os
import re
from pathlib import Path

import pytest
from tests.models.helpers import refuses

from layerscope import studies
from layerscope.cli import main
from layerscope.core.errors import (
    DataError,
    GraphError,
    NotFiniteError,
    OutputError,
    SettingError,
    TextError,
    UnknownNameError,
)
from layerscope.studies.decoders import WAYS

from .helpers import ENCODER, compare


def test_decoders_that_an_encoder_cannot_have_are_left_out_or_refused(tmp_path):
    strided = "conv 2 3 stride 4 same relu | conv 2 3 same relu as code"
    why = "conv2d (Conv2D) is a convolution with strides and keeps no switches; only max pooling can be unpooled"
    found = compare(tmp_path, encoder=strided, decoders=None, seeds=1, epochs=1, batch_size=512)
    assert [row.decoder for row in found.rows] == ["nearest", "bilinear", "nails", "transpose", "subpixel"]
    assert found.left_out == {"unpool": why}
    assert f"note: unpool is left out: {why}." in found.table(200).splitlines()
    assert " ± " not in found.table(200).split("─")[-1]
    with refuses(GraphError, f"this encoder has no decoder 'unpool': {why}"):
        compare(tmp_path, encoder=strided)


REFUSED = {
    "decoder": (
        {"decoders": "nearest,transposed"}, UnknownNameError,
        "unknown decoder 'transposed'. Did you mean 'transpose' or 'transpose3'?",
    ),
    "no decoder": ({"decoders": []}, SettingError, f"no decoders are named; there are {', '.join(WAYS)}"),
    "data set": ({"data": "digitz"}, UnknownNameError, "unknown data set 'digitz'. Did you mean 'digits'?"),
    "optimizer": ({"optimizer": "adem"}, UnknownNameError, "unknown optimizer 'adem'. Did you mean 'adam' or 'nadam' or 'adamw'?"),
    "a layer": (
        {"encoder": "maxpol 2"}, TextError,
        "unknown layer 'maxpol'. Did you mean 'maxpool' or 'maxunpool' or 'maxpool3d'?\n\n"
        "  28x28x1 | maxpol 2\n            ^^^^^^",
    ),
    "nothing smaller": (
        {"encoder": "conv 2 3 same relu | conv 2 3 same"}, GraphError,
        "the encoder never makes the image smaller, so its decoders would not differ; give it a pool or a stride, as "
        'in "conv 16 3 same relu | maxpool 2 same"',
    ),
    "size": (
        {"encoder": "32x32x1 | maxpool 2"}, DataError,
        "the encoder takes (32, 32, 1), but the images of digits are (28, 28, 1). Start it with 28x28x1, or leave its "
        "size out: it is then that of the images.",
    ),
    "a whole autoencoder": (
        {"encoder": "example:autoencoder"}, GraphError,
        "up_sampling2d (UpSampling2D) has no layer that undoes it here; an encoder may have convolutions, "
        "pools, ZeroPadding, Cropping, Dense, Flatten, Permute, Reshape, activations, normalisations, dropout, and "
        "branches that meet again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    settings, kind, message = REFUSED[case]
    settings = {"data": "digits", "encoder": ENCODER, "verbose": 0} | settings
    with refuses(kind, message):
        studies.compare_decoders(settings.pop("data"), out=tmp_path / "study", **settings)
    assert os.listdir(tmp_path) == []


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "model.npz").write_text("")
    with refuses(OutputError, f"{tmp_path} holds a run of layerscope train; give another --out"):
        compare(tmp_path, overwrite=True)
    (tmp_path / "model.npz").rename(tmp_path / "comparison.json")
    with refuses(
        OutputError,
        f"{tmp_path}/comparison.json cannot be read (Expecting value: line 1 column 1 (char 0)). "
        "Give another --out, or --overwrite to start anew.",
    ):
        compare(tmp_path)


def test_a_loss_that_is_not_finite_names_the_run(tmp_path):
    message = (
        "unpool, seed 0: the loss became nan in epoch 1, batch 2 of 6. The weights are those before that batch. "
        "Try a smaller learning rate (it is 1e+30; try 1e+29)."
    )
    with refuses(NotFiniteError, message):
        compare(
            tmp_path,
            decoders="unpool",
            encoder="conv 2 3 same | maxpool 2",
            optimizer="sgd",
            learning_rate=1e30,
            loss="mse",
        )


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    command = [
        "compare",
        "decoders",
        "--data",
        "digits",
        "--encoder",
        "28x28x1 | maxpool 4",
        "--seeds",
        "1",
        "--loss",
        "mse",
    ]
    command += ["--epochs", "1", "--decoders", "Nearest, nails,nearest"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert re.match(
        r"1/2  nearest, seed 0: MSE [\d.]+, [\d.]+ s  \d+ s left\n2/2  nails, seed 0: MSE [\d.]+, [\d.]+ s\n\n", out
    )
    assert "each run                    1 epoch of 6 batches of 256, adam 0.001, mean_squared_error\n" in out
    assert out.endswith(
        "Wrote runs/compare-decoders-digits/decoders.png: the picture\n"
        "Wrote runs/compare-decoders-digits/decoders.json: everything as numbers\n"
        "Next: layerscope reconstruct runs/compare-decoders-digits/nearest-0 -o ten.png\n"
    )
    assert main([*command, "--format", "json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == json.loads(Path("runs/compare-decoders-digits/decoders.json").read_text("utf-8"))
    assert told.err.startswith("1/2  nearest, seed 0: kept, MSE ")
    assert main([*command, "--format", "xml"]) == 2
    assert capsys.readouterr().err == "layerscope compare: unknown format 'xml'. Did you mean 'html'?\n"


@pytest.mark.parametrize("words", [[], ["decoder"]])
def test_the_subject_is_asked_for(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["compare", *words])
    told = capsys.readouterr().err
    assert told.startswith("layerscope compare: ")
    assert told.endswith("Try: layerscope compare --help\n")


def test_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["compare", "decoders", "--help"])
    out = capsys.readouterr().out
    assert "layerscope compare decoders --data mnist" in out.split("examples:", 1)[1]
    assert all(f"  {name} " in out for name in WAYS)
