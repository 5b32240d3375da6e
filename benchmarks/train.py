"""Images a second while training the document's autoencoder: this project beside Keras and PyTorch.

One run, one machine, float32, Adadelta at 1.0, binary cross-entropy, batch 256. Each contender that can
be imported runs in a process of its own, in turn, several times; the table gives the median.
Run: python benchmarks/train.py [images] [rounds]
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import time

BATCH = 256


def images(count: int):
    """Pictures of noise: the arithmetic does not depend on what they show."""
    import numpy as np

    return np.random.default_rng(0).random((count, 28, 28, 1), np.float32)


def layerscope(count: int) -> float:
    import layerscope as ls
    from layerscope.models import Model

    x = images(count)
    model = Model.from_graph(ls.trace("example:autoencoder").graph)
    model.compile("adadelta", "binary_crossentropy")
    model.fit(x[:BATCH], x[:BATCH], BATCH, verbose=0)
    start = time.perf_counter()
    model.fit(x, x, BATCH, verbose=0)
    return count / (time.perf_counter() - start)


def keras(count: int) -> float:
    import keras
    from keras import layers

    def conv(filters, padding="same", activation="relu"):
        return layers.Conv2D(filters, 3, activation=activation, padding=padding)

    def pool():
        return layers.MaxPooling2D(2, padding="same")

    up = layers.UpSampling2D
    chain = [conv(16), pool(), conv(8), pool(), conv(4), pool()]
    chain += [conv(4), up(), conv(8), up(), conv(16, "valid"), up(), conv(1, activation="sigmoid")]
    x = images(count)
    model = keras.Sequential([layers.Input((28, 28, 1)), *chain])
    model.compile(keras.optimizers.Adadelta(1.0), "binary_crossentropy")
    model.fit(x[:BATCH], x[:BATCH], BATCH, verbose=0)
    start = time.perf_counter()
    model.fit(x, x, BATCH, verbose=0)
    return count / (time.perf_counter() - start)


def torch(count: int) -> float:
    import torch
    from torch import nn

    def conv(a, b, pad=1):
        return [nn.Conv2d(a, b, 3, padding=pad), nn.ReLU()]

    pool, up = (lambda: nn.MaxPool2d(2, ceil_mode=True)), (lambda: nn.Upsample(scale_factor=2))
    parts = [*conv(1, 16), pool(), *conv(16, 8), pool(), *conv(8, 4), pool(), *conv(4, 4), up(), *conv(4, 8), up()]
    net = nn.Sequential(*parts, *conv(8, 16, 0), up(), nn.Conv2d(16, 1, 3, padding=1))
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0, rho=0.95, eps=1e-7)
    x = torch.from_numpy(images(count)).permute(0, 3, 1, 2)

    def epoch(part):
        for rows in torch.randperm(len(part)).split(BATCH):
            batch = part[rows]
            loss = nn.functional.binary_cross_entropy_with_logits(net(batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch(x[:BATCH])
    start = time.perf_counter()
    epoch(x)
    return count / (time.perf_counter() - start)


CONTENDERS = {
    "layerscope, reference engine": (layerscope, "numpy", {}),
    "Keras on TensorFlow": (keras, "tensorflow", {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}),
    "Keras on JAX": (keras, "jax", {"KERAS_BACKEND": "jax"}),
    "PyTorch, eager, channels last": (torch, "torch", {}),
}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(CONTENDERS[sys.argv[2]][0](int(sys.argv[3])))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    present = [name for name, (_, module, _) in CONTENDERS.items() if importlib.util.find_spec(module)]
    rates: dict[str, list[float]] = {name: [] for name in present}
    for _ in range(rounds):
        for name in present:
            command = [sys.executable, __file__, "--one", name, str(count)]
            done = subprocess.run(command, capture_output=True, text=True, env=os.environ | CONTENDERS[name][2])
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
            rates[name].append(float(done.stdout.split()[-1]))
    first = statistics.median(rates[present[0]])
    print(f"{'training the autoencoder':<34}{'images/s':>10}{'ratio':>8}")
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:<34}{rate:>10,.0f}{rate / first:>8.2f}")
    for name in CONTENDERS.keys() - rates.keys():
        print(f"{name:<34}{'not installed':>18}")


if __name__ == "__main__":
    main()
