"""What a backward pass keeps, against what PyTorch really saves: its storages, each once, weights and statistics apart."""

import random

import pytest

from layerscope import layers as ls
from layerscope.analyses.memory import memory
from layerscope.core import propagate
from layerscope.core.graph import trace_calls
from layerscope.layers import Input

torch = pytest.importorskip("torch")
nn = torch.nn

BATCH = 2


def kept_by_torch(network, modules, *inputs):
    """Bytes of the storages that are saved while `network` runs; those of parameters and buffers left out."""
    own = {tensor.untyped_storage().data_ptr() for m in modules for tensor in (*m.parameters(), *m.buffers())}
    held, storages = [], {}

    def pack(tensor):
        held.append(tensor)  # alive, so that no two have one address
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made = network(*inputs)
    assert made.requires_grad
    return sum(storages.values())


def kept_by_us(start, end):
    graph = trace_calls([start], [end])
    found = memory(graph, propagate.types(graph, BATCH))
    assert not found.saved_at_least
    return found.saved


class Pair:
    """One network in both vocabularies, grown stage by stage: ours symbolic, PyTorch's as a program to run."""

    def __init__(self, size, channels):
        self.start = self.ours = Input((size, size, channels))
        self.modules, self.steps = [], []

    @property
    def size(self):
        return self.ours.shape[1]

    @property
    def channels(self):
        return self.ours.shape[-1]

    def add(self, layer, module):
        self.ours = layer(self.ours)
        self.modules.append(module)
        self.steps.append(lambda values: [*values, module(values[-1])])

    def join(self, layer, earlier, function):
        """With an earlier tensor, (ours, number of PyTorch's)."""
        self.ours = layer([earlier[0], self.ours])
        self.steps.append(lambda values: [*values, function(values[earlier[1]], values[-1])])

    def run(self, x):
        values = [x]
        for step in self.steps:
            values = step(values)
        return values[-1]

    def compare(self):
        x = torch.rand(BATCH, self.start.shape[-1], *self.start.shape[1:3])
        made = self.run(x)
        shape = tuple(made.shape)
        assert (shape[0], *shape[2:], shape[1]) == (BATCH, *self.ours.shape[1:])
        return kept_by_us(self.start, self.ours), kept_by_torch(self.run, self.modules, x)


def stages(rng, pair):
    c, n = pair.channels, rng.randint(1, 5)
    yield ls.Conv2D(n, 3, padding="same"), nn.Conv2d(c, n, 3, padding=1)
    yield ls.Conv2D(n, 1, use_bias=False), nn.Conv2d(c, n, 1, bias=False)
    yield ls.Conv2DTranspose(n, 2), nn.ConvTranspose2d(c, n, 2)
    for name in ("relu", "sigmoid", "tanh", "gelu", "softplus", "silu"):
        yield ls.Activation(name), {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "gelu": nn.GELU,
                                    "softplus": nn.Softplus, "silu": nn.SiLU}[name]()  # fmt: skip
    yield ls.Activation("softmax"), nn.Softmax(1)
    yield ls.BatchNormalization(), nn.BatchNorm2d(c)
    yield ls.GroupNormalization(1), nn.GroupNorm(1, c)
    if pair.size < 12:
        yield ls.UpSampling2D(2), nn.Upsample(scale_factor=2)
        yield ls.UpSampling2D(2, interpolation="bilinear"), nn.Upsample(scale_factor=2, mode="bilinear")
        yield ls.ZeroPadding2D(1), nn.ZeroPad2d(1)
    if c % 4 == 0:
        yield ls.PixelShuffle2D(2), nn.PixelShuffle(2)


JOINS = [
    (ls.Add, lambda a, b: a + b),
    (ls.Concatenate, lambda a, b: torch.cat([a, b], 1)),
    (ls.Multiply, lambda a, b: a * b),
    (ls.Subtract, lambda a, b: a - b),
]


def random_pair(seed):
    rng = random.Random(seed)
    pair = Pair(6, 3)
    if rng.random() < 0.3:  # before the first weight: no gradient passes, nothing is kept
        pair.add(ls.Activation("sigmoid"), nn.Sigmoid())
    pair.add(ls.Conv2D(4, 3), nn.Conv2d(3, 4, 3))
    earlier = [(pair.ours, len(pair.steps))]
    for _ in range(rng.randint(2, 8)):
        fitting = [one for one in earlier if one[0].shape == pair.ours.shape and one[0] is not pair.ours]
        if fitting and rng.random() < 0.4:
            layer, function = rng.choice(JOINS)
            pair.join(layer(), rng.choice(fitting), function)
        else:
            pair.add(*rng.choice(list(stages(rng, pair))))
        earlier.append((pair.ours, len(pair.steps)))
    return pair


@pytest.mark.parametrize("seed", range(120))
def test_random_networks_keep_what_pytorch_saves(seed):
    torch.manual_seed(seed)
    mine, saved = random_pair(seed).compare()
    assert mine == saved


def test_a_classifier_keeps_what_pytorch_saves():
    """Views: the flattened image lies in the memory of relu's result."""
    start = Input((8, 8, 3))
    x = ls.Activation("relu")(ls.BatchNormalization()(ls.Conv2D(4, 3)(start)))
    x = ls.Dense(10)(ls.Activation("relu")(ls.Dense(20)(ls.Flatten()(x))))
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 20),
        nn.ReLU(),
        nn.Linear(20, 10),
    )
    assert kept_by_us(start, x) == kept_by_torch(network, [network], torch.rand(BATCH, 3, 8, 8))


def test_a_sequence_keeps_what_pytorch_saves():
    start = Input((7, 12))
    x = ls.LayerNormalization()(ls.Dense(16)(start))
    x = ls.Dense(5)(ls.Activation("gelu")(ls.Dense(32)(x)))
    network = nn.Sequential(nn.Linear(12, 16), nn.LayerNorm(16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 5))
    assert kept_by_us(start, x) == kept_by_torch(network, [network], torch.rand(BATCH, 7, 12))
