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


def compare(case, precision="float64"):
    """What does not agree, as text; None where the native engine says that it cannot."""
    close, wrong = CLOSE[precision], []
    native, reference = engines(case, precision)
    inputs, targets = case.inputs, case.targets
    if precision == "float32":
        inputs = [x if x.dtype == np.int32 else x.astype(np.float32) for x in inputs]

    def check(what, a, b, scale=0.0):
        if precision == "float32" and " step " in what:
            return
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        finite = np.isfinite(b)  # a PSNR of no error is infinite
        if not np.array_equal(a[~finite], b[~finite]):
            wrong.append(f"{what}: {a} where there is {b}")
        a, b = a[finite], b[finite]
        size = max(np.abs(b).max(initial=0.0), scale, 1e-30)
        distance = np.abs(a - b).max(initial=0.0)
        if not distance <= close * size:
            wrong.append(f"{what}: {distance / size:.2g} of {size:.2g}")

    order = np.random.default_rng(case.seed).permutation(case.count)
    asks = case.seed % 2  # either the outputs or what is measured of them
    with settings(**case.options):
        try:
            predicted = native.predict(inputs, case.batch, going) if asks else []
            evaluated = {} if asks else native.evaluate(inputs, targets, case.batch, going)
            trained = epoch(native, inputs, targets, order, case.batch)
        except TrainingError as error:
            return None if "engine='reference'" in str(error) else [str(error)]
    if asks:
        for a, b in zip(predicted, reference.predict(inputs, case.batch, going), strict=True):
            check("predict", a, b, 1e-3)
    else:
        for name, value in reference.evaluate(inputs, targets, case.batch, going).items():
            check(f"evaluate {name}", evaluated[name], value, 1e-3)
    for name, value in epoch(reference, inputs, targets, order, case.batch).items():
        check(f"train {name}", trained.get(name, np.nan), value, 1e-3)
    for id, start in case.weights.items():
        new = reference.state.weights[id]
        check(id, native.state.weights[id], new, 1e-3 if precision == "float64" else np.abs(start).max(initial=0.1))
    for id, slot in reference.state.slots.items():
        check(f"slot {id}", native.state.slots[id], slot, 1e-3)
    if native.state.step != reference.state.step:
        wrong.append("step")
    return wrong
