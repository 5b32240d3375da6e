"""How each of Keras's layers is said here: one rule for each class, from its settings to a layer of ours.

Settings are read from the layer itself, under the names of its constructor's arguments. Its get_config would import
TensorFlow, where that is installed, and take seconds.
"""

from __future__ import annotations

import inspect
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import fields
from layerscope.core.errors import LayerscopeError
from layerscope.layers import kinds, layer_class
from layerscope.layers._activation import NAMES, SLOPE
from layerscope.sources._keras.plan import Refused

Config = Mapping[str, Any]
Rule = Callable[[Config, int], Layer]
"""From Keras's settings of a layer and the number of axes of its (first) input."""

OF_KERAS = ("name", "dtype", "autocast", "trainable")
"""Settings that every Keras layer has and that are read elsewhere."""
REASONS = {
    "data_format": "layers here are channels last: (batch, height, width, channels)",
    "regularizer": "this layer has no such setting here; set it to None on the layer to go without",
    "constraint": "this layer has no such setting here; set it to None on the layer to go without",
}
VARIANCE = {
    "Glorot": (1.0, "fan_avg"),
    "He": (2.0, "fan_in"),
    "Lecun": (1.0, "fan_in"),
}
PLAIN = ("Zeros", "Ones", "Constant", "RandomUniform", "RandomNormal", "TruncatedNormal", "VarianceScaling")


def translate(layer: Any, rank: int) -> Layer:
    """Our layer that computes what this one of Keras does; Refused says why there is none."""
    if getattr(layer, "quantization_mode", None):
        raise Refused(f"its weights are quantized ({layer.quantization_mode})")
    rule = rules().get(_known(layer))
    if rule is None:
        raise Refused(_foreign(layer))
    return rule(settings(layer), rank)


def settings(layer: Any) -> dict[str, Any]:
    """The arguments of its constructor, as the layer holds them, and its name."""
    named = [name for name in inspect.signature(type(layer).__init__).parameters if hasattr(layer, name)]
    return {name: getattr(layer, name) for name in (*named, "activity_regularizer", "name", "trainable")}


def _known(layer: Any) -> str:
    """The name of the class if it is Keras's or ours, and not just called like one."""
    name = type(layer).__name__
    homes = (sys.modules.get("keras.layers"), sys.modules.get("layerscope.keras"))
    return name if any(getattr(home, name, None) is type(layer) for home in homes) else ""


def _foreign(layer: Any) -> str:
    cls = type(layer)
    if cls.__name__ == "Lambda":
        return "what it computes is a Python function"
    if cls.__module__.split(".")[0] == "keras":
        described = cls.__name__ in kinds()
        return "it can be traced here, but not computed or trained" if described else "there is no such layer here"
    return f"{cls.__module__}.{cls.__qualname__} is none of Keras's layers, and what it computes is Python code"


def rules() -> dict[str, Rule]:
    """The table. Layers of the same name and settings on both sides need no line of their own."""
    if not _rules:
        for kind, cls in kinds().items():
            if cls.executable and kind != "InputLayer":
                _rules[cls.spellings["keras"].name or kind] = _same(cls)
        _rules.update(
            MaxPoolingWithSwitches2D=_same(kinds()["MaxPooling2D"], return_switches=True),
            BatchNormalization=_batch_normalization,
            ActivityRegularization=_activity_regularization,
            ReLU=_relu,
            LeakyReLU=_leaky,
            ELU=_elu,
            Softmax=_softmax,
            Identity=lambda config, rank: _function("linear", config),
        )
    return _rules


_rules: dict[str, Rule] = {}


def _same(cls: type[Layer], **fixed: Any) -> Rule:
    """A layer whose settings have the same names on both sides."""

    def rule(config: Config, rank: int) -> Layer:
        allowed = {f.name for f in fields(cls)}
        if "data_format" not in allowed and config.get("data_format") == "channels_last":
            config = {key: value for key, value in config.items() if key != "data_format"}
        reasons = [
            f"{key}={_shown(value)}: {_why(key)}"
            for key, value in config.items()
            if key not in allowed and key not in OF_KERAS and value is not None
        ]
        told = {key: value for key, value in config.items() if key in allowed} | fixed
        for key in [key for key in told if key.endswith("_initializer")]:
            told[key] = initializer(told[key])
            if told[key] is None:
                del told[key]
        try:
            for key, home in (
                (k, h) for h in OF_WEIGHTS for k in told if k.endswith(f"_{h}") and told[k] is not None
            ):
                told[key] = of_weights(key, told[key], home)
            if "activation" in told:
                named = activation(told["activation"], rank)
                told["activation"] = None if named == "linear" and cls.__name__ != "Activation" else named
            made = cls(**told)
            if not made.executable:
                raise Refused(made.obstacle)
        except Refused as error:
            raise Refused("; ".join((*reasons, str(error)))) from None
        except LayerscopeError as error:
            raise Refused("; ".join((*reasons, str(error).removeprefix(f"{cls.__name__}: ")))) from None
        if reasons:
            raise Refused("; ".join(reasons))
        return made

    return rule


def _activity_regularization(config: Config, rank: int) -> Layer:
    """Its regularizer is made of its own settings."""
    return _same(kinds()["ActivityRegularization"])({**config, "activity_regularizer": None}, rank)


def _batch_normalization(config: Config, rank: int) -> Layer:
    """The axis may be counted from the front."""
    from layerscope.layers import BatchNormalization

    axis = config["axis"]
    return _same(BatchNormalization)({**config, "axis": -1 if axis in (-1, rank - 1) else axis}, rank)


def _why(key: str) -> str:
    return next((why for end, why in REASONS.items() if key.endswith(end)), "there is no such setting here")


def _shown(value: Any) -> str:
    """A setting as people write it: L2(l2=0.01) rather than an object at an address."""
    if hasattr(value, "get_config"):
        return f"{type(value).__name__}({', '.join(f'{k}={v!r}' for k, v in value.get_config().items())})"
    return getattr(value, "__name__", None) or repr(value)


def activation(value: Any, rank: int) -> str:
    """The name of an activation: one of Keras's functions or activation layers. Refused for one that is not here."""
    if value is None:
        return "linear"
    if hasattr(value, "get_config"):  # a layer
        rule = rules().get(_known(value))
        made = rule(settings(value), rank) if rule is not None else None
        name = getattr(made, "activation", None) if type(made).__name__ == "Activation" else None
    else:
        name = getattr(value, "__name__", "")
        name = name if getattr(sys.modules["keras"].activations, name, None) is value else None
    if name not in NAMES:
        raise Refused(f"activation={_shown(value)} is not known here; known: {', '.join(NAMES)}")
    return name


def initializer(value: Any) -> Any:
    """The initializer's name, or its form as data; None for one that is not known here, which no weight needs."""
    name, home = type(value).__name__, sys.modules["keras"].initializers
    if getattr(home, name, None) is not type(value):
        return None
    config = dict(value.get_config())
    seed = config["seed"] if isinstance(config.get("seed"), int) else None
    for stem, (scale, mode) in VARIANCE.items():
        end = name.removeprefix(stem)
        if end in ("Uniform", "Normal") and end != name:
            if config.get("seed") is None:
                return f"{stem}_{end}".lower()
            kind = {"Uniform": "uniform", "Normal": "truncated_normal"}[end]
            return _initializer("VarianceScaling", scale=scale, mode=mode, distribution=kind, seed=seed)
    if name not in PLAIN:
        return None
    if name in ("Zeros", "Ones"):
        return name.lower()
    return _initializer(name, **config | ({"seed": seed} if "seed" in config else {}))


OF_WEIGHTS = {
    "regularizer": ("L1", "L2", "L1L2", "OrthogonalRegularizer"),
    "constraint": ("NonNeg", "MaxNorm", "UnitNorm", "MinMaxNorm"),
}
"""Keras's regularizers and constraints that are here, too."""


def of_weights(key: str, value: Any, what: str) -> dict[str, Any]:
    """A regularizer or constraint as data; Refused for one that is not known here."""
    name, home = type(value).__name__, getattr(sys.modules["keras"], f"{what}s")
    if name not in OF_WEIGHTS[what] or getattr(home, name, None) is not type(value):
        known = ", ".join(OF_WEIGHTS[what])
        raise Refused(f"{key}={_shown(value)} is not known here; known: {known}")
    settings = {k: v if isinstance(v, str | list | tuple | int) else _short(v) for k, v in value.get_config().items()}
    return {what: name, "settings": settings}


def _short(value: Any) -> float:
    """The shortest number that is the same in single precision, in which Keras keeps some: what people wrote."""
    number = float(value)
    if _single(number) != number:
        return number
    return next(found for digits in range(1, 18) if _single(found := float(f"{number:.{digits}g}")) == number)


def _single(number: float) -> float:
    return struct.unpack("f", struct.pack("f", number))[0]


def _initializer(name: str, **settings: Any) -> dict[str, Any]:
    return {"initializer": name, "settings": settings}


def _function(name: str, config: Config) -> Layer:
    made: Any = layer_class("Activation")
    return made(name, name=config["name"], trainable=config.get("trainable", True))


def _relu(config: Config, rank: int) -> Layer:
    if config.get("max_value") is not None:
        raise Refused(f"max_value={config['max_value']}: relu here has no upper end")
    if config.get("threshold"):
        raise Refused(f"threshold={config['threshold']}: relu here begins at 0")
    return _sloped(config, float(config.get("negative_slope") or 0))


def _leaky(config: Config, rank: int) -> Layer:
    return _sloped(config, float(config["negative_slope"]))


def _sloped(config: Config, slope: float) -> Layer:
    if slope == 0:
        return _function("relu", config)
    if abs(slope - SLOPE) > 1e-7:
        raise Refused(f"negative_slope={slope:g}: leaky_relu here has {SLOPE}")
    return _function("leaky_relu", config)


def _elu(config: Config, rank: int) -> Layer:
    if config["alpha"] != 1:
        raise Refused(f"alpha={config['alpha']:g}: elu here has 1")
    return _function("elu", config)


def _softmax(config: Config, rank: int) -> Layer:
    if config["axis"] not in (-1, rank - 1, [-1], [rank - 1]):
        raise Refused(f"axis={config['axis']}: softmax here is over the last axis")
    return _function("softmax", config)


def _operation_add(operation: Any) -> Layer:
    made: Any = layer_class("Add")
    return made(name=operation.name)


def _operation_concatenate(operation: Any) -> Layer:
    made: Any = layer_class("Concatenate")
    return made(axis=operation.axis, name=operation.name)


def _operation_function(name: str, **wanted: Any) -> Callable[[Any], Layer]:
    def rule(operation: Any) -> Layer:
        for key, value in wanted.items():
            given = getattr(operation, key, value)
            if given != value:
                raise Refused(f"{key}={given!r}: {name} here has {value!r}")
        return _function(name, {"name": operation.name})

    return rule


OPERATIONS: dict[tuple[str, str], Callable[[Any], Layer]] = {
    ("numpy", "Add"): _operation_add,
    ("numpy", "Concatenate"): _operation_concatenate,
    ("numpy", "Tanh"): _operation_function("tanh"),
    ("nn", "Relu"): _operation_function("relu"),
    ("nn", "LeakyRelu"): _operation_function("leaky_relu", negative_slope=SLOPE),
    ("nn", "Elu"): _operation_function("elu", alpha=1.0),
    ("nn", "Gelu"): _operation_function("gelu", approximate=False),
    ("nn", "Sigmoid"): _operation_function("sigmoid"),
    ("nn", "Softplus"): _operation_function("softplus"),
    ("nn", "Softmax"): _operation_function("softmax", axis=-1),
}
"""Functions of keras.ops (and operators: x + y) that are layers here, by the last part of their module."""


def translate_operation(operation: Any) -> Layer:
    """Our layer for a function of keras.ops on symbolic tensors; Refused when there is none."""
    cls = type(operation)
    rule = OPERATIONS.get((cls.__module__.rpartition(".")[2], cls.__name__))
    if rule is None:
        raise Refused("this function of keras.ops is no layer here")
    return rule(operation)
