"""That a PyTorch module is followed without PyTorch's compiler and without sympy, and that nobody else notices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

import layerscope as ls
from layerscope.sources._torch.live import following
from layerscope.sources._torch.live.plain import Plain

torch = pytest.importorskip("torch")

from . import torch_cases as cases  # noqa: E402  (wants PyTorch)

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch._dynamo", "torch._dynamo.config", "torch.fx.experimental.symbolic_shapes", "torch.distributed.tensor",
         "torch.utils._sympy.functions", "sympy")  # fmt: skip


def told(code: str) -> object:
    """What a fresh process prints, as JSON."""
    before = "import json, sys\nimport torch\nfrom torch import nn\nimport layerscope as ls\n"
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT), str(ROOT / "tests")])
    run = subprocess.run(
        [sys.executable, "-c", before + code], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


NETWORKS = """
from tests.conformance import torch_cases as cases, torch_networks as networks
with torch.device("meta"):
    images = [cases.NETWORKS[name][0]() for name in ("ResNet-50", "VGG-16")]
    unet, lstm, encoder = networks.UNet(), nn.LSTM(8, 4), networks.Encoder()
for module in images:
    ls.trace(module, input=(1, 3, 224, 224))
ls.trace(unet, input=(1, 3, 64, 64)), ls.trace(lstm, input=(3, 1, 8)), ls.trace(encoder, input=(2, 10, 64))
"""


def test_neither_the_compiler_nor_sympy_is_imported():
    assert told(f"{NETWORKS}print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))") == []


def test_they_are_themselves_afterwards():
    """Also after a failure; the compiler works, and no function of PyTorch is marked as out of its sight."""
    code = """
import gc, types
class Wrong(nn.Module):
    def forward(self, x):
        return nn.functional.relu(x) @ x
try:
    ls.trace(Wrong(), input=(2, 3))
except ls.LayerscopeError as error:
    words = str(error).splitlines()[0]
left = [name for name in sys.modules if name.startswith(("torch._dynamo", "sympy"))]
functions = [one for one in gc.get_objects() if isinstance(one, types.FunctionType)]
marked = [one.__name__ for one in functions if "__dynamo_disable" in one.__dict__]
import sympy, torch._dynamo
from torch.fx.experimental.symbolic_shapes import guard_or_false
compiled = torch.compile(lambda x: torch.relu(x) + 1, backend="eager", fullgraph=True)
print(json.dumps([words, left, marked, compiled(torch.ones(2)).tolist(), guard_or_false.__module__,
                  sympy.Basic.__module__, torch._dynamo.config.__name__]))
"""
    assert told(code) == [
        "the forward of Wrong failed for (2, 3): a and b must have same reduction dim, but got [2, 3] X [2, 3].",
        [], [], [2.0, 2.0], "torch.fx.experimental.symbolic_shapes", "sympy.core.basic", "torch._dynamo.config",
    ]  # fmt: skip


def test_whoever_asks_meanwhile_gets_the_true_ones():
    code = """
found = []
class Asking(nn.Module):
    def forward(self, x):
        import sympy
        class Own(sympy.Basic):
            pass
        found.extend([isinstance(1, sympy.Basic), issubclass(Own, sys.modules["sympy"].Basic)])
        found.extend([sympy.Symbol("x").is_Symbol, isinstance(sympy.Symbol("x"), sympy.Basic)])
        from torch.fx.experimental.symbolic_shapes import ShapeEnv, guard_or_false
        import torch._dynamo
        found.extend([ShapeEnv.__name__, guard_or_false(True), torch._dynamo.config.suppress_errors])
        found.append(torch._dynamo.disable(len) is len)
        return torch.relu(x)
kinds = [node.layer.kind for node in ls.trace(Asking(), input=(2, 3)).graph.nodes]
print(json.dumps([found, kinds, type(sys.modules["torch._dynamo"]).__name__]))
"""
    assert told(code) == [
        [False, True, True, True, "ShapeEnv", True, False, False], ["InputLayer", "relu"], "module",
    ]  # fmt: skip


def drawn(make, given):
    torch.manual_seed(0)
    module = make().eval()
    nodes = ls.trace(module, input=given).graph.nodes
    return [(node.name, node.scope, node.inputs, node.weights, repr(node.layer)) for node in nodes]


@pytest.mark.parametrize("name", [*cases.MODULES, "ResNet-18", "ViT", "decoder"])
def test_the_short_way_and_the_long_way_lead_to_the_same_network(name, monkeypatch):
    make, given = (cases.MODULES | cases.NETWORKS)[name][:2]
    short = drawn(make, given)
    ran = []
    monkeypatch.setattr(following, "lean", nullcontext)
    monkeypatch.setattr(Plain, "run", lambda self, function, args, kwargs: ran.append(function))
    assert drawn(make, given) == short
    assert ran
