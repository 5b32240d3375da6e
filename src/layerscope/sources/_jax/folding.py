"""Rows: what a library's layer or function is made of becomes one operator."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from itertools import groupby
from typing import Any

from layerscope.core.contract import hashable
from layerscope.core.dataclasses import replace
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType
from layerscope.operators._operator import Operator
from layerscope.operators.composite import Composite, Entangled
from layerscope.operators.pointwise import Pointwise, Softmax
from layerscope.operators.reductions import Reduction
from layerscope.operators.stretching import Cast
from layerscope.sources._jax.values import Record, Value

NORMALISES = re.compile(r"(Batch|Layer|Group|Instance|RMS|Rms)Norm|^standardize$")
POOLS = re.compile(r"^(mean|average|nanmean|avg_pool|AvgPool\w*|AdaptiveAvgPool\w*)$")
OUTPUTS = ("relu", "sigmoid", "logistic", "tanh", "exp", "sqrt")
"""Functions whose gradient follows from their result."""


class Folding:
    """Puts records together. `ends` are the outputs of the whole."""

    def __init__(self, records: Sequence[Record], ends: Sequence[Value]) -> None:
        self.records = used(records, ends)
        self.ends = list(ends)
        self._shared: dict[Hashable, tuple[Operator, ...]] = {}

    def fold(self) -> None:
        """Units such as softmax first, then calls of functions and layers."""
        inner = {record.place.module[:n] for record in self.records for n in range(len(record.place.module))}
        self._runs(lambda one: None if one.unit is None else ("unit", one.unit.number))

        def key(one: Record) -> Hashable:
            if one.place.own and one.place.module not in inner:
                return ("module", one.place.module)
            return None if one.call is None or not one.call.name else ("call", one.call.number)

        for one in self.records:  # a unit that is one operator now is no longer apart
            one.unit = None
        self._runs(key)

    def _runs(self, key: Any) -> None:
        made: list[Record] = []
        pairs = groupby(self.records, lambda one: (key(one), one.times))
        runs: list[tuple[Any, list[Record]]] = [(found, list(members)) for (found, _), members in pairs]
        self._read_by = _readers(self.records, self.ends)
        self._now: dict[tuple[int, int], Value] = {}
        for found, members in runs:
            for one in members:
                one.inputs = tuple(map(self._current, one.inputs))
            how = "" if found is None else str(found[0])
            name = self._name(how, members) if how else ""
            whole = self._one(members, name) if name else None
            if whole is None:
                made += members
                if len(members) == 1 and name:
                    self._rename(members[0], name, how)
            else:
                made.append(whole)
        self.records = made
        self.ends = list(map(self._current, self.ends))

    def _current(self, value: Value) -> Value:
        return value if value.record is None else self._now.get((id(value.record), value.number), value)

    @staticmethod
    def _name(how: str, members: Sequence[Record]) -> str:
        if how == "module":
            return members[0].place.kind
        call = members[0].unit if how == "unit" else members[0].call
        return "" if call is None else call.name

    @staticmethod
    def _rename(record: Record, name: str, how: str) -> None:
        """One operator that a layer or function is: it is called as that is."""
        if how != "unit" or isinstance(record.layer, Pointwise):
            layer: Any = record.layer
            told: dict[str, Any] = {"called": "" if name == layer.type_name else name}
            if isinstance(record.layer, Pointwise) and name in OUTPUTS:
                told["keeps"] = "outputs"
            record.layer = replace(layer, **told)
            record.name = name

    # --- one of many ---

    def _one(self, members: Sequence[Record], name: str) -> Record | None:
        """A record for all of them; None where there is nothing to put together, or it cannot be."""
        if len(members) < 2:
            return None
        mine = {id(one): number for number, one in enumerate(members)}
        given: dict[Hashable, Value] = {}
        for one in members:
            for value in one.inputs:
                if not value.constant and (value.record is None or id(value.record) not in mine):
                    given.setdefault(_key(value), value)
        ends = [
            value
            for one in members
            for value in one.outputs
            if any(id(reader) not in mine for reader in self._read_by.get((id(one), value.number), ()))
        ]
        try:
            layer = self._function(members, list(given.values()), ends, name) or self._composite(
                members, list(given), list(given.values()), ends, name, mine
            )
            types = layer.out(*(value.type for value in given.values()))
        except (LayerscopeError, Entangled):
            return None
        if [(t.shape, t.dtype) for t in types] != [(v.type.shape, v.type.dtype) for v in ends]:
            return None
        first = members[0]
        record = Record(layer, tuple(given.values()), name, first.place, first.call, None, first.times)
        for old, new in zip(ends, record.made(types), strict=True):
            self._now[id(old.record), old.number] = new
            self._read_by[id(record), new.number] = self._read_by[id(old.record), old.number]
        self._keep = [*getattr(self, "_keep", []), *members]  # so that their ids stay theirs
        return record

    @staticmethod
    def _function(members: Sequence[Record], given: Sequence[Value], ends: Sequence[Value], name: str) -> Any:
        """An elementwise function, or a softmax, which are operators of their own."""
        if len(ends) != 1 or not given or NORMALISES.search(name) or POOLS.match(name):
            return None
        (end,) = ends
        slots = (None,) * len(given)
        if name in ("softmax", "log_softmax") and len(given) == 1 and given[0].type == end.type:
            axes = {one.layer.axes for one in members if isinstance(one.layer, Reduction)}
            if len(axes) == 1 and len(axis := axes.pop()) == 1:
                kind = "Softmax" if name == "softmax" else "LogSoftmax"
                return Softmax(kind, axis[0], slots=slots, called=name)
        if all(isinstance(one.layer, Pointwise | Cast) for one in members):
            keeps = "outputs" if name in OUTPUTS else "inputs"
            return Pointwise(name, 1, keeps, end.type.dtype, slots=slots)
        return None

    def _composite(
        self, members: Sequence[Record], keys: Sequence[Hashable], given: Sequence[Value], ends: Sequence[Value],
        name: str, mine: dict[int, int],
    ) -> Composite:  # fmt: skip
        place = {key: number for number, key in enumerate(keys)}
        parts: list[Any] = []
        feeds: list[tuple[tuple[int, int], ...]] = []
        for one in members:
            layer: Any = one.layer
            if any(value.constant for value in one.inputs):
                layer = replace(layer, slots=tuple(v.type if v.constant else None for v in one.inputs))
            parts.append(layer)
            feeds.append(
                tuple(
                    (mine[id(value.record)], value.number)
                    if value.record is not None and id(value.record) in mine
                    else (-1, place[_key(value)])
                    for value in one.inputs
                    if not value.constant
                )
            )
        refs = tuple((mine[id(value.record)], value.number) for value in ends)
        counts = "normalisation" if NORMALISES.search(name) else "pooling" if POOLS.match(name) else "parts"
        made = Composite(name, self._same(parts), tuple(feeds), refs, counts, slots=(None,) * len(given))
        types = [value.type for value in given]
        for number in range(len(refs)):
            made.exactly(number, types)
        return made

    def _same(self, parts: Sequence[Operator]) -> tuple[Operator, ...]:
        """The parts, as one and the same where they were there before: so blocks that repeat are seen to."""
        key = tuple(
            (type(one), *(hashable(value) for name, value in vars(one).items() if name != "name")) for one in parts
        )
        return self._shared.setdefault(key, tuple(parts))


def _key(value: Value) -> Hashable:
    if value.record is not None:
        return (id(value.record), value.number)
    return (value.weight.id if value.weight else id(value), value.type.shape, value.type.dtype)


def _readers(records: Sequence[Record], ends: Sequence[Value]) -> dict[tuple[int, int], list[Any]]:
    found: dict[tuple[int, int], list[Any]] = {}
    for one in records:
        for value in one.inputs:
            if value.record is not None:
                found.setdefault((id(value.record), value.number), []).append(one)
    for value in ends:
        if value.record is not None:
            found.setdefault((id(value.record), value.number), []).append(ends)
    return found


def used(records: Sequence[Record], ends: Sequence[Value]) -> list[Record]:
    """Those that an output depends on."""
    seen: set[int] = set()
    stack = [value.record for value in ends]
    while stack:
        record = stack.pop()
        if record is not None and id(record) not in seen:
            seen.add(id(record))
            stack += [value.record for value in record.inputs]
    return [record for record in records if id(record) in seen]


__all__ = ["Folding", "TensorType", "used"]
