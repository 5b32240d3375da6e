"""The native engine against the reference engine on one case."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from layerscope.core.errors import TrainingError
from layerscope.engine.native import engine
from layerscope.engine.native.engine import NativeEngine
from layerscope.engine.reference import NotFinite, ReferenceEngine, State

CLOSE = {"float64": 1e-10, "float32": 4e-4}
"""Relative to the largest number: sums of thousands of terms, several layers deep, of 2^-53 and 2^-24 each."""


@contextmanager
def settings(**options):
    """Compile with other options in this block."""
    before = dict(engine.SETTINGS)
    engine.SETTINGS.update(options)
    try:
        yield
    finally:
        engine.SETTINGS.clear()
        engine.SETTINGS.update(before)


def going(*_):
    return True


def engines(case, precision):
    """Both engines, each with weights of its own."""

    def state(dtype):
        return State({id: array.astype(dtype) for id, array in case.weights.items()})

    native = NativeEngine(case.job, state(precision), precision, seed=5, threads=case.threads)
    return native, ReferenceEngine(case.job, state(precision), precision, seed=5)


def epoch(engine, *given):
    """What an epoch measures; the number of the batch where it ends in an infinite loss."""
    try:
        return engine.train_epoch(*given, going)
    except NotFinite as error:
        return {"not finite": error.batch}


def measured(engine, case, inputs):
    """All that an engine makes of a case: outputs or what is measured of them, then an epoch, weights and slots."""
    if case.seed % 2:
        outputs = engine.predict(inputs, case.batch, going)
        found = {f"predict {number}": output for number, output in enumerate(outputs)}
    else:
        told = engine.evaluate(inputs, case.targets, case.batch, going)
        found = {f"evaluate {name}": value for name, value in told.items()}
    order = np.random.default_rng(case.seed).permutation(case.count)
    told = epoch(engine, inputs, case.targets, order, case.batch)
    found |= {f"train {name}": value for name, value in told.items()}
    found |= engine.state.weights | {f"slot {id}": slot for id, slot in engine.state.slots.items()}
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


MARGIN = 8
"""How many times further than by a change in the last places of what is given results may be apart: every operation
rounds, not only what is given.
"""


class Condition:
    """How well the results of a case are known at all.

    Where a gradient is a difference of large numbers (that of a bias before a batch normalisation is exactly zero), it
    is made of their rounding. The measure is how far the reference engine's own results go when each weight and each
    number of the inputs is changed in its last place, up or down by chance.
    """

    def __init__(self, case, precision, inputs):
        self.case, self.precision, self.inputs = case, precision, inputs
        self.moved = None

    def of(self, what):
        """The largest change in a result, in three trials."""
        if self.moved is None:
            first, *others = (self._trial(seed) for seed in range(4))
            self.moved = {
                name: max(far(other.get(name, value), value) for other in others) for name, value in first.items()
            }
        return self.moved.get(what, 0.0)

    def _trial(self, seed):
        """What the reference makes of it as it is (seed 0), or of other last places."""
        random, step = np.random.default_rng([self.case.seed, seed]), np.finfo(self.precision).eps * (seed > 0)

        def near(array):
            if array.dtype == np.int32:  # switches
                return array
            return (array * (1 + step * random.choice([-1, 1], array.shape))).astype(self.precision)

        state = State({id: near(array) for id, array in self.case.weights.items()})
        engine = ReferenceEngine(self.case.job, state, self.precision, seed=5)
        return measured(engine, self.case, [near(array) for array in self.inputs])


def far(a, b):
    """The largest distance of numbers that are finite."""
    finite = np.isfinite(a) & np.isfinite(b)
    return np.abs(a[finite] - b[finite]).max(initial=0.0)


def compare(case, precision="float64"):
    """What does not agree, as text; None where the native engine says that it cannot."""
    native, reference = engines(case, precision)
    inputs = case.inputs
    if precision == "float32":
        inputs = [x if x.dtype == np.int32 else x.astype(np.float32) for x in inputs]
    with settings(**case.options):
        try:
            found = measured(native, case, inputs)
        except TrainingError as error:
            return None if "engine='reference'" in str(error) else [str(error)]
    wrong, condition = [], Condition(case, precision, inputs)
    for what, value in measured(reference, case, inputs).items():
        if precision == "float32" and " step " in what:
            continue
        start = case.weights.get(what) if precision == "float32" else None
        least = 1e-3 if start is None else np.abs(start).max(initial=0.1)
        wrong += differing(what, found.get(what, np.full_like(value, np.nan)), value, least, condition)
    if native.state.step != reference.state.step:
        wrong.append("step")
    return wrong


def wrong(network, seeds, precision="float64"):
    """Of networks by their seeds what does not agree."""
    return {seed: found for seed in seeds if (found := compare(network(seed), precision))}


def differing(what, mine, other, least, condition):
    """Where one result is further from the reference's than rounding takes it."""
    finite = np.isfinite(other)  # a PSNR of no error is infinite
    if not np.array_equal(mine[~finite], other[~finite], equal_nan=True):
        return [f"{what}: {mine} where there is {other}"]
    size = max(np.abs(other[finite]).max(initial=0.0), least)
    distance = np.abs(mine[finite] - other[finite]).max(initial=0.0)
    if distance <= CLOSE[condition.precision] * size:
        return []
    moved = condition.of(what)
    if distance <= MARGIN * moved:
        return []
    return [f"{what}: {distance / size:.2g} of {size:.2g}; in the last places of what is given {moved / size:.2g}"]
