"""A Keras model with a graph, from its configuration: which call of which layer reads which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.sources._keras.plan import Config, Entry, Plan, Ref, Stated, Unit, Use, by_name, tensors
from layerscope.sources._keras.records import (
    checked_record,
    dtype_of,
    entry_of,
    home_of,
    is_edge,
    shape_of,
    short,
    text_of,
)

Key = tuple[str, int, int]
MOST_RESULTS = 4096


class Functional:
    """One reading of a functional model's configuration."""

    def __init__(self, unit: Unit, unit_of: Callable[[Config, bool], Unit]) -> None:
        self.unit, self.unit_of = unit, unit_of
        self.records: dict[str, Config] = {}
        self.units: dict[str, Unit] = {}
        self.uses: dict[str, list[Use]] = {}
        self.entries: dict[str, Entry] = {}
        self.stated: dict[Hashable, Stated] = {}
        self.old: set[str] = set()
        """Layers whose calls are written as Keras 2 does."""
        self.lowest: dict[str, int] = {}

    def plan(self) -> Plan:
        """The whole model."""
        config = self.unit.settings
        for number, one in enumerate(config["layers"]):
            record = checked_record(one, f"layer {number} of {self.unit.name}")
            self._add(record)
        inputs = self._edges(config["input_layers"], "input_layers")
        names = [name for name, _, _ in inputs]
        for name in names:
            if name not in self.entries:
                raise SourceError(f"{self.unit.name}: its input {name!r} is no InputLayer of it")
        for name, record in self.records.items():
            self._calls(name, record)
        outputs = [self._settled(edge, True) for edge in self._edges(config["output_layers"], "output_layers")]
        uses = self._sorted(set(names))
        self._count(uses, outputs)
        return Plan(self.unit.name, [self.entries[name] for name in names], uses, outputs, self.stated)

    def _add(self, record: Config) -> None:
        inner = record.get("config", {})
        name = text_of(record.get("name") or (inner.get("name") if isinstance(inner, Mapping) else None), "")
        if not name:
            raise SourceError(f"a layer of {self.unit.name} ({record['class_name']}) has no name")
        if name in self.records:
            raise SourceError(f"two layers of {self.unit.name} are called {name!r}")
        self.records[name] = record
        if home_of(record)[0] == "InputLayer":
            self.entries[name] = entry_of(record, (name, 0, 0))
        else:
            self.units[name] = self.unit_of(record, self.unit.trainable)
            self.units[name].name = name

    def _edges(self, value: Any, what: str) -> list[Key]:
        if is_edge(value):
            return [(value[0], value[1], value[2])]
        if isinstance(value, Mapping):
            return [edge for key in sorted(value) for edge in self._edges(value[key], what)]
        if isinstance(value, list) and value:
            return [edge for part in value for edge in self._edges(part, what)]
        raise SourceError(f"{self.unit.name}: {what} must list [layer, call, output], not {short(value)}")

    # --- calls ---

    def _calls(self, name: str, record: Config) -> None:
        nodes = record.get("inbound_nodes", [])
        if name in self.entries:
            return
        if not isinstance(nodes, list):
            raise SourceError(f"{name}: inbound_nodes must be a list")
        self.uses[name] = []
        for number, node in enumerate(nodes):
            if isinstance(node, Mapping) and "args" in node:
                args, kwargs = self._value(node["args"], name), self._value(node.get("kwargs") or {}, name)
            else:
                self.old.add(name)
                args, kwargs = self._old_call(node, name)
            if not isinstance(args, tuple) or not isinstance(kwargs, Mapping):
                raise SourceError(f"{name}: call {number} must have a list of args and an object of kwargs")
            self.uses[name].append(Use(self.units[name], args, by_name(kwargs), number))

    def _value(self, value: Any, name: str) -> Any:
        """An argument: tensors as Ref, lists as tuples, all else as it is."""
        if isinstance(value, list):
            return tuple(self._value(part, name) for part in value)
        if not isinstance(value, Mapping):
            return value
        if value.get("class_name") != "__keras_tensor__":
            return {key: self._value(part, name) for key, part in value.items()}
        config = value.get("config")
        if not isinstance(config, Mapping) or not is_edge(config.get("keras_history")):
            raise SourceError(f"{name}: one of its inputs does not say which layer it comes from")
        source, call, result = config["keras_history"]
        stated = Stated(shape_of(config.get("shape"), name), dtype_of(config.get("dtype")) or "float32")
        self.stated.setdefault((source, call, result), stated)
        return Ref(self._mentioned((source, call, result)))

    def _old_call(self, node: Any, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A call as Keras 2 writes it: [[layer, call, output, kwargs], ...], or one of these, or an object."""
        kwargs: dict[str, Any] = {}

        def visit(value: Any) -> Any:
            if isinstance(value, list) and len(value) in (3, 4) and is_edge(value[:3]):
                if len(value) == 4 and isinstance(value[3], Mapping):
                    kwargs.update({key: self._old_value(part, name) for key, part in value[3].items()})
                if value[0] == "_CONSTANT_VALUE":
                    return value[2]
                return Ref(self._mentioned((value[0], value[1], value[2])))
            if isinstance(value, list) and len(value) == 4 and value[0] == "_CONSTANT_VALUE":
                kwargs.update({key: self._old_value(part, name) for key, part in (value[3] or {}).items()})
                return value[2]
            if isinstance(value, list):
                return tuple(visit(part) for part in value)
            if isinstance(value, Mapping):
                return {key: visit(part) for key, part in value.items()}
            raise SourceError(f"{name}: {short(value)} is no [layer, call, output] that it could be called on")

        found = visit(node)
        one = isinstance(found, tuple) and len(found) == 1
        return (found if one else (found,)), kwargs

    def _old_value(self, value: Any, name: str) -> Any:
        """An argument by name: a tensor is [layer, call, output] with the name of a layer of this model."""
        if isinstance(value, list):
            if is_edge(value) and value[0] in self.records:
                return Ref(self._mentioned((value[0], value[1], value[2])))
            return tuple(self._old_value(part, name) for part in value)
        return value

    # --- which call of a layer is meant ---

    def _mentioned(self, edge: Key) -> Key:
        self.lowest[edge[0]] = min(edge[1], self.lowest.get(edge[0], edge[1]))
        return edge

    def _settled(self, edge: Key, output: bool = False) -> Ref:
        """The tensor at the edge. Keras counts the calls of some models within a model from 1."""
        name, call, result = edge
        if name in self.entries:
            return Ref((name, 0, 0))
        model = self.units[name].model if name in self.units else None
        counted = output and "input_layers" in self.units[name].settings if model is not None else False
        if model is not None and (self.lowest.get(name, call) >= 1 if self.old else counted):
            call -= 1
        if name not in self.uses:
            raise SourceError(f"{self.unit.name}: there is no layer {name!r}, from which a tensor should come")
        if not 0 <= call < len(self.uses[name]):
            raise SourceError(
                f"{self.unit.name}: {name!r} is called {len(self.uses[name])} times, so there is no call {call} of it"
            )
        if not 0 <= result < MOST_RESULTS:
            raise SourceError(f"{self.unit.name}: {name!r} cannot have an output number {result}")
        return Ref((name, call, result))

    def _settle(self, value: Any) -> Any:
        if isinstance(value, Ref):
            return self._settled(value.key)  # pyright: ignore[reportArgumentType]
        if isinstance(value, tuple):
            return tuple(self._settle(part) for part in value)
        if isinstance(value, Mapping):
            return {key: self._settle(part) for key, part in value.items()}
        return value

    # --- order ---

    def _sorted(self, inputs: set[str]) -> list[Use]:
        """All uses, each behind those that it depends on, otherwise in the order of the file."""
        listed = [use for uses in self.uses.values() for use in uses]
        for use in listed:
            use.args, use.kwargs = self._settle(use.args), by_name(self._settle(use.kwargs))
        state: dict[int, bool] = {}
        """Of each use that was come to, whether it is done."""
        order: list[Use] = []
        for root in listed:
            stack = [] if id(root) in state else [(root, self._needs(root, inputs))]
            state.setdefault(id(root), False)
            while stack:
                use, rest = stack[-1]
                needed = next(rest, None)
                if needed is None:
                    state[id(use)] = True
                    order.append(use)
                    stack.pop()
                elif id(needed) not in state:
                    state[id(needed)] = False
                    stack.append((needed, self._needs(needed, inputs)))
                elif not state[id(needed)]:
                    raise SourceError(
                        f"{self.unit.name}: its layers form a cycle: {needed.unit.name!r} depends on its own output"
                    )
        return order

    def _needs(self, use: Use, inputs: set[str]) -> Iterator[Use]:
        for ref in tensors((use.args, use.kwargs)):
            name, call, _ = ref.key  # pyright: ignore[reportGeneralTypeIssues]
            if name in self.entries:
                if name not in inputs:
                    raise SourceError(f"{use.unit.name} reads {name!r}, which is not among the model's inputs")
            else:
                yield self.uses[name][call]

    def _count(self, uses: Sequence[Use], outputs: Sequence[Ref]) -> None:
        """How many results each use has, as far as anybody reads them."""
        highest: dict[Any, int] = defaultdict(int)
        for ref in (*outputs, *(ref for use in uses for ref in use.refs)):
            name, call, result = ref.key  # pyright: ignore[reportGeneralTypeIssues]
            highest[name, call] = max(highest[name, call], result + 1)
        for use in uses:
            use.count = max(1, highest[use.unit.name, use.number])
