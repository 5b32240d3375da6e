"""compare decoders: what a study holds and keeps, and how it goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.models.helpers import refuses

from layerscope import datasets, load_model, sources, studies
from layerscope.cli import main
from layerscope.core.errors import OutputError
from layerscope.models import Model
from layerscope.studies import decoder_runs, decoder_study, runs
from layerscope.studies.decoders import WAYS, autoencoder

from .helpers import ENCODER, compare

SOURCE = str(Path(__file__).parents[2] / "src")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def done(tmp_path_factory, kernel_cache):
    """A finished comparison, and its folder."""
    folder = tmp_path_factory.mktemp("compare") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", kernel_cache)
        return compare(folder), folder


@pytest.fixture
def folder(done, tmp_path):
    """A copy of the finished comparison's folder."""
    return shutil.copytree(done[1], tmp_path / "study")


def test_the_folder_holds_the_study(done):
    found, folder = done
    assert sorted(os.listdir(folder)) == [
        "comparison.json", "decoders.json", "decoders.png", "nearest-0", "nearest-1", "report.html", "unpool-0",
        "unpool-1",
    ]  # fmt: skip
    assert sorted(os.listdir(folder / "unpool-1")) == [
        "README.md", "history.csv", "model.npz", "network.json", "result.json", "settings.json",
    ]  # fmt: skip
    assert (folder / "decoders.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert json.loads((folder / "decoders.json").read_text("utf-8")) == json.loads(json.dumps(found.to_json()))
    told = json.loads((folder / "comparison.json").read_text("utf-8"))
    assert told["encoder"] == f"28x28x1 | {ENCODER}"
    assert told["images"].startswith("1,437 + 360 of 28×28×1, checksums ")
    assert [told[key] for key in ("epochs", "batch_size", "optimizer", "learning_rate", "loss")] == [
        2, 256, "adam", 0.001, "binary_crossentropy",
    ]  # fmt: skip


def test_the_numbers_are_those_of_the_models(done):
    found, folder = done
    _, (images, _) = datasets.load("digits")
    images = images[..., None] / 255.0
    for row in found.to_json()["decoders"]:
        for seed, error, loss in zip(row["seeds"], row["mse"]["values"], row["loss"]["values"], strict=True):
            model = load_model(folder / f"{row['decoder']}-{seed}" / "model.npz")
            made = model.predict(images.astype(np.float32)).astype(np.float64)
            assert error == pytest.approx(np.mean((made - images) ** 2), rel=1e-6)
            entropy = -np.mean(images * np.log(made) + (1 - images) * np.log(1 - made))
            assert loss == pytest.approx(entropy, rel=1e-4)
            assert row["parameters"] == model.count_params()
        assert row["mse"]["mean"] == pytest.approx(np.mean(row["mse"]["values"]))
        assert row["mse"]["std"] == pytest.approx(np.std(row["mse"]["values"], ddof=1))
        assert [len(history["val_loss"]) for history in row["histories"]] == [2, 2]
    # Windows of 2×2, then of 4×4, of which the first and last have 3 cells along an axis: 14 is no multiple of 4.
    assert np.ceil(2 * (14 * 14 * 2 + 4 * np.log2(9) + 8 * np.log2(12) + 4 * np.log2(16))) == 899
    assert [row["switch_bits"] for row in found.to_json()["decoders"]] == [0, 899]


def test_principal_components_beside_them(done):
    found, _ = done
    (images, _), (test, _) = (tuple(a / 255.0 for a in pair) for pair in datasets.load("digits"))
    flat, flat_test = images.reshape(len(images), -1), test.reshape(len(test), -1)
    mean = flat.mean(axis=0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2][:32]
    error = np.mean(((flat_test - mean) - (flat_test - mean) @ axes.T @ axes) ** 2)
    pca = found.to_json()["pca"]
    assert found.numbers == 4 * 4 * 2 == 32
    assert pca["mse"]["mean"] == pytest.approx(error, rel=1e-3)
    assert (pca["parameters"], pca["macs"]) == (33 * 784, 2 * 32 * 784)
    assert "loss" not in pca


def test_the_table(done):
    found, _ = done
    told = found.to_json()
    lines = found.table(200).splitlines()
    rows = [line for line in lines if line.startswith(("nearest ", "unpool ", "pca "))]
    assert lines[0] == "decoders on digits  2 seeds, mean ± standard deviation; 360 test images"
    assert lines[2].split() == [
        "decoder", "MSE", "binary_crossentropy", "parameters", "of", "decoder", "MACs", "seconds", "untrained",
        "checkerboard", "code",
    ]  # fmt: skip
    assert [row.split()[0] for row in rows[:3]] == ["nearest", "unpool", "pca"]
    for row, data in zip(rows, [*told["decoders"], told["pca"]], strict=False):
        assert f"{data['mse']['mean']:.5f}" in row
        assert f" {data['parameters']:,} " in row
        assert f"{100 * data['checkerboard']['mean']:.2f}" in row
    assert rows[0].endswith(" 32")
    assert rows[1].endswith(" 32 + 899 bits")
    assert (
        "note: unpool passes 899 bits of switches around the code, which say where the maxima stood; its error is not "
        "that of 32 numbers." in lines
    )
    assert f"Encoder: 28x28x1 | {ENCODER}" in lines
    assert "code                        4 × 4 × 2 = 32 numbers for the 784 of an image (28 × 28 × 1)" in lines
    assert "each run                    2 epochs of 6 batches of 256, adam 0.001, binary_crossentropy" in lines
    assert f"checkerboard of the images  {100 * told['images']['checkerboard']:.2f} %" in lines
    assert max(map(len, found.table(100).splitlines())) <= 100
    assert json.loads(found.table(format="json")) == json.loads(json.dumps(told))


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_picture_in_each_format(done, tmp_path, suffix):
    done[0].save_figure(tmp_path / f"picture.{suffix}")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"picture.{suffix}").read_bytes().startswith(start)
    assert os.listdir(tmp_path) == [f"picture.{suffix}"]


def test_runs_are_run_folders(done, capsys):
    _, folder = done
    assert runs.recipe(folder / "nearest-1").seed == 1
    assert main(["reconstruct", str(folder / "nearest-1"), "--count", "3"]) == 0
    assert "over 3 images" in capsys.readouterr().out


def test_initial_weights():
    """Of one seed the encoder is the same for all decoders, and what has the same shape in the same place as well."""
    encoder = sources.read(f"28x28x1 | {decoder_study.ENCODER}")

    def weights(name, seed):
        model = Model.from_graph(autoencoder(encoder, name))
        decoder_runs.initialise(model, seed)
        return model.get_weights()

    plain = weights("nearest", 0)
    for name in WAYS:
        found = weights(name, 0)
        assert len(found) == len(plain) == 12
        assert all(np.array_equal(a, b) for a, b in zip(found[:6], plain[:6], strict=True))
        same = name in ("nearest", "bilinear", "nails", "unpool")
        assert all(np.array_equal(a, b) for a, b in zip(found[6:], plain[6:], strict=True)) == same
    other = weights("nearest", 1)
    kernels = [n for n, array in enumerate(plain) if array.ndim == 4]
    assert not any(np.array_equal(plain[n], other[n]) for n in kernels)
    assert len({array.tobytes() for array in plain[::2]}) == 6
    limit = np.sqrt(6 / (9 * 8 + 9 * 16))  # Glorot's for the second convolution, 16 to 8
    assert 0.95 * limit < np.abs(plain[2]).max() <= limit


def without_seconds(found):
    told = found.to_json()
    for row in [*told["decoders"], told["pca"]]:
        del row["seconds"]
    return told


def test_finished_runs_are_kept_and_others_added(folder, done):
    before = contents(folder)
    again = compare(folder)
    assert without_seconds(again) == without_seconds(done[0])
    assert contents(folder).keys() == before.keys()
    assert all(contents(folder)[name] == before[name] for name in before if "-" in name and "decoders" not in name)
    more = compare(folder, seeds=3, decoders=["nearest", "nails"])
    assert [[r.seed for r in row.results] for row in more.rows] == [[0, 1, 2], [0, 1, 2]]
    assert more.rows[0].results[:2] == done[0].rows[0].results


def test_a_damaged_result_is_trained_again(folder, done):
    (folder / "nearest-0" / "result.json").write_text('{"seed": 0')
    (folder / "unpool-1" / "model.npz").unlink()
    assert without_seconds(compare(folder)) == without_seconds(done[0])


def test_after_kill_9_it_goes_on(tmp_path, done):
    script = (
        "import os, signal\n"
        "from layerscope import studies\n"
        "from layerscope.studies import decoder_runs\n"
        "class Dies(decoder_runs.Clock):\n"
        "    def on_epoch_end(self, epoch, logs=None):\n"
        f"        if os.path.exists({str(tmp_path / 'study' / 'unpool-0' / 'result.json')!r}):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "decoder_runs.Clock = Dies\n"
        f"studies.compare_decoders('digits', encoder={ENCODER!r}, decoders='nearest,unpool', seeds=2, epochs=2,\n"
        f"    batch_size=256, verbose=0, out={str(tmp_path / 'study')!r})\n"
    )
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    died = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    left = contents(tmp_path / "study")
    assert {"nearest-0/result.json", "unpool-0/result.json", "nearest-1/settings.json"} <= left.keys()
    assert not {"nearest-1/result.json", "decoders.json"} & left.keys()
    resumed = compare(tmp_path / "study")
    now = contents(tmp_path / "study")
    assert all(now[name] == left[name] for name in left if name.startswith(("nearest-0", "unpool-0")))
    assert without_seconds(resumed)["decoders"] == without_seconds(done[0])["decoders"]


def test_ctrl_c_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    class Interrupts(decoder_runs.Clock):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if (tmp_path / "nearest-0" / "result.json").exists():
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(decoder_runs, "Clock", Interrupts)
    command = ["compare", "decoders", "--data", "digits", "--encoder", ENCODER, "--decoders", "nearest,unpool"]
    command += ["--seeds", "1", "--epochs", "2", "--out", str(tmp_path)]
    assert main(command) == 130
    told = capsys.readouterr()
    assert told.err == f"Stopped by Ctrl-C. 1 finished run is kept in {tmp_path}; the same command goes on.\n"
    assert re.fullmatch(r"1/2  nearest, seed 0: MSE 0\.\d{5}, \d\.\d s  \d+ s left\n", told.out)
    monkeypatch.undo()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("1/2  nearest, seed 0: kept, MSE 0.")


def test_other_settings_are_refused(folder):
    before = contents(folder)
    with refuses(
        OutputError,
        f"{folder} holds a comparison with other settings:\n"
        f"  encoder: 28x28x1 | {ENCODER} there, 28x28x1 | maxpool 2 here\n"
        "  epochs: 2 there, 3 here\n"
        "  optimizer: adam there, sgd here\n"
        "  learning_rate: 0.001 there, 0.5 here\n"
        "Give another --out, or --overwrite to start anew.",
    ):
        compare(folder, encoder="maxpool 2", epochs=3, optimizer="sgd", learning_rate=0.5)
    assert contents(folder) == before


def test_other_images_are_refused(folder, monkeypatch):
    load = decoder_study.load_images

    def changed(*given, **settings):
        images = load(*given, **settings)
        images.train.source.values[0, 0, 0] = 1
        return images

    monkeypatch.setattr(decoder_study, "load_images", changed)
    with pytest.raises(OutputError, match=r"other settings:\n  images: 1,437 \+ 360 of 28×28×1, checksums .* here\n"):
        compare(folder)


def test_overwriting_starts_anew(folder):
    (folder / "notes.txt").write_text("mine")
    found = compare(folder, epochs=1, seeds=1, overwrite=True)
    assert [len(row.results) for row in found.rows] == [1, 1]
    assert len(found.rows[0].results[0].history["loss"]) == 1
    assert not list(folder.glob("*-1/model.npz"))
    assert (folder / "notes.txt").read_text() == "mine"


def test_runs_of_somebody_else_are_not_replaced(tmp_path):
    network = "28x28x1 | maxpool 4 | conv 1 3 same sigmoid | upsample 4"
    studies.train(network, "digits", epochs=1, batch_size=512, out=tmp_path / "study" / "nearest-0", verbose=0)
    before = (tmp_path / "study" / "nearest-0" / "model.npz").read_bytes()
    with pytest.raises(OutputError) as caught:
        compare(tmp_path / "study")
    assert (
        str(caught.value) == f"{tmp_path}/study/nearest-0 holds a run that is not a comparison's; give another --out"
    )
    assert (tmp_path / "study" / "nearest-0" / "model.npz").read_bytes() == before


def test_a_run_that_was_trained_on_is_noticed(folder):
    studies.resume(folder / "nearest-0", 30, verbose=0)
    with pytest.raises(OutputError) as caught:
        compare(folder)
    assert str(caught.value).startswith(
        f"{folder}/nearest-0 was trained on after the comparison: it has 30 epochs, not "
    )
