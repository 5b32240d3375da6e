"""Small networks, one for each loss, trained side by side for some steps: plain data that other processes read.

All are outputs of one model with layers of their own, so that one fit trains them all and none moves another. It
imports nothing of Layerscope; run as a script it is Keras that trains them, in double precision:

    KERAS_BACKEND=tensorflow python -m conformance.loss_steps results.npz
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .objective_cases import MADE

ROOT = Path(__file__).parents[__name__.count(".")]
"""From where the module is imported under its name."""
STEPS, COUNT = 20, 12
SHAPES = {"rows": (3,), "image": (6, 7, 2)}
HIDDEN, OUTPUTS = 5, 4


class Network(NamedTuple):
    """A loss, the activation before it, what its targets are like, and the input that it is behind."""

    kind: str
    settings: dict[str, Any]
    activation: str | None
    target: str
    input: str = "rows"

    @property
    def name(self) -> str:
        """The name of its last layer."""
        number = zlib.crc32(repr(self.settings).encode()) % 1000 if self.settings else ""
        return f"{self.kind}{number}_{self.activation or 'linear'}"


NETWORKS = [
    Network("MeanSquaredError", {}, None, "normal"),
    Network("MeanSquaredError", {"reduction": "sum"}, "tanh", "normal"),
    Network("MeanAbsoluteError", {}, None, "normal"),
    Network("MeanAbsolutePercentageError", {}, None, "positive"),
    Network("MeanSquaredLogarithmicError", {}, "softplus", "positive"),
    Network("Huber", {"delta": 0.375}, None, "normal"),
    Network("LogCosh", {}, None, "normal"),
    Network("Poisson", {}, "softplus", "count"),
    Network("KLDivergence", {}, "softmax", "softmax"),
    Network("CosineSimilarity", {}, None, "normal"),
    Network("Hinge", {}, None, "side"),
    Network("SquaredHinge", {}, None, "side"),
    Network("CategoricalHinge", {}, None, "one_hot"),
    Network("BinaryCrossentropy", {}, "sigmoid", "share"),
    Network("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.25}, None, "bit"),
    Network("BinaryFocalCrossentropy", {"apply_class_balancing": True}, "sigmoid", "bit", "image"),
    Network("CategoricalCrossentropy", {}, "softmax", "one_hot"),
    Network("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.125}, None, "one_hot"),
    Network("SparseCategoricalCrossentropy", {}, "softmax", "label"),
    Network("SparseCategoricalCrossentropy", {"from_logits": True}, None, "label", "image"),
    Network("CategoricalFocalCrossentropy", {}, "softmax", "one_hot"),
    Network("CategoricalGeneralizedCrossEntropy", {"q": 0.375}, "softmax", "label"),
    Network("Dice", {"axis": [1, 2, 3]}, "sigmoid", "bit", "image"),
    Network("Tversky", {"alpha": 0.25, "beta": 0.75}, "sigmoid", "bit", "image"),
    Network("SSIM", {"filter_size": 3}, "sigmoid", "share", "image"),
]
OPTIMIZERS = {
    "SGD": {"learning_rate": 1 / 16},
    "Adam": {"learning_rate": 1 / 64, "beta_1": 7 / 8, "beta_2": 1 - 2**-10, "epsilon": 2**-23},
}
"""All settings here and above are sums of few powers of 2: Keras takes some in single precision."""


def build(layers: Any, Input: Any, Model: Any, networks: list[Network]) -> Any:
    """The model, by Keras's names."""
    inputs = {name: Input(shape, name=name) for name, shape in SHAPES.items()}
    outputs = []
    for one in networks:
        hidden = {"activation": "tanh", "name": f"{one.name}_hidden"}
        last = {"activation": one.activation, "name": one.name}
        if one.input == "rows":
            made = layers.Dense(OUTPUTS, **last)(layers.Dense(HIDDEN, **hidden)(inputs["rows"]))
        else:
            between = layers.Conv2D(HIDDEN, 3, padding="same", **hidden)(inputs["image"])
            made = layers.Conv2D(OUTPUTS, 1, **last)(between)
        outputs.append(made)
    return Model(list(inputs.values()), outputs)


def arrays(networks: list[Network]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs and targets."""
    random = np.random.default_rng(11)
    given = [random.normal(size=(COUNT, *shape)) for shape in SHAPES.values()]
    return given, [target(one) for one in networks]


def target(one: Network) -> np.ndarray:
    """The targets of a network."""
    shape = (COUNT, *SHAPES[one.input][:-1], OUTPUTS)
    return MADE[one.target](np.random.default_rng(zlib.crc32(one.name.encode())), shape)


def start(layer: str, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """A layer's weight (kernel 0, bias 1) before training."""
    random = np.random.default_rng([zlib.crc32(layer.encode()), number])
    return random.normal(size=shape) * (0.1 if number else 0.5)


def begin(model: Any) -> None:
    """Give a model these weights."""
    for layer in model.layers:
        given = layer.get_weights()
        if given:
            layer.set_weights([start(layer.name, number, array.shape) for number, array in enumerate(given)])


def keras_trained(keras: Any, networks: list[Network], optimizer: str) -> dict[str, np.ndarray]:
    """The loss of each network before each step, and its last weights. A history would hold losses in float32."""
    import tensorflow as tf

    model = build(keras.layers, keras.Input, keras.Model, networks)
    begin(model)
    objectives = [getattr(keras.losses, one.kind)(**one.settings, dtype="float64") for one in networks]
    given, wanted = ([tf.constant(array) for array in each] for each in arrays(networks))
    rule = getattr(keras.optimizers, optimizer)(**OPTIMIZERS[optimizer])
    rule.build(model.trainable_variables)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            made = model(given, training=True)
            losses = [each(*both) for each, *both in zip(objectives, wanted, made, strict=True)]
            total = tf.add_n(losses)
        rule.apply(tape.gradient(total, model.trainable_variables))
        return tf.stack(losses)

    losses = np.array([step().numpy() for _ in range(STEPS)])
    assert losses.dtype == "float64"
    return {f"{one.name}/loss": losses[:, number] for number, one in enumerate(networks)} | last(model)


def last(model: Any) -> dict[str, np.ndarray]:
    """All weights by layer and number."""
    return {
        f"{layer.name}/{number}": np.asarray(array)
        for layer in model.layers
        for number, array in enumerate(layer.get_weights())
    }


def main(path: str) -> None:
    """What Keras makes of those that it has."""
    import keras

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    networks = [one for one in NETWORKS if hasattr(keras.losses, one.kind)]
    found = {}
    for optimizer in OPTIMIZERS:
        made = keras_trained(keras, networks, optimizer)
        found |= {f"{optimizer}/{name}": array for name, array in made.items()}
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
