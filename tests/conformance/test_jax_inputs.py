"""What JAX's functions and modules are given, whose a function is, what is refused, and that nothing changes."""

from __future__ import annotations

import sys
from functools import partial

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import layerscope as ls
from layerscope.cli import main
from layerscope.core.errors import SourceError

from . import jax_networks as networks

torch = pytest.importorskip("torch")
S = jax.ShapeDtypeStruct


def failure(*what, **told):
    with pytest.raises(SourceError) as caught:
        ls.trace(*what, **told)
    return str(caught.value)


def shapes(trace):
    return [(row["name"], row["output_shape"], row["dtype"]) for row in trace.layers if row["kind"] == "InputLayer"]


def summed(batch, scale, *, bias):
    return batch["image"] * scale + bias


def test_inputs_by_place_by_name_and_in_trees():
    by_name = ls.trace(partial(summed, scale=jnp.float32(2)), input={"batch": {"image": (2, 3)}, "bias": (3,)})
    assert shapes(by_name) == [("batch", [2, 3], "float32"), ("bias", [3], "float32")]
    listed = ls.trace(lambda x, y: jnp.dot(x, y[0]) + y[1], input=[(2, 3), [(3, 4), (4,)]])
    assert shapes(listed) == [("x", [2, 3], "float32"), ("y", [3, 4], "float32"), ("y_1", [4], "float32")]
    arrays = ls.trace(lambda x, y: x[y], input=[np.zeros((5, 3), "float16"), S((2,), "int32")], framework="jax")
    assert shapes(arrays) == [("x", [5, 3], "float16"), ("y", [2], "int32")]
    key = ls.trace(lambda x, key: x + jax.random.normal(key, x.shape), input=[(3, 4), jax.random.key(0)])
    assert shapes(key) == [("x", [3, 4], "float32"), ("key", [], "uint32")]


def test_the_dtype_of_the_weights_is_that_of_the_input():
    half = nnx.Linear(4, 4, param_dtype=jnp.bfloat16, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    assert shapes(ls.trace(half, input=(2, 4))) == [("inputs", [2, 4], "bfloat16")]


class Loud(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dropout(0.5, deterministic=not train)(x)


def test_what_else_a_module_takes():
    assert len(ls.trace(Loud(), input=(2, 3))) == 2
    trained = ls.trace(Loud(), input={"x": (2, 3), "train": True})
    assert [row["kind"] for row in trained.layers] == ["InputLayer", "BatchNorm", "Dropout"]


def test_variables_that_are_there_already():
    module = nn.Dense(3)
    variables = module.init(jax.random.key(0), jnp.zeros((1, 4)))
    for given in (variables, variables["params"]):
        assert ls.trace(module, input=(2, 4), parameters=given).totals["parameters"] == 15


# --- whose a function is ---


def test_whose_a_function_is():
    def of_jax(x):
        return jnp.tanh(x)

    def of_torch(x):
        return torch.tanh(x)

    def of_none(x):
        return x * 2

    def inner(x):
        return of_torch(x)

    for function, kinds in (
        (of_jax, "tanh"),
        (jax.vmap(of_none), "mul"),
        (jax.jit(of_none), "mul"),
        (of_torch, "tanh"),
    ):
        assert ls.trace(function, input=(2, 3)).layers[-1]["kind"] == kinds
    assert ls.trace(inner, input=(2, 3)).layers[0]["name"] == "x"
    assert ls.trace(partial(of_jax), input=(2, 3)).layers[-1]["kind"] == "tanh"
    assert ls.trace(of_none, input=S((2, 3), "float32")).layers[-1]["kind"] == "mul"
    assert ls.trace(of_none, input=torch.zeros(2, 3)).layers[-1]["kind"] == "mul"
    for framework in ("jax", "torch"):
        assert ls.trace(of_none, input=(2, 3), framework=framework).layers[-1]["kind"] == "mul"


def test_a_function_that_does_not_tell():
    space = {"__name__": "nobody"}
    exec("def plain(x):\n    return x * 2", space)
    assert failure(space["plain"], input=(2, 3)) == (
        "plain: JAX and PyTorch are both loaded, and the function does not tell whose it is; say framework='jax' or "
        "framework='torch'"
    )
    assert failure(space["plain"], input=(2, 3), framework="keras") == (
        "framework must be 'jax' or 'torch', not 'keras'"
    )
    assert failure("28x28x1 | flatten", parameters={}) == (
        "parameters are those of a function of JAX, or of a module of flax.linen"
    )


MODULE = """
import jax
import jax.numpy as jnp
from flax import nnx
import flax.linen as nn


def make():
    return nn.Dense(3)


def model():
    return nnx.eval_shape(lambda: nnx.Linear(4, 3, rngs=nnx.Rngs(0)))


def plain(x):
    return jnp.tanh(x)


fast = jax.jit(plain)
"""


def test_by_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "jax_models.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, parameters in {"make": 15, "model": 15, "plain": 0, "fast": 0}.items():
        assert ls.trace(f"jax_models:{name}", input=(2, 4)).totals["parameters"] == parameters
    assert main(["trace", "jax_models:make", "--input", "2x4", "--columns", "name,parameters,macs"]) == 0
    assert capsys.readouterr().out.splitlines()[2:7] == [
        "layer   parameters  MACs",
        "────────────────────────",
        "inputs",
        "dense           15    24",
        "────────────────────────",
    ]
    assert main(["trace", "jax_models:plain", "--input", "2x4", "--framework", "jax"]) == 0
    capsys.readouterr()
    assert main(["trace", "jax_models:make"]) == 2
    assert capsys.readouterr().err.startswith("layerscope trace: input must say the sizes of what forward takes")
    sys.modules.pop("jax_models", None)


# --- what is refused ---


def branching(x):
    return x if x.sum() > 0 else jnp.negative(x)


def selecting(x):
    return jnp.sum(x[x > 0])


def misfit(x):
    return jnp.dot(x, jnp.ones((4, 4)))


def test_what_cannot_be_followed():
    here = __file__
    with open(here, encoding="utf-8") as file:
        lines = {line.strip(): number for number, line in enumerate(file, 1)}
    looks = "the numbers of an array decide what it does next, and a trace has none: for other numbers it would be another network"
    assert failure(branching, input=(2, 3)) == (
        f"branching cannot be followed: {looks}\n"
        f"  {here}, line {lines['return x if x.sum() > 0 else jnp.negative(x)']}: return x if x.sum() > 0 else jnp.negative(x)"
    )
    assert failure(selecting, input=(2, 3)) == (
        "selecting cannot be followed: the numbers of an array decide how many elements come out, and a trace has none\n"
        f"  {here}, line {lines['return jnp.sum(x[x > 0])']}: return jnp.sum(x[x > 0])"
    )
    assert failure(misfit, input=(2, 5)) == (
        "misfit failed for (2, 5): TypeError: dot_general requires contracting dimensions to have the same shape, got "
        f"(5,) and (4,).\n  {here}, line {lines['return jnp.dot(x, jnp.ones((4, 4)))']}: return jnp.dot(x, jnp.ones((4, 4)))"
    )


def test_wrong_arguments():
    assert failure(misfit, input=[(2, 4), (2, 4)]) == (
        "misfit failed for (2, 4) and (2, 4): TypeError: misfit() takes 1 positional argument but 2 were given\n"
        "It takes (x)"
    )
    assert failure(misfit, input=((2, 4), "float7")) == "input: JAX has no dtype 'float7'"
    assert failure(lambda x: jnp.ones(3), input=(2, 4)) == "<lambda>: no output depends on its input"
    assert failure(lambda x: jnp.ones(3).shape and None, input=(2, 4)) == "<lambda>: it returns no array"
    model = nnx.Linear(2, 2, rngs=nnx.Rngs(0))
    assert failure(model, input=(2, 2), parameters={}) == (
        "the call of Linear: it holds its parameters itself; parameters is for functions and flax.linen"
    )
    assert failure(model, input=(2, 3)).startswith("the call of Linear failed for (2, 3): TypeError: dot_general")


# --- nothing changes ---


def state_of(module):
    leaves = jax.tree_util.tree_leaves(nnx.state(module) if isinstance(module, nnx.Module) else module)
    return [(id(leaf), np.asarray(leaf).tobytes()) for leaf in leaves if isinstance(leaf, jax.Array)]


class Fails(nnx.Module):
    def __init__(self, rngs):
        self.inner = nnx.BatchNorm(4, rngs=rngs)

    def __call__(self, x):
        raise ValueError("it is broken")


@pytest.mark.parametrize("fails", [False, True])
def test_modules_are_as_before(fails):
    made = Fails(nnx.Rngs(0)) if fails else networks.NnxResNet18(nnx.Rngs(0))
    net = networks.ConvNet(jax.random.key(0))
    calls = {
        one: vars(one)["__call__"]
        for one in (Fails, nnx.BatchNorm, nnx.Conv, eqx.nn.Conv, eqx.nn.Linear, networks.ConvNet)
    }
    before = state_of(made), state_of(net), list(vars(made)), made.inner.use_running_average if fails else None
    if fails:
        assert failure(made, input=(2, 4)).startswith("the call of Fails failed for (2, 4): it is broken")
    else:
        ls.trace(made, input=(1, 32, 32, 3))
    ls.trace(net, input=(3, 16, 16))
    after = state_of(made), state_of(net), list(vars(made)), made.inner.use_running_average if fails else None
    assert after == before
    assert {one: vars(one)["__call__"] for one in calls} == calls


def test_nothing_is_allocated():
    """A network of 40 GB of weights, and inputs of a gigabyte."""

    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x):
            for _ in range(10):
                x = nn.Dense(32_768, use_bias=False)(x)
            return x

    totals = ls.trace(Wide(), input=(8_192, 32_768)).totals
    assert totals["parameters"] == 10 * 32_768**2
    assert totals["macs"] == 10 * 8_192 * 32_768**2
