"""Objects that may be given by name or as data: initializers, regularizers, constraints.

As data they are {"regularizer": "L2", "settings": {"l2": 0.5}}, in a line of text L2(l2=0.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from layerscope.core.errors import SettingError, UnknownNameError

Named = TypeVar("Named")
NAMES = {
    "initializer": (
        "zeros", "ones", "random_uniform", "random_normal", "truncated_normal", "glorot_uniform", "glorot_normal",
        "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "orthogonal", "uniform", "normal",
    ),
    "regularizer": ("l1", "l2", "l1_l2", "orthogonal_regularizer"),
    "constraint": ("non_neg", "max_norm", "unit_norm", "min_max_norm"),
}  # fmt: skip
"""What may stand in a setting that ends so, for those who must not load the classes; a test holds them together."""
AS_DATA = ("constant", "variance_scaling", "icnr")
"""Initializers that have no name alone."""

SETTINGS = {
    "l1": ("l1",), "l2": ("l2",), "l1l2": ("l1", "l2"), "orthogonalregularizer": ("factor", "mode"),
    "nonneg": (), "maxnorm": ("max_value", "axis"), "unitnorm": ("axis",),
    "minmaxnorm": ("min_value", "max_value", "rate", "axis"),
}  # fmt: skip
"""Those of regularizers and constraints, by the names as they are compared; the same test holds them equal."""

WITH_SETTINGS = {
    "initializer": "Constant(value=0.1)",
    "regularizer": "L2(l2=0.01)",
    "constraint": "MaxNorm(max_value=2,axis=0,1)",
}


def kind_of(setting: str) -> str:
    """What a setting of this name is: "regularizer" for kernel_regularizer; "" where it is none of these."""
    end = setting.rpartition("_")[2]
    return end if end in NAMES else ""


def check(setting: str, value: Any, owner: str) -> None:
    """Whether a layer's setting of this name is one: a name, an object, or its form as data, None for none.

    Errors: UnknownNameError for a name that nothing answers to, SettingError for all else.
    """
    what = kind_of(setting)
    if value is None and what != "initializer":
        return
    own: Any = getattr(value, "to_json", None)
    data: Any = value if own is None else own()
    name = cast(Mapping[str, Any], data).get(what) if isinstance(data, Mapping) else data
    if not isinstance(name, str):
        raise SettingError(
            f"{owner}: {setting} must be a name such as {NAMES[what][0]!r}, an object of layerscope.{what}s, or its "
            f"form as data, not {value!r}"
        )
    known = (*NAMES[what], *(AS_DATA if isinstance(data, Mapping) and what == "initializer" else ()))
    if alike(name) not in map(alike, known):
        raise UnknownNameError(f"{setting} of {owner}", name, known)
    if isinstance(data, Mapping) and what != "initializer":
        _check_settings(f"{owner}: {setting}: {name}", alike(name), cast(Mapping[str, Any], data).get("settings", {}))


def _check_settings(which: str, name: str, settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        if not SETTINGS[name]:
            raise SettingError(f"{which} has no settings, so no {key!r}")
        if key not in SETTINGS[name]:
            raise UnknownNameError(f"setting of {which}", key, SETTINGS[name])
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if key not in ("axis", "mode") and not (number and value >= 0):
            raise SettingError(f"{which}: {key} must be a number of at least 0, not {value!r}")


def alike(name: str) -> str:
    """A name as it is compared: L1L2 and l1_l2 are one."""
    return name.replace("_", "").lower()


def to_text(data: Mapping[str, Any]) -> str:
    """The form as data in a line of text: MaxNorm(max_value=2.0,axis=0,1), an axis in a list alone with a comma."""
    (what,) = (key for key in data if key != "settings")
    told = (f"{key}={_text(value)}" for key, value in cast(Mapping[str, Any], data.get("settings", {})).items())
    return f"{data[what]}({','.join(told)})"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        parts = cast(Sequence[Any], value)
        return ",".join(map(str, parts)) + ("," if len(parts) == 1 else "")
    return str(value)


def from_text(words: str, what: str) -> Any:
    """A name, or NAME(setting=number,...) as data. SettingError where it is neither."""
    name, bracket, rest = words.partition("(")
    if not bracket:
        return words
    settings: dict[str, Any] = {}
    key = ""
    for part in rest.removesuffix(")").split(",") if rest != ")" else ():
        begun, equals, value = part.partition("=")
        if equals:
            key = begun
            settings[key] = _number(value)
        elif key:  # one more of a list, or the comma behind the only one
            before = settings[key] if isinstance(settings[key], list) else [settings[key]]
            settings[key] = [*before, *([_number(part)] if part else [])]
    if not rest.endswith(")") or (rest != ")" and not settings):
        raise SettingError(
            f"{words!r} is no {what}: write it as {NAMES[what][0]}, or with settings as {WITH_SETTINGS[what]}"
        )
    return {what: name, "settings": settings}


def _number(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return {"None": None, "True": True, "False": False}.get(word, word)


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
