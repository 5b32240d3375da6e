"""What shifts do, against the definition computed in another way, and by hand."""

from fractions import Fraction

import numpy as np
import pytest

from layerscope import sources, studies
from layerscope.core.errors import DataError, GraphError, SettingError, ShapeError
from layerscope.layers import Add, Input
from layerscope.models import Model
from layerscope.probes import shrinking
from layerscope.probes.shift import moved, shift
from layerscope.studies.decoder_runs import initialise

RANDOM = np.random.default_rng(7)


def model(text, seed=0):
    made = Model.from_graph(sources.read(text))
    initialise(made, seed)
    return made


def framed(count, side, border):
    """Noise with black borders, so that nothing is lost at the edge."""
    images = np.zeros((count, side, side, 1), np.float32)
    inner = slice(border, side - border)
    images[:, inner, inner] = RANDOM.random((count, side - 2 * border, side - 2 * border, 1))
    return images


def test_moved_fills_with_zeros():
    row = np.arange(1, 5).reshape(1, 1, 4, 1)
    assert moved(row, 1, 2).ravel().tolist() == [0, 1, 2, 3]
    assert moved(row, -3, 2).ravel().tolist() == [4, 0, 0, 0]
    assert moved(row, 4, 2).ravel().tolist() == [0, 0, 0, 0]
    assert moved(row, 0, 2).ravel().tolist() == [1, 2, 3, 4]


def test_change_is_the_distance_over_that_between_images():
    """Of the identity, with every pair of images written out."""
    images = RANDOM.random((5, 6, 7, 2)).astype(np.float32)
    row = shift(model("6x7x2 | activation linear"), images, 2).layers[0]
    between = np.mean([np.sum((a - b) ** 2) for i, a in enumerate(images) for j, b in enumerate(images) if i != j])
    for d in (1, 2):
        went = [np.roll(np.pad(images, ((0, 0), (d, d), (d, d), (0, 0))), (s, t), (1, 2))[:, d:-d, d:-d]
                for s, t in ((d, 0), (-d, 0), (0, d), (0, -d))]  # fmt: skip
        squares = np.mean([np.sum((y - images) ** 2) / len(images) for y in went])
        assert row.change[d] == pytest.approx(np.sqrt(squares / between), rel=1e-5)
    assert (row.change[0], row.jump, row.misfit, row.whole) == (0, (1, 1), (0, 0, 0), (True, True, True))


def test_a_constant_image_moves_into_a_border():
    """One row of two pixels: 1 0 and 0 1; moved by 1 along the row three of four cases are 0 0, one is the other."""
    images = np.array([[[[1.0], [0]], [[0], [0]]], [[[0], [1.0]], [[0], [0]]]], np.float32)
    row = shift(model("2x2x1 | activation linear"), images, 1).layers[0]
    # down: each ends 2 away; up: out of the image, 1; right: 1 0 → 0 1 (2), 0 1 → 0 0 (1); left likewise. Apart: 2.
    assert row.change[1] == pytest.approx(np.sqrt((2 + 2 + 1 + 1 + 2 + 1 + 1 + 2) / 8 / 2))


def test_pooling_moves_along_by_whole_windows_only():
    found = shift(model("24x24x1 | conv 4 3 same relu nobias | maxpool 2 | avgpool 2"), framed(6, 24, 9), 4)
    conv, once, twice = found.layers
    assert [layer.jump for layer in found.layers] == [(1, 1), (2, 2), (4, 4)]
    assert max(value for value in conv.misfit if value is not None) < 1e-6
    assert once.whole == (True, False, True, False, True)
    assert twice.whole == (True, False, False, False, True)
    for layer, exact in ((once, (2, 4)), (twice, (4,))):
        for d in range(1, 5):
            value = layer.misfit[d]
            assert value is not None
            assert value < 1e-6 if d in exact else value > 0.05


def test_misfit_by_hand_between_two_positions():
    """Average pooling of one bright pixel, 4 0 0 0 … → 2 0 …; moved by one it is the same, half a step would be 1 1."""
    images = np.zeros((2, 2, 8, 1), np.float32)
    images[0, 0, 2], images[1, 0, 4] = 8.0, 8.0
    row = shift(model("2x8x1 | avgpool 2"), images, 1).layers[0]
    y = np.zeros((2, 4))
    y[0, 1], y[1, 2] = 2.0, 2.0
    total = 0.0
    # right: stays in the pool of 2, 3 (of 4, 5); expected (y + y one on) / 2. Left: goes to the one before.
    for after, turn in ((y, 1), (np.roll(y, -1, axis=1), -1)):
        expected = (y + np.roll(y, turn, axis=1)) / 2
        there = slice(1, 4) if turn > 0 else slice(0, 3)
        total += ((after - expected)[:, there] ** 2).sum()
    # the height has one position, so nothing moves along there
    spread = 2 * 2 * y.var(axis=0)  # 2 / (n - 1) times the sum of squares, n = 2
    usual = 2 * (spread[1:].sum() + spread[:3].sum())
    assert row.misfit[1] == pytest.approx(np.sqrt(total / usual))


def test_upsampling_has_half_a_jump_and_still_moves_whole():
    (*_, last) = shift(model("8x8x1 | upsample 2"), framed(3, 8, 3), 2).layers
    assert last.jump == (Fraction(1, 2), Fraction(1, 2))
    assert last.whole == (True, True, True)
    assert last.misfit == (0, 0, 0)


def test_dense_layers_and_vectors_have_no_positions():
    found = shift(model("36 | dense 4 as code"), framed(4, 6, 1), 2)
    assert (found["code"].jump, found["code"].misfit) == (None, (None, None, None))
    assert found["code"].change[1] is not None
    with pytest.raises(KeyError):
        found["nothing"]


def test_global_pooling_does_not_notice_what_stays_inside():
    found = shift(model("20x20x1 | conv 3 3 same relu nobias | gap"), framed(4, 20, 6), 4)
    assert found.layers[1].change == pytest.approx((0, 0, 0, 0, 0), abs=1e-5)
    assert found.layers[0].change[1] > 0.1  # pyright: ignore


def test_where_nothing_differs_there_is_no_number():
    images = np.tile(RANDOM.random((1, 6, 6, 1)).astype(np.float32), (2, 1, 1, 1))
    row = shift(model("6x6x1 | activation linear"), images, 1).layers[0]
    assert row.change == (0, None)


def test_many_images_in_parts_are_as_one(monkeypatch):
    images, network = framed(9, 12, 3), model("12x12x1 | conv 3 3 same relu | maxpool 2")
    whole = shift(network, images, 2)
    monkeypatch.setattr("layerscope.probes.shift.CHUNK", 15_000)
    counted: list[int] = []
    parts = shift(network, images, 2, counted.append)
    assert sum(counted) == 9
    assert len(counted) > 2
    for one, other in zip(whole.layers, parts.layers, strict=True):
        np.testing.assert_allclose(one.change, other.change, rtol=1e-5)
        np.testing.assert_allclose(one.misfit, other.misfit, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_moved_is_refused():
    network, images = model("6x6x1 | conv 2 3"), framed(3, 6, 1)
    with pytest.raises(SettingError) as most:
        shift(network, images, 6)
    assert str(most.value) == "images of 6 × 6 pixels can move by 1 to 5 pixels, not 6"
    with pytest.raises(DataError) as one:
        shift(network, images[:1])
    assert (
        str(one.value) == "changes are compared with the difference between images, so at least two images are needed"
    )
    with pytest.raises(ShapeError) as flat:
        shift(model("9 | dense 2"), images)
    assert str(flat.value) == (
        "the network takes (9,), but the images are (6, 6, 1): shift needs images, as they are or flattened"
    )
    with pytest.raises(ShapeError) as vectors:
        shift(network, images.reshape(3, 36))
    assert str(vectors.value) == "images are (number, height, width, channels), but these are (3, 36)"
    a, b = Input((6, 6, 1)), Input((6, 6, 1))
    with pytest.raises(GraphError) as two:
        shift(Model([a, b], Add()([a, b])), images)
    assert str(two.value) == "images are moved in networks with one input, but this one has 2"


def test_networks_of_the_comparison_share_their_filters():
    networks = {way: shrinking.network(way, (12, 12, 1), 4, seed=3) for way in shrinking.WAYS}
    kernels = {way: [w.numpy() for w in m.weights if w.shape[:2] == (3, 3) and w.shape[2] * w.shape[3] in (4, 16)]
               for way, m in networks.items()}  # fmt: skip
    for found in kernels.values():
        learned = [k for k in found if not np.allclose(k, k[..., :1, :1])]
        assert len(learned) == 2
        np.testing.assert_array_equal(learned[0], kernels["max"][0])
        np.testing.assert_array_equal(learned[1], kernels["max"][1])
    x = framed(2, 12, 2)
    stride, whole = networks["stride"](x), networks["nothing"](x)
    assert stride.shape == networks["max blurred"](x).shape == (2, 3, 3, 4)
    assert whole.shape == (2, 12, 12, 4)


def test_blur_is_1_2_1():
    network = shrinking.network("stride blurred", (8, 8, 1), 2)
    blur = network.layers[2].weights[0].numpy()
    np.testing.assert_allclose(blur[:, :, 0, 1], np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16)


def test_the_comparison_says_what_zhang_found(tmp_path):
    """A stride fails most to move along, max pooling next, average after it, and a blur mends the one and the other."""
    found = studies.compare_shifts("digits", images=24, seeds=2, channels=4, out=tmp_path / "a.png", verbose=0)
    one = {row.name: row.misfit[1] or 0.0 for row in found.rows}
    assert one["stride"] > one["max"] > one["average"] > one["nothing"]
    assert one["stride"] > 1.5 * one["stride blurred"]
    assert one["max"] > 1.5 * one["max blurred"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert found.to_json()["rows"][2]["whole"] == [False, False, False, True]


def test_random_weights_of_a_seed_repeat():
    text = "28x28x1 | conv 3 3 same relu | maxpool 2"
    tables = [
        studies.shift(text, "digits:test", images=6, most=2, seed=seed, verbose=0).table() for seed in (1, 1, 2)
    ]
    assert tables[0] == tables[1] != tables[2]
