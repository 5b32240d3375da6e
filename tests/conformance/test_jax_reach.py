"""What functions of JAX read, against their derivatives: which are not 0 exactly where an output depends on an input.

Data are random and positive, kernels are 1, in double precision.
"""

from __future__ import annotations

import itertools
from functools import partial

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import layerscope as ls
from layerscope.core import boxes, propagate
from layerscope.core.indices import Indices


def truth(function, shape):
    """For each index of the output the indices of the input with a derivative."""
    x = np.random.default_rng(3).uniform(0.5, 1.5, shape)
    with jax.enable_x64(True):
        slopes = np.asarray(jax.jit(jax.jacrev(function))(jnp.asarray(x)))
    out = slopes.shape[: slopes.ndim - len(shape)]
    return {
        place: {tuple(map(int, one)) for one in np.argwhere(np.abs(slopes[place]) > 1e-9)}
        for place in itertools.product(*map(range, out))
    }


def claimed(graph, place):
    """What the relations of all nodes say, over all paths."""
    types = propagate.types(graph)
    wanted = {edge: [] for edge in [(n, k) for n, row in enumerate(types) for k in range(len(row))]}
    wanted[graph.outputs[0]].append([Indices(((o, o),)) for o in place])
    for number in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[number]
        fed = [types[source][output] for source, output in node.inputs]
        for output in range(len(types[number])):
            for indices in wanted[number, output]:
                for edge, kind, reads in zip(node.inputs, fed, node.layer.reach(output, *fed), strict=True):
                    if reads is None:
                        continue
                    box = boxes.pull(reads, tuple(indices), kind)
                    if box is not None:
                        wanted[edge].append(box)
    found = set()
    for box in wanted[graph.inputs[0], 0]:
        rows = [[i for low, high in axis.intervals for i in range(low, high + 1)] for axis in box]
        found |= set(itertools.product(*rows))
    return found


def conv(shape, *, strides=(1, 1), padding="SAME", axes=("NHWC", "HWIO", "NHWC"), **told):
    def function(x):
        kernel = jnp.ones(shape, x.dtype)
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=axes, **told)

    return function


def window(name, size, strides, padding, **told):
    start, op = {"max": (-jnp.inf, jax.lax.max), "sum": (0.0, jax.lax.add)}[name]
    return lambda x: jax.lax.reduce_window(x, start, op, size, strides, padding, **told)


CASES = {
    # what, the input, how many indices may be claimed that are not read
    "convolution": (conv((3, 2, 2, 3), strides=(2, 1), padding=((1, 0), (0, 2))), (1, 6, 5, 2), 0),
    "dilated": (conv((3, 2, 1, 2), rhs_dilation=(2, 3)), (1, 7, 6, 1), 0),
    "other axes": (conv((2, 1, 3, 3), axes=("NCHW", "OIHW", "HWNC")), (1, 1, 4, 5), 0),
    "stretched": (conv((3, 3, 1, 2), lhs_dilation=(2, 3), padding=((2, 1), (0, 3))), (1, 4, 3, 1), 0),
    "stretched and dilated": (
        conv((3, 2, 1, 1), lhs_dilation=(2, 2), rhs_dilation=(2, 1), padding=((2, 3), (1, 1))), (1, 4, 3, 1), 0,
    ),
    "in groups": (conv((3, 3, 1, 4), feature_group_count=2), (1, 3, 3, 2), 9),
    "groups of the batch": (conv((2, 2, 1, 4), batch_group_count=2, padding="VALID"), (2, 3, 3, 1), 4),
    "largest": (window("max", (1, 3, 2, 1), (1, 2, 2, 1), "SAME"), (1, 5, 4, 2), 5),
    "sums": (window("sum", (1, 3, 2, 1), (1, 2, 1, 1), ((0, 0), (1, 1), (0, 1), (0, 0))), (1, 5, 4, 2), 0),
    "sums of the stretched": (window("sum", (3, 2), (1, 1), "VALID", base_dilation=(2, 1)), (4, 4), 0),
    "padded": (lambda x: jax.lax.pad(x, 0.0, ((1, 2, 0), (-1, 0, 2))), (3, 4), 0),
    "cut": (lambda x: x[1:6:2, -3:], (7, 5), 0),
    "one index": (lambda x: x[:, -1], (3, 4), 0),
    "one index of three": (lambda x: x[1, :, 2], (3, 4, 5), 0),
    "indices": (lambda x: x[jnp.array([2, 0])], (3, 4), 0),
    "a mask": (lambda x: x[:, np.array([True, False, True, True])], (2, 4), 0),
    "indices from behind": (lambda x: x[:, jnp.array([-1, 0])], (3, 4), 0),
    "taken": (lambda x: jnp.take(x, jnp.array([2, 0, 2]), axis=1), (3, 4), 0),
    "taken, moved inside": (lambda x: jnp.take(x, jnp.array([9, 0]), axis=1, mode="clip"), (3, 4), 0),
    "taken, within a function": (jax.jit(lambda x: jnp.take(x, jnp.arange(4)[::-1] // 2, axis=1)), (3, 4), 0),
    "one taken": (lambda x: jnp.take(x, 2, axis=0), (3, 4), 0),
    "indices of the sorted": (lambda x: x[:, jnp.argsort(jnp.array([3, 1, 2]))], (2, 3), 0),
    "a part": (lambda x: jax.lax.dynamic_slice(x, (1, 9), (2, 3)), (3, 5), 0),
    "turned": (lambda x: jnp.transpose(x, (2, 0, 1)), (2, 3, 4), 0),
    "flipped": (lambda x: jnp.flip(x, 1), (2, 4), 0),
    "rolled": (lambda x: jnp.roll(x, 1, axis=1), (2, 4), 1),
    "side by side": (lambda x: jnp.concatenate([x[:, 2:], x], axis=1), (2, 5), 1),
    "stacked": (lambda x: jnp.stack([x, 2 * x], axis=1), (2, 3), 0),
    "split": (lambda x: jnp.split(x, 3, axis=1)[1], (2, 6), 0),
    "repeated": (lambda x: jnp.repeat(x, 2, axis=0), (3, 2), 5),
    "running sum": (lambda x: jnp.cumsum(x, axis=1), (2, 4), 3),
    "softmax": (lambda x: jax.nn.softmax(x, axis=0), (3, 2), 0),
    "mean": (lambda x: x.mean(axis=(1, 2)), (2, 3, 4), 0),
    "product": (lambda x: jnp.einsum("bij,bkj->bik", x, x), (2, 3, 2), 0),
    "the other rows": (lambda x: x + x.sum(axis=0, keepdims=True), (3, 2), 0),
    "blocks": (lambda x: x.reshape(2, 2, 3).sum(axis=1), (4, 3), 0),
    "layer normalisation": (lambda x: nn.LayerNorm().apply({"params": {"scale": jnp.ones(4), "bias": jnp.ones(4)}}, x), (3, 4), 0),
    "average pooling": (lambda x: nn.avg_pool(x, (2, 2), (2, 2)), (1, 4, 6, 2), 0),
    "attention": (lambda x: jax.nn.dot_product_attention(x, x, x), (1, 3, 2, 2), 6),
    "many at once": (jax.vmap(lambda x: x @ jnp.ones((4, 3), x.dtype)), (2, 3, 4), 0),
    "branches": (lambda x: jax.lax.cond(x.sum() > 0, lambda y: y, lambda y: 2 * y, x), (2, 3), 6),
    "a loop": (lambda x: jax.lax.scan(lambda c, row: (c + row, c.sum()), jnp.zeros(3, x.dtype), x)[1], (3, 3), 9),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_read(name):
    function, shape, spare = CASES[name]
    graph = ls.trace(function, input=shape, framework="jax").graph
    true = truth(function, shape)
    for place, reads in true.items():
        ours = claimed(graph, place)
        assert reads - ours == set()
        assert len(ours - reads) <= spare


class Small(nn.Module):
    @nn.compact
    def __call__(self, x):
        conv = partial(nn.Conv, kernel_init=nn.initializers.ones, param_dtype=x.dtype)
        x = conv(2, (3, 3), 2, padding="SAME")(x)
        x = nn.BatchNorm(use_running_average=True, param_dtype=x.dtype)(x)
        x = x + conv(2, (3, 3), kernel_dilation=2)(nn.relu(x))
        x = nn.ConvTranspose(1, (4, 4), (2, 2), kernel_init=nn.initializers.ones, param_dtype=x.dtype)(x)
        return nn.avg_pool(x, (2, 2), (2, 2))


class Plain(eqx.Module):
    convs: list

    def __call__(self, x):
        for one in self.convs:
            x = jax.nn.relu(one(x))
        return x


def ones(key, *sizes, **told):
    made = eqx.nn.Conv2d(*sizes, key=key, **told)
    return eqx.tree_at(
        lambda one: (one.weight, one.bias), made, (jnp.ones_like(made.weight), jnp.ones_like(made.bias))
    )


def test_receptive_fields_of_networks_are_what_they_read():
    with jax.enable_x64(True):
        shape = (1, 12, 9, 1)
        variables = Small().init(jax.random.key(0), jnp.zeros(shape))
        key = jax.random.key(1)
        plain = Plain([ones(key, 1, 2, 3, padding=1), ones(key, 2, 1, 3, 2), ones(key, 1, 1, 2, dilation=2)])
        model = nnx.Conv(1, 1, (5, 5), 3, padding=2, kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
        cases = [
            (Small(), partial(Small().apply, variables), shape, slice(1, 3)),
            (jax.vmap(plain), jax.vmap(plain), (1, 1, 15, 12), slice(2, 4)),
            (model, model, (1, 14, 9, 1), slice(1, 3)),
        ]
        for traced, function, shape, spatial in cases:
            trace = ls.trace(traced, input=shape)
            for place, reads in truth(function, shape).items():
                if place[0] or sum(place) - sum(place[spatial]):
                    continue
                field = trace.receptive_field(position=place[spatial])
                (seen,) = field.inputs
                axes = [{one[n] for one in reads} for n in range(*spatial.indices(4))]
                assert [set(axis) for axis in indices(seen)] == axes


def indices(seen):
    return [[i for low, high in axis.intervals for i in range(low, high + 1)] for axis in seen.indices]
