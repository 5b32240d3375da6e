"""Three ways to one reach, and how much each pixel matters: by hand and against written-out gradients."""

import numpy as np
import pytest

from layerscope import sources, studies
from layerscope.analyses.journey import journey
from layerscope.analyses.reach_designs import WAYS, designs, dilated, pooled, reach, stacked
from layerscope.core.errors import GraphError, SettingError, ShapeError
from layerscope.layers import Add, Input
from layerscope.models import Model
from layerscope.probes.effective_field import EffectiveField, effective_field


def test_designs_by_hand():
    assert stacked(7) == (("conv", 3, 1),) * 3
    assert stacked(8) == (("conv", 2, 1), *(("conv", 3, 1),) * 3)
    assert dilated(31) == tuple(("conv", 3, d) for d in (1, 2, 4, 8))
    # 3, then a pool of 2 over windows one apart: 4, then 4 more: 8, 2 more: 10, 8 more: 18
    assert pooled(18) == (("conv", 3, 1), ("pool", 2, 2), ("conv", 3, 1), ("pool", 2, 2), ("conv", 3, 1))
    assert reach(pooled(18)) == 18


@pytest.mark.parametrize("way", WAYS)
def test_every_reach_is_exact(way):
    for size in range(8, 513):
        assert reach(WAYS[way](size)) == size
    for size in (8, 21, 40, 63):
        for design in designs(size, (32, 32, 3), 4):
            extents = journey(design.graph).steps[-1].fields[0]
            assert [(e.min, e.max, e.exact, e.holes) for e in extents if e] == [(size, size, True, False)] * 2


def test_pooling_has_the_fewest_convolutions_and_stacking_the_most():
    for size in range(24, 200):
        counts = [sum(kind == "conv" for kind, _, _ in way(size)) for way in (pooled, dilated, stacked)]
        assert counts[0] <= counts[1] + 3
        assert counts[1] < counts[2]
        assert counts[0] < counts[2]


def ones(text):
    model = Model.from_graph(sources.read(text))
    arrays = {id: np.ones(variable.shape) for id, variable in model._variables.items()}
    return model.graph, arrays


def test_a_linear_stack_of_ones_has_the_square_of_a_binomial_like_bump():
    """Two convolutions of ones: the gradient along an axis is 1 1 1 * 1 1 1 = 1 2 3 2 1; its square is the influence."""
    graph, weights = ones("9x9x1 | conv 1 3 same nobias | conv 1 3 same nobias")
    found = effective_field(graph, weights, samples=1)
    bump = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]) ** 2.0
    np.testing.assert_allclose(found.inside, bump / bump.sum(), rtol=1e-12)
    assert (found.position, found.box, found.sizes) == ((4, 4), ((2, 6), (2, 6)), (5, 5))
    assert found.influence.sum() == pytest.approx(1)
    assert np.count_nonzero(found.influence) == 25
    share = bump[1:4, 1:4].sum() / bump.sum()
    assert share == pytest.approx((17 / 19) ** 2)
    assert (found.side(0.75), found.side(0.8), found.side(0.9)) == ((3, 3), (3, 3), (5, 5))
    assert found.deviation[0] == pytest.approx(np.sqrt((2 * 4 * 1 + 2 * 1 * 4) / 19))


def test_at_a_position_of_a_layer_clipped_at_the_edge():
    graph, weights = ones("6x6x1 | conv 1 3 same nobias as first | maxpool 2")
    found = effective_field(graph, weights, layer="first", position=(0, 5), samples=1)
    wanted = np.zeros((6, 6))
    wanted[:2, 4:] = 0.25
    np.testing.assert_allclose(found.influence, wanted)
    assert found.box == ((0, 1), (4, 5))


def test_against_differences():
    """Of a network with relu and pooling: every pixel moved by a little, in float64."""
    model = Model.from_graph(sources.read("8x8x2 | conv 3 3 same relu | maxpool 2 | conv 2 3 same tanh"))
    random = np.random.default_rng(0)
    weights = {id: random.standard_normal(v.shape) for id, v in model._variables.items()}
    images = random.standard_normal((1, 8, 8, 2))
    found = effective_field(model.graph, weights, position=(1, 2), images=images)
    signs = np.random.default_rng([0, 0]).choice([-1.0, 1.0], 2)
    model.compile(loss="mse", engine="reference", precision="float64")
    for id, variable in model._variables.items():
        variable.assign(weights[id])

    def value(x):
        return float((np.asarray(model.predict(x, verbose=0))[0, 1, 2] * signs).sum())

    wanted = np.zeros((8, 8))
    for row, column, channel in np.ndindex(8, 8, 2):
        ends = []
        for step in (1e-6, -1e-6):
            x = images.copy()
            x[0, row, column, channel] += step
            ends.append(value(x))
        wanted[row, column] += ((ends[0] - ends[1]) / 2e-6) ** 2
    np.testing.assert_allclose(found.influence, wanted / wanted.sum(), rtol=1e-4, atol=1e-8)


def test_the_effective_field_of_a_stack_grows_with_the_root_of_its_layers():
    """Of n convolutions of ones it is the square of 1 1 1 n times convolved: four times the layers, twice the size."""
    deviations: list[float] = []
    for count in (5, 20):
        graph, weights = ones(f"49x49x1 | [ conv 1 3 same nobias ] x{count}")
        bump = np.ones(1)
        for _ in range(count):
            bump = np.convolve(bump, np.ones(3))
        squares = bump**2 / (bump**2).sum()
        wanted = float(np.sqrt((squares * (np.arange(len(bump)) - count) ** 2).sum()))
        deviations.append(effective_field(graph, weights, samples=1).deviation[0])
        assert deviations[-1] == pytest.approx(wanted)
    assert deviations[1] / deviations[0] == pytest.approx(2, rel=0.05)


def test_what_has_no_effective_field_is_refused():
    graph, weights = ones("6x6x1 | conv 1 3 nobias | flatten | dense 2 nobias")
    with pytest.raises(ShapeError) as flat:
        effective_field(graph, weights)
    assert str(flat.value) == (
        "an effective receptive field lies between images of known sizes, not (1, 6, 6, 1) and (1, 2)"
    )
    with pytest.raises(ShapeError) as outside:
        effective_field(graph, weights, layer="conv2d", position=(4, 0))
    assert str(outside.value) == "(4, 0) is outside of 4 × 4 positions, counted from 0"
    with pytest.raises(GraphError) as dead:
        effective_field(graph, {id: 0 * array for id, array in weights.items()}, layer="conv2d")
    assert str(dead.value) == (
        "all gradients are zero: no pixel matters to this position, with these weights and images"
    )
    with pytest.raises(SettingError) as none:
        effective_field(graph, weights, layer="conv2d", samples=0)
    assert str(none.value) == "at least one sample and one draw are needed, not 0 and 16"
    a, b = Input((6, 6, 1)), Input((6, 6, 1))
    with pytest.raises(GraphError) as two:
        effective_field(Model([a, b], Add()([a, b])).graph)
    assert str(two.value) == "an effective receptive field is of one input, but this network has 2"
    with pytest.raises(SettingError) as few:
        designs(7)
    assert str(few.value) == "the reach must be 8 to 512 pixels, not 7"
    with pytest.raises(SettingError) as input:
        designs(9, (8, 8))
    assert str(input.value) == "the input must be height, width and channels, such as 64x64x1, not (8, 8)"


def test_side_by_side(tmp_path):
    found = studies.reach(20, (32, 32, 3), 8, out=tmp_path / "reach.svg", verbose=0)
    parameters = [way.journey.cost.parameters for way in found.ways]
    macs = [way.journey.cost.macs for way in found.ways]
    assert parameters == [2 * 2 * 3 * 8 + 8 + 9 * 584, 2 * 2 * 3 * 8 + 8 + 4 * 584, 3 * 3 * 3 * 8 + 8 + 3 * 584]
    assert macs == [
        1024 * (96 + 9 * 576), 1024 * (96 + 4 * 576), 1024 * (216 + 576) + 256 * 576 + 64 * 576
    ]  # fmt: skip
    assert all(way.field.sizes == (20, 20) for way in found.ways)
    stacked, dilated, pooling = (found[name].field.deviation[0] for name in WAYS)
    assert stacked < 0.75 * pooling
    assert stacked < 0.75 * dilated
    assert (tmp_path / "reach.svg").read_text("utf-8").startswith("<?xml")
    assert isinstance(found["stacked"].field, EffectiveField)
    assert str(found) == str(studies.reach(20, (32, 32, 3), 8, verbose=0))
