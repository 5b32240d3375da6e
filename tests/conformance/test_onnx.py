"""ONNX Runtime against ours: values, its single precision against our double."""

from __future__ import annotations

import pytest

from contract.cases import title

from . import onnx_oracle, oracles

COUNT = {"Conv2D": 60, "Conv2DTranspose": 60, "MaxPooling2D": 50, "AveragePooling2D": 50, "UpSampling2D": 40}
COUNT |= dict.fromkeys(("Conv1D", "Conv3D", "Conv1DTranspose", "Conv3DTranspose"), 40)
COUNT |= dict.fromkeys(("DepthwiseConv2D", "SeparableConv2D"), 40)
FEW = 20
CASES = [case for kind in onnx_oracle.SPELLED for case in oracles.cases(kind, COUNT.get(kind, FEW))]


@pytest.fixture(scope="module", autouse=True)
def framework():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return onnx_oracle.modules()


@pytest.mark.parametrize("case", CASES, ids=title)
def test_agrees_with_onnx_runtime(case):
    oracles.check(case, onnx_oracle.ask, dtype="float32", rtol=2e-5)
