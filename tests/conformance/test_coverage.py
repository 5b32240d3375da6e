"""Every layer that computes answers to two oracles at least; and the comparison with them can fail."""

from __future__ import annotations

import numpy as np
import pytest

from contract.cases import executable_examples
from contract.settings import seeded
from layerscope import layers as ls

from . import keras_oracle, onnx_oracle, oracles, torch_oracle

ORACLES = {
    "keras": set(keras_oracle.spelled()),
    "torch": set(torch_oracle.SPELLED),
    "onnx": set(onnx_oracle.SPELLED),
}


@pytest.mark.parametrize("kind", oracles.executable_kinds())
def test_two_oracles_at_least(kind):
    asked = [name for name, kinds in ORACLES.items() if kind in kinds]
    assert len(asked) >= 2


@pytest.mark.parametrize("kind", oracles.executable_kinds())
def test_spellings_name_every_framework(kind):
    """The page of each layer says what the others call it, or that they have no such layer."""
    example = next(case for case in executable_examples() if type(case.layer).__name__ == kind)
    assert set(example.layer.spellings) >= {"keras", "torch", "onnx"}


@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose"])
def test_random_settings_reach_everywhere(kind):
    """Odd sizes, strides, dilation, groups, both paddings, output_padding: each is met, also together."""
    layers = [case.layer for case in seeded(kind, 60)]
    for name, value in {"strides": 3, "dilation_rate": 3, "groups": 2, "kernel_size": 4}.items():
        assert sum(value in np.atleast_1d(getattr(layer, name)) for layer in layers) >= 5
    assert {layer.padding for layer in layers} == {"same", "valid"}
    assert sum(max(layer.strides) > 1 < max(layer.dilation_rate) for layer in layers) >= 5
    if kind == "Conv2DTranspose":
        added = [layer.output_padding for layer in layers]
        assert sum(a is None for a in added) >= 5
        assert sum(a is not None and max(a) > 0 for a in added) >= 5


def test_a_wrong_answer_is_noticed():
    """An oracle that says a little too much, one that swaps two cells, one of another shape."""
    layer = ls.ZeroPadding2D(1)
    case = next(case for case in executable_examples() if type(case.layer) is type(layer))

    def answer(change):
        def ask(case, arrays, weights, cotangent):
            return oracles.Answer([change(case.layer.define(*arrays)[0][0])])

        return ask

    oracles.check(case, answer(lambda y: y))
    for wrong in (lambda y: y * (1 + 1e-7), lambda y: np.roll(y, 1, axis=1), lambda y: y[:, :-1]):
        with pytest.raises(AssertionError):
            oracles.check(case, answer(wrong))


def test_a_wrong_gradient_is_noticed():
    case = next(case for case in executable_examples() if isinstance(case.layer, ls.Flatten))

    def ask(case, arrays, weights, cotangent):
        return oracles.Answer([case.layer.define(*arrays)[0][0]], [1.001 * cotangent.reshape(arrays[0].shape)])

    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        oracles.check(case, ask)
