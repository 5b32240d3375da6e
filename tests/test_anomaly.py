"""The benchmark of anomalies: its ranking by an independent formula, its scores, its tables."""

import importlib.util
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def anomaly():
    spec = importlib.util.spec_from_file_location("anomaly", ROOT / "benchmarks" / "anomaly.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        spec.loader.exec_module(module)
    return module


def small(anomaly, seed=0):
    """MNIST's shapes with forty made-up images."""
    images = anomaly.Images.__new__(anomaly.Images)
    draw = np.random.default_rng(seed)
    images.train, images.test = (draw.random((40, 784)).astype("float32") for _ in range(2))
    images.train_labels, images.labels = (np.arange(40) % 10 for _ in range(2))
    return images


def pairs(positive, negative):
    """The share of pairs in which the positive one is larger, ties half: what an AUROC is."""
    return np.mean([(p > n) + (p == n) / 2 for p in positive for n in negative])


@pytest.mark.parametrize("seed", range(5))
def test_the_ranking_is_the_share_of_pairs_in_order(anomaly, seed):
    images = small(anomaly)
    scores = np.random.default_rng(seed).integers(0, 12, 40).astype("float64")  # with ties
    for digit in (0, 7):
        theirs = pairs(scores[images.labels == digit], scores[images.labels != digit])
        assert images.ranked(digit, scores) == pytest.approx(theirs, abs=1e-12)


def test_scores_of_reconstructions(anomaly):
    images = small(anomaly)
    restored = np.random.default_rng(9).random((40, 784))
    squared = ((images.test - restored) ** 2).mean(axis=1)
    relative = squared / (images.test.astype("float64").var(axis=1) + 1 / 255**2)
    found = images.both(3, restored)
    assert found == {
        name: pytest.approx(pairs(s[images.labels == 3], s[images.labels != 3]), abs=1e-12)
        for name, s in (("squared", squared), ("relative", relative))
    }


def test_training_leaves_the_digit_out(anomaly):
    images = small(anomaly)
    assert images.without(4).shape == (36, 784)
    np.testing.assert_array_equal(
        images.without(4), [x for x, y in zip(images.train, images.train_labels, strict=True) if y != 4]
    )


def test_principal_components_are_the_best_linear_code(anomaly):
    images = small(anomaly)
    found, _ = anomaly.components(images, 4, 8)
    x = images.without(4).astype("float64")
    centre = x.mean(axis=0)
    directions = np.linalg.svd(x - centre, full_matrices=False)[2][:8]
    again = (images.test - centre) @ directions.T @ directions + centre
    assert found == pytest.approx(images.both(4, again), abs=1e-12)


def test_tables(anomaly, capsys):
    asked = Namespace(digits=[0, 4], seeds=2, code=3, sizes=[3, 2], epochs=1)
    images = small(anomaly)
    text, firsts = anomaly.by_digit(images, asked)
    lines = text.splitlines()
    assert lines[0].startswith("Code of 3 numbers; ")
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| 0", "| 4", "| mean", "| least"]
    cells = [[float(cell or "nan") for cell in line[2:-2].split(" | ")[1:]] for line in lines[4:]]
    assert np.isnan([cells[2][2], cells[3][2]]).all()
    cells = [[*row[:2], *row[3:]] for row in cells]
    np.testing.assert_allclose(cells[2], np.mean(cells[:2], axis=0), atol=0.0011)
    assert cells[3] == np.min(cells[:2], axis=0).tolist()
    sizes = anomaly.by_size(images, asked, firsts).splitlines()
    mean = np.mean([one["squared"] for one in firsts])
    assert sizes[2].startswith(f"| 3 | {mean:.3f} (")
    assert len(sizes) == 4


def test_the_page_has_a_place_for_the_results(anomaly):
    page = anomaly.PAGE.read_text("utf-8")
    assert page.index(anomaly.MARKS[0]) < page.index(anomaly.MARKS[1])
