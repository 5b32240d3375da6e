"""Objects that may be given by name or as data: regularizers, constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from layerscope.core.errors import SettingError, UnknownNameError

Named = TypeVar("Named")


def chosen(identifier: Any, base: type[Named], classes: Sequence[type[Named]], what: str) -> Named | None:
    """An object from itself, its name ("l2"), or its form as data; None for None.

    A class has `names`, the first of which messages use, and `usual`, settings of one that is given by name alone.
    Errors: UnknownNameError, SettingError.
    """
    if identifier is None or isinstance(identifier, base):
        return identifier
    told: Any = classes
    known: dict[str, Any] = {name: cls for cls in told for name in (*cls.names, cls.__name__)}
    if isinstance(identifier, Mapping):
        data = cast(Mapping[str, Any], identifier)
        name, settings = data.get(what), data.get("settings", {})
        if isinstance(name, str):
            if name not in known:
                raise UnknownNameError(what, name, set(known))
            try:
                return known[name](**settings)
            except TypeError as error:
                raise SettingError(f"{name}: {error}") from None
    if not isinstance(identifier, str):
        raise SettingError(f"a {what} is a name or an object of layerscope.{what}s, not {identifier!r}")
    name = identifier if identifier in known else identifier.lower()
    if name not in known:
        raise UnknownNameError(what, identifier, {cls.names[0] for cls in told})
    return known[name](**known[name].usual)
