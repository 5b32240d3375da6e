"""The reference document's numbers: shapes, weights, parameters, MACs, receptive fields."""

import subprocess
import sys

import pytest

import layerscope as ls
from layerscope.analyses import receptive_field
from layerscope.core import propagate
from layerscope.core.reach import Indices

A_SHAPES = "28·28·1 28·28·16 14·14·16 14·14·8 7·7·8 7·7·4 4·4·4 4·4·4 8·8·4 8·8·8 16·16·8 14·14·16 28·28·16 28·28·1"
B_SHAPES = "28·28·1 26·26·16 13·13·16 11·11·8 5·5·8 3·3·4 3·3·4 6·6·4 6·6·8 12·12·8 14·14·16 28·28·16 28·28·1"
SEVEN = [160, 1160, 292, 148, 296, 1168, 145]


def shapes(text):
    return [[int(n) for n in part.split("·")] for part in text.split()]


def layers(name, batch=None):
    return ls.trace(f"example:{name}", batch=batch)


CASES = {
    "boxes-condense": ([[64, 4, 2], [64, 4], [64]], [[2, 1], [4, 1]], 6),
    "boxes-enrich": ([[64, 4, 2], [64, 4, 3], [64, 4], [64]], [[2, 3], [3, 1], [4, 1]], 13),
    "image-dense": ([[64, 1920, 1080, 3], [64, 6220800], [64, 1]], [[6220800, 1]], 6220800),
    "image-conv": (
        [[64, 1920, 1080, 3], [64, 384, 216, 16], [64, 1327104], [64, 1]],
        [[5, 5, 3, 16], [1327104, 1]],
        1200 + 1327104,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_linear_and_convolution_cases(name):
    journey, weights, parameters = CASES[name]
    found = layers(name, batch=64)
    seen = [row["output_shape"] for row in found.layers]
    assert [shape for shape in seen if shape in journey] == journey
    assert [list(w) for row in found.layers for w in row["weights"].values()] == weights
    assert found.totals["parameters"] == parameters
    assert found.totals["at_least"] is False


def test_the_convolution_case_layer_by_layer():
    rows = layers("image-conv", batch=64).layers
    assert [row["parameters"] for row in rows] == [0, 1200, 0, 1327104]
    assert layers("image-conv").totals["macs"] == 100_859_904
    assert layers("image-conv", batch=64).totals["macs"] == 6_455_033_856
    biased = ls.trace("1920x1080x3 | conv 16 5 stride 5 | flatten | dense 1")
    assert [row["parameters"] for row in biased.layers] == [0, 1216, 0, 1327105]
    assert biased.totals["macs"] == 100_859_904


@pytest.mark.parametrize(
    ("name", "expected", "macs"), [("autoencoder", A_SHAPES, 712_224), ("autoencoder-transpose", B_SHAPES, 529_776)]
)
def test_the_autoencoders(name, expected, macs):
    found = layers(name)
    assert [row["output_shape"][1:] for row in found.layers] == shapes(expected)
    assert [row["parameters"] for row in found.layers if row["weights"]] == SEVEN
    assert found.totals["parameters"] == sum(SEVEN) == 3369
    assert found.totals["macs"] == macs


def extents(found):
    """Smallest, largest and exactness of the last layer's receptive field, along each axis."""
    return [(part["min"], part["max"], part["exact"]) for part in found.layers[-1]["receptive_field"]]


@pytest.mark.parametrize(
    ("name", "unclipped", "clipped", "unread"),
    [("autoencoder", (46, 54), (27, 28), 0), ("autoencoder-transpose", (30, 34), (22, 26), 108)],
)
def test_receptive_fields_of_the_autoencoders(name, unclipped, clipped, unread):
    found = layers(name)
    assert extents(found) == [(*unclipped, True)] * 2
    types = propagate.types(found.graph, 1)
    sizes = set()
    for i in range(28):
        for j in range(28):
            box = tuple(Indices(((n, n),)) for n in (0, i, j, 0))
            seen = receptive_field.dependency(found.graph, types, {found.graph.outputs[0]: box})[0]
            sizes |= {seen[1].extent, seen[2].extent}
    assert (min(sizes), max(sizes)) == clipped
    reached = receptive_field.read_at_all(found.graph, types)[0]
    assert 28 * 28 - reached[1].count * reached[2].count == unread
    if unread:
        assert reached[1].hull == reached[2].hull == (0, 25)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("64x64x1 | [ conv 1 3 stride 2 same ] x2 | [ convt 1 3 stride 2 same ] x2 | conv 1 3 same", 11, 15),
        ("64x64x1 | conv 1 3 dilation 2 | maxpool 2 | conv 1 3 | upsample 2 | conv 1 3", 12, 12),
        ("64x64x1 | conv 1 3 dilation 4 | conv 1 3", 11, 11),
    ],
)
def test_receptive_fields_that_others_get_wrong(text, low, high):
    assert extents(ls.trace(text)) == [(low, high, True)] * 2


@pytest.mark.parametrize(
    ("text", "batch", "macs"),
    [
        ("8x8x8 | convt 4 4 stride 2 same", None, 32_768),
        ("4x4x8 | convt 8 3 stride 2 groups 4", None, 2_304),
        ("32x32x3 | conv 16 3 same", 8, 3_538_944),
        ("10x64 | dense 128", 2, 163_840),
        ("32x32x3 | conv 16 3 same", None, 442_368),
    ],
)
def test_macs_that_others_get_wrong(text, batch, macs):
    assert ls.trace(text, batch=batch).totals["macs"] == macs


def test_a_vgg_sized_network_by_its_closed_form():
    blocks = "[ conv 64 3 same relu ] x2 | maxpool 2 | [ conv 128 3 same relu ] x2 | maxpool 2 | "
    blocks += "[ conv 256 3 same relu ] x3 | maxpool 2 | [ [ conv 512 3 same relu ] x3 | maxpool 2 ] x2"
    found = ls.trace(f"224x224x3 | {blocks} | flatten | dense 4096 relu | dense 4096 relu | dense 1000 softmax")
    told = {
        "parameters": 138_357_544,
        "trainable_parameters": 138_357_544,
        "macs": 15_470_264_320,
        "at_least": False,
    }
    assert {key: found.totals[key] for key in told} == told
    pools = [row["receptive_field"][0]["max"] for row in found.layers if row["kind"] == "MaxPooling2D"]
    assert pools == [6, 16, 44, 100, 212]


COSTS = """
import resource, sys, time
from layerscope import tracing
start = time.perf_counter()
tracing.trace(sys.argv[1], 64).render()
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_large_image_makes_no_array():
    """64×1920×1080×3 numbers are 1.6 GB; the process's whole peak stays that of the small case."""

    def peak(name):
        relay = "import subprocess, sys; print(subprocess.run([sys.executable, *sys.argv[1:]], stdout=-1).stdout.decode())"
        arguments = [sys.executable, "-c", relay, "-c", COSTS, f"example:{name}"]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[1])

    small, large = peak("boxes-condense"), peak("image-conv")
    assert large < small + 2000  # kilobytes


def test_time_of_a_trace_does_not_grow_with_the_image():
    def steps(size):
        counted = 0

        def count(frame, event, argument):
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        try:
            ls.trace(f"{size}x{size}x3 | conv 16 5 stride 5 nobias | flatten | dense 1")
        finally:
            sys.setprofile(None)
        return counted

    steps(10)
    assert steps(100_000) < 1.05 * steps(10)
