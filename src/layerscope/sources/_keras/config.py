"""A Keras model's configuration, plain data from JSON, as a plan. Both forms: of Keras 3, and of Keras 2.

Keras 3 writes of each tensor that a layer is called on its shape, dtype and origin; Keras 2 only its origin.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.sources._keras.functional import Functional
from layerscope.sources._keras.plan import Config, Entry, Plan, Ref, Stated, Unit, Use
from layerscope.sources._keras.records import (
    built_with,
    checked_record,
    dtype_of,
    entry_of,
    home_of,
    shape_of,
    text_of,
)


def plan_of(data: Any, shape: Sequence[Any] | None = None) -> Plan:
    """The model in a configuration. `shape` is one example's of a Sequential model that does not state it.

    Errors: SourceError says what is missing or contradicts itself.
    """
    record = checked_record(data, "the configuration")
    unit = unit_of(record, True, shape)
    if unit.model is None:
        raise SourceError(
            f"{unit.kind} ({unit.name}) is a subclassed model: the file holds its settings, but what it computes is "
            "Python code that is not in it. Build the model in Python and say layerscope.trace(model)"
        )
    return unit.model


def unit_of(record: Config, trainable: bool, shape: Sequence[Any] | None = None) -> Unit:
    """A layer or model from its record; `trainable` is whether all models around it are."""
    kind, home = home_of(record)
    config = record.get("config", {})
    if isinstance(config, list):  # Sequential before Keras 2.2
        config = {"layers": config}
    name = text_of(record.get("name") or config.get("name"), kind.lower())
    trainable = trainable and config.get("trainable") is not False
    unit = Unit(name, kind, home, config, trainable=trainable)
    layers = config.get("layers")
    if isinstance(layers, list) and "input_layers" in config and "output_layers" in config:
        unit.model = Functional(unit, unit_of).plan()
    elif isinstance(layers, list) and (kind == "Sequential" or "build_input_shape" in config):
        unit.model = _sequential(unit, record, shape)
    return unit


# --- Sequential ---


def _sequential(unit: Unit, record: Config, shape: Sequence[Any] | None) -> Plan:
    config = unit.settings
    records = [checked_record(one, f"layer {number} of {unit.name}") for number, one in enumerate(config["layers"])]
    first = (unit.name, -1, 0)
    if records and records[0]["class_name"] == "InputLayer":
        entry = entry_of(records.pop(0), first)
    else:
        given = (None, *shape) if shape is not None else _first_shape(config, record, records)
        if given is None:
            raise SourceError(
                f"{unit.name} (Sequential) is not built: the shape of its input is unknown. Say which with "
                "layerscope.trace(..., input=(28, 28, 1)), the sizes of one example"
            )
        dtype = dtype_of(records[0].get("config", {}).get("dtype")) if records else None
        entry = Entry(first, f"{unit.name}_input", Stated(shape_of(given, unit.name), dtype or "float32"))
    uses: list[Use] = []
    stated: dict[Hashable, Stated] = {}
    last: Hashable = first
    seen: set[str] = set()
    for one in records:
        inner = unit_of(one, unit.trainable)
        if inner.name in seen:
            raise SourceError(f"two layers of {unit.name} are called {inner.name!r}")
        seen.add(inner.name)
        built = built_with(one)
        if built is not None:
            stated[last] = Stated(built, dtype_of(inner.settings.get("dtype")) or "float32")
        uses.append(Use(inner, (Ref(last),), {}))
        last = uses[-1].key(0)
    stated.pop(first, None)
    return Plan(unit.name, [entry], uses, [Ref(last)], stated)


def _first_shape(config: Config, record: Config, records: Sequence[Config]) -> Any:
    first = records[0] if records else {}
    inner = first.get("config", {})
    if not isinstance(inner, Mapping):
        inner = {}
    found = config.get("build_input_shape") or inner.get("batch_input_shape") or inner.get("batch_shape")
    found = found or built_with(record) or built_with(first)
    if found is None and isinstance(inner.get("layers"), list):  # a model stands first
        model = unit_of(first, True).model
        found = model.entries[0].stated.shape if model and len(model.entries) == 1 else None
    return found
