"""The adjoint test: <A x, y> = <x, Aᵀ y> for every primitive that is linear in an argument, in 1-D, 2-D, 3-D."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import numpy as np
import pytest

from layerscope.core.errors import DataError
from layerscope.core.types import TensorType
from layerscope.engine import primitives
from layerscope.engine.primitives import base
from layerscope.engine.primitives.base import Primitive
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.place import Unpool
from layerscope.engine.primitives.pool import PoolMax, Windows
from layerscope.engine.primitives.random import Random
from layerscope.engine.primitives.reduce import Reduce
from layerscope.engine.primitives.table import Table
from layerscope.engine.program import Program

from .cases import fixed
from .linear_cases import Linear, all_cases
from .running import run_primitive

LINEAR = list(all_cases())
ELSEWHERE = {Map: "test_map.py", Random: "test_dropout.py", Table: "test_primitive_values.py"}


def subclasses(cls: type) -> set[type]:
    return {cls} if not cls.__subclasses__() else {cls}.union(*map(subclasses, cls.__subclasses__()))


def all_primitives() -> set[type]:
    for module in pkgutil.iter_modules(primitives.__path__):
        import_module(f"{primitives.__name__}.{module.name}")
    home = f"{primitives.__name__}."
    return {cls for cls in subclasses(Primitive) if cls.__module__.startswith(home)} - {Primitive}


def check_adjoint(case: Linear, rng) -> set[type]:
    """The law for each linear argument by itself; the classes of all primitives that took part."""
    arrays = [fixed(a) for a in case.arrays]
    outputs, _, classes = run_primitive(case.primitive, arrays)
    cotangent = fixed(rng.normal(size=outputs[0].shape))
    _, gradients, more = run_primitive(case.primitive, arrays, cotangent, case.linear)
    for number in case.linear:
        x = fixed(rng.normal(size=arrays[number].shape))
        moved, _, _ = run_primitive(case.primitive, [x if n == number else a for n, a in enumerate(arrays)])
        left, right = float((moved[0] * cotangent).sum()), float((x * gradients[number]).sum())
        scale = float(np.abs(moved[0] * cotangent).sum()) + 1e-3
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-12 * scale, err_msg=f"{case}, argument {number}")
    return classes | more


@pytest.mark.parametrize("name", sorted({type(case.primitive).__name__ for case in LINEAR}))
def test_adjoint(name):
    rng = np.random.default_rng(0)
    cases = [case for case in LINEAR if type(case.primitive).__name__ == name]
    assert len(cases) >= 8
    for case in cases:
        check_adjoint(case, rng)


@pytest.mark.parametrize("name", sorted({type(case.primitive).__name__ for case in LINEAR}))
def test_linear_primitives_are_linear(name):
    """The adjoint law takes linearity for granted; here it is not."""
    rng = np.random.default_rng(1)
    for case in [case for case in LINEAR if type(case.primitive).__name__ == name][:6]:
        for number in case.linear:
            x, y = (rng.normal(size=case.arrays[number].shape) for _ in range(2))

            def put(value, case=case, number=number):
                arrays = [fixed(value) if n == number else fixed(a) for n, a in enumerate(case.arrays)]
                return run_primitive(case.primitive, arrays)[0][0]

            np.testing.assert_allclose(put(2 * x - 3 * y), 2 * put(x) - 3 * put(y), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("case", LINEAR[::7], ids=str)
def test_declared_types_are_those_of_the_arrays(case):
    types = case.primitive.out(*(TensorType(a.shape, str(a.dtype)) for a in case.arrays))
    made, _, _ = run_primitive(case.primitive, [fixed(a) for a in case.arrays])
    assert [type.shape for type in types] == [array.shape for array in made]


def maxima():
    rng = np.random.default_rng(2)
    for rank in (1, 2, 3):
        for stride in (1, 2, 3):
            windows = Windows((2,) * rank, (stride,) * rank, ((0, 1),) * rank)
            x = rng.integers(0, 3, size=(2, *(4 for _ in range(rank)), 2)).astype(float)
            yield Linear(PoolMax(windows), [x])
    for axes in ((1, 2), (0,), (2, 3), (0, 1, 2, 3)):
        for keep in (False, True):
            yield Linear(Reduce("max", axes, keep), [rng.integers(0, 3, size=(2, 3, 4, 2)).astype(float)])


@pytest.mark.parametrize("case", list(maxima()), ids=str)
def test_a_maximum_gives_its_gradient_to_its_winner(case):
    """max(x) = S x for a selection S that x chooses: so <max(x), y> = <x, Sᵀ y>, and S is zeros and ones."""
    rng, arrays = np.random.default_rng(3), [fixed(a) for a in case.arrays]
    outputs, _, _ = run_primitive(case.primitive, arrays)
    cotangent = fixed(rng.normal(size=outputs[0].shape))
    _, gradients, _ = run_primitive(case.primitive, arrays, cotangent, (0,))
    np.testing.assert_allclose((outputs[0] * cotangent).sum(), (arrays[0] * gradients[0]).sum(), rtol=1e-11)
    np.testing.assert_allclose(cotangent.sum(), gradients[0].sum(), rtol=1e-10, atol=1e-12)
    ones, moved = np.ones_like(cotangent), fixed(arrays[0] + np.where(gradients[0] != 0, 0.5, 0))
    np.testing.assert_allclose(run_primitive(case.primitive, [moved])[0][0], outputs[0] + 0.5 * ones)


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)], ids=str)
def test_of_equal_maxima_the_first_receives_the_gradient(axes):
    x = fixed(np.zeros((2, 3, 4)))
    cotangent = fixed(np.ones([n for axis, n in enumerate(x.shape) if axis not in axes]))
    _, gradients, _ = run_primitive(Reduce("max", axes), [x], cotangent, (0,))
    wanted = np.zeros(x.shape)
    wanted[tuple(0 if axis in axes else slice(None) for axis in range(3))] = 1
    assert np.array_equal(gradients[0], wanted)


def test_argmax_has_no_gradient_and_finds_the_first():
    x = fixed(np.array([[1.0, 3.0, 3.0], [5.0, 2.0, 5.0]]))
    assert run_primitive(Reduce("argmax", (1,)), [x])[0][0].tolist() == [1.0, 0.0]
    program = Program()
    value = program.input(("data", 0), TensorType(x.shape), True)
    index = program.add(Reduce("argmax", (1,)), value)[0]
    assert program.differentiate(index, program.input(("cotangent",), index.type), [value]) == [None]


@pytest.mark.parametrize("size", [1, 700])
def test_the_size_of_a_chunk_changes_nothing(size, monkeypatch):
    """One example at a time, or a few: arrays here fit into one chunk otherwise."""
    every = [case for case in [*LINEAR, *maxima()] if len(case.arrays[0]) > 1]
    assert list(base.chunks(5, 400)) == [slice(0, 5)]
    whole = [run_primitive(case.primitive, [fixed(a) for a in case.arrays])[0] for case in every]
    monkeypatch.setattr(base, "CHUNK_BYTES", size)
    assert len(list(base.chunks(5, 400))) == 5
    for case, wanted in zip(every, whole, strict=True):
        made = run_primitive(case.primitive, [fixed(a) for a in case.arrays])[0]
        for one, two in zip(made, wanted, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13, err_msg=str(case))


@pytest.mark.parametrize("wrong", [-1, 6])
def test_a_switch_outside_its_plane_is_refused(wrong):
    switches = fixed(np.full((1, 1, 1, 1), wrong, np.int32))
    with pytest.raises(DataError, match=r"^max unpooling: a switch points outside the plane of 2×3$"):
        run_primitive(Unpool((2, 3)), [fixed(np.ones((1, 1, 1, 1))), switches])


def test_every_primitive_is_tested():
    """A new class without a case fails here. Adjoints count when the law above has run them."""
    rng, ran = np.random.default_rng(0), set(ELSEWHERE)
    for case in LINEAR:
        ran |= check_adjoint(case, rng)
    for case in maxima():
        arrays = [fixed(a) for a in case.arrays]
        cotangent = run_primitive(case.primitive, arrays)[0][0]
        ran |= run_primitive(case.primitive, arrays, fixed(cotangent), (0,))[2]
    assert len(all_primitives()) >= 27
    assert {cls.__name__ for cls in all_primitives() - ran} == set()
