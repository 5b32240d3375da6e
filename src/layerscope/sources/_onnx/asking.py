"""What many rules ask of a node: its attributes in their right form, its operands' elements, its used outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.dataclasses import replace
from layerscope.core.sizes import Size
from layerscope.sources._onnx.site import Operand, Refused, Site
from layerscope.sources._onnx.structures import DTYPES


def parts(site: Site, roles: str = "", drop: Sequence[int] = (), frozen: Sequence[int] = ()) -> dict[str, Any]:
    """`slots`, `parameters` and `results` of the operator; `roles` are names for operands that are weights."""
    named = replace(site, roles=tuple(roles.split())) if roles else site
    return {**named.slotted(drop, frozen), "results": used(site)}


def constants(site: Site, *numbers: int) -> Site:
    """The site where stored operands of these numbers are settings, such as thresholds, and no weights."""
    given = enumerate(site.operands)
    told = tuple(replace(x, weight=False) if x is not None and n in numbers else x for n, x in given)
    return replace(site, operands=told)


def used(site: Site) -> int:
    """How many outputs the node has, without last ones that it leaves out."""
    return max((number for number, name in enumerate(site.outputs, 1) if name), default=1)


def dtype(site: Site, key: str, default: str = "") -> str:
    """The element type that an attribute names by ONNX's number."""
    code = site.attributes.get(key)
    if not code:
        return default
    if code not in DTYPES:
        raise Refused(f"{key} names no type of elements: {code!r}")
    return DTYPES[code]


def number(site: Site, key: str, default: int) -> int:
    """A whole number of the attributes."""
    found = site.attributes.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int):
        raise Refused(f"its attribute {key} must be a whole number, not {found!r}")
    return found


def word(site: Site, key: str, default: str) -> str:
    """A text of the attributes."""
    found = site.attributes.get(key, default)
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def whole_numbers(site: Site, key: str) -> tuple[int, ...]:
    """A list of the attributes, empty where it is left out."""
    found = site.attributes.get(key, ())
    return tuple(found) if isinstance(found, list | tuple) else (found,)


def needed(site: Site, place: int, what: str) -> Operand:
    """An operand that must be there."""
    found = site.operand(place)
    if found is None:
        raise Refused(f"its operand {place} ({what}) is left out")
    return found


def elements(site: Site, place: int, what: str, attribute: str = "") -> tuple[Size, ...]:
    """The whole numbers of an operand, or of an attribute in older sets; Refused where only data say them."""
    found = site.integers(place, attribute)
    if found is None:
        raise Refused(f"{what} (operand {place}) is computed from the data")
    return found


def constant(size: Size, what: str) -> int:
    """A number among elements; Refused where it is an open size."""
    if not isinstance(size, int):
        raise Refused(f"{what} is the open size {size}")
    return size
