"""PyTorch modules with an uncommon part: detached tensors, lazy modules, operators that run functions, factories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import layerscope as ls
from layerscope.core.errors import SourceError

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

from .test_saved import kept_by_torch  # noqa: E402


def refusal(what, given):
    with pytest.raises(SourceError) as caught:
        ls.trace(what, input=given)
    return str(caught.value)


def line(function, offset):
    return f"{__file__}, line {function.__code__.co_firstlineno + offset}"


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (lambda x: x.detach() * 2, ["InputLayer", "mul"]),
        (lambda x: x.data * 2, ["InputLayer", "mul"]),
        (lambda x: x.detach().contiguous() * 2, ["InputLayer", "mul"]),
        (lambda x: x.relu().detach() * 2, ["InputLayer", "relu", "mul"]),
        (lambda x: x.view(16).detach() * 2, ["InputLayer", "view", "mul"]),
    ],
)
def test_a_detached_tensor_is_the_same_tensor(function, kinds):
    trace = ls.trace(function, input=(2, 8))
    assert [row["kind"] for row in trace.layers] == kinds
    assert trace.totals["operations"]["pointwise"] == 16 * (len(kinds) - 1 - ("view" in kinds))


def test_a_detached_tensor_lies_in_the_memory_of_the_other():
    def doubled(x):
        x = torch.exp(x)
        x.detach().mul_(2)
        return x

    assert [row["kind"] for row in ls.trace(doubled, input=(2, 8)).layers] == ["InputLayer", "exp", "mul"]


# --- lazy modules ---

LAZY = "the sizes of its weights are unknown until it has seen data; run the module once on data first"


def test_lazy_modules():
    assert refusal(nn.LazyLinear(5), (2, 8)) == f"LazyLinear: {LAZY}"
    net = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.LazyBatchNorm1d()))
    assert refusal(net, (2, 8)) == f"1.0 (LazyBatchNorm1d): {LAZY}"
    assert refusal(lambda x: net(x), (2, 8)) == f"net.1.0 (LazyBatchNorm1d): {LAZY}"
    net.eval()(torch.zeros(2, 8))
    assert ls.trace(net, input=(2, 8)).totals["parameters"] == 72 + 16


# --- receptive fields ---


def seen(module, shape, layer=None):
    field = ls.trace(module, input=shape).receptive_field(layer)
    return repr(field).splitlines()[:2]


def test_channels_that_no_convolution_names():
    upsample = nn.Upsample(size=(5, 4), mode="bilinear")
    trace = ls.trace(upsample, input=(1, 3, 12, 12))
    assert trace.graph.nodes[0].layer.channel_axis == 1
    assert seen(upsample, (1, 3, 12, 12))[0] == "interpolate, 5 × 4 positions"
    unshuffled = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3))
    assert seen(unshuffled, (1, 1, 12, 12)) == ["1, 4 × 4 positions", "  of input, 12 × 12, it sees 6 × 6"]
    assert seen(nn.PixelShuffle(2), (1, 4, 6, 5))[0] == "pixel_shuffle, 12 × 10 positions"
    assert ls.trace(nn.PixelShuffle(2), input=(4, 6, 5)).layers[-1]["output_shape"] == [1, 12, 10]
    assert seen(nn.ChannelShuffle(2), (1, 4, 6, 5))[0] == "channel_shuffle, 6 × 5 positions"


@pytest.mark.parametrize(
    "mixed",
    [
        nn.ChannelShuffle(2),
        lambda x: x.repeat(1, 3, 1, 1),
        lambda x: x.repeat(2, 1, 3, 1, 1),
        lambda x: x.tile(3, 1, 1),
        lambda x: torch.tile(x, (1, 2, 1, 1)),
        lambda x: x.repeat_interleave(2, 1),
        lambda x: torch.repeat_interleave(x, 2, dim=-3),
    ],
)
def test_what_repeats_or_mixes_channels_keeps_positions(mixed):
    conv = nn.Conv2d(3, 4, 3)
    made = mixed(torch.zeros(1, 4, 6, 5))
    trace = ls.trace(lambda x: mixed(conv(x)), input=(1, 3, 8, 7))
    assert trace.layers[-1]["output_shape"] == list(made.shape)
    assert repr(trace.receptive_field()).splitlines()[1] == "  of x, 8 × 7, it sees 3 × 3"


def test_what_repeats_positions_reads_all():
    conv = nn.Conv2d(3, 4, 3)
    for repeated in (lambda x: x.repeat(1, 1, 2, 1), lambda x: x.repeat_interleave(2, 2)):
        trace = ls.trace(lambda x, made=repeated: made(conv(x)), input={"x": (1, 3, 8, 7)})
        assert repr(trace.receptive_field()).splitlines()[1] == "  of x, 8 × 7, it sees everything × 3"
    flat = ls.trace(lambda x: x.repeat_interleave(2), input=(2, 8))
    assert flat.layers[-1]["output_shape"] == [32]


# --- products and divisions ---


def test_addbmm():
    function = torch.addbmm
    trace = ls.trace(lambda a, b, c: function(a, b, c), input=[(3, 5), (2, 3, 4), (2, 4, 5)])
    assert (trace.totals["macs"], trace.totals["at_least"]) == (2 * 3 * 4 * 5, False)
    assert trace.layers[-1]["output_shape"] == [3, 5]
    alone = ls.trace(lambda a, b, c: function(a, b, c, beta=0), input=[(3, 5), (2, 3, 4), (2, 4, 5)])
    assert (alone.totals["macs"], alone.totals["operations"]["pointwise"]) == (120, 0)


class Divided(nn.Module):
    """Scores of positions, divided by what stands for the root of the number of features."""

    def __init__(self, how):
        super().__init__()
        self.q, self.k, self.how = nn.Linear(16, 16), nn.Linear(16, 16), how
        self.register_buffer("root", torch.tensor(4.0))
        self.rows = nn.Parameter(torch.ones(24, 1))

    def forward(self, x):
        return self.how(self, self.q(x) @ self.k(x).transpose(-1, -2))


@pytest.mark.parametrize(
    "how",
    [
        lambda self, scores: scores / 4.0,
        lambda self, scores: scores.div(4),
        lambda self, scores: torch.div(scores, 4.0),
        lambda self, scores: scores / self.root,
        lambda self, scores: scores / self.rows,
        lambda self, scores: scores / scores.sum(-1, keepdim=True),
    ],
)
def test_what_a_division_keeps(how):
    module, x = Divided(how), torch.rand(2, 24, 16)
    found = ls.trace(module, input=(2, 24, 16)).totals["memory"]
    assert (found["saved"], found["saved_at_least"]) == (kept_by_torch(module, [module], x), False)


# --- what is not followed ---


def chosen(x):
    return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y, (x,))


def flexible(x):
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention(x, x, x)


def sloped(x):
    with torch.enable_grad():
        return torch.autograd.grad((3 * x.requires_grad_()).sum(), x)[0]


@pytest.mark.parametrize(
    ("function", "shape", "message"),
    [
        (
            chosen, (2, 8),
            "chosen cannot be followed: torch.ops.higher_order.cond runs functions of its own, which a trace does not "
            f"follow\n  {line(chosen, 1)}: return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y, (x,))",
        ),
        (
            flexible, (1, 2, 16, 16),
            "flexible cannot be followed: torch.ops.higher_order.flex_attention runs functions of its own, which a "
            f"trace does not follow\n  {line(flexible, 3)}: return flex_attention(x, x, x)",
        ),
        (
            sloped, (2, 8),
            "sloped: no output is seen to depend on its input; what torch.autograd.grad does to it is not followed",
        ),
    ],
)  # fmt: skip
def test_what_runs_functions_of_its_own(function, shape, message):
    assert refusal(function, shape) == message


# --- functions that make modules ---

FACTORY = (
    "It makes a module, and was called as a function of tensors: give the module that it makes, or a function without "
    "arguments that makes it"
)


def wide(x):
    return nn.Linear(3, x)


def wrapped(x):
    return nn.Sequential(nn.ReLU())


def test_a_function_with_arguments_is_no_factory(tmp_path):
    assert refusal(wrapped, (1, 3)) == f"wrapped: it returns a module, Sequential, and no tensor\n{FACTORY}"
    assert refusal(wide, (1, 3)).splitlines()[-2:] == [f"  {line(wide, 1)}: return nn.Linear(3, x)", FACTORY]
    (tmp_path / "makers.py").write_text("from torch import nn\n\ndef make_arg(x):\n    return nn.Linear(3, x)\n")
    ask = [sys.executable, "-m", "layerscope.cli", "trace", "makers:make_arg"]
    told = {"capture_output": True, "text": True, "cwd": tmp_path, "check": False}
    told["env"] = {**os.environ, "PYTHONPATH": str(Path(ls.__file__).parents[1])}
    done = subprocess.run([*ask, "--input", "1x3"], **told)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, FACTORY)
    done = subprocess.run(ask, **told)
    assert (done.returncode, done.stderr) == (
        2,
        "layerscope trace: makers:make_arg takes (x): a function that makes a model is called without arguments; give "
        "one that needs none, or say --input for a function of tensors\n",
    )
