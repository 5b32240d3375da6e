"""Loops and conditions of JAX: their bodies are shown once, in a scope of their own.

scan: the body counts as often as it runs. while: nobody knows how often it runs; it counts once, and totals say "at
least". cond: one branch runs, so that only the one with fewest multiply-accumulates counts; of the others they are
unknown, and totals say "at least".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from layerscope.core import sizes
from layerscope.core.dataclasses import replace
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators.standing import Control
from layerscope.sources._jax.values import Value, type_of

if TYPE_CHECKING:
    from layerscope.sources._jax.walking import Here, Walker


def _inside(walker: Walker, eqn: Any, here: Here, name: str) -> Here:
    walker.turns += 1
    return replace(here, call=None, unit=None).within(name, f"{name} {walker.turns}")


def _control(
    walker: Walker,
    kind: str,
    given: Sequence[Value],
    types: Sequence[TensorType],
    here: Here,
    name: str,
    known: bool = True,
) -> Sequence[Value]:
    layer = Control(kind, tuple(types), known, slots=(None,) * len(given))
    return walker.emit(layer, given, types, name, replace(here, call=walker.calls.new("")))


def _result(
    walker: Walker, eqn: Any, given: Sequence[Sequence[Value]], here: Here, name: str, known: bool = True,
    also: Sequence[Value] = (),
) -> Sequence[Value]:  # fmt: skip
    """What comes out: of each output that is used, all that it is made from."""
    kind = eqn.primitive.name
    wanted = [n for n, var in enumerate(eqn.outvars) if type(var).__name__ != "DropVar"]
    fed = [*also, *(row[n] for row in given for n in wanted if n < len(row))]
    types = [type_of(var.aval) for var in eqn.outvars]
    made = iter(_control(walker, kind, fed, [types[n] for n in wanted], here, name, known) if wanted else ())
    return [next(made) if n in wanted else Value(one) for n, one in enumerate(types)]


def scan(walker: Walker, eqn: Any, given: Sequence[Value], here: Here) -> Sequence[Value]:
    """jax.lax.scan, and what is made of it: fori_loop with known bounds, map, Flax's nn.scan and nn.RNN."""
    told = eqn.params
    held, carried, length = told["num_consts"], told["num_carry"], told["length"]
    outer = _inside(walker, eqn, here, "scan")
    inside = replace(outer, times=None if here.times is None else here.times * length)
    rows = given[held + carried :]
    jaxpr = told["jaxpr"].jaxpr
    kinds = [type_of(var.aval) for var in jaxpr.invars[held + carried :]]
    elements = list(_elements(walker, rows, kinds, inside))
    first = _state(walker, given[held : held + carried], inside)
    made = walker.closed(told["jaxpr"], [*given[:held], *first, *elements], inside)
    return _result(walker, eqn, [first, made], outer, "stacked")


def _elements(walker: Walker, rows: Sequence[Value], kinds: Sequence[TensorType], here: Here) -> list[Value]:
    """What the body reads of what is scanned: weights of many layers that lie in one are each a part of it."""
    found: list[Value] = []
    for row, kind in zip(rows, kinds, strict=True):
        if row.weight is not None or row.constant:
            found.append(Value(kind, weight=row.weight))
        else:
            found += _control(walker, "element", [row], [kind], here, "element")
    return found


def _state(walker: Walker, given: Sequence[Value], here: Here) -> list[Value]:
    """What a body reads of what is carried: not the constants from which it starts, which change."""
    return [
        one if one.record is not None else _control(walker, "carried", [one], [one.type], here, "carried")[0]
        for one in given
    ]


def loop(walker: Walker, eqn: Any, given: Sequence[Value], here: Here) -> Sequence[Value]:
    """jax.lax.while_loop: how often it runs, the data say."""
    told = eqn.params
    first, second = told["cond_nconsts"], told["body_nconsts"]
    inside = _inside(walker, eqn, here, "while")
    state = _state(walker, given[first + second :], inside)
    asked = walker.closed(told["cond_jaxpr"], [*given[:first], *state], inside)
    made = walker.closed(told["body_jaxpr"], [*given[first : first + second], *state], inside)
    return _result(walker, eqn, [state, made], inside, "turns", False, asked)


def cond(walker: Walker, eqn: Any, given: Sequence[Value], here: Here) -> Sequence[Value]:
    """jax.lax.cond and switch."""
    inside = _inside(walker, eqn, here, "cond")
    marks, found, costs = [len(walker.records)], list[list[Value]](), list[Size]()
    for number, branch in enumerate(eqn.params["branches"]):
        found.append(walker.closed(branch, given[1:], inside.within(f"branch_{number}", number)))
        costs.append(_macs(walker, marks[-1]))
        marks.append(len(walker.records))
    cheap = min(range(len(costs)), key=lambda n: sizes.upper_bound(costs[n]))
    for number, (start, end) in enumerate(pairwise(marks)):
        if number != cheap and costs[number] != costs[cheap]:
            for record in walker.records[start:end]:
                record.times = None
    known = all(cost == 0 for cost in costs)
    return _result(walker, eqn, found, inside, "chosen", known, given[:1])


def _macs(walker: Walker, since: int) -> Size:
    total: Size = 0
    for record in walker.records[since:]:
        macs = record.layer.macs(*(value.type for value in record.inputs))
        total = total + (0 if macs is None or record.times is None else macs * record.times)
    return total


KINDS: dict[str, Callable[..., Sequence[Value]]] = {"scan": scan, "while": loop, "cond": cond}
