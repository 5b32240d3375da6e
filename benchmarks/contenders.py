"""Who takes part in train.py, on which networks, and how one of them is timed in a process of its own.

train.py runs this file: python benchmarks/contenders.py '{"contender": "ours", "network": "autoencoder", ...}'
prints one line of JSON. Whoever runs it binds the process to as many cores as there are to be threads.
"""

import importlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import networks


@dataclass(frozen=True)
class Network:
    """A network as `ls.trace` reads it, the same as a chain of stages for the peers, and how it is trained.

    One that is written (networks.py) has no source and no chain. `goal` is what is wanted of this project: times as
    fast as the best peer, in training and predicting.
    """

    source: str
    chain: tuple[tuple[Any, ...], ...]
    optimizer: str
    loss: str
    batch: int
    goal: float
    shape: tuple[int, ...] = (28, 28, 1)
    written: networks.Writing | None = None

    @property
    def classifies(self) -> bool:
        return self.loss.startswith("sparse")

    def made(self) -> Any:
        """The model in this project's own layers."""
        import layerscope as ls
        from layerscope import layers
        from layerscope.models import Model

        if self.written is None:
            return Model.from_graph(ls.trace(self.source).graph)
        return networks.model(self.written, self.shape, layers, Model)


def conv(filters: int, padding: str = "same", activation: str = "relu") -> tuple[Any, ...]:
    return "conv", filters, padding, activation


def transpose(filters: int, padding: str = "same", activation: str = "relu") -> tuple[Any, ...]:
    return "transpose", filters, padding, activation


UP, POOL, POOL_VALID = ("up",), ("pool", "same"), ("pool", "valid")
ENCODER = (conv(16), POOL, conv(8), POOL, conv(4), POOL)
DECODER = (conv(4), UP, conv(8), UP, conv(16, "valid"), UP, conv(1, activation="sigmoid"))
ENCODER_VALID = (conv(16, "valid"), POOL_VALID, conv(8, "valid"), POOL_VALID, conv(4, "valid"))
DECODER_TRANSPOSED = (transpose(4), UP, transpose(8), UP, transpose(16, "valid"), UP)
CLASSIFIER = "28x28x1 | conv 32 3 relu | conv 64 3 relu | maxpool 2 | flatten | dense 128 relu | dense 10 softmax"


def written(
    network: networks.Writing, shape: tuple[int, ...], batch: int, goal: float, segments: bool = False
) -> Network:
    loss = "binary_crossentropy" if segments else "sparse_categorical_crossentropy"
    return Network("", (), "adam", loss, batch, goal, shape, network)


NETWORKS = {
    "autoencoder": Network("example:autoencoder", ENCODER + DECODER, "adadelta", "binary_crossentropy", 256, 15),
    "autoencoder-transpose": Network(
        "example:autoencoder-transpose",
        (*ENCODER_VALID, *DECODER_TRANSPOSED, transpose(1, activation="sigmoid")),
        "adadelta",
        "binary_crossentropy",
        256,
        15,
    ),
    "classifier": Network(
        CLASSIFIER,
        (
            conv(32, "valid"),
            conv(64, "valid"),
            POOL_VALID,
            ("flatten",),
            ("dense", 128, "relu"),
            ("dense", 10, "softmax"),
        ),
        "adam",
        "sparse_categorical_crossentropy",
        128,
        3,
    ),
    "vgg": written(networks.vgg, (56, 56, 128), 16, 1),
    "resnet20": written(networks.resnet20, (32, 32, 3), 128, 2),
    "unet": written(networks.unet, (128, 128, 3), 16, 1, segments=True),
    "mlp": written(networks.mlp, (784,), 128, 1),
    "signal": written(networks.signal, (1000, 1), 64, 2),
}
MOST = 1 << 28
"""Bytes of images that are made at most."""


@dataclass
class Task:
    """What one process has to do. `seconds` is how long a timed run should take; `pool` how many images exist."""

    contender: str
    network: str
    threads: int
    parameters: int
    seconds: float = 3.0
    pool: int = 60_000
    data: str = "noise"
    start_only: bool = False

    @property
    def net(self) -> Network:
        return NETWORKS[self.network]


class Ready(NamedTuple):
    """A compiled network: `fit(images, epochs)` and `predict(images)` work on the first so many images."""

    fit: Callable[[int, int], Any]
    predict: Callable[[int], Any]
    parameters: int


@dataclass(frozen=True)
class Contender:
    """A row of the tables: its title, what it needs, and how it is made ready."""

    title: str
    make: Callable[..., Ready]
    modules: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    ours: bool = False
    device: str = "cpu"

    @property
    def peer(self) -> bool:
        """Whether this project's figures are divided by its own: others, on the same processor."""
        return not self.ours and self.device == "cpu"


def arrays(task: Task) -> tuple[Any, Any]:
    """Images within 0 … 1 and targets: labels, the images themselves, or images of one channel."""
    import numpy as np

    shape, batch = task.net.shape, task.net.batch
    count = max(min(task.pool, MOST // (4 * math.prod(shape))) // batch, 1) * batch
    if task.data == "noise" or shape != (28, 28, 1):  # the arithmetic does not depend on what the pictures show
        random = np.random.default_rng(0)
        x, labels = random.random((count, *shape), np.float32), random.integers(0, 10, count)
        if task.net.written and not task.net.classifies:
            return x, (random.random((count, *shape[:-1], 1)) < 0.3).astype(np.float32)
    else:
        from layerscope import datasets

        (x, labels), _ = datasets.load(task.data)
        count = len(x[:count]) // task.net.batch * task.net.batch
        x, labels = x[:count, ..., None].astype(np.float32) / 255, labels[:count].astype(np.int64)
    return (x, labels) if task.net.classifies else (x, x)


def layerscope(task: Task, x: Any, y: Any, engine: str = "native") -> Ready:
    import layerscope as ls

    ls.utils.set_random_seed(0)
    net = task.net
    model = net.made()
    model.compile(net.optimizer, net.loss, engine=engine, threads=task.threads)
    return Ready(
        lambda n, epochs: model.fit(x[:n], y[:n] if y is not x else x[:n], net.batch, epochs, verbose=0),
        lambda n: model.predict(x[:n], net.batch),
        model.count_params(),
    )


def reference(task: Task, x: Any, y: Any) -> Ready:
    return layerscope(task, x, y, "reference")


def keras_model(net: Network, threads: int, learning_rate: float = 1.0) -> Any:
    """The network in Keras, compiled; `learning_rate` is Adadelta's."""
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras
    from keras import layers

    def stage(kind: str, *settings: Any) -> Any:
        if kind in ("conv", "transpose"):
            cls = layers.Conv2D if kind == "conv" else layers.Conv2DTranspose
            return cls(settings[0], 3, padding=settings[1], activation=settings[2])
        if kind == "pool":
            return layers.MaxPooling2D(2, padding=settings[0])
        if kind == "dense":
            return layers.Dense(settings[0], activation=settings[1])
        return layers.UpSampling2D(2) if kind == "up" else layers.Flatten()

    keras.utils.set_random_seed(0)
    if net.written:
        model = networks.model(net.written, net.shape, layers, keras.Model)
    else:
        model = keras.Sequential([layers.Input(net.shape), *(stage(*s) for s in net.chain)])
    model.compile(keras.optimizers.Adadelta(learning_rate) if net.optimizer == "adadelta" else "adam", net.loss)
    return model


def keras(task: Task, x: Any, y: Any) -> Ready:
    net = task.net
    model = keras_model(net, task.threads)
    return Ready(
        lambda n, epochs: model.fit(x[:n], y[:n], batch_size=net.batch, epochs=epochs, verbose=0),
        lambda n: model.predict(x[:n], batch_size=net.batch, verbose=0),
        model.count_params(),
    )


def torch_stages(chain: tuple[tuple[Any, ...], ...]) -> Any:
    """The chain as PyTorch's modules, without the last activation, which is within its losses."""
    import torch
    from torch import nn

    stages, shape = [], torch.zeros(2, 1, 28, 28)
    for kind, *settings in chain:
        if kind in ("conv", "transpose"):
            cls = nn.Conv2d if kind == "conv" else nn.ConvTranspose2d
            made: list[nn.Module] = [cls(shape.shape[1], settings[0], 3, padding=int(settings[1] == "same"))]
        elif kind == "dense":
            made = [nn.Linear(shape.shape[1], settings[0])]
        elif kind == "pool":
            made = [nn.MaxPool2d(2, ceil_mode=settings[0] == "same")]
        else:
            made = [nn.Upsample(scale_factor=2) if kind == "up" else nn.Flatten()]
        made += [nn.ReLU()] * (settings[-1:] == ["relu"])
        with torch.no_grad():
            shape = nn.Sequential(*made)(shape)
        stages += made
    return nn.Sequential(*stages)


def torch_optimizer(net: Network, model: Any) -> Any:
    import torch

    if net.optimizer == "adadelta":
        return torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7, foreach=True)
    return torch.optim.Adam(model.parameters(), eps=1e-7, fused=True)


def torch(task: Task, x: Any, y: Any, compiled: bool = False, device: str = "cpu") -> Ready:
    import torch
    from torch.nn import functional

    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    net = task.net
    if net.written:
        model = networks.module(net.written, net.shape)
    else:
        model = torch_stages(net.chain)
    if x.ndim == 4:
        model = model.to(memory_format=torch.channels_last)
    model = model.to(device)
    optimizer = torch_optimizer(net, model)
    first = {4: (0, 3, 1, 2), 3: (0, 2, 1), 2: (0, 1)}[x.ndim]  # in memory they stay as they are
    images = torch.from_numpy(x).permute(first).to(device)  # all of them, so that a GPU need not wait for any
    labels = (torch.from_numpy(y) if net.classifies else torch.from_numpy(y).permute(first)).to(device)
    wrong = functional.cross_entropy if net.classifies else functional.binary_cross_entropy_with_logits

    def loss_of(batch: Any, target: Any) -> Any:
        return wrong(model(batch), target)

    def answers(batch: Any) -> Any:
        return model(batch).softmax(1) if net.classifies else model(batch).sigmoid()

    if compiled:
        how = {"dynamic": False} | ({"mode": "reduce-overhead"} if device == "cuda" else {})
        loss_of, answers = torch.compile(loss_of, **how), torch.compile(answers, **how)

    def fit(count: int, epochs: int) -> None:
        model.train()
        for _ in range(epochs):
            for rows in torch.randperm(count, device=device).split(net.batch):
                batch = images[rows]
                loss = loss_of(batch, labels[rows] if y is not x else batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    def predict(count: int) -> Any:
        model.eval()
        with torch.no_grad():
            batches = images[:count].split(net.batch)
            return torch.cat([answers(batch).cpu() for batch in batches]).numpy()

    statistics = sum(b.numel() for b in model.buffers() if b.is_floating_point())
    return Ready(fit, predict, statistics + sum(p.numel() for p in model.parameters()))


def torch_compiled(task: Task, x: Any, y: Any) -> Ready:
    return torch(task, x, y, compiled=True)


def torch_cuda(task: Task, x: Any, y: Any) -> Ready:
    return torch(task, x, y, device="cuda")


def torch_cuda_compiled(task: Task, x: Any, y: Any) -> Ready:
    return torch(task, x, y, compiled=True, device="cuda")


TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
CONTENDERS = {
    "ours": Contender("layerscope", layerscope, ("llvmlite",), ours=True),
    "ours-avx2": Contender(
        "layerscope, AVX-512 off", layerscope, ("llvmlite",), {"LAYERSCOPE_TARGET": "avx2"}, ours=True
    ),
    "ours-reference": Contender("layerscope, reference engine", reference, ("numpy",), ours=True),
    "torch": Contender("PyTorch, eager, channels last", torch, ("torch",)),
    "torch-compile": Contender("PyTorch, torch.compile", torch_compiled, ("torch",)),
    "torch-cuda": Contender("PyTorch on a GPU, eager", torch_cuda, ("torch",), device="cuda"),
    "torch-cuda-compile": Contender(
        "PyTorch on a GPU, torch.compile with CUDA graphs", torch_cuda_compiled, ("torch",), device="cuda"
    ),
    "keras-tensorflow": Contender("Keras on TensorFlow", keras, ("keras", "tensorflow"), TENSORFLOW),
    "keras-jax": Contender("Keras on JAX", keras, ("keras", "jax"), JAX),
}


def clocked(work: Callable[..., Any], *arguments: int) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def rate(work: Callable[[int, int], Any], task: Task, pool: int) -> float:
    """Images a second, of whole epochs that take about `task.seconds`; shorter runs before say how many.

    One untimed epoch of the size that is timed comes first: everyone's memory for the results has then been touched.
    """
    batch, count = task.net.batch, min(2 * task.net.batch, pool)
    while (took := clocked(work, count, 1)) < task.seconds / 10 and count < pool:
        count = min(4 * count, pool)
    wanted = task.seconds * count / took
    images = min(pool, max(1, round(wanted / batch)) * batch)
    epochs = max(1, round(wanted / images))
    clocked(work, images, 1)
    return images * epochs / clocked(work, images, epochs)


def versions(modules: tuple[str, ...]) -> dict[str, str]:
    return {name: importlib.import_module(name).__version__ for name in modules}


def run(task: Task) -> dict[str, Any]:
    """Time one contender: its first batch, training, predicting."""
    contender = CONTENDERS[task.contender]
    x, y = arrays(task)
    ready = contender.make(task, x, y)
    if ready.parameters != task.parameters:
        raise SystemExit(f"the network has {ready.parameters} parameters instead of {task.parameters}")
    found: dict[str, Any] = {"first": clocked(ready.fit, task.net.batch, 1)}
    if task.start_only:
        return found

    def predict(count: int, epochs: int) -> None:
        for _ in range(epochs):
            ready.predict(count)

    found["train"] = rate(ready.fit, task, len(x))
    ready.predict(task.net.batch)
    found["predict"] = rate(predict, task, len(x))
    found["versions"] = versions(("numpy", *contender.modules))
    return found


def main() -> None:
    print(json.dumps(run(Task(**json.loads(sys.argv[1])))))


if __name__ == "__main__":
    main()
