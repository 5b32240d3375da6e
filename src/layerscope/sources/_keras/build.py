"""From a plan of a Keras model to a graph of our layers. What has no equal here becomes an Opaque."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Protocol

from layerscope.core import sizes, sketch
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import replace
from layerscope.core.errors import LayerscopeError, ShapeError, SourceError
from layerscope.core.graph import Call, Graph, Node, Symbolic, trace_calls
from layerscope.core.propagate import Asked, Asking
from layerscope.core.types import BATCH, BITS, TensorType, WeightType, show
from layerscope.layers import layer_class
from layerscope.sources._keras.inputs import identifier, open_names
from layerscope.sources._keras.plan import Entry, Plan, Refused, Stated, Unit, Use, Weight, tensors
from layerscope.sources._keras.records import altered, dtype_of, variable_dtype_of
from layerscope.sources._keras.roles import roles_of, typed

MOST_CALLS = 10_000
"""Of layers, nested models written out: a file of a few lines can ask for any number."""
UNKNOWN = "unknown"
Told = tuple[tuple[str, str], ...]
"""Arguments of a call, as names and texts."""
FLOATS = frozenset(("float16", "bfloat16", "float32", "float64"))


class OtherWeights(Refused):
    """The layer has the shapes that ours has, and weights that are not known."""


class Translator(Protocol):
    """What makes our layers of Keras's.

    `tracing`: nothing is computed with the graph, so it shows casts, and layers on which no output depends.
    """

    tracing: bool

    def layer(self, unit: Unit, use: Use, given: Sequence[TensorType], stated: Sequence[TensorType | None]) -> Layer:
        """Our layer for one of Keras's; Refused, or an error of the layer's, when there is none."""
        ...

    def arrange(self, layer: Layer, use: Use, given: Sequence[Symbolic]) -> tuple[Layer, tuple[Symbolic, ...]]:
        """The layer and the tensors that it takes, in its order."""
        ...

    def refuses(self, entry: Entry) -> str | None:
        """Why an input has no equal here."""
        ...


class Builder:
    """One reading of a plan. In `problems` is, by label and class, why a layer has no equal here."""

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.problems: dict[tuple[str, str], str] = {}
        self.misfit: ShapeError | None = None
        self.layers: dict[int, dict[Told, Layer]] = {}
        """By the unit and what its call is told, so that all uses of it share its weights."""
        self.homes: dict[int, str] = {}
        """By the unit: the label of its first use, after which its weights are called."""
        self.units: dict[int, Unit] = {}
        """By our layer."""
        self.opaques: dict[int, list[Layer]] = {}
        self.casts: dict[tuple[int, int, str], Symbolic] = {}
        self.unstated: dict[int, str] = {}
        """Calls whose results have unknown shapes: the layer from which these come."""
        self.ids: dict[int, str] = {}
        """Of parameters, by the variable's."""
        self.variables: dict[str, Weight] = {}
        """By the parameter's id."""
        self.calls = 0
        self.weighted: list[Symbolic] = []
        """First results of calls with weights."""
        self.asking = Asking()

    def graph(self, plan: Plan, shapes: Mapping[str, Stated] | None = None) -> Graph:
        """The whole model. `shapes` has inputs by name whose shapes are known better than the plan says."""
        for entry in plan.entries:
            if why := self.translator.refuses(entry):
                self.problems[entry.name, "InputLayer"] = why
        known = [(shapes or {}).get(entry.name, entry.stated) for entry in plan.entries]
        start = [self.input(*one) for one in zip(plan.entries, known, open_names(plan.entries, known), strict=True)]
        ends = self.walk(plan, start, ())
        found = _reached(ends)
        # What only a mask depends on is no part of the data's way, but its weights are the model's.
        aside = [value for value in self.weighted if id(value.call) not in found] if self.translator.tracing else []
        found = _reached([*ends, *aside])
        used = [value for value in start if id(value.call) in found]
        if not used:
            raise SourceError(f"{plan.name}: its outputs depend on none of its inputs")
        graph = trace_calls(used, [*ends, *aside], plan.name)
        if sketch.on():
            return graph
        rest = [value for value in start if value not in used]
        return self._weights(_with_inputs(graph, rest))

    def input(self, entry: Entry, known: Stated, names: Sequence[str]) -> Symbolic:
        """One of the model's inputs; open sizes get these names."""
        cls: Any = layer_class("InputLayer")
        batch, *stated = known.shape
        shape = [sizes.named(name) if one is None else one for one, name in zip(stated, names, strict=True)]
        dtype = entry.stated.dtype if entry.stated.dtype in BITS else "float32"
        layer = cls(shape, batch, dtype, name=entry.name)
        return Symbolic(Call(layer, (), layer.out()))

    def walk(self, plan: Plan, fed: Sequence[Symbolic], scope: tuple[str, ...]) -> list[Symbolic]:
        """The model's outputs when it is fed these tensors; models within it become part of the graph."""
        if len(fed) != len(plan.entries):
            raise SourceError(f"{plan.name}: takes {len(plan.entries)} inputs, but is called on {len(fed)}")
        values: dict[Hashable, Symbolic] = {e.key: value for e, value in zip(plan.entries, fed, strict=True)}
        for use in plan.uses:
            self.calls += 1
            if self.calls > MOST_CALLS:
                raise SourceError(f"the model calls more than {MOST_CALLS:,} layers, nested models written out")
            if use.unit.model is not None:
                inner = use.unit.model
                for ref, told in zip(inner.outputs, plan.results(use), strict=False):
                    if told is not None:
                        inner.stated.setdefault(ref.key, told)
                fed_here = [_value(values, key, use) for key in _matched(use, inner)]
                made: Sequence[Symbolic] = self.walk(inner, fed_here, (*scope, use.unit.name))
            else:
                given = [self._cast(use.unit, _value(values, ref.key, use)) for ref in use.refs]
                made = self._call(plan, use, given, scope)
                call = made[0].call
                if not sketch.on() and self.asking.of(call.layer, call.inputs).weights:
                    self.weighted.append(made[0])
            for number, value in enumerate(made):
                if use.keys is None or number < len(use.keys):
                    values[use.key(number)] = value
        return [_value(values, ref.key, None) for ref in plan.outputs]

    # --- one call ---

    def _cast(self, unit: Unit, value: Symbolic) -> Symbolic:
        """The tensor in the precision that the layer computes in, as Keras brings floats to it."""
        dtype, old = dtype_of(unit.settings.get("dtype")), value.type.dtype
        free = not self.translator.tracing or unit.home not in ("layers", "keras")
        if free or dtype == old or not {dtype, old} <= FLOATS:
            return value
        key = (id(value.call), value.number, str(dtype))
        if key not in self.casts:
            from layerscope.operators.pointwise import Pointwise

            stem = value.call.name or value.call.layer.name or "input"
            layer = Pointwise("Cast", 0, "nothing", str(dtype), name=f"{stem}_{dtype}")
            self.casts[key] = Symbolic(Call(layer, (value,), layer.out(value.type), value.call.scope))
        return self.casts[key]

    def _call(self, plan: Plan, use: Use, given: Sequence[Symbolic], scope: tuple[str, ...]) -> list[Symbolic]:
        unit, told = use.unit, plan.results(use)
        label = "/".join((*scope, unit.name))
        title = f"{label} ({unit.kind})"
        stated = _stated(unit, told, given)
        types: Sequence[TensorType] = ()
        layer = None
        try:
            layer, taken = self._layer(use, given, stated)
            asked = self.asking.of(layer, taken)
            types = self.asking.one(asked.out)
            _check(asked, told, unit)
        except ShapeError as error:
            self.misfit = self.misfit or error.at(title)
            if sketch.on() and layer is not None:
                fed = tuple(given)
                return _results(Call(layer, fed, sketch.guessed(layer, [value.type for value in fed]), scope))
            if not any(stated):
                raise self._unstated(title, given) or error.at(title) from None
        except (Refused, LayerscopeError) as error:
            self.problems.setdefault((label, unit.kind), str(error))
            if isinstance(error, OtherWeights):
                stated = [told or made for told, made in zip_longest(stated, types[: len(stated)])]
        else:
            number = self._place(use, layer) + len(self.opaques.get(id(unit), ()))
            weights = self._ids(use.unit, asked.weights, label)
            name = f"{unit.name}#{number + 1}" if number else None
            call = Call(layer, taken, types, scope, name, weights or None)
            if not any(stated) and (source := self._source(given)):
                self.unstated[id(call)] = source
            return _results(call)
        layer = self._opaque(unit, opaque(unit, [value.type for value in given], stated))
        weights = self._ids(use.unit, layer.weight_types(), label)
        call = Call(layer, tuple(given), layer.out(), scope, None, weights or None)
        if None in stated:
            self.unstated[id(call)] = title
        return _results(call)

    def _source(self, given: Sequence[Symbolic]) -> str | None:
        """The layer from which an unknown shape comes, if one of these tensors has one."""
        return next((self.unstated[id(v.call)] for v in given if id(v.call) in self.unstated), None)

    def _unstated(self, title: str, given: Sequence[Symbolic]) -> SourceError | None:
        source = self._source(given)
        if source is None:
            return None
        return SourceError(
            f"{title}: the shape of its input is unknown: it comes from {source}, which nobody described here, and "
            "the file does not state shapes"
        )

    def _ids(self, unit: Unit, weights: Mapping[str, WeightType], label: str) -> dict[str, str]:
        """Ids of the weights where the variables are known, so that one that several layers use is one row.

        So they are of a unit whose calls are told different things, for these are different layers here.
        """
        roles = {role: weight.shape for role, weight in weights.items()}
        home = self.homes.setdefault(id(unit), label)
        if not unit.weights:
            return {role: f"{home}/{role}" for role in roles} if len(self.layers.get(id(unit), ())) > 1 else {}
        pairs = _paired(unit.weights, roles)
        ids = {role: self.ids.setdefault(one.id, f"{label}/{role}") for role, one in pairs.items()}
        self.variables |= {ids[role]: one for role, one in pairs.items()}
        return ids

    def _layer(
        self, use: Use, given: Sequence[Symbolic], stated: Sequence[TensorType | None]
    ) -> tuple[Layer, tuple[Symbolic, ...]]:
        made = self.layers.get(id(use.unit), {}).get(_told(use))
        if made is None:
            made = self.translator.layer(use.unit, use, [value.type for value in given], stated)
        return self.translator.arrange(made, use, given)

    def _place(self, use: Use, layer: Layer) -> int:
        """Which of the layers that stand for its unit this one is, from 0."""
        made = self.layers.setdefault(id(use.unit), {})
        made[_told(use)] = layer
        self.units[id(layer)] = use.unit
        return list(made).index(_told(use))

    def _opaque(self, unit: Unit, layer: Layer) -> Layer:
        """The same layer for all uses of a unit that have the same types; the next one's name is numbered."""
        made = self.opaques.setdefault(id(unit), [])
        for earlier in made:
            if earlier.out() == layer.out():
                return earlier
        number = len(made) + (id(unit) in self.layers) + 1
        if number > 1:
            layer = replace(layer, name=f"{unit.name}#{number}")
        made.append(layer)
        self.units[id(layer)] = unit
        return layer

    # --- what is known of weights beside their shapes ---

    def _weights(self, graph: Graph) -> Graph:
        """The graph in which frozen weights are marked, and each weight has its dtype."""
        rows = dict(graph.parameters)
        for node in graph.nodes:
            unit = self.units.get(id(node.layer))
            if unit is None or not node.weights:
                continue
            dtype = variable_dtype_of(unit.settings.get("dtype"))
            frozen = not unit.trainable or _inner_frozen(unit.settings)
            if not frozen and dtype in (None, "float32"):
                continue  # as they are
            for id_ in set(node.weights.values()) - set(self.variables):
                known = dtype if dtype in BITS and rows[id_].dtype == "float32" else rows[id_].dtype
                rows[id_] = replace(rows[id_], dtype=str(known), trainable=rows[id_].trainable and not frozen)
        for id_, one in self.variables.items():
            if id_ in rows:
                dtype = one.dtype if one.dtype in BITS else "float32"
                rows[id_] = replace(rows[id_], dtype=dtype, trainable=one.trainable)
        return replace(graph, parameters=rows)


def _told(use: Use) -> Told:
    """What a call is told beside its tensors, but for whether it trains."""
    plain = ((k, v) for k, v in use.kwargs.items() if v is not None and k != "training")
    return tuple(sorted((k, repr(v)) for k, v in plain if next(tensors(v), None) is None))


def _reached(ends: Sequence[Symbolic]) -> set[int]:
    """Ids of the calls that these tensors depend on."""
    found: set[int] = set()
    stack = [value.call for value in ends]
    while stack:
        call = stack.pop()
        if id(call) not in found:
            found.add(id(call))
            stack += [value.call for value in call.inputs]
    return found


def _results(call: Call) -> list[Symbolic]:
    return [Symbolic(call, number) for number in range(len(call.types))]


def _value(values: Mapping[Hashable, Symbolic], key: Hashable, use: Use | None) -> Symbolic:
    if key in values:
        return values[key]
    where = f"{use.unit.name} ({use.unit.kind})" if use is not None else "the model's output"
    name = key[0] if isinstance(key, tuple) else "another model"
    raise SourceError(f"{where} reads an output of {name!r} that this layer does not have")


def _matched(use: Use, model: Plan) -> list[Hashable]:
    """The tensors that a model is called on, in the order of its inputs; a dictionary may go by their names."""
    first = use.args[0] if len(use.args) == 1 else None
    names = [entry.name for entry in model.entries]
    if isinstance(first, Mapping) and set(names) <= set(first):
        return [first[name].key for name in names if hasattr(first[name], "key")]
    return [ref.key for ref in use.refs][: len(names)]


def _with_inputs(graph: Graph, rest: Iterable[Symbolic]) -> Graph:
    """The graph with inputs that nothing reads."""
    taken = {node.label for node in graph.nodes}
    for value in rest:
        name = value.call.layer.name or "input"
        if name in taken:
            raise SourceError(f"two inputs are called {name!r}")
        node = Node(name, value.call.layer, (), {})
        graph = replace(graph, nodes=(*graph.nodes, node), inputs=(*graph.inputs, len(graph.nodes)))
    return graph


def _inner_frozen(settings: Mapping[str, Any]) -> bool:
    """Whether the layer that a wrapper wraps is frozen."""
    for key in ("layer", "cell"):
        inner = settings.get(key)
        config = inner.get("config") if isinstance(inner, Mapping) else None
        if isinstance(config, Mapping) and (config.get("trainable") is False or _inner_frozen(config)):
            return True
    return False


# --- whether our layer is theirs ---


def _check(asked: Asked, stated: Sequence[Stated | None], unit: Unit) -> None:
    """Refused where the source states other shapes or weights than our layer has."""
    types = asked.out
    if len(types) < len(stated):
        raise Refused(f"it has {len(stated)} outputs, and here it would have {len(types)}")
    for theirs, ours in zip(stated, types, strict=False):
        if theirs is not None and not _agree(theirs.shape, ours):
            raise Refused(f"Keras says that its output is {show(theirs.shape)}, but here it would be {ours}")
    weights = asked.weights
    if unit.weights is not None:
        _paired(unit.weights, {role: weight.shape for role, weight in weights.items()})
    elif how := altered(unit.settings):
        raise OtherWeights(how)


def _agree(theirs: tuple[int | None, ...], ours: TensorType) -> bool:
    known = [(a, b) for a, b in zip(theirs[1:], ours.shape[1:], strict=False) if isinstance(a, int)]
    return len(theirs) == ours.rank and all(a == b for a, b in known if isinstance(b, int))


def _paired(variables: Sequence[Weight], roles: Mapping[str, tuple[int, ...]]) -> dict[str, Weight]:
    """Which of a layer's variables is which weight of ours; Refused when they are others."""
    rest = list(variables)
    found: dict[str, Weight] = {}
    for role, shape in roles.items():
        fits = [one for one in rest if one.shape == shape]
        if not fits:
            break
        found[role] = next((one for one in fits if one.name == role.rpartition("/")[2]), fits[0])
        rest.remove(found[role])
    if rest or len(found) < len(roles):
        theirs = ", ".join(show(one.shape) for one in variables) or "none"
        ours = ", ".join(show(shape) for shape in roles.values()) or "none"
        raise Refused(f"its weights have the shapes {theirs}, and here they would have {ours}")
    return found


# --- what nobody described ---


def _stated(unit: Unit, told: Sequence[Stated | None], given: Sequence[Symbolic]) -> list[TensorType | None]:
    """The types of a use's results, where the source states them: open sizes get names."""
    batch = next((value.type.shape[0] for value in given if value.type.rank), sizes.named(BATCH))
    name = identifier(unit.name)
    return [None if one is None else typed(one.shape, one.dtype, batch, name) for one in told]


def opaque(unit: Unit, given: Sequence[TensorType], stated: Sequence[TensorType | None]) -> Layer:
    """A layer of which only the types of the outputs are known, and its weights where it is in memory.

    Where not even the type is stated, it has one unknown size behind the batch.
    """
    cls: Any = layer_class("Opaque")
    batch = next((type.shape[0] for type in given if type.rank), sizes.named(BATCH))
    dtype = dtype_of(unit.settings.get("dtype"))
    if dtype not in BITS:
        dtype = given[0].dtype if given else "float32"
    unknown = TensorType((batch, sizes.named(f"{identifier(unit.name)}_{UNKNOWN}")), str(dtype))
    known: dict[str, tuple[int, ...]] | None = {} if unit.home in ("ops", "tf") else None
    if unit.weights is not None:
        known = dict(zip(roles_of(unit.weights).values(), (one.shape for one in unit.weights), strict=True))
    return cls(unit.kind, tuple(unknown if one is None else one for one in stated), known, name=unit.name)
