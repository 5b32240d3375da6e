"""How each of Keras's layers is said here, for tracing: from its settings by name to a layer of ours.

Layers here have Keras's names and settings, so one rule does for nearly all. What only training needs to know
(initialisers, regularisers, constraints) is left out, but of recurrent layers, which are read here alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any

from layerscope.core.contract import Layer, snake_case
from layerscope.core.dataclasses import MISSING, fields, replace, twin
from layerscope.core.errors import LayerscopeError, ShapeError
from layerscope.core.graph import Symbolic
from layerscope.core.types import TensorType, show
from layerscope.layers import layer_class
from layerscope.sources._keras.plan import Config, Entry, Ref, Refused, Unit, Use, tensors
from layerscope.sources._keras.records import altered

ONLY_TRAINING = ("_initializer", "_regularizer", "_constraint")
HIDDEN = ("mask", "attention_mask", "query_mask", "value_mask", "key_mask", "padding_mask", "training")
"""Arguments of calls that change values, and never a shape."""
FUNCTIONS = ("activation", "recurrent_activation")
OURS = {"MaxPoolingWithSwitches2D": ("MaxPooling2D", {"return_switches": True})}
"""Layers of layerscope.keras that have another name here."""
FORMER = {("LeakyReLU", "alpha"): "negative_slope"}
"""What Keras 2 called settings, by class."""


class Tracing:
    """The translator for tracing: whatever Keras has, if it is described here."""

    tracing = True

    def __init__(self) -> None:
        self.alike: dict[Hashable, Layer] = {}
        """Layers by all that the file says of them but their names."""

    def layer(self, unit: Unit, use: Use, given: Sequence[TensorType], stated: Sequence[TensorType | None]) -> Layer:
        """Our layer; Refused, or the layer's own error, when there is none."""
        if unit.home in ("ops", "tf"):
            from layerscope.sources._keras.functions import translate_function  # with the operators that they become

            return translate_function(unit, use, given, stated)
        if unit.home == "keras" and unit.kind in OF_APPLICATIONS:
            return OF_APPLICATIONS[unit.kind](unit, given)
        if unit.home == "layerscope":
            kind, fixed = OURS.get(unit.kind, (unit.kind, {}))
            return _same(kind, unit, use, fixed)
        if unit.home != "layers":
            raise Refused("it is none of Keras's layers")
        return self._layer(unit, use)

    def _layer(self, unit: Unit, use: Use) -> Layer:
        """A layer of Keras's own; a file's settings that are those of another layer, names apart, are read once."""
        if unit.origin is not None or any(value is not None for value in use.kwargs.values()):
            return _same(unit.kind, unit, use, {})
        key = (unit.kind, repr({key: value for key, value in unit.settings.items() if key != "name"}))
        if key not in self.alike:
            made = _same(unit.kind, unit, use, {})
            if not _plain_settings(made):
                return made
            self.alike[key] = made
        return twin(self.alike[key], name=unit.name)

    def refuses(self, entry: Entry) -> str | None:
        """None: only arrays' shapes matter here."""
        return None

    def arrange(self, layer: Layer, use: Use, given: Sequence[Symbolic]) -> tuple[Layer, tuple[Symbolic, ...]]:
        """Masks are left out, which no shape depends on; unpooling takes the image's size from the switches."""
        if layer.kind == "MaxUnpooling2D" and len(given) == 3:
            return unpooling(layer, tuple(given))
        hidden = {ref.key for name, value in use.kwargs.items() if name in HIDDEN for ref in tensors(value)}
        if not hidden:
            return layer, tuple(given)
        seen = {ref.key for ref in tensors((use.args, {k: v for k, v in use.kwargs.items() if k not in HIDDEN}))}
        pairs = zip(use.refs, given, strict=True)
        return layer, tuple(value for ref, value in pairs if ref.key in seen or ref.key not in hidden)


def unpooling(layer: Layer, given: tuple[Symbolic, ...]) -> tuple[Layer, tuple[Symbolic, ...]]:
    """MaxUnpooling2D on values, switches and the image that was pooled: our switches carry its size."""
    values, switches, image = given
    plane = image.type.shape[1:-1]
    pool = switches.call
    same = bool(pool.inputs) and pool.layer.kind == "MaxPooling2D" and pool.inputs[0].type.shape[1:-1] == plane
    if switches.type.plane is not None and same:
        return layer, (values, switches)
    if switches.type.plane is None and all(isinstance(size, int) for size in plane):
        return replace(layer, output_size=plane), (values, switches)
    raise ShapeError(f"its switches do not come from pooling its third input, of {show(image.type.shape)}")


def _same(kind: str, unit: Unit, use: Use, fixed: dict[str, Any]) -> Layer:
    """The layer of the same name, with those of the settings that it has."""
    cls = _class(kind)
    config = {FORMER.get((kind, key), key): value for key, value in unit.settings.items()}
    allowed = _settings(cls)
    told = {key: settled(value) for key, value in config.items() if key in allowed and key not in _LEFT}
    told = {key: value for key, value in told.items() if not key.endswith(ONLY_TRAINING)}
    if "recurrent_regularizer" in allowed:
        from layerscope.sources._keras_layers import of_record  # which imports what few files need

        found = {key: of_record(key, config[key]) for key in allowed if key.endswith(ONLY_TRAINING) and key in config}
        told |= {key: value for key, value in found.items() if value is not None}
    told |= {k: v for k, v in use.kwargs.items() if k in allowed and k not in HIDDEN and _plain(v)}
    for key, field in allowed.items():
        if key in FUNCTIONS and key in told:
            told[key] = function_name(told[key])
        elif told.get(key, 0) is None and field.default not in (None, MISSING):
            del told[key]  # files of older versions say null where there is a default now
    try:
        return cls(**told | fixed, name=unit.name)
    except TypeError as error:
        raise Refused(str(error)) from None


@cache
def _settings(cls: type[Layer]) -> dict[str, Any]:
    """The fields that a layer is made from, by name."""
    return {f.name: f for f in fields(cls)}


def _plain_settings(layer: Layer) -> bool:
    """Whether nothing in the settings is an object of its own, such as another layer."""
    values = (part for value in vars(layer).values() for part in (value if type(value) is tuple else (value,)))
    return all(part is None or type(part) in (bool, int, float, str) for part in values)


_LEFT = ("name", "dtype", "trainable", "autocast", "dtype_policy")


def _class(kind: str) -> type[Layer]:
    try:
        cls = layer_class(kind)
    except LayerscopeError:
        raise Refused("there is no such layer here") from None
    spelled = cls.spellings.get("keras")
    if kind not in (cls.__name__, spelled.name if spelled else ""):
        raise Refused("there is no such layer here")
    return cls


def _plain(value: Any) -> bool:
    return value is not None and not isinstance(value, Ref) and next(tensors(value), None) is None


def settled(value: Any) -> Any:
    """A setting as our layers take it: lists as tuples, records of layers as {"kind", "settings"}."""
    if isinstance(value, list | tuple):
        return tuple(settled(part) for part in value)
    if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
        config = value.get("config")
        inner = config if isinstance(config, Mapping) else {}
        if value.get("module", "keras.layers") in ("keras.layers", "keras") and value["class_name"] != "function":
            return _inner(value["class_name"], inner)
        return value
    if isinstance(value, Mapping):
        return {key: settled(part) for key, part in value.items()}
    return value


def _inner(kind: str, config: Config) -> Any:
    """A layer within a layer, such as the one that Bidirectional wraps; a record where its weights are unknown."""
    if altered(config):
        return {"class_name": kind, "config": config}
    try:
        return _same(
            kind, Unit(str(config.get("name") or snake_case(kind)), kind, "layers", config), Use(_NO, (), {}), {}
        )
    except Refused:
        return {"class_name": kind, "config": config}


_NO = Unit("", "", "", {})


def function_name(value: Any) -> Any:
    """The name of an activation, from a name or the record of a function or layer; None for none."""
    if isinstance(value, Layer):
        return getattr(value, "activation", None) or snake_case(value.kind)
    if isinstance(value, Mapping):
        config = value.get("config")
        if value.get("class_name") == "function" and isinstance(config, str):
            return config
        return snake_case(str(value.get("class_name")))
    return value


def _layer_scale(unit: Unit, given: Sequence[TensorType]) -> Layer:
    from layerscope.sources._keras.functions import pointwise

    return pointwise("LayerScale", unit.name, weights={"gamma": (int(unit.settings["projection_dim"]),)})


def _stochastic_depth(unit: Unit, given: Sequence[TensorType]) -> Layer:
    made: Any = layer_class("Dropout")
    return made(float(unit.settings["drop_path_rate"]), name=unit.name)


def _custom_scale(unit: Unit, given: Sequence[TensorType]) -> Layer:
    from layerscope.sources._keras.functions import pointwise

    return pointwise("CustomScaleLayer", unit.name, inputs=2, each=2)


OF_APPLICATIONS = {
    "LayerScale": _layer_scale,
    "StochasticDepth": _stochastic_depth,
    "CustomScaleLayer": _custom_scale,
}
"""Layers of keras.applications that are not among keras.layers."""
