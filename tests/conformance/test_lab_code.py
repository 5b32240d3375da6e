"""The code that the lab shows, run in Keras and PyTorch: it computes the cells that the lab shows."""

import jax
import keras
import numpy as np
import pytest
import torch
from tests.lab.helpers import settings_at_random, values

import layerscope.keras
from layerscope.lab.scenes import scene


def states(screen, more=""):
    return [f"#lab={screen}{more}", *(given + more for given in settings_at_random(screen, 40, seed=21))]


def in_keras(code, x, *weights):
    """The layers of the lines one after the other on a channels-last image; weights go to the one that has some."""
    layers = [eval(line, vars(keras.layers).copy()) for line in code.split("\n")]
    model = keras.Sequential([keras.Input(x.shape), *layers])
    for layer in layers:
        if layer.weights:
            layer.set_weights(list(weights))
    return np.asarray(jax.jit(model.__call__)(x[None].astype(np.float32)))[0]


def in_torch(code, x, weight=None):
    """The last line is a module, what stands before it prepares x, a channels-first image."""
    *before, module = code.split("\n")
    held = {"torch": torch, "x": torch.tensor(x[None], dtype=torch.float32)}
    exec("\n".join(before), held)
    made = eval(module, held)
    if weight is not None:
        assert made.weight.shape == weight.shape
        made.weight.data = torch.tensor(weight, dtype=torch.float32)
    with torch.no_grad():
        return made(held["x"])[0].numpy()


@pytest.mark.parametrize("given", states("convt", "&view=stamp"))
def test_transposed_convolution(given):
    made = scene(given)
    x, w, y = (values(made, name) for name in ("input", "kernel", "output"))
    np.testing.assert_array_equal(in_torch(made.code["torch"], x[None], w[None, None])[0], y)
    if "keras" in made.code:
        np.testing.assert_array_equal(in_keras(made.code["keras"], x[..., None], w[..., None, None])[..., 0], y)
    else:
        assert made.settings["s"] > 1 < made.settings["d"]


def test_keras_same_where_the_code_says_so():
    made = scene("#lab=convt&k=4&s=2&p=1&op=0&view=stamp")
    assert made.code["keras"] == 'Conv2DTranspose(1, 4, strides=2, padding="same", use_bias=False)'
    x, w, y = (values(made, name) for name in ("input", "kernel", "output"))
    np.testing.assert_array_equal(in_keras(made.code["keras"], x[..., None], w[..., None, None])[..., 0], y)


def test_keras_same_crops_where_the_lab_says_it_does():
    """Default settings: padding="same" gives the same size, but the plane from its beginning on."""
    made = scene("#lab=convt&view=stamp")
    assert {t.key: dict(t.args) for t in made.why}["convt.why.same"] == {"begin": 0, "p": 1}
    x, w, plane = (values(made, name) for name in ("input", "kernel", "plane"))
    code = 'Conv2DTranspose(1, 3, strides=2, padding="same", use_bias=False)'
    np.testing.assert_array_equal(in_keras(code, x[..., None], w[..., None, None])[..., 0], plane[:8, :8])


@pytest.mark.parametrize("given", states("conv"))
def test_convolution(given):
    made = scene(given)
    c, f, n, p = (made.settings[name] for name in ("c", "f", "n", "p"))
    x = np.stack([values(made, f"input{i + 1}") for i in range(c)])[:, p : p + n, p : p + n]
    kernels = [scene(f"{given}&filter={j + 1}") for j in range(f)]
    w = np.stack([[values(shown, f"kernel{i + 1}") for i in range(c)] for shown in kernels])
    y = np.stack([values(made, f"output{j + 1}") for j in range(f)])
    np.testing.assert_array_equal(in_torch(made.code["torch"], x, w), y)
    if "keras" in made.code:
        found = in_keras(made.code["keras"], x.transpose(1, 2, 0), w.transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(found.transpose(2, 0, 1), y)


@pytest.mark.parametrize("given", states("pool"))
def test_pooling(given):
    made = scene(given)
    n, before = made.settings["n"], made.data["before"]
    x = values(made, "input")[before : before + n, before : before + n]
    np.testing.assert_array_equal(in_keras(made.code["keras"], x[..., None])[..., 0], values(made, "output"))
    np.testing.assert_array_equal(in_torch(made.code["torch"], x[None])[0], values(made, "output"))


@pytest.mark.parametrize("given", states("upsampling"))
def test_upsampling(given):
    made = scene(given)
    code, switches = values(made, "code"), values(made, "switches").astype(int)
    last = {
        "code": code[None, :, :, None].astype(np.float32),
        "switches": switches[None, :, :, None].astype(np.int32),
    }
    first = {
        "code": torch.tensor(code, dtype=torch.float32)[None, None],
        "switches": torch.tensor(switches)[None, None],
    }
    lines = zip(made.code["keras"].split("\n"), made.code["torch"].split("\n"), strict=True)
    for name, (ours, theirs) in zip(("nearest", "nails", "unpooled"), lines, strict=True):
        home = {**vars(keras.layers), "layerscope": layerscope}
        found = jax.jit(lambda held, line=ours, home=home: eval(line, home | held))(last)
        np.testing.assert_array_equal(np.asarray(found)[0, :, :, 0], values(made, name))
        np.testing.assert_array_equal(eval(theirs, {"torch": torch, **first})[0, 0].numpy(), values(made, name))
