"""Models as PyTorch modules: the same inputs, the same outputs and gradients; exported and read again."""

from __future__ import annotations

import numpy as np
import pytest

from contract.cases import title
from contract.running import run_layer
from layerscope import Model, Sequential, from_torch
from layerscope import layers as ls
from layerscope.core.errors import ExportError
from layerscope.core.graph import Call, Symbolic
from layerscope.core.sizes import named
from layerscope.core.types import TensorType
from layerscope.optimizers import SGD

from .random_layers import NOISES, PENALTY
from .random_models import random_inputs, random_model
from .targets_helpers import KINDS, NEAR, distance, first, last, layer_cases, model_of, ours, sequences

CASES = [case for kind in KINDS for case in layer_cases(kind, 12)]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def tensors(torch, given, sequence=False):
    made = [torch.from_numpy(first(array, sequence)) for array in given]
    return [tensor.long() if tensor.dtype == torch.int32 else tensor for tensor in made]


def answers(torch, module, given, sequence=False):
    with torch.no_grad():
        found = module.eval()(*tensors(torch, given, sequence))
    return [last(tensor.numpy(), sequence) for tensor in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.parametrize("case", CASES, ids=title)
def test_each_layer(case, torch):
    model, given = model_of(case)
    assert distance(ours(model, given), answers(torch, model.to_torch(), given, sequences(model))) <= NEAR


def test_random_networks(torch, record_property):
    gaps, chains = {}, 0
    for seed in range(200):
        model = random_model(seed)
        given = random_inputs(model, seed, 3)
        module = model.to_torch()
        chains += isinstance(module, torch.nn.Sequential)
        gaps[seed] = distance(ours(model, given), answers(torch, module, given, sequences(model)))
    worst = max(gaps, key=gaps.__getitem__)
    record_property("largest", f"{gaps[worst]:.2e} (seed {worst})")
    print(f"PyTorch: the largest difference in 200 networks is {gaps[worst]:.2e}, seed {worst}; {chains} are chains")
    assert gaps[worst] <= NEAR
    assert 20 <= chains <= 150


def undropped(count):
    """Seeds of networks without noise, whose random numbers nobody else has."""
    found = []
    for seed in range(200):
        model = random_model(seed)
        if not any(isinstance(layer, NOISES) for layer in model.layers) and model.weights:
            found.append(seed)
    return found[:count]


def test_only_the_last_of_colliding_values_has_a_gradient(torch):
    """PyTorch's own unpooling gives it to all of them."""
    case = next(
        c for c in layer_cases("MaxUnpooling2D", 0) if c.layer.strides == (2, 2) and c.layer.pool_size == (3, 3)
    )
    model, given = model_of(case)
    given[1] = np.full_like(given[1], 7)
    values, switches = tensors(torch, given)
    values.requires_grad_()
    cotangent = np.random.default_rng(2).normal(size=case.outputs[0].shape)
    model.to_torch()(values, switches).backward(torch.from_numpy(first(cotangent.astype(np.float32))))
    wide = [given[0].astype(np.float64), given[1]]
    (mine, _) = run_layer(case, wide, {}, cotangent).inputs
    np.testing.assert_allclose(last(values.grad.numpy()), mine, rtol=1e-6)
    assert np.count_nonzero(mine) == mine.shape[0] * mine.shape[3]


def penalised(torch, module):
    """What ActivityRegularization adds to the loss, by hooks on the Identity that stands for it: a list that fills."""
    terms, (l1, l2) = [], PENALTY

    def hook(_, given, made):
        terms.append((l1 * made.abs().sum() + l2 * (made * made).sum()) / len(made))

    for part in module.modules():
        if isinstance(part, torch.nn.Identity):
            part.register_forward_hook(hook)
    return terms


def biased(torch, module):
    """Lets batch normalisation move its variance as here: PyTorch takes n - 1 for n there (docs/disagreements.md)."""

    def before(part, given):
        part.kept = (1 - part.momentum) * part.running_var

    def after(part, given, made):
        if part.training:
            n = given[0].numel() / given[0].shape[1]
            part.running_var = part.kept + (part.running_var - part.kept) * (n - 1) / n

    for part in module.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.register_forward_pre_hook(before)
            part.register_forward_hook(after)


def trained(torch, module, given, goals, sequence=False):
    """Losses of three steps of SGD."""
    terms = penalised(torch, module)
    biased(torch, module)
    optimizer = torch.optim.SGD(module.parameters(), 0.05)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        terms.clear()
        found = module(*tensors(torch, given, sequence))
        pairs = zip(found if isinstance(found, tuple) else (found,), tensors(torch, goals, sequence), strict=True)
        loss = sum(torch.nn.functional.mse_loss(a, b) for a, b in pairs) + sum(terms)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def alike(model, given, goals, theirs, about):
    history = model.fit(given, goals, batch_size=4, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], theirs, rtol=1e-6, err_msg=about)


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 1, 3), (1, 2, 3), (1, 3, 1), (2, 1, 3, 2), (2, 3, 2, 1)])
@pytest.mark.parametrize("turned", [False, True])
def test_batch_normalisation_of_sizes_of_1(shape, turned, torch):
    """Where PyTorch's own gradients are wrong (docs/disagreements.md): along each axis, behind a permute and without."""
    order = (2, 1, 3, 4)[: len(shape)] if turned else tuple(range(1, len(shape) + 1))
    for axis in range(1, len(shape) + 1):
        chain = [ls.Permute(order), ls.BatchNormalization(axis=axis), ls.Flatten(), ls.Dense(2)]
        model = Sequential([ls.Input(shape), *chain])
        model.compile(SGD(0.05), "mse", engine="reference", precision="float64")
        draw = np.random.default_rng(axis).normal
        given, goals = [draw(size=(4, *shape))], [draw(size=(4, 2))]
        theirs = trained(torch, model.to_torch(), given, goals, sequences(model))
        alike(model, given, goals, theirs, f"axis {axis}")
        if len(shape) == 3 and not turned:
            back = from_torch(model.to_torch(), (shape[-1], *shape[:-1]))
            assert distance(ours(model, given), ours(back, given)) <= 1e-6


def test_training_goes_the_same_way(torch):
    """Three steps in double precision, in 40 networks: so every gradient is the same."""
    moved = 0
    for seed in undropped(40):
        model = random_model(seed)
        model.compile(SGD(0.05), "mse", engine="reference", precision="float64")
        given = [array.astype(np.float64) for array in random_inputs(model, seed, 4)]
        goals = [np.random.default_rng(seed).normal(size=(4, *type.shape[1:])) for type in model.output_types]
        module = model.to_torch()
        assert all(parameter.dtype == torch.float64 for parameter in module.parameters())
        theirs = trained(torch, module, given, goals, sequences(model))
        alike(model, given, goals, theirs, f"seed {seed}")
        assert distance(ours(model, given), answers(torch, module, given, sequences(model))) <= 1e-6, seed
        moved += abs(theirs[2] - theirs[0]) > 1e-4
    assert moved >= 35


def test_a_chain_is_a_sequential_with_the_layers_names(torch):
    network = ls.Input((8, 8, 1), name="picture")
    x = ls.Conv2D(4, 3, padding="same", activation="relu", name="wide")(network)
    x = ls.Conv2D(2, 2, padding="same", name="even")(ls.MaxPooling2D(3, strides=2, padding="same", name="pool")(x))
    model = Model(network, ls.Dense(3, "softmax", name="scores")(ls.Dropout(0.5)(ls.Flatten(name="row")(x))))
    module = model.to_torch()
    assert type(module) is torch.nn.Sequential
    assert [f"{name}: {part}" for name, part in module.named_children()] == [
        "wide: Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "wide_relu: ReLU()",
        "pool: MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(0, 0), dilation=1, ceil_mode=True)",
        "even_pad: ZeroPad2d((0, 1, 0, 1))",
        "even: Conv2d(4, 2, kernel_size=(2, 2), stride=(1, 1))",
        "row: Flatten(start_dim=1, end_dim=-1)",
        "dropout: Dropout(p=0.5, inplace=False)",
        "scores: Linear(in_features=32, out_features=3, bias=True)",
        "scores_softmax: Softmax(dim=-1)",
    ]
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == {
        "wide.weight": (4, 1, 3, 3),
        "wide.bias": (4,),
        "even.weight": (2, 4, 2, 2),
        "even.bias": (2,),
        "scores.weight": (3, 32),
        "scores.bias": (3,),
    }
    x = torch.randn(3, 1, 8, 8)
    assert module.training
    assert not torch.equal(module(x), module(x))  # the dropout drops
    assert torch.equal(module.eval()(x), module(x))


def test_other_networks_are_readable(torch):
    image = ls.Input((4, 4, 2))
    layer = ls.Conv2D(2, 3, padding="same", name="twice")
    x, switches = ls.MaxPooling2D(2, return_switches=True)(layer(layer(image)))
    module = Model(image, ls.Add()([ls.MaxUnpooling2D(2)([x, switches]), image]), name="skip connection").to_torch()
    assert type(module).__name__ == "SkipConnection"
    assert sorted(module.state_dict()) == ["twice.bias", "twice.weight"]
    lines = [line.split(";")[0].strip() for line in module.code.splitlines() if " = " in line]
    assert lines == [
        "twice = self.twice(input_layer)",
        "twice_1 = self.twice(twice)",
        "max_pooling2d = self.max_pooling2d(twice_1)",
        "getitem = max_pooling2d[0]",
        "getitem_1 = max_pooling2d[1]",
        "max_unpool2d = torch.nn.functional.max_unpool2d(getitem, getitem_1, (2, 2), stride = (2, 2), padding = 0, output_size = (4, 4))",
        "add = max_unpool2d + input_layer",
    ]


def test_names_that_python_or_pytorch_have_taken(torch):
    """Layers may have any names; in scopes, too."""
    x = image = ls.Input((4,), name="input")
    for name in ("code", "graph", "training", "pop", "class", "1st", "a b", "a_b", "forward"):
        x = ls.Dense(4, name=name)(x)
    inner = Model(image, x, name="part")
    outer = ls.Input((4,), name="class")
    model = Model(outer, ls.Add()([inner(outer), outer]))
    given = [np.ones((2, 4), np.float32)]
    module = model.to_torch()
    assert distance(ours(model, given), answers(torch, module, given)) <= NEAR
    chain = inner.to_torch()
    assert type(chain) is torch.nn.Sequential
    assert [name for name, _ in chain.named_children()] == [
        "code", "graph", "training_1", "pop_1", "class_", "layer_1st", "a_b", "a_b_1", "forward_1",
    ]  # fmt: skip
    assert [name for name, _ in module.named_children()] == [
        f"part_{name}" for name in ("code", "graph", "training", "pop", "class", "1st", "a_b", "a_b_1", "forward")
    ]
    branch = ls.Dense(4, name="code")(image)
    fork = Model(image, ls.Add()([branch, image])).to_torch()
    assert [name for name, _ in fork.named_children()] == ["code_1"]  # `code` is the GraphModule's own


@pytest.mark.parametrize(
    ("layers", "children"),
    [
        (
            [
                ls.Flatten(),
                ls.Dense(16, "relu", name="code"),
                ls.Dense(64, "sigmoid", name="out"),
                ls.Reshape((8, 8, 1)),
            ],
            ["flatten", "code", "code_relu", "out", "out_sigmoid", "reshape"],
        ),
        ([ls.Reshape((4, 16, 1)), ls.Conv2D(2, 3, name="conv")], ["reshape_flatten", "reshape", "conv"]),
        ([ls.Reshape((1, 1, 64)), ls.Conv2D(2, 1, name="conv")], ["reshape_flatten", "reshape", "conv"]),
        (
            [ls.Conv2D(3, 3, name="conv"), ls.Flatten(), ls.Reshape((6, 6, 3)), ls.Conv2D(1, 2, name="last")],
            ["conv", "flatten", "reshape", "last"],
        ),
    ],
)
def test_reshaping_in_the_same_order_is_a_chain(torch, layers, children):
    model = Sequential([ls.Input((8, 8, 1)), *layers])
    module = model.to_torch()
    assert type(module) is torch.nn.Sequential
    assert [name for name, _ in module.named_children()] == children
    given = [np.random.default_rng(0).random((3, 8, 8, 1), np.float32)]
    assert distance(ours(model, given), answers(torch, module, given)) <= NEAR


def test_reshaping_in_another_order_is_not(torch):
    model = Sequential([ls.Input((8,)), ls.Dense(12), ls.Reshape((2, 2, 3)), ls.Flatten(), ls.Reshape((2, 3, 2))])
    module = model.to_torch()
    assert isinstance(module, torch.fx.GraphModule)
    given = [np.random.default_rng(0).random((3, 8), np.float32)]
    assert distance(ours(model, given), answers(torch, module, given)) <= NEAR


def test_a_module_holds_weights_of_its_own(torch):
    x = ls.Input((3,))
    model = Model(x, ls.Dense(2)(x))
    before = model.get_weights()
    module = model.to_torch()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_random_state_is_left_alone(torch):
    model = random_model(3)
    state = torch.get_rng_state()
    model.to_torch()
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("factor", range(1, 33))
def test_nearest_upsampling_is_exact_for_every_factor(factor, torch):
    """PyTorch works its places out in single precision."""
    x = ls.Input((5, 7, 1))
    model = Model(x, ls.UpSampling2D((factor, 1))(x))
    given = [np.arange(35, dtype=np.float32).reshape(1, 5, 7, 1)]
    assert np.array_equal(answers(torch, model.to_torch(), given)[0], ours(model, given)[0])


@pytest.mark.parametrize("seed", range(0, 200, 25))
def test_exported_programs(seed, torch, tmp_path):
    """Written, read again, and run with batches of other sizes."""
    model = random_model(seed)
    model.export(tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for count in (1, 3):
        given = random_inputs(model, seed, count)
        with torch.no_grad():
            found = program(*tensors(torch, given, sequences(model)))
        found = found if isinstance(found, tuple) else (found,)
        theirs = [last(tensor.numpy(), sequences(model)) for tensor in found]
        assert distance(ours(model, given), theirs) <= NEAR
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]


def test_open_sizes(torch):
    """Where nothing depends on them they stay open."""
    image = ls.Input((None, None, 2))
    x = ls.UpSampling2D()(ls.BedOfNails2D()(ls.Conv2D(6, 3, padding="same", activation="relu")(image)))
    model = Model(image, [ls.PixelShuffle2D((1, 3))(x), ls.GlobalAveragePooling2D()(ls.MaxPooling2D(2)(x))])
    module = model.to_torch()
    for size in ((5, 8), (9, 4)):
        given = [np.random.default_rng(1).normal(size=(2, *size, 2)).astype(np.float32)]
        assert distance(ours(model, given), answers(torch, module, given)) <= NEAR


def test_what_cannot_be_a_module_is_all_named(torch, tmp_path):
    image = ls.Input((None, 8, 1))
    types = (TensorType((named("batch"), 4, 4, 1)),)
    x = ls.Conv2D(2, 3, strides=2, padding="same", name="down")(image)
    y, switches = ls.MaxPooling2D(2, return_switches=True)(x)
    y = ls.MaxUnpooling2D(2, name="back")([y, switches])
    norm = Symbolic(Call(ls.Opaque("Norm", types, name="norm"), (y,), types))
    with pytest.raises(ExportError) as caught:
        Model(image, norm).to_torch()
    assert str(caught.value) == (
        "this model cannot become a PyTorch module:\n"
        "  down (Conv2D): the pads of padding='same' with strides (2, 2) depend on the size of its input, which is open "
        "(height); give Input the sizes\n"
        "  back (MaxUnpooling2D): the plane of its switches is open (floor((height + 1) / 2) × 4); give Input the sizes\n"
        "  norm (Norm): is described only, so there is nothing to compute; take it out, or replace it by layers that "
        "compute"
    )
    with pytest.raises(ExportError) as caught:
        Model(image, ls.Conv2D(1, 1)(image)).export(tmp_path / "model.pt2")
    assert str(caught.value) == (
        "this model cannot become a .pt2 file: the input is (batch, height, 8, 1), and only the batch may be open in an exported program; give "
        "Input the sizes"
    )
    assert list(tmp_path.iterdir()) == []


def test_every_layer_that_computes_has_a_form(torch):
    from layerscope.targets import _torch_normalisation, _torch_pointwise, _torch_spatial  # which register more
    from layerscope.targets._torch_layers import FORMS

    assert _torch_normalisation.form is _torch_pointwise.form is _torch_spatial.form
    assert sorted(FORMS) == KINDS
