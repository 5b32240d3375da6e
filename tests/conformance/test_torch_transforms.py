"""torch.vmap and the gradients of torch.func, which are followed; numbers that a module holds as its settings."""

from __future__ import annotations

import pytest

import layerscope as ls
from layerscope.core.errors import SourceError

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

WEIGHT = nn.Parameter(torch.zeros(4, 5))


def totals(function, input, **told):
    found = ls.trace(function, input=input, framework="torch", **told).totals
    assert not found["at_least"]
    return found["parameters"], found["macs"]


def test_what_runs_under_vmap_counts():
    assert totals(lambda x: torch.vmap(lambda row: row @ WEIGHT)(x) + x.sum(), (3, 4)) == (20, 60)
    conv = nn.Conv2d(3, 4, 3)
    assert totals(torch.vmap(conv), (2, 1, 3, 8, 8)) == (112, 2 * 36 * 9 * 3 * 4)
    twice = torch.vmap(torch.vmap(lambda row: functional.linear(row, WEIGHT.T)))
    assert totals(twice, (2, 3, 4)) == (20, 120)
    trace = ls.trace(lambda x: torch.vmap(torch.sin)(x) + x, input=(3, 4), framework="torch")
    assert [row["kind"] for row in trace.layers] == ["InputLayer", "sin", "add"]


def test_gradients_inside_of_a_function_count():
    def loss(y):
        return (y @ WEIGHT).sin().sum()

    assert totals(torch.func.grad(loss), (3, 4)) == (20, 120)
    assert totals(torch.vmap(torch.func.grad(loss)), (3, 4)) == (20, 120)
    assert totals(lambda x: torch.func.jvp(lambda y: y @ WEIGHT, (x,), (x,))[0], (3, 4)) == (20, 60)


class Scaled(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.layer, self.how = nn.Linear(4, 4), how
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x):
        return self.how(self.layer(x), self.scale)


@pytest.mark.parametrize(
    ("how", "kinds"),
    [
        (lambda y, scale: y * scale.item(), ["mul"]),
        (lambda y, scale: y[:, : int(scale)], ["getitem"]),
        (lambda y, scale: y if scale > 1 else -y, []),
        (lambda y, scale: y if scale > 3 else -y, ["neg"]),
    ],
)
def test_a_number_that_a_module_holds_is_known(how, kinds):
    trace = ls.trace(Scaled(how), input=(3, 4))
    assert [row["kind"] for row in trace.layers] == ["InputLayer", "Linear", *kinds]


def test_a_number_that_the_input_changes_is_not():
    def changed(y, scale):
        scale.add_(y.sum())
        return y * scale.item()

    module = Scaled(changed)
    with pytest.raises(SourceError, match="cannot be followed: the numbers of a tensor decide what it does next"):
        ls.trace(module, input=(3, 4))
    assert module.scale.item() == 2.0


@pytest.mark.parametrize(
    "function",
    [lambda y: 2 / y, lambda y: 2**y, lambda y: torch.pow(2.0, y), lambda y: y**3, lambda y: 1 - y, lambda y: y / 2],
)
def test_what_a_number_and_a_tensor_keep(function):
    """Against the tensors that PyTorch saves."""
    kernel = nn.Parameter(torch.rand(4, 4) + 0.5)
    saved = {}

    def keep(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    x = torch.rand(3, 4)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        function(x @ kernel).sum()
    real = sum(one.numel() * one.element_size() for one in saved.values())
    trace = ls.trace(lambda x: function(x @ kernel), input=(3, 4), framework="torch")
    assert trace.totals["memory"]["saved"] == real
