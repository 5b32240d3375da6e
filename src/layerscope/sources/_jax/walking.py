"""A jaxpr as records: each equation an operator, calls of other jaxprs followed inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.sizes import Size
from layerscope.operators._moving import Moving
from layerscope.operators.standing import Undescribed
from layerscope.sources._jax import numbers, rules, stack
from layerscope.sources._jax.picking import FOUND
from layerscope.sources._jax.values import Call, Record, Value, type_of

INLINED = {
    "jit", "pjit", "closed_call", "core_call", "core_closed_call", "remat", "remat2", "checkpoint", "custom_jvp_call",
    "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_vmap_call", "call", "xla_call", "composite",
    "custom_jvp_call_jaxpr",
}  # fmt: skip
"""Primitives that only call a jaxpr."""
PASSED = {
    "stop_gradient", "copy", "copy_p", "optimization_barrier", "sharding_constraint", "pvary", "layout_constraint",
    "name", "reduce_precision", "reshard", "mesh_cast", "device_put",
}  # fmt: skip
"""Primitives that hand on what they are given."""
MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Here:
    """Where a jaxpr is called: scopes, the call of a library that it is within, and how often it runs."""

    scopes: tuple[stack.Entry, ...] = ()
    call: Call | None = None
    unit: Call | None = None
    times: Size | None = 1

    def within(self, name: str, token: Any) -> Here:
        """In a scope of this name."""
        return replace(self, scopes=(*self.scopes, stack.Entry(name, token=token)))


class Walker:
    """Goes through a jaxpr and writes down what it does."""

    def __init__(self, constant: Callable[[Any, Any], Value]) -> None:
        self.constant = constant
        """What an array that a jaxpr closes over stands for."""
        self.records: list[Record] = []
        self.places = stack.Places()
        self.calls = stack.Calls()
        self.turns = 0

    def run(self, jaxpr: Any, consts: Sequence[Value], args: Sequence[Value], here: Here) -> list[Value]:
        """The outputs of a jaxpr put to these values."""
        env: dict[Any, Value] = {}
        env.update(zip(jaxpr.constvars, consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Value:
            return Value(type_of(atom.aval), numbers=numbers.held(atom.val)) if hasattr(atom, "val") else env[atom]

        for eqn in jaxpr.eqns:
            outputs = self._equation(eqn, [read(atom) for atom in eqn.invars], here)
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def closed(self, closed: Any, args: Sequence[Value], here: Here) -> list[Value]:
        """The outputs of a jaxpr with its constants, or of one that has none."""
        jaxpr = getattr(closed, "jaxpr", closed)
        consts = list(
            map(self.constant, jaxpr.constvars, getattr(closed, "consts", ()) or (None,) * len(jaxpr.constvars))
        )
        return self.run(jaxpr, consts, args, here)

    def _equation(self, eqn: Any, given: list[Value], here: Here) -> Sequence[Value]:
        name = eqn.primitive.name
        if not eqn.outvars:  # what only prints, or checks
            return ()
        types = [type_of(var.aval) for var in eqn.outvars]
        if name in PASSED and [value.type for value in given] == types:
            return given
        scopes = (*here.scopes, *stack.entries(eqn.source_info.name_stack))
        call, unit = here.call, here.unit
        if call is None:
            call, unit = self.calls.of(eqn.source_info.traceback, name)
        elif unit is None:
            unit = self.calls.of(eqn.source_info.traceback, name)[1]
        inside = Here(scopes, call, unit, here.times)
        if name in INLINED:
            return self._called(eqn, given, inside)
        from layerscope.sources._jax import control

        if name in control.KINDS:
            return control.KINDS[name](self, eqn, given, replace(inside, call=here.call, unit=here.unit))
        if all(value.constant for value in given) and not eqn.effects:
            known = numbers.made(eqn, given)
            return [Value(kind, numbers=one) for kind, one in zip(types, known, strict=True)]
        return self._plain(eqn, given, types, inside)

    # --- calls of jaxprs ---

    def _called(self, eqn: Any, given: list[Value], here: Here) -> Sequence[Value]:
        inner = next(
            (eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr", "call") if key in eqn.params), None
        )
        jaxpr = getattr(inner, "jaxpr", inner)
        if jaxpr is None or len(jaxpr.invars) != len(given):
            return self._plain(eqn, given, [type_of(var.aval) for var in eqn.outvars], here)
        told = getattr(jaxpr, "debug_info", None)
        name = str(eqn.params.get("name") or getattr(told, "func_name", None) or "")
        file = str(getattr(told, "func_filename", None) or "<")
        plain = name.strip("_").partition(" ")[0]
        plain = "" if stack.PLUMBING.match(plain) else plain
        own = self.calls.library(file)
        if own and here.unit is None and plain in stack.UNITS:
            here = replace(here, unit=self.calls.new(plain))
        if here.call is None and plain and own:
            here = replace(here, call=self.calls.new(plain))
        elif not own and name and name != "<lambda>" and eqn.primitive.name in ("jit", "pjit"):
            self.turns += 1
            here = replace(here, call=None, unit=None).within(name, f"call {self.turns}")
        elif not own and eqn.primitive.name.startswith("custom_") and name and name != "<lambda>":
            here = replace(here, call=self.calls.new(plain))
        return self.closed(inner, given, here)

    # --- operators ---

    def _plain(self, eqn: Any, given: list[Value], types: list[Any], here: Here) -> Sequence[Value]:
        name = eqn.primitive.name
        rule = FOUND.get(name)
        layer = None
        if rule is not None:
            try:
                layer = rule(
                    rules.Eqn(
                        name, eqn.params, [value.type for value in given], types, lambda n: numbers.whole(given[n])
                    )
                )
                made = layer.out(*(value.type for value in given))
                layer = layer if [(t.shape, t.dtype) for t in made] == [(t.shape, t.dtype) for t in types] else None
            except (LayerscopeError, *MALFORMED):
                layer = None
        if layer is None:
            layer = Undescribed(name, tuple(types), slots=(None,) * len(given))
        return self.emit(layer, given, types, name, here)

    def emit(
        self, layer: Any, given: Sequence[Value], types: Sequence[Any], name: str, here: Here
    ) -> Sequence[Value]:
        """Write down an operator; what only moves a weight is the weight in another form."""
        weights = [value for value in given if value.weight is not None]
        if isinstance(layer, Moving) and len(weights) == 1 and all(value.record is None for value in given):
            return [Value(kind, weight=weights[0].weight) for kind in types]
        record = Record(layer, tuple(given), name, self.places.of(here.scopes), here.call, here.unit, here.times)
        self.records.append(record)
        return record.made(types)


def refused(title: str, why: str) -> SourceError:
    """What cannot be followed, and why."""
    return SourceError(f"{title} cannot be followed: {why}")
