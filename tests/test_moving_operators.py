"""Operators that move data, against NumPy moving the number of each element: shapes, and exactly what is read."""

import itertools

import numpy as np
import pytest

from layerscope.core.contract import settings
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import Fixed, Indices, Relation
from layerscope.core.sizes import named
from layerscope.core.types import TensorType
from layerscope.operators import arrange, gathering, kinds, reshape, slicing, stretching

X = (2, 12, 6, 4)
FROM_NOWHERE = -1


def blocks(x, size, crd=False):
    b, c, h, w = x.shape
    inner = (b, c // size**2, size, size, h, w) if crd else (b, size, size, c // size**2, h, w)
    order = (0, 1, 4, 2, 5, 3) if crd else (0, 3, 4, 1, 5, 2)
    return x.reshape(inner).transpose(order).reshape(b, c // size**2, h * size, w * size)


def unblocks(x, size):
    b, c, h, w = x.shape
    return x.reshape(b, c, h // size, size, w // size, size).transpose(0, 3, 5, 1, 2, 4).reshape(
        b, c * size**2, h // size, w // size
    )  # fmt: skip


def padded(x, *pads):
    return np.pad(x, pads, constant_values=FROM_NOWHERE)


MOVES = {
    "merge height and width": (reshape.Reshape("Reshape", (0, 0, -1)), lambda x: x.reshape(2, 12, 24)),
    "split channels": (reshape.Reshape("Reshape", (2, 3, 4, 6, 4)), lambda x: x.reshape(2, 3, 4, 6, 4)),
    "split height": (reshape.Reshape("Reshape", (2, 12, 3, 2, 4)), lambda x: x.reshape(2, 12, 3, 2, 4)),
    "blocks": (reshape.Reshape("Reshape", (2, 12, 3, 2, 2, 2)), lambda x: x.reshape(2, 12, 3, 2, 2, 2)),
    "regroup": (reshape.Reshape("Reshape", (2, 8, 36)), lambda x: x.reshape(2, 8, 36)),
    "batch into channels": (reshape.Reshape("Reshape", (-1, 6, 4)), lambda x: x.reshape(24, 6, 4)),
    "to rows": (reshape.Flatten("Flatten"), lambda x: x.reshape(2, -1)),
    "flatten all": (reshape.Flatten("Flatten", 0), lambda x: x.reshape(1, -1)),
    "unsqueeze": (reshape.Unsqueeze("Unsqueeze", (1, -1)), lambda x: x.reshape(2, 1, 12, 6, 4, 1)),
    "transpose": (arrange.Transpose("Transpose", (0, 2, 3, 1)), lambda x: x.transpose(0, 2, 3, 1)),
    "reverse axes": (arrange.Transpose("Transpose"), lambda x: x.transpose()),
    "depth to space": (arrange.DepthToSpace("DepthToSpace", 2), lambda x: blocks(x, 2)),
    "depth to space, CRD": (arrange.DepthToSpace("DepthToSpace", 2, "CRD"), lambda x: blocks(x, 2, True)),
    "space to depth": (arrange.SpaceToDepth("SpaceToDepth", 2), lambda x: unblocks(x, 2)),
    "slice": (slicing.Slice("Slice", (1, 1), (99, -1), (1, 2), (3, 2)), lambda x: x[:, 1:99:3, 1:-1:2]),
    "slice from the end": (slicing.Slice("Slice", (-3,), (slicing.FAR,), (-2,)), lambda x: x[:, :, -3:]),
    "slice beyond": (slicing.Slice("Slice", (-99, 2), (3, 1 << 40)), lambda x: x[:3, 2:]),
    "slice backwards": (slicing.Slice("Slice", (-1,), (-99,), (2,), (-2,)), lambda x: x[:, :, ::-2]),
    "slice of nothing": (slicing.Slice("Slice", (4,), (2,), (1,)), lambda x: x[:, 4:2]),
    "split": (slicing.Split("Split", 2, (1, 3, 2)), lambda x: np.split(x, [1, 4], 2)),
    "split unevenly": (slicing.Split("Split", -1, parts=3), lambda x: np.split(x, [2, 4], 3)),
    "split and squeeze": (
        slicing.Split("SplitToSequence", 0, (1, 1), keepdims=False), lambda x: [x[0], x[1]],
    ),
    "one index": (
        slicing.Indexed("getitem", ((0, 0, 2, 1), (2, 1, 2, 3)), ((1, 7), (3, 2))), lambda x: x[:, 7, 1:6:3, 2],
    ),
    "pad": (slicing.Pad("Pad", (1, 0), (2, -3), (2, 3)), lambda x: padded(x, (0, 0), (0, 0), (1, 2), (0, 0))[..., :1]),
    "crop": (slicing.Pad("Pad", (0, 0, -2, 0), (0, 0, -1, 0)), lambda x: x[:, :, 2:-1]),
    "centre crop": (slicing.CenterCropPad("CenterCropPad", (7, 3), (1, 2)), lambda x: x[:, 2:9, 1:4]),
    "centre pad": (
        slicing.CenterCropPad("CenterCropPad", (9,), (3,)), lambda x: padded(x, (0, 0), (0, 0), (0, 0), (2, 3)),
    ),
    "expand": (stretching.Expand("Expand", (5, 1, 1, 1, 1)), lambda x: np.broadcast_to(x, (5, *x.shape))),
    "tile": (stretching.Tile("Tile", (1, 2, 1, 3)), lambda x: np.tile(x, (1, 2, 1, 3))),
    "cast": (stretching.Cast("Cast", "float16"), lambda x: x),
    "same bits": (stretching.Cast("BitCast", "int32"), lambda x: x),
}  # fmt: skip
BOUNDS_ONLY = {"depth to space, CRD"}
"""Of the channels a block is said to be read, of which each position reads one: all channels of a position count."""


@pytest.mark.parametrize("name", MOVES)
def test_moved_numbers(name):
    layer, move = MOVES[name]
    moved = move(np.arange(np.prod(X)).reshape(X))
    results = moved if isinstance(moved, list) else [moved]
    kinds = layer.out(TensorType(X))
    assert [kind.shape for kind in kinds] == [result.shape for result in results]
    assert layer.macs(TensorType(X)) == 0
    for number, result in enumerate(results):
        (reads,) = layer.reach(number, TensorType(X))
        if result.size:
            check(reads, result, X, name not in BOUNDS_ONLY)


def check(reads, result, shape, exact=True):
    """Each relation gives the indices from which elements with this index come: all of them, and no others."""
    places = np.array(np.unravel_index(np.maximum(result, 0), shape))
    for axis, way in enumerate(reads):
        if isinstance(way, Fixed):
            assert set(places[axis][result != FROM_NOWHERE].tolist()) == {way.index}
        if not isinstance(way, Relation):
            continue
        for index in range(result.shape[way.axis]):
            here = (slice(None),) * way.axis + (index,)
            found = set(places[axis][here][result[here] != FROM_NOWHERE].tolist())
            pulled = way.pull(Indices(((index, index),))).clip(shape[axis])
            told = {i for low, high in pulled.intervals for i in range(low, high + 1)}
            assert found == told if exact else found <= told, (axis, index)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis):
    arrays = [np.arange(24).reshape(2, 3, 4), np.arange(24).reshape(2, 3, 4)]
    layer = slicing.Concat("Concat", axis, slots=(None, None))
    types = [TensorType((2, 3, 4))] * 2
    whole = np.concatenate(arrays, axis)
    assert layer.out(*types)[0].shape == whole.shape
    for number, reads in enumerate(layer.reach(0, *types)):
        mine = np.concatenate(
            [a if n == number else np.full_like(a, FROM_NOWHERE) for n, a in enumerate(arrays)], axis
        )
        check(reads, mine, (2, 3, 4))


def test_stack():
    layer = slicing.Concat("ConcatFromSequence", 1, True, slots=(None, None))
    x = np.arange(6).reshape(2, 3)
    assert layer.out(TensorType((2, 3)), TensorType((2, 3)))[0].shape == np.stack([x, x], 1).shape
    check(layer.reach(0, TensorType((2, 3)), TensorType((2, 3)))[0], np.stack([x, x], 1), (2, 3))


@pytest.mark.parametrize(("axis", "where"), [(0, ()), (1, (5,)), (-1, (2, 2)), (2, ())])
def test_gather(axis, where):
    x, places = np.arange(60).reshape(3, 4, 5), np.random.default_rng(0).integers(0, 3, where)
    result = np.take(x, places, axis)
    layer = gathering.Gather("Gather", axis, slots=(None, TensorType(where, "int64")))
    assert layer.out(TensorType((3, 4, 5)))[0].shape == result.shape
    check(layer.reach(0, TensorType((3, 4, 5)))[0], result, (3, 4, 5))


@pytest.mark.parametrize(("axis", "index"), [(0, 2), (1, -1), (-1, 0)])
def test_gather_of_a_known_index(axis, index):
    x = np.arange(60).reshape(3, 4, 5)
    layer = gathering.Gather("Gather", axis, index, slots=(None, TensorType((), "int64")))
    (reads,) = layer.reach(0, TensorType((3, 4, 5)))[:1]
    check(reads, np.take(x, index, axis), (3, 4, 5))
    assert isinstance(reads[axis], Fixed)


def test_gather_nd():
    x, places = np.arange(2 * 5 * 4 * 3).reshape(2, 5, 4, 3), np.random.default_rng(0).integers(0, 4, (2, 6, 2))
    result = np.array([[x[b, *place] for place in places[b]] for b in range(2)])
    layer = gathering.GatherND("GatherND", 1, slots=(None, TensorType((2, 6, 2), "int64")))
    assert layer.out(TensorType(x.shape))[0].shape == result.shape == (2, 6, 3)
    check(layer.reach(0, TensorType(x.shape))[0], result, x.shape)


def test_every_small_reshape_reads_what_it_says():
    """All ways to give 24 numbers up to four axes, into each other."""
    shapes = [s for rank in range(1, 5) for s in itertools.product((1, 2, 3, 4, 6, 8, 12, 24), repeat=rank)]
    shapes = [s for s in shapes if np.prod(s) == 24]
    assert len(shapes) > 80
    for before, after in itertools.product(shapes, repeat=2):
        layer = reshape.Reshape("Reshape", after)
        (reads,) = layer.reach(0, TensorType(before))
        check(reads, np.arange(24).reshape(before).reshape(after), before)


H, N = named("height"), named("batch")


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (reshape.Reshape("Reshape", (0, -1)), (N, 3, H), "(batch, 3·height)"),
        (reshape.Reshape("Reshape", (N, -1, 4)), (N, H, 8), "(batch, 2·height, 4)"),
        (reshape.Reshape("Reshape", (-1, 8)), (N, H, 8), "(batch·height, 8)"),
        (reshape.Flatten("Flatten", 2), (N, 3, H, 2), "(3·batch, 2·height)"),
        (slicing.Slice("Slice", (2,), (1 << 62,), (1,)), (N, H), "(batch, height - 2)"),
        (slicing.Slice("Slice", (0,), (-1,), (1,), (2,)), (N, H), "(batch, floor((height) / 2))"),
        (slicing.Slice("Slice", (-2,), (1 << 62,), (1,)), (N, H), "(batch, 2)"),
        (slicing.Split("Split", 1, parts=2), (N, 2 * H), "(batch, height)"),
        (slicing.Pad("Pad", (1,), (2,), (1,)), (N, H), "(batch, height + 3)"),
        (stretching.Expand("Expand", (N, 5, H)), (1, H), "(batch, 5, height)"),
        (stretching.Tile("Tile", (1, H)), (N, H), "(batch, height·height)"),
    ],
)
def test_open_sizes(layer, shape, expected):
    assert str(layer.out(TensorType(shape))[0]) == expected


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (reshape.Reshape("Reshape", (5, -1)), (2, 4),
         "cannot bring (2, 4), which has 8 elements, into (5, 1), which has 5"),
        (reshape.Reshape("Reshape", (-1, -1)), (2, 4), "only one size may be -1, not (-1, -1)"),
        (reshape.Reshape("Reshape", (2, 4, 0)), (2, 4), "shape (2, 4, 0) copies axis 2 of (2, 4), which has no such axis"),
        (reshape.Squeeze("Squeeze", (1,)), (1, 4), "axis 1 of (1, 4) has the size 4; only axes of size 1 can go"),
        (reshape.Unsqueeze("Unsqueeze", (0, -3)), (4,), "axes (0, -3) name one axis twice"),
        (arrange.Transpose("Transpose", (0, 0)), (2, 4), "perm (0, 0) does not name each of the 2 axes of (2, 4) once"),
        (arrange.DepthToSpace("DepthToSpace", 2), (1, 6, 2, 2), "blocks of 2×2 take a multiple of 4 channels, but got 6"),
        (arrange.SpaceToDepth("SpaceToDepth", 2), (1, 6, 3, 2), "a multiple of the block's 2 is 2, but the size is 3"),
        (slicing.Slice("Slice", (0,), (1,), (0,), (0,)), (2,), "the step along axis 0 is 0"),
        (slicing.Slice("Slice", (0,), (1, 2)), (2,), "1 starts, 2 ends, 1 axes and 1 steps"),
        (slicing.Split("Split", 0, (1, 2)), (4,), "the sum of (1, 2) is 3, but the axis is 4"),
        (slicing.Split("Split", 3, parts=2), (4,), "axis 3 is not one of the 1 axes of its input"),
        (slicing.Pad("Pad", (0, 1), (0, 1)), (4,), "pads of 2 axes for (4,), which has 1"),
        (slicing.Pad("Pad", (-3,), (-3,)), (4,), "takes 6 away from axis 0 of (4,)"),
        (stretching.Expand("Expand", (3,)), (4,), "its operands (4,) and (3,) do not broadcast: 4 against 3"),
        (stretching.Tile("Tile", (3,)), (4, 4), "1 repeats for the 2 axes of (4, 4)"),
        (gathering.TopK("TopK", 5), (4,), "takes the 5 largest of 4 along axis 0 of (4,)"),
    ],
)  # fmt: skip
def test_what_does_not_fit(layer, shape, message):
    with pytest.raises(ShapeError) as error:
        layer.out(TensorType(shape))
    assert str(error.value) == message


def test_settings_that_are_no_sizes():
    with pytest.raises(SettingError, match=r"^Slice: starts must be whole numbers or sizes, not 1\.5$"):
        slicing.Slice("Slice", (1.5,), (2,))
    with pytest.raises(SettingError, match=r"^Pad: mode is constant, reflect, edge or wrap, not 'mirror'$"):
        slicing.Pad("Pad", (1,), (2,), mode="mirror")
    with pytest.raises(SettingError, match=r"^DepthToSpace: mode is DCR or CRD, not 'RCD'$"):
        arrange.DepthToSpace("DepthToSpace", 2, "RCD")


MOVING = [kind for kind, cls in kinds().items() if cls.__module__.rpartition(".")[2] in
          ("arrange", "gathering", "reshape", "slicing", "stretching", "standing")]  # fmt: skip


@pytest.mark.parametrize("kind", MOVING)
def test_examples(kind):
    for example in kinds()[kind].examples():
        assert example.layer.out(*example.inputs) == example.outputs, settings(example.layer)
        reads = example.layer.reach(0, *example.inputs)
        assert len(reads) == len(example.inputs)
        assert all(way is None or len(way) == x.rank for way, x in zip(reads, example.inputs, strict=True))
