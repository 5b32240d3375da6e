"""Random networks: what the native engine computes is what the reference engine computes.

Some are compiled in checked mode with guards around all buffers (`random_cases.case` says which), so that a
wrong index fails even where it does no harm. `make fuzz` looks at thousands more.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import compare, engines, going, settings
from tests.native.random_cases import Case, case

from layerscope import layers, losses, optimizers
from layerscope.engine.native import compiled, guards, objects
from layerscope.models import Sequential

EACH = 10


@pytest.mark.parametrize("first", range(0, 180, EACH))
def test_doubles(first):
    agree(range(first, first + EACH), "float64")


@pytest.mark.parametrize("first", range(100_000, 100_060, EACH))
def test_floats(first):
    agree(range(first, first + EACH), "float32")


def agree(seeds, precision):
    """Not one of the networks is wrong; none of them is beyond the engine."""
    found = {seed: compare(case(seed), precision) for seed in seeds}
    assert {seed: wrong for seed, wrong in found.items() if wrong != []} == {}


def small(shape=(6, 6, 2), count=9, **options):
    """A case of one convolution, one pool and one more convolution."""
    stack = [layers.Conv2D(3, 3, padding="same", activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(2, 3)]
    model = Sequential([layers.Input(shape), *stack])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    random = np.random.default_rng(0)
    weights = {id: random.normal(size=v.shape) * 0.3 for id, v in model._variables.items()}
    found = Case(1, model._job, 2, 4, count, options, [random.normal(size=(count, *shape))], [], weights)
    found.targets = [random.random((count, *model.output_shape[1:]))]
    return found


def test_guards_stay(monkeypatch):
    seen = []
    check = guards.check
    monkeypatch.setattr(guards, "check", lambda *given: (seen.append(given[2]), check(*given)))
    assert compare(small(guard=64)) == []
    assert all(len(found) > 4 for found in seen)
    assert compare(small()) == []
    assert seen[-1] == []


def test_guards_and_margins_are_looked_at():
    code = compiled_small(guard=64)
    (memory,) = (held.bytes for held in code.memory.values())
    bases = [{"scratch": code.sizes["scratch"]}]
    guards.fill(memory, bases, code.guards)
    guards.check(memory, bases, code.guards)
    spot = next(spot for spot in code.guards if spot[0] == "scratch" and spot[3] != spot[5])
    for place, words in (
        (spot[1][0], "beyond a buffer"),
        (spot[1][3] - 1, "beyond a buffer"),
        (spot[1][1], "margin"),
    ):
        before = memory[place]
        memory[place] = 1
        with pytest.raises(RuntimeError, match=words):
            guards.check(memory, bases, code.guards)
        memory[place] = before
    guards.check(memory, bases, code.guards)


def compiled_small(**options):
    """The code of a case after training."""
    one = small(**options)
    native, _ = engines(one, "float64")
    with settings(**options):
        native.train_epoch(one.inputs, one.targets, np.arange(9), 4, going)
    (code,) = one.job.__dict__["_native"].values()
    assert isinstance(code, compiled.Code)
    return code


def test_a_wrong_index_is_counted(monkeypatch):
    """Margins that are one too small are found in checked mode, and nothing else happens."""
    from layerscope.engine.native import layout

    reads = layout.reads

    def wrong(*given):
        return tuple((max(0, a - 1), b) for a, b in reads(*given))

    monkeypatch.setattr(layout, "reads", wrong)
    monkeypatch.setattr(compiled.Cache, "get", lambda self, key: None)
    monkeypatch.setattr(compiled.Cache, "put", lambda self, key, data: None)
    with pytest.raises(RuntimeError, match="missed its arrays"):
        compiled_small(checked=True)


def test_checked_code_is_compiled_with_less_care_for_speed(monkeypatch):
    seen, compile = [], objects.compile
    monkeypatch.setattr(objects, "compile", lambda *given, **more: (seen.append(more), compile(*given, **more))[1])
    compiled_small(checked=True)
    compiled_small()
    assert seen == [{"fast": False}, {"fast": True}]


def test_the_environment_switches_checked_mode_on(monkeypatch):
    from layerscope.engine.native.engine import options_for

    for value, checked in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("LAYERSCOPE_CHECKED", value)
        assert options_for("float32").checked is checked
    monkeypatch.delenv("LAYERSCOPE_CHECKED")
    assert not options_for("float32").checked
