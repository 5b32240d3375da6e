"""Gradients and whole steps of training in JAX, and Flax's lifted transformations."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

import layerscope as ls

S = jax.ShapeDtypeStruct


def rows(trace, *keys):
    return [tuple(row[key] for key in keys) for row in trace.layers]


def test_gradients_can_be_traced():
    def loss(parameters, x):
        return jnp.sum(jnp.tanh(x @ parameters["w"]))

    totals = ls.trace(jax.grad(loss), parameters={"w": S((4, 5), "float32")}, input=(3, 4)).totals
    assert totals["macs"] == 2 * 3 * 4 * 5
    image = (1, 6, 6, 2)

    def convolved(parameters, x):
        conv = partial(jax.lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC"), padding="VALID")
        return jnp.sum(conv(x, parameters, (2, 2)) ** 2)

    both = ls.trace(jax.grad(convolved, argnums=(0, 1)), parameters=S((2, 2, 2, 3), "float32"), input=image).totals
    assert both["macs"] == 3 * 9 * 4 * 2 * 3


def test_a_step_of_training():
    """Forward, backward and the optimizer, whose state is a tree of its own kind."""
    import optax

    module, optimizer = nn.Dense(3, name="layer"), optax.adam(1e-3)

    def loss(parameters, x, labels):
        return optax.softmax_cross_entropy_with_integer_labels(module.apply(parameters, x), labels).mean()

    def step(parameters, state, x, labels):
        slopes = jax.grad(loss)(parameters, x, labels)
        updates, state = optimizer.update(slopes, state, parameters)
        return optax.apply_updates(parameters, updates), state

    parameters = jax.eval_shape(module.init, jax.random.key(0), S((8, 4), "float32"))
    state = jax.eval_shape(optimizer.init, parameters)
    totals = ls.trace(step, parameters=parameters, input=[state, (8, 4), ((8,), "int32")]).totals
    assert (totals["parameters"], totals["macs"], totals["at_least"]) == (15, 2 * 8 * 4 * 3, False)


class Twice(nn.Module):
    @nn.compact
    def __call__(self, x):
        for number in range(2):
            x = nn.remat(Residual)(name=f"block{number}")(x)
        return x


class Residual(nn.Module):
    @nn.compact
    def __call__(self, x):
        return x + nn.Dense(8, name="dense")(nn.LayerNorm(name="norm")(x))


class Scanned(nn.Module):
    @nn.compact
    def __call__(self, x):
        class Turn(nn.Module):
            @nn.compact
            def __call__(self, x, _):
                return Residual(name="block")(x), None

        turns = nn.scan(Turn, variable_axes={"params": 0}, split_rngs={"params": True}, length=4)
        return turns(name="turns")(x, None)[0]


def test_lifted_transformations_of_flax():
    again = ls.trace(Twice(), input=(2, 5, 8))
    assert rows(again, "name", "parameters", "macs")[1:] == [
        (f"block{number}/{name}", *counts)
        for number in range(2)
        for name, counts in {"norm": (16, 0), "dense": (72, 640), "add": (0, 0)}.items()
    ]
    scanned = ls.trace(Scanned(), input=(2, 5, 8))
    assert rows(scanned, "name", "parameters", "macs")[1:] == [
        ("scan/turns/block/norm", 64, 0),
        ("scan/turns/block/dense", 288, 4 * 640),
        ("scan/turns/block/add", 0, 0),
        ("scan/stacked", 0, 0),
    ]


def test_averages_that_move_in_training():
    module = nn.Sequential([nn.Conv(4, (3, 3), name="conv"), nn.BatchNorm(use_running_average=False, name="norm")])
    trace = ls.trace(module, input=(2, 8, 8, 3))
    assert rows(trace, "kind", "parameters") == [("InputLayer", 0), ("Conv", 112), ("BatchNorm", 8)]
    assert trace.layers[-1]["operations"]["normalisation"] == 2 * 8 * 8 * 4
