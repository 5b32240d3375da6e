"""Scores, percentiles and worst regions by their definitions; files read back; what cannot be scored."""

import csv
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from layerscope import datasets, studies
from layerscope.cli import main
from layerscope.core.errors import DataError
from layerscope.models import progress
from layerscope.studies import measures, opened

from .helpers import equal, numbers, refuses
from .looking import LABELS, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("score") / "run")


@pytest.fixture(scope="module")
def found(run):
    return studies.score(run, "digits:test", verbose=0)


@pytest.fixture(scope="module")
def pair(run):
    """Validation images and their reconstructions, in float64."""
    _, (images, _) = datasets.load("digits")
    fed = images[..., None].astype("float32") / 255
    return fed.astype("float64"), run.model.predict(fed).astype("float64")


def test_squared_is_the_mean_squared_error(found, pair):
    images, restored = pair
    np.testing.assert_allclose(found.values, ((images - restored) ** 2).reshape(360, -1).mean(axis=1), rtol=1e-9)
    assert np.all(np.diff(found.values[found.order]) <= 0)


def test_relative_is_the_unexplained_share_of_the_variance(run, pair):
    images, restored = (array.reshape(360, -1) for array in pair)
    mean = images.mean(axis=1, keepdims=True)
    share = ((images - restored) ** 2).sum(axis=1) / (((images - mean) ** 2).sum(axis=1) + 784 / 255**2)
    found = studies.score(run, "digits:test", kind="relative", verbose=0)
    np.testing.assert_allclose(found.values, share, rtol=1e-9)


def test_relative_is_one_for_the_image_of_the_mean_and_finite_for_an_empty_one():
    images = numbers(2, 4, 4, 1).astype("float64")
    images[1] = 0.5
    flat = np.broadcast_to(images.mean(axis=(1, 2, 3), keepdims=True), images.shape)
    one, none = measures.relative(images, measures.maps(images, flat))
    np.testing.assert_allclose(one, images[0].var() / (images[0].var() + 1 / 255**2))
    assert none == 0
    np.testing.assert_allclose(measures.relative(images, measures.maps(images, flat + 1 / 255))[1], 1)


def test_maps_of_colour_images_are_means_over_channels():
    images, restored = numbers(2, 3, 4, 3), numbers(2, 3, 4, 3, seed=1)
    by_hand = sum((images[..., c].astype("float64") - restored[..., c]) ** 2 for c in range(3)) / 3
    np.testing.assert_allclose(measures.maps(images, restored), by_hand, rtol=1e-12)


def test_percentiles_count_validation_images_with_smaller_scores(run, tmp_path):
    few = numbers(4, 28, 28)
    few[:3] *= np.array([0, 0.05, 0.2], "float32")[:, None, None]
    np.save(tmp_path / "few.npy", few)
    found = studies.score(run, tmp_path / "few.npy", verbose=0)
    usual = studies.score(run, "digits:test", verbose=0).values
    assert found.percentiles.tolist() == [100 * sum(u < v for u in usual) / 360 for v in found.values]
    assert 0 <= found.percentiles.min() < found.percentiles.max() == 100


def box_by_hand(plane):
    """The worst region: smooth by loops, then let it grow from the peak."""
    height, width = plane.shape
    side = max(3, min(height, width) // 16 // 2 * 2 + 1)
    half = side // 2
    smooth = {
        (i, j): sum(
            plane[min(max(i + a, 0), height - 1), min(max(j + b, 0), width - 1)]
            for a in range(-half, half + 1)
            for b in range(-half, half + 1)
        )
        for i in range(height)
        for j in range(width)
    }
    peak = max(smooth, key=smooth.__getitem__)
    region, edge = {peak}, [peak]
    while edge:
        i, j = edge.pop()
        for near in ((i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)):
            if near not in region and smooth.get(near, -1) >= smooth[peak] / 2:
                region.add(near)
                edge.append(near)
    rows, columns = zip(*region, strict=True)
    return [min(rows), min(columns), max(rows) - min(rows) + 1, max(columns) - min(columns) + 1]


def test_regions_grow_from_the_peak_of_the_smoothed_map():
    planes = numbers(12, 9, 14).astype("float64") ** 6
    assert measures.regions(planes).tolist() == [box_by_hand(plane) for plane in planes]
    large = numbers(2, 80, 96).astype("float64") ** 3
    assert measures.regions(large).tolist() == [box_by_hand(plane) for plane in large]


def test_a_spoiled_corner_is_found(run, tmp_path):
    (_, _), (images, _) = datasets.load("digits")
    spoiled = images[:5].copy()
    spoiled[2, 20:26, 2:8] = 255 - spoiled[2, 20:26, 2:8]
    np.save(tmp_path / "spoiled.npy", spoiled)
    found = studies.score(run, tmp_path / "spoiled.npy", verbose=0)
    assert found.order[0] == 2
    row, column, height, width = found.regions[2]
    assert 18 <= row <= 21
    assert 0 <= column <= 3
    assert 25 <= row + height <= 28
    assert 7 <= column + width <= 10


def test_chunks_change_nothing(run, found, monkeypatch):
    monkeypatch.setattr(opened, "MOST", 50)
    again = studies.score(run, "digits:test", verbose=0)
    assert equal([again.values, again.regions, again.usual], [found.values, found.regions, found.usual])
    assert equal(list(vars(again.worst).values()), list(vars(found.worst).values()))


def test_the_worst_are_kept_with_their_images(found, pair):
    images, restored = pair
    assert found.worst.numbers.tolist() == found.order[:10].tolist()
    assert equal([found.worst.images], [images[found.order[:10]].astype("float32")])
    assert equal([found.worst.restored], [restored[found.order[:10]].astype("float32")])


def test_the_csv_is_worst_first(run, found, tmp_path, capsys):
    path, picture = tmp_path / "scores.csv", tmp_path / "worst.svg"
    arguments = ["score", str(run.folder), "digits:test", "-o", str(path), "--heatmap", str(picture), "--top", "3"]
    assert main(arguments) == 0
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    order = found.order
    assert list(rows[0]) == ["rank", "name", "label", "score", "percentile", "row", "column", "height", "width"]
    assert [int(row["rank"]) for row in rows] == list(range(1, 361))
    assert [row["name"] for row in rows] == [f"test/{number}" for number in order]
    assert [row["label"] for row in rows] == [str(label) for label in found.labels[order]]
    np.testing.assert_allclose([float(row["score"]) for row in rows], found.values[order], rtol=1e-8)
    np.testing.assert_allclose([float(row["percentile"]) for row in rows], found.percentiles[order], rtol=1e-3)
    boxes = [[int(row[name]) for name in ("row", "column", "height", "width")] for row in rows]
    assert boxes == found.regions[order].tolist()
    text = picture.read_text("utf-8")
    assert all(f"test/{number}" in text for number in order[:3])
    assert f"test/{order[3]}" not in text
    printed = capsys.readouterr().out
    assert printed.endswith(f"\nWrote {path}: all scores\n\nWrote {picture}: the worst as a picture\n")


def test_what_is_printed(run, found, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["score", str(run.folder), "digits:test", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "scores  the 2 worst of 360"
    first, number = lines[4].split(), found.order[0]
    row, column, height, width = found.regions[number]
    assert first[:4] == ["1", f"test/{number}", str(found.labels[number]), f"{found.values[number]:.4g}"]
    assert lines[4].endswith(f"> 99.7 %  {row}, {column}; {height} × {width}")
    assert lines[7:] == [
        "images                                 360",
        f"median score                           {np.median(found.values):.4g}",
        f"median of the run's validation images  {np.median(found.values):.4g}",
        "images above 99 % of these             3",
        "",
        "Score: mean squared error of an image and its reconstruction, pixels 0 to 1.",
        "Validation: the share of the run's 360 validation images whose score is smaller.",
        "Worst region: in pixels of the network's input, from 0; height × width.",
    ]


def test_progress_is_told_on_stderr(run, capsys, monkeypatch):
    clock = itertools.count(0, 2)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    studies.score(run, "digits:test")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "Scoring the validation's 360 images ...\nScoring 360 images ...\n"


def test_a_network_of_vectors_has_regions_where_its_images_are_pictures(tmp_path):
    run = trained(tmp_path / "run", "784 | dense 8 relu | dense 784 sigmoid", epochs=1)
    found = studies.score(run, "digits:test", verbose=0)
    assert found.regions.shape == (360, 4)


def test_vectors_have_scores_and_no_regions(tmp_path):
    np.savez(tmp_path / "v.npz", x_train=numbers(40, 30), x_test=numbers(20, 30, seed=1))
    run = studies.train(
        "30 | dense 4 tanh | dense 30 sigmoid", tmp_path / "v.npz", out=tmp_path / "run", epochs=1, verbose=0
    )
    found = studies.score(run, verbose=0, out=tmp_path / "s.csv")
    by_hand = (numbers(20, 30, seed=1).astype("float64") - run.model.predict(numbers(20, 30, seed=1))) ** 2
    np.testing.assert_allclose(found.values, by_hand.mean(axis=1), rtol=1e-6)
    assert found.regions is None
    assert (tmp_path / "s.csv").read_text("utf-8").splitlines()[1].endswith(",,,,")
    with refuses(DataError, "a heat map needs images, but these are vectors (30,)"):
        studies.score(run, verbose=0, heatmap=tmp_path / "w.png")


def test_a_run_whose_images_have_gone(run, tmp_path, monkeypatch):
    def gone(self, wishes=None, data=None):
        raise DataError("gone: there is no such folder")

    monkeypatch.setattr(opened.Opened, "loaded", gone)
    found = studies.score(run, "digits:test", verbose=0, out=tmp_path / "s.csv", heatmap=tmp_path / "w.png")
    assert found.percentiles is None
    assert found.notes == [
        "the run's validation images cannot be read, so no score is compared with theirs. "
        "gone: there is no such folder"
    ]
    assert (tmp_path / "s.csv").read_text("utf-8").splitlines()[1].split(",")[4] == ""
    assert found.document().notes == found.notes


def test_a_classifier_has_nothing_to_score(tmp_path):
    run = trained(tmp_path / "run", LABELS, epochs=1)
    with refuses(DataError, f"{tmp_path}/run learned labels, so there is nothing to score"):
        studies.score(run.folder, "digits")


MISTAKES = {
    "score": (["{run}", "digits", "--score", "relativ"], "unknown score 'relativ'. Did you mean 'relative'?"),
    "suffix": (["{run}", "digits", "-o", "{tmp}/s.xlsx"],
               "cannot write {tmp}/s.xlsx: a file of scores ends in .csv"),
    "heat map": (["{run}", "digits", "--heatmap", "{tmp}/h.bmp"],
                 "cannot write {tmp}/h.bmp: a picture ends in .png, .svg or .pdf"),
    "no run": (["{tmp}/none", "digits"], "{tmp}/none: there is no such run folder; layerscope train makes one"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, run, tmp_path, capsys):
    arguments, message = MISTAKES[name]
    given = [a.replace("{run}", str(run.folder)).replace("{tmp}", str(tmp_path)) for a in arguments]
    assert main(["score", *given]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"layerscope score: {message.replace('{tmp}', str(tmp_path))}\n")
    assert list(tmp_path.iterdir()) == []


def test_no_images_named(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["score", "runs/a"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "layerscope score: the following arguments are required: IMAGES\nTry: layerscope score --help\n"
    )
