"""PyTorch against ours: values and gradients in float64."""

from __future__ import annotations

import pytest

from contract.cases import title

from . import oracles, torch_oracle

COUNT = {"Conv2D": 60, "Conv2DTranspose": 60, "MaxPooling2D": 50, "AveragePooling2D": 50, "UpSampling2D": 40}
COUNT |= dict.fromkeys(("Conv1D", "Conv3D", "Conv1DTranspose", "Conv3DTranspose"), 40)
COUNT |= dict.fromkeys(("DepthwiseConv2D", "SeparableConv2D"), 40)
FEW = 20
CASES = [
    case for kind in torch_oracle.SPELLED for case in oracles.cases(kind, COUNT.get(kind, FEW), torch_oracle.accepts)
]


@pytest.fixture(scope="module", autouse=True)
def framework():
    pytest.importorskip("torch")
    return torch_oracle.modules()


@pytest.mark.parametrize("case", CASES, ids=title)
def test_agrees_with_torch(case):
    oracles.check(case, torch_oracle.ask)
