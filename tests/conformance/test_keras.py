"""Keras 3 on JAX against ours: values and gradients in float64, for every layer that Keras has."""

from __future__ import annotations

import pytest

from contract.cases import title

from . import keras_oracle, oracles

COUNT = {"Conv2D": 20, "Conv2DTranspose": 20, "MaxPooling2D": 16, "AveragePooling2D": 16, "UpSampling2D": 16}
COUNT |= dict.fromkeys(("Conv1D", "Conv1DTranspose", "DepthwiseConv2D", "SeparableConv2D"), 16)
FEW = 8
CASES = [
    case
    for kind in keras_oracle.spelled()
    for case in oracles.cases(kind, COUNT.get(kind, FEW), keras_oracle.accepts)
]


@pytest.fixture(scope="module", autouse=True)
def framework():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()


def precision(case) -> float:
    """Keras brings 64 bits down to 32 inside `mean`, `rsqrt` and `tanh` on JAX: see docs/disagreements.md."""
    mean = case.layer.kind.startswith("GlobalAveragePooling") or case.layer.kind.endswith("Normalization")
    single = mean or getattr(case.layer, "activation", None) == "tanh"
    return 2e-6 if single else 1e-9


@pytest.mark.parametrize("case", CASES, ids=title)
def test_agrees_with_keras(case):
    oracles.check(case, keras_oracle.ask, rtol=precision(case))
