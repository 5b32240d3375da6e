"""PyTorch modules of sequences, volumes and single channels as models here: how their inputs lie, which layers they are."""

from __future__ import annotations

import pytest

import layerscope as ls
from layerscope.core.errors import SourceError


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def modules(torch):
    from . import torch_modules

    return torch_modules.MODULES


def test_four_sizes_are_a_volume_where_modules_say_so(torch):
    for size in ((3, 4, 8, 6), (1, 3, 4, 8, 6)):
        assert ls.from_torch(torch.nn.MaxPool3d(2), input=size).input_shape == (None, 4, 8, 6, 3)


def test_two_sizes_are_a_sequence_where_its_reader_says_so(torch):
    nn = torch.nn
    for module in (nn.Conv1d(3, 2, 1), nn.Sequential(nn.ReLU(), nn.MaxPool1d(2))):
        assert ls.from_torch(module, input=(3, 8)).input_shape == (None, 8, 3)
    assert ls.from_torch(nn.Sequential(nn.ReLU(), nn.Linear(8, 2)), input=(3, 8)).input_shape == (None, 3, 8)


def test_a_convolution_of_single_channels_is_a_depthwise_one(torch, modules):
    model = ls.from_torch(modules["mobile"][0]().eval(), input=(3, 9, 7))
    kinds = [layer.kind for layer in model.layers]
    assert kinds.count("DepthwiseConv2D") == kinds.count("Conv2D") == 2


REFUSED = {
    "linear interpolation": (
        lambda nn: nn.Upsample(scale_factor=2, mode="linear"), (2, 6),
        "Upsample: its mode is 'linear'; UpSampling1D here has 'nearest'",
    ),
    "indices of a sequence": (
        lambda nn: nn.MaxPool1d(2, return_indices=True), (2, 6),
        "MaxPool1d: its indices: only pools of images have switches here",
    ),
    "shares of different sizes": (
        lambda nn: nn.AdaptiveAvgPool3d((2, 2, 3)), (1, 4, 5, 6),
        "AdaptiveAvgPool3d: windows of different sizes lead from (4, 5, 6) to (2, 2, 3), and pools here have one",
    ),
    "values that win over the pads": (
        lambda nn: nn.MaxPool1d(3, 3, 1), (2, 6),
        "MaxPool1d: with padding=(1,) its windows are neither those of 'valid' nor those of 'same', and zeros around "
        "the image would win over numbers below zero; put a ReLU before it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name, torch):
    make, size, message = REFUSED[name]
    with pytest.raises(SourceError) as caught:
        ls.from_torch(make(torch.nn), input=size)
    head, *lines = str(caught.value).splitlines()
    assert head.endswith("cannot be taken over:")
    assert lines == [f"  {message}"]
