"""What is said of a PyTorch module's inputs, what is refused and with which words, and that nothing is changed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import layerscope as ls
from layerscope.core.errors import SizeError, SourceError

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

from . import torch_cases as cases  # noqa: E402


class Net(nn.Module):
    """Attention over the positions of an image, which has a part of everything that a batch could break."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, image, scale=1.0):
        x = torch.relu(self.norm(self.conv(image))).flatten(2).transpose(1, 2)
        x = self.attention(x, x, x, need_weights=False)[0] + x * scale
        return self.head(x.mean(1))


MACS = 95_784
"""Of one example of 8×8."""


def test_sizes_in_all_forms():
    for given in ((1, 3, 8, 8), [(1, 3, 8, 8)], ((1, 3, 8, 8), "float32"), torch.zeros(1, 3, 8, 8),
                  torch.empty(1, 3, 8, 8, device="meta"), {"image": (1, 3, 8, 8)},
                  {"image": (1, 3, 8, 8), "scale": 2.0}):  # fmt: skip
        trace = ls.trace(Net(), input=given)
        assert (trace.layers[0]["name"], trace.layers[0]["output_shape"]) == ("image", [1, 3, 8, 8])
        assert trace.totals["macs"] == MACS


def test_nested_inputs_and_values_that_are_no_tensors():
    def joined(pair, more, times=1):
        return torch.cat([*pair, more["z"].float()], 1) * times

    given = {"pair": [(2, 3), (2, 4)], "more": {"z": ((2, 5), "int64")}, "times": 3}
    trace = ls.trace(joined, input=given)
    assert [(row["name"], row["dtype"]) for row in trace.layers[:3]] == [
        ("pair", "float32"),
        ("pair_1", "float32"),
        ("more", "int64"),
    ]
    assert trace.layers[-1]["output_shape"] == [2, 12]


def test_an_input_has_the_dtype_of_the_weights():
    trace = ls.trace(nn.Linear(3, 2).to(torch.bfloat16), input=(1, 3))
    assert [row["dtype"] for row in trace.layers] == ["bfloat16", "bfloat16"]
    assert trace.totals["memory"]["weights"] == 16
    assert ls.trace(nn.Linear(3, 2), input=(1, 3), dtype="float16").totals["memory"]["weights"] == 16


def test_the_batch_by_its_own_argument():
    net = Net()
    assert ls.trace(net, 4, input=(1, 3, 8, 8)).totals["macs"] == 4 * MACS
    assert ls.trace(net, 4, input=(1, 3, 8, 8)).totals == ls.trace(net, input=(4, 3, 8, 8)).totals


def test_an_open_batch():
    net = Net()
    trace = ls.trace(net, input=(None, 3, 8, 8))
    assert trace.totals["macs"] == MACS
    assert trace.layers[0]["output_shape"] == ["batch", 3, 8, 8]
    shapes = {row["name"]: row["output_shape"] for row in trace.layers}
    assert shapes["attention/view"] == [64, "2·batch", 4]
    one = ls.trace(net, input=(1, 3, 8, 8))
    assert trace.totals == one.totals
    for batch in (1, 5):
        assert ls.trace(net, batch, input=(None, 3, 8, 8)).totals == ls.trace(net, input=(batch, 3, 8, 8)).totals
    assert [row["kind"] for row in trace.layers] == [row["kind"] for row in one.layers]


def test_an_open_batch_survives_a_file(tmp_path):
    trace = ls.trace(Net(), input=(None, 3, 8, 8))
    trace.save(tmp_path / "net.json")
    again = ls.trace(tmp_path / "net.json", 3)
    assert again.totals == ls.trace(Net(), input=(3, 3, 8, 8)).totals


def looking(x):
    if x.sum() > 0:
        return x
    return -x


def counted(x):
    return x[x > 0]


def number(x):
    return x.shape[0]


def loose(x):
    return torch.ones(3)


def line(function, offset):
    return f"{__file__}, line {function.__code__.co_firstlineno + offset}"


REFUSED = {
    "no input": (
        Net, None,
        "input must say the sizes of what forward takes, batch and all: (1, 3, 224, 224), or ((1, 128), 'int64') with a "
        "dtype, or a tensor of such sizes; several as a list, or by their names as a dictionary; say "
        "ls.trace(module, input=(1, 3, 224, 224))",
    ),
    "no sizes": (
        Net, "1x3",
        "input must say the sizes of what forward takes, batch and all: (1, 3, 224, 224), or ((1, 128), 'int64') with a "
        "dtype, or a tensor of such sizes; several as a list, or by their names as a dictionary, not '1x3'",
    ),
    "an open height": (
        Net, (1, 3, None, 8), "input: only the first size can be open, the batch, not those of (1, 3, None, 8)"
    ),
    "no such dtype": (Net, ((1, 3), "float7"), "input: PyTorch has no dtype 'float7'"),
    "another size": (
        Net, (1, 4, 8, 8),
        "the forward of Net failed for (1, 4, 8, 8), in conv (Conv2d): Given groups=1, weight of size [8, 3, 3, 3], "
        "expected input[1, 4, 8, 8] to have 3 channels, but got 4 channels instead\n"
        f"  {line(Net.forward, 1)}: x = torch.relu(self.norm(self.conv(image))).flatten(2).transpose(1, 2)",
    ),
    "too many inputs": (
        Net, [(1, 3, 8, 8)] * 3,
        "the forward of Net failed for (1, 3, 8, 8) and (1, 3, 8, 8) and (1, 3, 8, 8): TypeError: Net.forward() takes "
        "from 2 to 3 positional arguments but 4 were given\nIt takes (image, scale=1.0)",
    ),
    "floats to look up": (
        lambda: nn.Embedding(5, 3), (1, 4),
        "the forward of Embedding failed for (1, 4): Expected tensor for argument #1 'indices' to have one of the "
        "following scalar types: Long, Int; but got torch.float32 instead\n"
        "It looks up by whole numbers: say their dtype, as in input=((1, 128), 'int64')",
    ),
    "numbers decide the way": (
        lambda: looking, (3,),
        "looking cannot be followed: the numbers of a tensor decide what it does next, and a trace has none: for other "
        f"numbers it would be another network\n  {line(looking, 1)}: if x.sum() > 0:",
    ),
    "numbers decide a size": (
        lambda: counted, (3,),
        "counted cannot be followed: the numbers of a tensor decide how many elements come out, and a trace has none\n"
        f"  {line(counted, 1)}: return x[x > 0]",
    ),
    "a number comes out": (lambda: number, (3,), "number: it returns int, and no tensor in it"),
    "nothing of the input comes out": (lambda: loose, (3,), "loose: no output depends on its input"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    make, given, message = REFUSED[name]
    with pytest.raises(SourceError) as caught:
        ls.trace(make(), input=given)
    assert str(caught.value) == message


def test_a_size_of_zero():
    with pytest.raises(SizeError) as caught:
        ls.trace(Net(), input=(0, 3))
    assert str(caught.value) == "input: a size of (0, 3) must be at least 1, not 0"


def test_a_batch_that_changes_the_network_is_refused():
    def grows(x):
        for _ in range(len(x)):
            x = x + 1
        return x

    with pytest.raises(SourceError) as caught:
        ls.trace(grows, input=(None, 3))
    assert str(caught.value) == (
        "for 11 and 13 examples it is not the same network; give a number for the batch"
    )  # fmt: skip

    def cut(x):
        return x[1:].flatten()

    with pytest.raises(SourceError) as caught:
        ls.trace(cut, input=(None, 3))
    assert str(caught.value) == (
        "getitem (getitem): for 11 and 13 examples its picks is 10 and 12; give a number for the batch"
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripts_are_refused():
    with pytest.raises(SourceError) as caught:
        ls.trace(torch.jit.script(nn.Linear(3, 2)), input=(1, 3))
    assert str(caught.value) == "a TorchScript module cannot be followed; give the module that it was made from"


def test_input_is_for_what_does_not_state_its_sizes():
    with pytest.raises(SourceError) as caught:
        ls.trace("28x28x1 | dense 3", input=(1, 28, 28, 1))
    assert str(caught.value) == (
        "input says the sizes of what a Keras, PyTorch or JAX model is given; this states its own"
    )  # fmt: skip


# --- nothing is changed ---


class Remembering(nn.Module):
    """A forward that writes into its module, and draws random numbers."""

    def __init__(self):
        super().__init__()
        self.linear, self.drop = nn.Linear(3, 3), nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("seen", torch.zeros(1))
        self.cache, self.last, self.calls = [], None, 0
        self.linear.register_forward_hook(lambda module, args, out: out + 1)

    def forward(self, x):
        self.calls += 1
        self.seen.add_(1)
        self.last = self.norm(self.drop(self.linear(x))) + torch.rand(3)
        self.cache.append(self.last)
        if self.calls > 5:
            raise RuntimeError("too often")
        return self.last


def state(module):
    """Everything that a trace could change, of the module and of PyTorch."""
    parts = [
        (id(part), part.training, sorted(part.__dict__), len(part._forward_hooks), len(part._forward_pre_hooks))
        for part in module.modules()
    ]
    tensors = [
        (name, id(one), one.data_ptr(), one._version, one.requires_grad, one.device, one.clone())
        for name, one in [*module.named_parameters(), *module.named_buffers()]
    ]
    hooks = torch.nn.modules.module
    world = (
        torch.random.get_rng_state().tolist(), torch.get_default_dtype(), torch.is_grad_enabled(),
        len(hooks._global_forward_hooks), len(hooks._global_forward_pre_hooks), torch.get_default_device(),
        len(torch.overrides._get_current_function_mode_stack()),
        len(torch.utils._python_dispatch._get_current_dispatch_mode_stack()),
    )  # fmt: skip
    values = [{key: value for key, value in module.__dict__.items() if not key.startswith("_")}]
    return repr((parts, tensors, world, values))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("calls", [0, 5])
def test_nothing_is_changed_even_where_it_fails(training, calls):
    module = Remembering().train(training)
    module.calls = calls
    before = state(module)
    if calls:
        with pytest.raises(SourceError, match="too often"):
            ls.trace(module, input=(2, 3))
    else:
        assert ls.trace(module, input=(2, 3)).totals["parameters"] == 18
    assert state(module) == before


def test_a_module_without_memory_stays_so():
    with torch.device("meta"):
        module = cases.Vision()
    ls.trace(module, input=(1, 3, 32, 32))
    assert {one.device.type for one in module.parameters()} == {"meta"}


def test_nothing_is_allocated():
    """An input of 25 GB, and weights of 100 GB."""
    with torch.device("meta"):
        module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 2046 * 2046, 750))
    totals = ls.trace(module, input=(512, 3, 2048, 2048)).totals
    assert totals["memory"]["inputs"] == 512 * 3 * 2048 * 2048 * 4
    assert totals["parameters"] == 224 + 750 * (8 * 2046 * 2046 + 1)


def test_modules_and_weights_that_a_function_finds_around_it():
    net, gain = nn.Linear(3, 4), nn.Parameter(torch.ones(4))
    parts = [nn.Linear(4, 4), nn.ReLU()]

    def whole(x):
        x = net(x) * gain
        for part in parts:
            x = part(x)
        return x

    trace = ls.trace(whole, input=(1, 3))
    assert [(row["name"], row["parameters"]) for row in trace.layers[1:]] == [
        ("net", 16),
        ("mul", 4),
        ("parts/0", 20),
        ("parts/1", 0),
    ]
    assert list(trace.graph.parameters) == ["net.weight", "net.bias", "gain", "parts.0.weight", "parts.0.bias"]


def test_weights_of_modules_that_are_no_parts_count():
    """In a plain list, in an object, and behind the module's back: PyTorch does not list them, the call uses them."""

    class Holder:
        def __init__(self, module):
            self.module = module

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.held, self.listed = Holder(nn.Linear(3, 3)), [nn.Linear(3, 3)]
            object.__setattr__(self, "free", nn.Linear(3, 3))

        def forward(self, x):
            return self.listed[0](self.free(self.held.module(x)))

    module = Odd()
    assert list(module.parameters()) == []
    trace = ls.trace(module, input=(2, 3))
    assert (trace.totals["parameters"], trace.totals["macs"]) == (36, 54)


def test_what_runs_below_pytorch_s_functions_is_followed():
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.exp()

    linear = nn.Linear(3, 3)

    def through(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = functional.linear(x, linear.weight)
        return torch.utils.checkpoint.checkpoint(linear, Exp.apply(x.float()), use_reentrant=False)

    trace = ls.trace(through, input=(2, 3))
    assert (trace.totals["parameters"], trace.totals["macs"]) == (12, 36)
    assert [row["dtype"] for row in trace.layers][-2:] == ["float32", "float32"]
    assert not trace.totals["at_least"]


def test_the_command_line(tmp_path):
    (tmp_path / "nets.py").write_text(
        "import torch\nfrom torch import nn\n\n"
        "def make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n\n"
        "def double(ids, scale):\n    return nn.functional.one_hot(ids, 5) * scale\n"
    )

    def told(*words):
        command = [
            sys.executable,
            "-m",
            "layerscope.cli",
            "trace",
            *words,
            "--format",
            "csv",
            "--columns",
            "name,output",
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        return done.returncode, done.stdout.splitlines() or done.stderr

    code, rows = told("nets:make", "--input", "1x3x8x8")
    assert (code, rows) == (0, ["name,output", 'input,"(1, 3, 8, 8)"', '0,"(1, 4, 6, 6)"', '1,"(1, 4, 6, 6)"'])
    code, rows = told("nets:make", "--input", "?x3x8x8", "--batch", "2")
    assert (code, rows[-1]) == (0, '1,"(2, 4, 6, 6)"')
    code, rows = told("nets:double", "--input", "ids=1x2:int64", "--input", "scale=5")
    assert (code, rows) == (
        0,
        ["name,output", 'ids,"(1, 2)"', 'scale,"(5,)"', 'one_hot,"(1, 2, 5)"', 'mul,"(1, 2, 5)"'],
    )
    code, words = told("nets:make")
    assert code == 2
    assert words.startswith("layerscope trace: input must say the sizes of what forward takes, batch and all")
    code, words = told("nets:make", "--input", "1x3xa")
    assert code == 2
    assert re.search(r"argument --input: sizes are needed, .* not '1x3xa'", words)
    code, words = told("nets:double", "--input", "ids=1x2:int64", "--input", "5")
    assert (code, words) == (
        2,
        "layerscope trace: --input: name each input once, or none of them: --input ids=1x128:int64 --input mask=1x128\n",
    )
