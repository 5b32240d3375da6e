"""Advice in words: for messages of errors, and for reports."""

from __future__ import annotations

from typing import Any

from layerscope.analyses.advice.search import Fix, Visit, advise
from layerscope.analyses.advice.settings import squares
from layerscope.core import sizes
from layerscope.core.contract import normal
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import Graph
from layerscope.core.types import Shape, TensorType, show

JOURNEY = "journey so far"
WHOLE = ("target_shape", "shape", "dims", "cropping")
"""Settings whose equal numbers are not told as one."""
MOST_VISITS = 12


def factored(type: TensorType, flattened: TensorType | None = None) -> str:
    """How many numbers an example has, as a product: 7·7·8 = 392; of one axis the images that it could be.

    `flattened` is what it was before a Flatten, whose product is told then. An open size stays a name.
    """
    shape = (flattened or type).shape[1:]
    total = sizes.product(shape)
    if len(shape) > 1:
        return f"{'·'.join(map(str, shape))} = {total}"
    if not isinstance(total, int):
        return str(total)
    return " = ".join([str(total), *image_products(total)])


def image_products(count: int) -> list[str]:
    """Up to two products channels·side·side, the sides nearest to each other and to the channels first."""
    found = sorted(squares(count), key=lambda pair: abs(pair[0] - pair[1]))
    return [f"{channels}·{side}·{side}" for side, channels in found[:2]]


def fix_words(fix: Fix) -> str:
    """All changes of a fix, in one sentence without its full stop."""
    return "; ".join(map(edit_words, fix.edits))


def edit_words(edit: Any) -> str:
    """One change: what to do, and where."""
    if edit.action == "insert":
        where = "at the end" if edit.layer is None else f"before {edit.layer}"
        if edit.before is not None:
            where = f"between {edit.before} and {edit.layer}"
        return f"put {edit.becomes} {where}"
    if edit.action == "remove":
        return f"take out {edit.layer}, {edit.becomes}"
    return f"{edit.layer}: {edit.setting}={_value(edit.setting, edit.after)} instead of " + str(
        _value(edit.setting, edit.before)
    )


def _value(setting: str, value: Any) -> str:
    return repr(value if setting in WHOLE else normal(value))


def outputs_words(fix: Fix) -> str:
    """What the network gives then."""
    return ", ".join(show(type.shape[1:]) for type in fix.outputs)


def journey_words(journey: tuple[Visit, ...]) -> str:
    """The way of the data: input 28·28·1 = 784 → conv2d 26·26·16 = 10816; of a long one its end."""
    told = [f"{visit.name} {factored(visit.outputs[0], visit.flattened)}" for visit in journey]
    if len(told) > MOST_VISITS:
        told = [told[0], f"... {len(told) - MOST_VISITS + 1} layers ...", *told[1 - MOST_VISITS :]]
    return " → ".join(told)


def target_words(target: Shape) -> str:
    """28 × 28 × 1."""
    return " × ".join(map(str, target))


def notes(error: LayerscopeError) -> list[str]:
    """What is told below the message of an error that carries the network in which it arose; never an error.

    The way there, unless the message tells it, and the smallest changes that make the network fit.
    """
    if error.sketch is None:
        return []
    try:
        graph: Graph = error.sketch()
        found = advise(graph)
    except LayerscopeError:  # it does not form a network, beside what does not fit
        return []
    lines: list[str] = []
    if found.misfit is None:
        return []
    if JOURNEY not in str(error) and found.journey:
        lines.append(f"The way there: {journey_words(found.journey)}")
    if found.fixes:
        network = "the whole network" if error.whole else "the network up to here"
        lines.append(f"With one of these changes {network} fits:" if len(found.fixes) > 1 else
                     f"With this change {network} fits:")  # fmt: skip
        lines += [f"  {number}. {fix_words(fix)}" + _gives(fix) for number, fix in enumerate(found.fixes, 1)]
    return ["\n".join(lines)] if lines else []


def _gives(fix: Fix) -> str:
    return f" → {outputs_words(fix)}"
