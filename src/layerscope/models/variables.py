"""Where weights live: one variable for each weight of each layer, shared by all models that use the layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from layerscope import initializers
from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.errors import DataError, SettingError, ShapeError
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, WeightType, show


@dataclass(eq=False)
class Variable:
    """One weight: its array, changed in place by training.

    `trainable`: whether training changes it by its gradient. `learned`: whether it is there to be trained, which
    moving averages are not.
    """

    role: str
    array: NDArray[Any]
    trainable: bool = True
    learned: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> str:
        return str(self.array.dtype)

    @property
    def name(self) -> str:
        return self.role

    def numpy(self) -> NDArray[Any]:
        """A copy of the array."""
        return self.array.copy()

    def assign(self, value: Any) -> None:
        """Replace the array's numbers; DataError when the shape differs."""
        array = _array(value, self.role)
        if array.shape != self.array.shape:
            raise DataError(f"{self.role} has the shape {show(self.shape)}, not {show(array.shape)}")
        self.array[...] = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<Variable {self.role} {show(self.shape)} {self.dtype}>"


_variables: WeakKeyDictionary[Layer, dict[str, Variable]] = WeakKeyDictionary()


def of(layer: Layer) -> dict[str, Variable]:
    """The layer's variables by role; empty before it is built."""
    return _variables.get(layer, {})


def _fresh(role: str, weight: WeightType, trainable: bool) -> Variable:
    array = initializers.get(weight.initializer)(weight.shape)
    return Variable(role, array, weight.trainable and trainable, weight.trainable)


def follow(layer: Layer) -> None:
    """Freeze the layer's variables, or let them be trained again, as its `trainable` says."""
    for variable in of(layer).values():
        variable.trainable = layer.trainable and variable.learned


def build(layer: Layer, *types: TensorType) -> dict[str, Variable]:
    """The layer's variables, made at first use; ShapeError when it was built for another input."""
    wanted = layer.weight_types(*types)
    found = _variables.get(layer)
    if found is None:
        found = {role: _fresh(role, weight, layer.trainable) for role, weight in wanted.items()}
        _variables[layer] = found
    _check_built(layer, found, wanted)
    return found


def _check_built(layer: Layer, found: dict[str, Variable], wanted: dict[str, WeightType]) -> None:
    for role, weight in wanted.items():
        if found[role].shape != weight.shape:
            raise ShapeError(
                f"its {role} has the shape {show(found[role].shape)} from its first use, but this input "
                f"needs {show(weight.shape)}"
            ).at(f"{layer.name} ({layer.kind})" if layer.name else layer.kind)


def for_graph(graph: Graph) -> dict[str, Variable]:
    """The variables of a graph by parameter id. Layers built before keep theirs; tied weights are one."""
    found: dict[str, Variable] = {}
    made: dict[int, dict[str, Variable]] = {}
    for node in graph.nodes:
        earlier = _variables.get(node.layer)
        if earlier is not None:
            for role, key in node.weights.items():
                if earlier[role].shape != graph.parameters[key].shape:
                    raise ShapeError(
                        f"its {role} has the shape {show(earlier[role].shape)} from another model, but "
                        f"here it needs {show(graph.parameters[key].shape)}"
                    ).at(f"{node.label} ({node.layer.kind})")
                found.setdefault(key, earlier[role])
    rows = propagate.asked(graph, propagate.types(graph))
    for node, asked in zip(graph.nodes, rows, strict=True):
        initial = made.setdefault(id(node.layer), {})
        for role, key in node.weights.items():
            if key not in found:
                row = graph.parameters[key]
                own = asked.weights[role]
                learned = replace(own, trainable=row.trainable or own.trainable)
                found[key] = _fresh(role, learned, row.trainable)
            initial[role] = found[key]
        _variables.setdefault(node.layer, initial)
    return found


def followed(graph: Graph, variables: dict[str, Variable], trained: bool = True) -> Graph:
    """The graph in which the weights are trainable that are by now, and none unless `trained`."""
    changed = {
        id: replace(row, trainable=variables[id].trainable and trained)
        for id, row in graph.parameters.items()
        if row.trainable != (variables[id].trainable and trained)
    }
    return replace(graph, parameters=graph.parameters | changed) if changed else graph


def _array(value: Any, what: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{what} must hold numbers, but is an array of {array.dtype}")
    return array


def assign_all(variables: Sequence[Variable], arrays: Sequence[Any], what: str) -> None:
    """Replace all arrays or, when one does not fit, none; DataError lists every mismatch."""
    given = [_array(array, f"{what}: array number {number}") for number, array in enumerate(arrays)]
    if len(given) != len(variables):
        raise DataError(f"{what} has {len(variables)} weights, but {len(given)} arrays were given")
    wrong = [
        f"{variable.role} (number {number}) has the shape {show(variable.shape)}, not {show(array.shape)}"
        for number, (variable, array) in enumerate(zip(variables, given, strict=True))
        if variable.shape != array.shape
    ]
    if wrong:
        raise DataError(f"{what}: " + "; ".join(wrong))
    for variable, array in zip(variables, given, strict=True):
        variable.assign(array)


def count(layer: Layer) -> int:
    """Number of elements of the layer's weights; SettingError before it is built."""
    found = _variables.get(layer)
    if found is None:
        raise SettingError(
            f"{layer.name or layer.kind} has no weights yet: their shape depends on its input; call it on one first"
        )
    return sum(variable.array.size for variable in found.values())
