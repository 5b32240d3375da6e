"""Fewer products along one axis: groups of taps against the definition, rounding, whole networks."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.calling import aligned, called
from tests.native.comparing import engines, settings, wrong
from tests.native.random_cases import CHECKED, OFTEN, drawn

from layerscope import layers, losses, optimizers
from layerscope.engine.native import assembly, correlate, lines, report
from layerscope.engine.native.engine import options_for
from layerscope.engine.native.ir import bytes_of
from layerscope.models import Sequential

RANDOM = np.random.default_rng(0)
TAPS = range(3, 14)


def computed(row, image, kernel, tiles, dtype=np.float64):
    """What a row's algorithm makes of an image (cells × channels) and a kernel (taps × channels), as the engine does
    it: a patch at a time, which groups share, only products that some group needs, sums over channels in order.
    """
    a, b, g = (np.array(m, dtype) for m in (row.algorithm.a, row.algorithm.b, row.algorithm.g))
    sides = [
        {p: (b[p] @ _cells(image, start, b[p])).astype(dtype) for p in wanted} for start, wanted in row.patches(tiles)
    ]
    found = []
    for tile in range(tiles):
        sums = np.zeros(len(b), dtype)
        for p in range(len(b)):
            for number in range(*row.of(p)):
                group = row.groups[number]
                factors = g[p, group.first : group.first + len(group.taps)]
                weights = (factors @ kernel[list(group.taps)]).astype(dtype)
                for product in weights * sides[tile + row.slot(number, tiles)][p]:
                    sums[p] += product
        found.extend(a @ sums)
    return np.array(found)


def _cells(image, start, factors):
    """The cells of a patch; where its factor is zero none is read, so there may be none."""
    empty = np.zeros_like(image[0])
    return np.array([image[start + n] if factor else empty for n, factor in enumerate(factors)])


def direct(image, kernel):
    """The definition, sums in order."""
    found = np.zeros(len(image) - len(kernel) + 1, image.dtype)
    for tap, weights in enumerate(kernel):
        for channel, weight in enumerate(weights):
            found += image[tap : tap + len(found), channel] * weight
    return found


def given(row, taps, tiles, channels, dtype=np.float64):
    cells = tiles * row.algorithm.results + taps - 1
    return RANDOM.normal(size=(cells, channels)).astype(dtype), RANDOM.normal(size=(taps, channels)).astype(dtype)


@pytest.mark.parametrize("taps", TAPS)
def test_groups_of_taps(taps):
    """Every way to compute a row; nothing beyond what the definition reads is needed."""
    ways = lines.rows(taps)
    assert ways
    for row in ways:
        image, kernel = given(row, taps, 3, 2)
        np.testing.assert_allclose(computed(row, image, kernel, 3), direct(image, kernel), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("taps", TAPS)
def test_rounding_errors_are_of_the_size_of_the_plain_sum(taps):
    for row in lines.rows(taps):
        ratios = []
        for _ in range(12):
            image, kernel = given(row, taps, 4, 24, np.float32)
            exact = direct(image.astype(float), kernel.astype(float))
            errors = [
                np.square(found - exact).mean()
                for found in (computed(row, image, kernel, 4, np.float32), direct(image, kernel))
            ]
            ratios.append(errors)
        one, other = np.sqrt(np.sum(ratios, axis=0))
        assert one < 4 * other, (row.algorithm.results, len(row.algorithm.g[0]))


def test_the_fewest_products():
    fewest = {taps: min(row.products / row.algorithm.results for row in lines.rows(taps)) for taps in TAPS}
    assert fewest == {
        3: 1.5, 4: 1.75, 5: 2, 6: 3, 7: 3.25, 8: 3.5, 9: 3.75, 10: 4.75, 11: 5, 12: 5.25, 13: 5.5
    }  # fmt: skip


def test_parts_of_even_sizes():
    assert correlate.balanced(17, 6) == [(0, 12, 6), (12, 17, 5)]
    assert correlate.balanced(12, 6) == [(0, 12, 6)]
    assert correlate.balanced(5, 8) == [(0, 5, 5)]


def network(seed):
    """Sequences, images with long rows of taps, and volumes."""
    random = np.random.default_rng([seed, 11])
    rank = int(random.choice([1, 1, 2, 2, 3]))
    shape = [int(n) for n in random.integers({1: 20, 2: 6, 3: 6}[rank], {1: 70, 2: 14, 3: 9}[rank], rank)]
    stack = []
    for _ in range(int(random.integers(2, 4))):
        size = int(random.integers(3, 10 if rank == 1 else 6))
        window = [1] * rank
        window[int(random.integers(rank))] = size
        if rank > 1 and random.random() < 0.5:
            window = [3] * rank if rank == 3 else [int(random.choice([3, 4, 6])), 7]
        made = (layers.Conv1D, layers.Conv2D, layers.Conv3D)[rank - 1]
        filters, active = int(random.choice([4, 5, 8, 12, 16, 17])), str(random.choice(["relu", "linear", "tanh"]))
        apart = tuple(int(n) for n in random.choice([1, 1, 1, 2, 3], rank))
        stack.append(made(filters, tuple(window), padding="same", dilation_rate=apart, activation=active))
        if rank == 1 and random.random() < 0.6:
            padding = "same" if stack[1:] else "valid"
            stack.append(layers.MaxPooling1D(int(random.choice([2, 4])), padding=padding))
    model = Sequential([layers.Input((*shape, int(random.choice([4, 6, 9])))), *stack])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    count = int(random.integers(1, 12))
    options = {"lanes": int(random.choice([2, 4, 8, 16])), "sums": int(random.choice([8, 12, 24])), "gain": 1e9}
    if random.random() < OFTEN:
        options |= CHECKED
    if random.random() < 0.4:
        options["strips"] = min(options["lanes"], int(random.choice([2, 2, 4])))
    elif random.random() < 0.4:
        options["groups"] = 2
    batch, threads = int(random.integers(1, count + 1)), int(random.integers(1, 4))
    if random.random() < 0.4:
        options["team"] = 3
    return drawn(model, random, options, seed, threads, batch, count, scale=None)


@pytest.mark.parametrize("first", range(0, 30, 6))
def test_networks_of_doubles(first):
    assert wrong(network, range(first, first + 6)) == {}


@pytest.mark.parametrize("first", range(100, 112, 6))
def test_networks_of_floats(first):
    assert wrong(network, range(first, first + 6), "float32") == {}


def told(case, precision="float64"):
    """The rows of the report of a case."""
    with settings(**case.options):
        native, _ = engines(case, precision)
        return report.report(native.job, options_for(precision), 1, precision).rows


def test_the_networks_use_them():
    rows = [row for seed in range(30) for row in told(network(seed)) if " in a row" in row.way]
    assert sum("gradient" not in row.work for row in rows) > 60
    assert sum("gradient" in row.work for row in rows) > 12
    assert sum("max pooling" in row.way for row in rows) > 2


def _model(shape, *stack):
    model = Sequential([layers.Input(shape), *stack])
    model.compile("sgd", "mean_squared_error")
    return model


class _Open:
    """A module whose functions can be called from outside."""

    def __init__(self, module):
        self.module = module

    def text(self):
        return self.module.text().replace("define internal ", "define ")


def rows_of_turns(module, step):
    """For each turn of a kernel that threads may share the rows to whose sums it adds something."""
    regions = {buffer.region: aligned(1 << 18).view(np.float64) for buffer, _ in step.kernel.uses}
    places = [
        regions[buffer.region][(buffer.offset + (buffer.origin + shift) * bytes_of(buffer.item)) // 8 :]
        for buffer, shift in step.kernel.uses
    ]
    ((sums, place),) = ((b, p) for (b, _), p in zip(step.kernel.uses, places, strict=True) if b.shape[2:3] == (1,))
    for turn in range(step.kernel.turns):
        for region in regions.values():
            region[:] = 1
        before = place[: sums.extent * module.lanes].copy()
        called(_Open(module), step.name, turn, turn + 1, *places)
        changed = (place[: before.size] != before).reshape(sums.shape[1], -1)
        yield np.flatnonzero(changed.any(axis=1)).tolist()


@pytest.mark.parametrize(
    ("window", "size"),
    [((1, 3), (12, 64)), ((1, 3), (16, 20)), ((1, 7), (12, 64)), ((1, 7), (64, 12)), ((7, 1), (64, 12))],
)
def test_threads_that_share_a_block_add_to_sums_of_rows_of_their_own(window, size):
    """The sums grow in memory that is the same for all of them: a row belongs to one turn."""
    model = _model((*size, 4), layers.Conv2D(4, window, padding="same"), layers.GlobalAveragePooling2D())
    with settings(lanes=4, sums=12, gain=1e9):
        recipe = assembly.assembled(model._job.inference, options_for("float64", ("float64",)))
    _, lined, *_ = recipe.stages
    assert " in a row" in report.described("", recipe, lined.stage).way
    rows = [row for turn in rows_of_turns(recipe.module, lined) for row in turn]
    assert lined.kernel.turns > 1
    assert sorted(rows) == list(range(size[0]))


def test_the_report_tells(monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    rows = _model((17, 17, 32), layers.Conv2D(32, (1, 7), padding="same"), layers.Conv2D(32, (7, 1), padding="same"))
    ways = [row.way.split(",")[0].split(";")[0] for row in rows.engine_report(32).rows if "sub" not in row.work]
    assert ways[0] == "13 products for 4 results in a row"
    assert "11 products for 3 positions in a row" in ways
    volume = _model((8, 8, 8, 16), layers.Conv3D(16, 3, padding="same"))
    assert volume.engine_report(32).rows[0].way.startswith("6 products for 4 results in a row × 9 taps, tile of ")


def test_what_leads_to_a_pool_keeps_ties():
    """Before a max pool whose winners are asked for the definition; where only results are, the pool is in registers."""
    signal = _model((64, 16), layers.Conv1D(16, 9, padding="same"), layers.MaxPooling1D(4), layers.Conv1D(4, 1))
    rows = {row.program: row.way for row in reversed(signal.engine_report(32).rows) if "conv1d" in row.layers}
    assert "in a row" not in rows["training"]
    assert "in a row" in rows["inference"]
    assert "max pooling" in rows["inference"]


def test_a_narrow_result_is_not_worth_it():
    rows = _model((35, 24), layers.Conv1D(2, 5, padding="same")).engine_report(32).rows
    assert not any("in a row" in row.way for row in rows)


def test_rows_apart():
    """Interleaved rows where taps are apart and their number divides the row; steps of two take the definition."""

    def way(**more):
        model = _model((64, 32), layers.Conv1D(32, 5, padding="same", **more))
        return model.engine_report(32).rows[0].way

    assert "8 products for 4 results in a row" in way(dilation_rate=2)
    assert "in a row" not in way(dilation_rate=3)
    assert "in a row" not in way(strides=2)
