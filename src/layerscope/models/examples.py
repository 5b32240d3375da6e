"""Examples as fit, evaluate and predict are given them: inputs, targets and weights, checked and in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core.errors import DataError, SettingError, ShapeError
from layerscope.core.sizes import named
from layerscope.core.types import BATCH, TensorType, show
from layerscope.engine.program import Program
from layerscope.models import data
from layerscope.models.data import Array
from layerscope.models.streams import ArraySource, Source, View, stored

if TYPE_CHECKING:
    from layerscope.models.trainer import Trainer


@dataclass
class Examples:
    """Arrays or sources: of the inputs, and of all that engines take as targets; the types of weights by output."""

    x: list[Any]
    y: list[Any]
    weights: tuple[TensorType | None, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.x[0])

    def cut(self, part: slice) -> Examples:
        """Some of them, in one piece."""
        return Examples([a[part] for a in self.x], [a[part] for a in self.y], self.weights)


def given(
    model: Trainer, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, what: str = ""
) -> Examples:
    """Examples checked against the model, its losses, and each other; `what` says whose they are.

    Errors: DataError, ShapeError, SettingError.
    """
    x, y, sample_weight = opened(x, y, sample_weight)
    arrays = data.inputs(x, model.graph, model.input_types, f"{what}x")
    if y is None:
        raise DataError(f"{what}y is missing: give the targets (for an autoencoder, x itself)")
    outputs = model.output_types_for(arrays)
    answers = data.targets(y, model.graph, model.objectives, outputs, f"{what}y")
    for array in answers:
        if len(array) != len(arrays[0]):
            raise DataError(f"{what}x has {len(arrays[0])} examples, but {what}y has {len(array)}")
    for number, array in enumerate(arrays):
        arrays[number] = data.finite(array, f"{what}x" if len(arrays) == 1 else f"{what}x[{number}]")
    if class_weight is not None:
        if sample_weight is not None:
            raise SettingError("give either sample_weight or class_weight: both say how much an example counts")
        sample_weight = _by_class(model, answers, class_weight)
    weights, types = _weights(model, sample_weight, outputs, len(arrays[0]), f"{what}sample_weight")
    return Examples(arrays, [*answers, *weights], types)


def opened(*values: Any) -> list[Any]:
    """What is stored elsewhere (on disk, in a file) as sources; one for each array, so that what is one stays one."""
    known: dict[int, Any] = {}

    def one(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: one(part) for key, part in value.items()}
        if isinstance(value, list | tuple) and any(map(stored, value)):
            return [one(part) for part in value]
        if not stored(value):
            return value
        source: Any = value
        return known.setdefault(id(value), ArraySource(source))

    return [one(value) for value in values]


# --- weights of examples ---


def _weights(
    model: Trainer, given: Any, outputs: Sequence[TensorType], count: int, what: str
) -> tuple[list[Any], tuple[TensorType | None, ...]]:
    """The arrays of weights, and their types by output."""
    names = model.objectives.names
    if given is None:
        return [], (None,) * len(names)
    arrays: list[Any] = []
    types: list[TensorType | None] = []
    for number, (name, one) in enumerate(zip(names, _by_output(given, names, what), strict=True)):
        objective = model.objectives.of(number)
        if one is None or objective is None:
            types.append(None)
            continue
        title = what if len(names) == 1 else f"{what}[{name!r}]"
        array = data.finite(data.numbers(one, title), title)
        if len(array) != count:
            raise DataError(f"{title} has {len(array)} weights, but there are {count} examples")
        array, type = _fitted(array, _each(objective, outputs[number]), objective.name, title)
        for measured in model.objectives.measured if type.rank > 1 else ():
            if measured.output == number and measured.weighted:  # which may have fewer positions than the loss
                _fitted(array, _each(measured.metric, outputs[number]), measured.name, title)
        arrays.append(array)
        types.append(type)
    return arrays, tuple(types)


def _by_output(given: Any, names: Sequence[str], what: str) -> list[Any]:
    """The weights for each output: one array for all, a list, or a dictionary by name."""
    if isinstance(given, Mapping):
        unknown = [str(key) for key in given if key not in names]
        if unknown:
            raise DataError(f"{what} is given for {', '.join(unknown)}, but the outputs are {', '.join(names)}")
        return [given.get(name) for name in names]
    several = isinstance(given, list | tuple) and any(one is None or np.ndim(one) > 0 for one in given)
    if not several or (len(names) == 1 and np.ndim(given[0]) == 0):
        return [given] * len(names)
    if len(given) != len(names):
        if len(names) == 1:
            return [given]
        raise DataError(f"{what}: {len(given)} were given for {len(names)} outputs ({', '.join(names)})")
    return list(given)


def _each(objective: Any, output: TensorType) -> TensorType:
    """The type of an objective's numbers before their mean: one for each example, or each of its positions."""
    if not hasattr(objective, "each"):  # a metric of counts, which are over the last axis, too
        return output.with_shape(output.shape[:-1] if output.rank > 1 else output.shape)
    program = Program()
    target = program.input(("target", 0), objective.target_type(output))
    return objective.each(program, target, program.input(("data", 0), output)).type


def _fitted(array: Any, each: TensorType, name: str, what: str) -> tuple[Any, TensorType]:
    """Weights in the shape in which they stand before the numbers that they weigh."""
    shape, want = tuple(array.shape[1:]), tuple(each.shape[1:])
    while shape[-1:] == (1,) and shape != want[: len(shape)]:
        shape = shape[:-1]
    if shape != want[: len(shape)]:
        count = f"{show(want)} per example" if want else "one per example"
        also = f" or {show(('examples', *want))}" if want else ""
        raise ShapeError(
            f"{what} has the shape {show(tuple(array.shape))}, but {name} here has {count}: give (examples,){also}"
        )
    if shape != tuple(array.shape[1:]):
        array = array.reshape(len(array), *shape)
    return array, TensorType((named(BATCH), *shape), each.dtype)


# --- weights of classes ---


def _by_class(model: Trainer, answers: Sequence[Any], weights: Any) -> Any:
    """Each example's weight, from the class that its target names."""
    if len(model.objectives.names) > 1:
        raise SettingError(
            f"class_weight is for models with one output, but this one has {len(model.objectives.names)}; "
            "give sample_weight"
        )
    (target,) = answers
    classes = _classes(model, target)
    checked = _checked(weights, classes)
    table = np.array([checked.get(number, 1.0) for number in range(classes)])
    if isinstance(target, Source):
        return _OfClass(target, table)
    return _taken(target, table)


def _classes(model: Trainer, target: Any) -> int:
    """How many classes targets of this shape tell apart."""
    (output,), shape = model.output_types, target.shape
    if len(shape) == 2 and shape[1] > 1:
        return shape[1]
    if len(shape) > 2:
        raise SettingError(
            f"class_weight is for one class an example, but the targets are {show(tuple(shape[1:]))} per example; "
            "give sample_weight"
        )
    last = output.shape[-1]
    return last if isinstance(last, int) and last > 1 else 2


def _checked(weights: Any, classes: int) -> dict[int, float]:
    if not isinstance(weights, Mapping):
        raise SettingError(f"class_weight is a dictionary from a class to its weight, not {weights!r}")
    for key, value in weights.items():
        if isinstance(key, bool) or not isinstance(key, int | np.integer) or not 0 <= key < classes:
            raise SettingError(f"class_weight names the class {key!r}, but classes run from 0 to {classes - 1}")
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise SettingError(f"class_weight of {key} must be a number, not {value!r}")
    return {int(key): float(value) for key, value in weights.items()}


def _taken(target: Array, table: Array) -> Array:
    labels = target.argmax(axis=-1) if target.ndim == 2 and target.shape[1] > 1 else target.reshape(len(target))
    return table[np.round(labels).astype(np.int64)]


class _OfClass(View):
    """The weights of examples whose targets are read when they are wanted."""

    def __init__(self, base: Source, table: Array) -> None:
        self.base, self.table, self.shape, self.dtype = base, table, (len(base),), table.dtype

    def dress(self, array: Array, rows: Array) -> Array:
        """The weights, from the targets."""
        return _taken(super().dress(array, rows), self.table)
