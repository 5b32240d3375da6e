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

from layerscope.core import named
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import fields
from layerscope.core.errors import LayerscopeError
from layerscope.layers import kinds, layer_class
from layerscope.layers._activation import NAMES, OTHER_NAMES, SLOPE
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
    told = [name for name in inspect.signature(type(layer).__init__).parameters if hasattr(layer, name)]
    told += [name for name in ("input_mean", "input_variance", "rms_scaling") if hasattr(layer, name)]
    return {name: getattr(layer, name) for name in (*told, "activity_regularizer", "name", "trainable")}


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
            Normalization=_normalization,
            RMSNormalization=_rms_normalization,
            ActivityRegularization=_activity_regularization,
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
        if isinstance(told.get("axis"), list) and len(told["axis"]) == 1:
            told["axis"] = told["axis"][0]  # as most normalising layers keep one number
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
                function = activation(told["activation"], rank)
                told["activation"] = None if function == "linear" and cls.__name__ != "Activation" else function
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


INNER_SCALE = (
    "Keras (3.15.1) multiplies by its scale along the last axes, whatever its axis says; "
    "here it is along the axis. Move that to the end by Permute"
)


def _rms_normalization(config: Config, rank: int) -> Layer:
    from layerscope.layers import RMSNormalization

    made = _same(RMSNormalization)(config, rank)
    axes = tuple(axis % rank for axis in made.axes)  # pyright: ignore[reportAttributeAccessIssue]
    if axes != tuple(range(rank - len(axes), rank)):
        raise Refused(f"axis={config['axis']!r}: {INNER_SCALE}")
    return made


def _normalization(config: Config, rank: int) -> Layer:
    """Keras keeps what it was given under other names than what it has made of it."""
    from layerscope.layers import Normalization

    told: dict[str, Any] = {"axis": config["axis"], "invert": config["invert"], "name": config["name"]}
    return Normalization(**told, mean=config["input_mean"], variance=config["input_variance"])


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
        name = _name_of(rule(settings(value), rank), rank) if rule is not None else None
    else:
        name = getattr(value, "__name__", "")
        name = name if getattr(sys.modules["keras"].activations, name, None) is value else None
    name = OTHER_NAMES.get(str(name), name)
    if name not in NAMES:
        raise Refused(f"activation={_shown(value)} is not known here; known: {', '.join(NAMES)}")
    return name


def _name_of(layer: Any, rank: int) -> str | None:
    """The activation that a layer is, by its settings."""
    if layer.kind == "Activation":
        return layer.activation
    if layer.kind == "Identity":
        return "linear"
    if layer.kind == "Softmax":
        return "softmax" if layer.axis in (-1, rank - 1, (-1,), (rank - 1,)) else None
    if layer.kind == "ELU":
        return "elu" if layer.alpha == 1 else None
    if layer.kind in ("ReLU", "LeakyReLU"):
        most, threshold = getattr(layer, "max_value", None), getattr(layer, "threshold", 0)
        if not threshold and layer.negative_slope in (0, SLOPE):
            names = {(0, None): "relu", (0, 6): "relu6", (SLOPE, None): "leaky_relu"}
            return names.get((layer.negative_slope, most))
    return None


def initializer(value: Any) -> Any:
    """The initializer's name, or its form as data; None for one that is not known here, which no weight needs."""
    name, home = type(value).__name__, sys.modules["keras"].initializers
    if getattr(home, name, None) is not type(value):
        return None
    return _initial(name, value.get_config())


def _initial(name: str, config: Config) -> Any:
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
    return _initializer(name, **{**config, **({"seed": seed} if "seed" in config else {})})


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
    return {what: name, "settings": _numbers(value.get_config())}


def of_record(setting: str, value: Any) -> Any:
    """An initializer, regularizer or constraint from its record in a configuration, as a name or as data; None where
    it is none that is known here, without which a trace goes on.
    """
    what = named.kind_of(setting)
    made = value if isinstance(value, str) else None
    if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
        name, config = str(value.get("class_name")), value["config"]
        if what != "initializer":
            made = {what: name, "settings": _numbers(config)} if name in OF_WEIGHTS[what] else None
        elif name.startswith("Orthogonal"):
            plain = config.get("seed") is None and config.get("gain", 1.0) == 1
            made = "orthogonal" if plain else _initializer("Orthogonal", **config)
        else:
            made = _initial(name, config)
    try:
        named.check(setting, made, what)
    except LayerscopeError:
        return None
    return made


def _numbers(config: Config) -> dict[str, Any]:
    return {k: v if isinstance(v, str | list | tuple | int | None) else _short(v) for k, v in config.items()}


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


def _operation_concatenate(operation: Any) -> Layer:
    made: Any = layer_class("Concatenate")
    return made(axis=operation.axis, name=operation.name)


def _joint(kind: str) -> Callable[[Any], Layer]:
    def rule(operation: Any) -> Layer:
        made: Any = layer_class(kind)
        return made(name=operation.name)

    return rule


def _operation_function(name: str, **wanted: Any) -> Callable[[Any], Layer]:
    def rule(operation: Any) -> Layer:
        for key, value in wanted.items():
            given = getattr(operation, key, value)
            if given != value:
                raise Refused(f"{key}={given!r}: {name} here has {value!r}")
        return _function(name, {"name": operation.name})

    return rule


def _operation_layer(kind: str, **names: str) -> Callable[[Any], Layer]:
    """A layer with settings, from the operation's attributes of these names."""

    def rule(operation: Any) -> Layer:
        made: Any = layer_class(kind)
        return made(**{ours: getattr(operation, theirs) for ours, theirs in names.items()}, name=operation.name)

    return rule


def _gelu(operation: Any) -> Layer:
    return _function("gelu_tanh" if operation.approximate else "gelu", {"name": operation.name})


def _softmax(operation: Any) -> Layer:
    if operation.axis is None:
        raise Refused("axis=None: softmax here is over axes that are named")
    return _operation_layer("Softmax", axis="axis")(operation)


OPERATIONS: dict[tuple[str, str], Callable[[Any], Layer]] = {
    ("numpy", "Add"): _joint("Add"),
    ("numpy", "Subtract"): _joint("Subtract"),
    ("numpy", "Multiply"): _joint("Multiply"),
    ("numpy", "Maximum"): _joint("Maximum"),
    ("numpy", "Minimum"): _joint("Minimum"),
    ("numpy", "Concatenate"): _operation_concatenate,
    ("numpy", "Tanh"): _operation_function("tanh"),
    ("numpy", "Exp"): _operation_function("exponential"),
    ("nn", "Relu"): _operation_function("relu"),
    ("nn", "Relu6"): _operation_function("relu6"),
    ("nn", "LeakyRelu"): _operation_layer("LeakyReLU", negative_slope="negative_slope"),
    ("nn", "Elu"): _operation_layer("ELU", alpha="alpha"),
    ("nn", "Celu"): _operation_function("celu", alpha=1.0),
    ("nn", "Selu"): _operation_function("selu"),
    ("nn", "Gelu"): _gelu,
    ("nn", "Silu"): _operation_function("silu"),
    ("nn", "HardSilu"): _operation_function("hard_silu"),
    ("nn", "Sigmoid"): _operation_function("sigmoid"),
    ("nn", "HardSigmoid"): _operation_function("hard_sigmoid"),
    ("nn", "LogSigmoid"): _operation_function("log_sigmoid"),
    ("nn", "HardTanh"): _operation_function("hard_tanh"),
    ("nn", "TanhShrink"): _operation_function("tanh_shrink"),
    ("nn", "HardShrink"): _operation_function("hard_shrink", threshold=0.5),
    ("nn", "SoftShrink"): _operation_function("soft_shrink", threshold=0.5),
    ("nn", "SparsePlus"): _operation_function("sparse_plus"),
    ("nn", "SparseSigmoid"): _operation_function("sparse_sigmoid"),
    ("nn", "Squareplus"): _operation_function("squareplus", b=4),
    ("nn", "Softplus"): _operation_function("softplus"),
    ("nn", "Softsign"): _operation_function("softsign"),
    ("nn", "Softmax"): _softmax,
    ("nn", "LogSoftmax"): _operation_function("log_softmax", axis=-1),
}
"""Functions of keras.ops (and operators: x + y) that are layers here, by the last part of their module."""


def translate_operation(operation: Any) -> Layer:
    """Our layer for a function of keras.ops on symbolic tensors; Refused when there is none."""
    cls = type(operation)
    rule = OPERATIONS.get((cls.__module__.rpartition(".")[2], cls.__name__))
    if rule is None:
        raise Refused("this function of keras.ops is no layer here")
    return rule(operation)
