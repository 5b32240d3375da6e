"""Layers that hold other layers: what all of them ask of an inner one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import replace
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Reads, Relation, Window
from layerscope.core.types import TensorType, WeightType


def inner(value: Any, what: str) -> Layer:
    """The layer itself; SettingError for anything else."""
    if not isinstance(value, Layer):
        raise SettingError(f"{what} must be a layer, such as Dense(3), not {value!r}")
    return value


def prefixed(prefix: str, weights: Mapping[str, WeightType]) -> dict[str, WeightType]:
    """The weights of an inner layer under its part's name: forward/kernel."""
    return {f"{prefix}/{role}": weight for role, weight in weights.items()}


def answers(layer: Layer, *types: TensorType) -> tuple[TensorType, ...]:
    """The inner layer's output types; ShapeError names it where they do not fit."""
    try:
        return layer.out(*types)
    except ShapeError as error:
        raise ShapeError(f"the inner {layer.name or layer.kind} {error.message}") from None


def deeper(type: TensorType, size: Any) -> TensorType:
    """The type with a further axis of that size behind the batch."""
    return replace(type, shape=(type.shape[0], size, *type.shape[1:]))


def deeper_reads(reads: Reads | None) -> Reads | None:
    """The same reads at each index of a further axis behind the batch."""
    if reads is None:
        return None

    def moved(relation: Relation | Everything) -> Relation | Everything:
        if isinstance(relation, Everything) or relation.axis == 0:
            return relation
        return replace(relation, axis=relation.axis + 1)

    first, *rest = reads
    return (moved(first), Window(1), *map(moved, rest))


def chained(first: Sequence[Reads | None], second: Reads | None) -> tuple[Reads | None, ...]:
    """How a layer's inputs are read through it by the next one, which reads its only output in this way.

    Where one of the two steps reads an axis at its own index the other's relation holds; elsewhere, to be safe,
    everything is read.
    """
    if second is None:
        return (None,) * len(first)

    def step(relation: Relation | Everything) -> Relation | Everything:
        if isinstance(relation, Everything):
            return EVERYTHING
        outer = second[relation.axis]
        if isinstance(outer, Everything):
            return EVERYTHING
        if relation == Window(relation.axis):
            return outer
        if outer == Window(outer.axis):
            return replace(relation, axis=outer.axis)
        return EVERYTHING

    return tuple(reads and tuple(map(step, reads)) for reads in first)


def chain_saved(parts: Sequence[tuple[Saved | None, tuple[TensorType, ...]]]) -> Saved | None:
    """What a chain of layers keeps, given what each keeps and its output types.

    A tensor between two of them is kept once, as one of the chain's own. None when a part is unknown.
    """
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    extra: list[TensorType] = []
    between: set[tuple[int, int]] = set()
    for number, (saved, _) in enumerate(parts):
        if saved is None:
            return None
        extra += saved.extra
        if number == 0:
            inputs = saved.inputs
        else:
            between |= {(number - 1, n) for n in saved.inputs}
        if number == len(parts) - 1:
            outputs = saved.outputs
        else:
            between |= {(number, n) for n in saved.outputs}
    extra += [parts[number][1][n] for number, n in sorted(between)]
    return Saved(inputs, outputs, tuple(extra))
