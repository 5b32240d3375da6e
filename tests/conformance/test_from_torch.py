"""PyTorch modules as models here, and back: the same weights, the same outputs, nothing computed on the way."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import SourceError

from .random_models import random_inputs, random_model
from .targets_helpers import KINDS, NEAR, distance, first, last, ours, sequences, unswapped


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def modules(torch):
    from . import torch_modules

    return torch_modules.MODULES


NAMES = (
    "mlp", "rows", "functional", "autoencoder", "unet", "segnet", "residual", "subpixel", "turned", "tokens", "shared",
    "joined", "normed", "attributes", "normalised", "image from a row", "global", "adaptive", "waves", "signals", "volumes",
    "mobile", "multiplied", "ceil",
)  # fmt: skip
SEQUENCES = ("waves", "signals", "multiplied")
"""Those whose tensors of three axes are sequences for convolutions."""


def made(torch, modules, name):
    """A module with random weights, and inputs for it."""
    torch.manual_seed(len(name))
    make, size = modules[name]
    shapes = size if isinstance(size, list) else [size]
    return make().eval(), size, [torch.randn(3, *shape) for shape in shapes]


def computed(torch, module, given, sequence=False):
    with torch.no_grad():
        found = module(*given)
    return [last(tensor.numpy(), sequence) for tensor in (found if isinstance(found, tuple) else (found,))]


def arrays(given, sequence=False):
    return [np.ascontiguousarray(last(tensor.numpy(), sequence)) for tensor in given]


def test_the_list_of_modules_is_whole(modules):
    assert tuple(modules) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_modules_come_over_and_go_back(name, torch, modules):
    module, size, given = made(torch, modules, name)
    sequence = name in SEQUENCES
    theirs = computed(torch, module, given, sequence)
    model = ls.from_torch(module, input=size)
    assert distance(ours(model, arrays(given, sequence)), theirs) <= NEAR
    again = model.to_torch().eval()
    assert distance(theirs, computed(torch, again, given, sequence)) <= NEAR
    moving = sum(variable.numpy().size for variable in model.weights if variable.role.startswith("moving"))
    assert sum(p.numel() for p in again.parameters()) == model.count_params() - moving
    if name not in ("normed", "attributes", "normalised", "mobile"):  # computed from others; statistics are buffers
        assert model.count_params() == sum(p.numel() for p in module.parameters())


def test_random_networks_come_back(torch):
    """What `to_torch` made of ours is read again, but for what no layer does (means of a frame, and the like)."""
    gaps, refused, back = {}, {}, set()
    for seed in range(200):
        model = random_model(seed)
        given = random_inputs(model, seed, 2)
        module = model.to_torch().eval()
        sizes = [first(array, sequences(model)).shape[1:] for array in given]
        try:
            again = ls.from_torch(module, input=[tuple(size) for size in sizes])
        except SourceError as error:
            refused[seed] = str(error)
            continue
        theirs = unswapped(model, ours(again, given))
        gaps[seed] = distance(ours(model, given), theirs)
        back |= {layer.kind for layer in model.layers}
    worst = max(gaps, key=gaps.__getitem__)
    print(f"from_torch: {len(gaps)} of 200 come back; the largest difference is {gaps[worst]:.2e}, seed {worst}")
    assert gaps[worst] <= NEAR
    assert len(gaps) >= 100, refused
    # PyTorch has no module for these: what `to_torch` says with functions is more than a layer each.
    apart = {"BedOfNails2D", "Dot", "GaussianNoise", "GaussianDropout"}
    assert set(KINDS) - back == apart


def test_the_graph_has_the_modules_names(torch, modules):
    model = ls.from_torch(made(torch, modules, "autoencoder")[0], input=(1, 28, 28))
    assert model.name == "autoencoder"
    assert [node.label for node in model.graph.nodes[1:8]] == [
        "encoder/conv2d_0_pad", "encoder/conv2d_0", "encoder/leakyrelu_1", "encoder/conv2d_2_pad", "encoder/conv2d_2",
        "encoder/relu_3", "encoder/flatten_4",
    ]  # fmt: skip
    model = ls.from_torch(made(torch, modules, "shared")[0], input=[(2, 5, 4), (2, 5, 4)])
    assert [node.label for node in model.graph.nodes] == [
        "input_layer", "input_layer_1", "same", "activation", "same#2", "activation_1", "add", "other",
        "global_max_pooling2d", "reshape", "flatten",
    ]  # fmt: skip
    assert model.graph.nodes[2].layer is model.graph.nodes[4].layer


def test_pads_become_same_where_they_are(torch):
    def layers(module, size):
        return [
            f"{type(x).__name__} {getattr(x, 'padding', '')}" for x in ls.from_torch(module, input=size).layers[1:]
        ]

    nn = torch.nn
    assert layers(nn.Conv2d(1, 1, 3, padding=1), (1, 8, 8)) == ["Conv2D same"]
    assert layers(nn.Conv2d(1, 1, 3, stride=2, padding=1), (1, 7, 7)) == ["Conv2D same"]
    assert layers(nn.Conv2d(1, 1, 3, stride=2, padding=1), (1, 8, 8)) == [
        "ZeroPadding2D ((1, 1), (1, 1))",
        "Conv2D valid",
    ]
    assert layers(nn.MaxPool2d(3, 2, 1), (1, 7, 7)) == ["MaxPooling2D same"]
    assert layers(nn.MaxPool2d(2, ceil_mode=True), (1, 7, 7)) == ["MaxPooling2D same"]
    assert layers(nn.ConvTranspose2d(1, 1, 4, 2, 1), (1, 7, 7)) == ["Conv2DTranspose same"]
    assert layers(nn.ConvTranspose2d(1, 1, 2, 2), (1, 7, 7)) == ["Conv2DTranspose same"]
    assert layers(nn.ConvTranspose2d(1, 1, 3, 2, 1, 1), (1, 7, 7)) == ["Conv2DTranspose valid", "Cropping2D "]
    assert layers(nn.ReLU(), (1, 7, 7)) == ["Activation "]


@pytest.mark.parametrize("layout", ["max", "average", "transposed", "convolution"])
def test_random_settings(layout, torch):
    """Every window, stride and pad that PyTorch takes: the same numbers, or an error."""
    nn, random, taken, reasons = torch.nn, np.random.default_rng(4), 0, set()
    for _ in range(120):
        k, s, n, m = (int(random.integers(1, 5)) for _ in range(4))
        p, d = int(random.integers(0, k // 2 + 1)), int(random.integers(1, 3))
        ceil = bool(random.integers(2))
        shape = (2, n + 2 * k, m + 2 * k)
        if layout == "max":
            module = nn.Sequential(nn.ReLU(), nn.MaxPool2d(k, s, p, ceil_mode=ceil))
        elif layout == "average":
            module = nn.AvgPool2d(k, s, p, ceil_mode=ceil, count_include_pad=bool(random.integers(2)))
        elif layout == "convolution":
            module = nn.Conv2d(2, 4, k, s, p, d, groups=int(random.integers(1, 3)))
        else:
            module = nn.ConvTranspose2d(
                2, 4, k, s, p, int(random.integers(0, s)), int(random.integers(1, 3)), dilation=d
            )
        given = [torch.randn(2, *shape)]
        theirs = computed(torch, module, given)
        try:
            model = ls.from_torch(module, input=shape)
        except SourceError as error:
            reasons.add(re.sub(r"\d+", "N", str(error).splitlines()[1]))
            continue
        taken += 1
        assert distance(ours(model, arrays(given)), theirs) <= NEAR
    assert taken >= 70
    assert reasons <= {
        "  AvgPoolNd: with padding=(N, N) its windows are neither those of 'valid' nor those of 'same'",
        "  ConvTransposeNd: Conv2DTranspose: output_padding (N, N) must be smaller than strides (N, N), or a smaller "
        "input already has this output size",
    }


def test_an_exported_program_comes_back(torch, modules, tmp_path):
    """A .pt2 is operators of ATen; their names and arguments are those of the functions."""
    module, size, given = made(torch, modules, "functional")
    model = ls.from_torch(module, input=size)
    model.export(tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    again = ls.from_torch(program, input=size)
    assert distance(ours(again, arrays(given)), computed(torch, module, given)) <= NEAR


def test_training_goes_on_here(torch, modules):
    """The line of the documentation: from_torch(module).fit(...), then to_torch."""
    module, size, _ = made(torch, modules, "autoencoder")
    model = ls.from_torch(module, input=size)
    x = arrays([torch.rand(16, 1, 28, 28)])[0]
    model.compile("adam", "mse")
    before = model.evaluate(x, x)
    model.fit(x, x, batch_size=8, epochs=3, verbose=0, seed=1)
    assert model.evaluate(x, x) < before
    assert (
        distance([model.predict(x)], computed(torch, model.to_torch().eval(), [torch.from_numpy(first(x))])) <= NEAR
    )


def test_the_module_is_left_as_it_was(torch, modules):
    module, size, _ = made(torch, modules, "unet")
    module.train()
    before = {name: (value.clone(), id(value)) for name, value in module.state_dict(keep_vars=True).items()}
    state = torch.get_rng_state()
    ls.from_torch(module, input=size)
    after = module.state_dict(keep_vars=True)
    assert all(torch.equal(value, after[name]) and mark == id(after[name]) for name, (value, mark) in before.items())
    assert torch.equal(state, torch.get_rng_state())
    assert module.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_normalisation_is_a_layer_of_its_own(torch):
    """Whether the module is in training or not, and nothing of it is changed."""
    nn = torch.nn
    norm = nn.BatchNorm2d(2, momentum=0.25, eps=1e-4)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), norm, nn.ReLU(), nn.GroupNorm(2, 2), nn.LayerNorm([2, 3, 3]))
    model = ls.from_torch(module.train(), input=(1, 5, 5))
    assert norm.num_batches_tracked == 0
    assert [layer.kind for layer in model.layers[1:]] == [
        "Conv2D", "BatchNormalization", "Activation", "GroupNormalization", "LayerNormalization",
    ]  # fmt: skip
    layer = model.layers[2]
    assert (layer.axis, layer.momentum, layer.epsilon) == (-1, 0.75, 1e-4)
    assert model.layers[5].axis == (1, 2, 3)
    given = [torch.rand(4, 1, 5, 5)]
    assert distance(ours(model, arrays(given)), computed(torch, module.eval(), given)) <= NEAR
    with pytest.raises(SourceError) as caught:
        ls.from_torch(nn.BatchNorm2d(2, track_running_stats=False).eval(), input=(2, 5, 5))
    assert str(caught.value) == (
        "this PyTorch module (BatchNorm2d) cannot be taken over:\n  BatchNorm2d: it has no running statistics; at inference "
        "BatchNormalization here takes them"
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_precisions_become_single(dtype, torch):
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)).eval().to(getattr(torch, dtype))
    model = ls.from_torch(module, input=(1, 5, 5))
    assert {variable.dtype for variable in model.weights} == {"float32"}
    given = [torch.rand(2, 1, 5, 5)]
    assert distance(ours(model, arrays(given)), computed(torch, module.float(), given)) <= 1e-3


def test_a_compiled_module_is_the_one_inside(torch):
    module = torch.nn.Linear(3, 2)
    model = ls.from_torch(torch.compile(module, backend="eager"), input=(3,))
    assert [node.label for node in model.graph.nodes] == ["input_layer", "dense"]


def test_what_is_frozen_stays_frozen(torch):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    module[0].requires_grad_(False)
    module[1].bias.requires_grad_(False)
    model = ls.from_torch(module, input=(3,))
    assert [variable.trainable for variable in model.weights] == [False, False, True, False]
    again = model.to_torch()
    assert [p.requires_grad for p in again.parameters()] == [False, False, True, False]
    assert [variable.shape for variable in model.trainable_weights] == [(4, 2)]


def test_large_images_take_no_memory(torch):
    """Nothing is computed: an image of 60,000 × 60,000 would not fit anywhere."""
    model = ls.from_torch(
        torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3, padding=1), torch.nn.ReLU()), input=(3, 60000, 60000)
    )
    assert model.output_shape == (None, 60000, 60000, 64)


def test_four_sizes_have_the_batch_in_front(torch):
    assert ls.from_torch(torch.nn.MaxPool2d(2), input=(1, 3, 8, 6)).input_shape == (None, 8, 6, 3)


def bad(torch):
    nn = torch.nn

    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm(6), nn.SiLU(), nn.MaxPool2d(3, 2, 1))
            self.act, self.lstm, self.fc = nn.LeakyReLU(), nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 2)
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            x = self.act(self.features(x)) * self.scale + 1
            y, _ = self.lstm(x.mean(3).transpose(1, 2))
            return self.fc(y[:, -1])

    return Bad()


def looking(torch):
    class Looking(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    return Looking()


def numbered(torch):
    class Numbered(torch.nn.Module):
        def forward(self, x):
            return x, 3

    return Numbered()


def aliased(torch):
    class Aliased(torch.nn.Module):
        def forward(self, x):
            row = x.flatten(1)
            return x.relu_(), row

    return Aliased()


REFUSED = {
    "everything at once": (
        bad, (3, 8, 8),
        "this PyTorch module (Bad) cannot be taken over:\n"
        "  features.3 (MaxPool2d): with padding=(1, 1) its windows are neither those of 'valid' nor those of 'same', and "
        "zeros around the image would win over numbers below zero; put a ReLU before it\n"
        "  mul() in Bad: it joins a parameter; Multiply here joins tensors that depend on the input\n"
        "  mean() in Bad: over the axes (3,); layers here reduce height and width together, (2, 3)\n"
        "  lstm (LSTM): no layer here does this\n"
        "  indexing in Bad: it picks numbers by index; layers here only leave out positions at the edges",
    ),
    "another size": (
        bad, (1, 8, 8),
        "the forward of Bad failed for an input of (1, 8, 8), in features.0: Given groups=1, weight of size [4, 3, 3, 3], "
        "expected input[11, 1, 8, 8] to have 3 channels, but got 1 channels instead. Is that the size of one example, "
        "channels first and without the batch?",
    ),
    "numbers decide": (
        looking, (3,),
        "the forward of Looking looks at the numbers of its input, so it does something else for each of them and is no "
        "fixed network",
    ),
    "a number comes out": (numbered, (3,), "Numbered: its forward returns int; it must return tensors"),
    "an image in a row comes out": (
        lambda torch: torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten()), (1, 5, 5),
        "this PyTorch module (Sequential) cannot be taken over:\n  the output: it is an image's numbers in a row in PyTorch's order, channels "
        "first, and no layer here puts them so; return the image, or put a Linear behind",
    ),
    "rows in another image": (
        lambda torch: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Unflatten(1, (4, 2, 2))), (2, 2, 4),
        "this PyTorch module (Sequential) cannot be taken over:\n  1 (Unflatten): it makes (4, 2, 2) of the numbers of an image that stand in "
        "PyTorch's order, which is not the order here",
    ),
    "a Linear on an image": (
        lambda torch: torch.nn.Linear(8, 3), (1, 8, 8),
        "this PyTorch module (Linear) cannot be taken over:\n  Linear: it acts on the last axis, which is the width of an image (1, 8, 8); "
        "flatten it first, or use a 1×1 convolution",
    ),
    "corners": (
        lambda torch: torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), (1, 4, 4),
        "this PyTorch module (Upsample) cannot be taken over:\n  Upsample: align_corners=True is another law; UpSampling2D here has half-pixel "
        "centres",
    ),
    "a view of what is changed in place": (
        aliased, (2, 3),
        "this PyTorch module (Aliased) cannot be taken over:\n  relu_() in Aliased: it changes a tensor in place, and with it another one that is "
        "used afterwards",
    ),
    "a script": (
        lambda torch: torch.jit.script(torch.nn.Linear(3, 2)), (3,),
        "a TorchScript module cannot be followed; give the module that it was made from",
    ),
    "no sizes": (
        lambda torch: torch.nn.Linear(3, 2), "3",
        "input must be the sizes of one example, channels first, such as (1, 28, 28), or a list of these, not '3'",
    ),
    "no input": (
        lambda torch: torch.nn.Linear(3, 2), None,
        "from_torch needs the size of one example, channels first: from_torch(module, input=(1, 28, 28))",
    ),
    "no module": (lambda torch: [3], (3,), "from_torch takes a torch.nn.Module, not list"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name, torch):
    make, size, message = REFUSED[name]
    with pytest.raises(SourceError) as caught:
        ls.from_torch(make(torch), input=size)
    assert str(caught.value) == message


def test_pytorch_is_not_loaded_to_refuse_something_else():
    code = (
        "import sys, layerscope as ls\n"
        "for call in (lambda: ls.from_torch([1], input=(3,)), lambda: ls.trace(5)):\n"
        "    try: call()\n"
        "    except ls.LayerscopeError as error: print(error)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == ("from_torch takes a torch.nn.Module, not list", "False")
