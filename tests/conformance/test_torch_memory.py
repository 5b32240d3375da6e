"""Memory of PyTorch modules, against what PyTorch really allocates at inference and keeps for the backward pass."""

from __future__ import annotations

import weakref

import pytest

import layerscope as ls

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

from . import torch_cases as cases  # noqa: E402
from . import torch_networks as networks  # noqa: E402
from .test_saved import kept_by_torch  # noqa: E402


class Live(torch.utils._python_dispatch.TorchDispatchMode):
    """The most bytes of storages that are alive at once after an operator of ATen ran; `own` are left out."""

    def __init__(self, own):
        super().__init__()
        self.own = {one.untyped_storage().data_ptr() for one in own}
        self.seen, self.peak = {}, 0

    def known(self, tensor):
        self.seen[id(tensor)] = weakref.ref(tensor)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, torch.Tensor):
                self.known(one)
        alive = [tensor for tensor in (ref() for ref in self.seen.values()) if tensor is not None]
        storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in alive}
        self.peak = max(self.peak, sum(size for place, size in storages.items() if place not in self.own))
        return made


class Given(nn.Module):
    """The module on an input that it makes itself, so that nobody holds it any longer."""

    def __init__(self, module, shape):
        super().__init__()
        self.module, self.shape = module, shape

    def forward(self):
        return self.module(torch.rand(self.shape))


def peak(module, shape):
    """Of a run that frees each tensor after its last use, as the code of an exported program does."""
    program = torch.export.export(Given(module, shape).eval(), ()).module()
    with torch.no_grad(), Live([*program.parameters(), *program.buffers()]) as live:
        program()
    return live.peak


def eager_peak(module, shape):
    """Of the module as it is: Python holds what its variables name, and whoever calls it holds the input."""
    x = torch.rand(shape)
    with torch.no_grad(), Live([*module.parameters(), *module.buffers()]) as live:
        live.known(x)
        module.eval()(x)
    return live.peak


def in_place(module):
    for part in module.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = True
    return module


CASES = {
    "ResNet-50": (lambda: networks.resnet((3, 4, 6, 3), True), (2, 3, 96, 96)),
    "ResNet-50, ReLU in place": (lambda: in_place(networks.resnet((3, 4, 6, 3), True)), (2, 3, 96, 96)),
    "ResNet-18": (lambda: networks.resnet((2, 2, 2, 2), False), (1, 3, 64, 64)),
    "U-Net": (lambda: networks.UNet(8), (1, 3, 64, 64)),
    "ViT": (cases.Vision, (2, 3, 32, 32)),
    "encoder": (networks.Encoder, (2, 50, 64)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_peak_at_inference_is_that_of_a_run_that_frees_at_the_last_use(name):
    make, shape = CASES[name]
    module = make()
    assert ls.trace(module, input=shape).totals["memory"]["peak"] == peak(module, shape)


def test_eager_python_holds_more():
    """ResNet-50: the input, and that of a block while its shortcut runs."""
    make, shape = CASES["ResNet-50"]
    module = make()
    held = 2 * 3 * 96 * 96 * 4 + 2 * 64 * 24 * 24 * 4
    assert eager_peak(module, shape) - held == ls.trace(module, input=shape).totals["memory"]["peak"]


@pytest.mark.parametrize("name", [*CASES, "decoder"])
def test_what_is_kept_for_the_backward_pass_is_within_a_twentieth(name):
    make, shape = CASES.get(name, (cases.Decoder, ((2, 40), "int64")))
    module = make().train()
    for part in module.modules():  # without dropout: with it, PyTorch computes attention in another way
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    found = ls.trace(module, input=shape).totals["memory"]
    x = torch.randint(0, 9, shape[0]) if shape[1:] == ("int64",) else torch.rand(shape)
    real = kept_by_torch(module, [module], x)
    assert not found["saved_at_least"]
    assert found["saved"] == pytest.approx(real, rel=0.05)
