"""The lab's state as a link's hash, `#lab=pool&n=6&cell=0,1`: read strictly, clamped, and every clamp is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, unquote_plus

from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.lab.scene import Clamp, Text

LONGEST = 4000
"""Characters of a hash; a longer one is refused, it was not written by the lab."""


@dataclass(frozen=True)
class State:
    """A screen, all its settings (those not given by their defaults), what could not be as asked, and the names
    given.
    """

    screen: str
    settings: Mapping[str, Any]
    clamped: tuple[Clamp, ...] = field(default=())
    given: tuple[str, ...] = field(default=())


@cache
def described() -> dict[str, Any]:
    """What each screen can be set to, from `settings.json`, which the page reads too."""
    return json.loads(files("layerscope.lab").joinpath("settings.json").read_text("utf-8"))


def parse(hash: str) -> State:
    """Read a hash, with or without the leading `#`. One that gives language or colours alone means the first screen;
    of a setting that is given more than once the last counts.

    Errors: UnknownNameError for a screen that there is not; SettingError where it is too long or no hash.
    """
    given = hash.removeprefix("#")
    if len(given) > LONGEST:
        raise SettingError(f"the link has {len(given):,} characters; the lab writes at most {LONGEST:,}")
    clamped: list[Clamp] = []
    asked = _asked(given, clamped)
    names = tuple(asked)
    common, screens = described()["common"], described()["screens"]
    screen = asked.pop("lab", "")
    if not screen and asked and asked.keys() <= {entry["name"] for entry in common}:
        screen = described()["first"]
    if not screen:
        raise SettingError("a link of the lab starts with its screen: #lab=" + described()["first"])
    if screen not in screens:
        raise UnknownNameError("screen of the lab", screen, screens)
    settings: dict[str, Any] = {}
    for entry in common + screens[screen]:
        settings[entry["name"]] = _value(entry, asked.pop(entry["name"], None), clamped)
    clamped += [Clamp(name, value, "", Text("clamp.unknown")) for name, value in asked.items()]
    return State(screen, settings, tuple(clamped), names)


def _asked(given: str, clamped: list[Clamp]) -> dict[str, str]:
    """The values by their names; those that a later one stands for go into `clamped`."""
    asked: dict[str, str] = {}
    for part in filter(None, given.split("&")):
        name, _, value = map(unquote_plus, part.partition("="))
        if name in asked:
            clamped.append(Clamp(name, asked[name], "", Text("clamp.twice", {"name": name})))
        asked[name] = value
    return asked


def spell(screen: str, settings: Mapping[str, Any]) -> str:
    """The hash of a state: the screen, then the settings that are not at their default, in their order."""
    parts = [f"lab={screen}"]
    for entry in described()["screens"][screen] + described()["common"]:
        value = settings.get(entry["name"], entry["default"])
        if value != entry["default"]:
            parts.append(f"{entry['name']}={quote(_spelled(value), safe=',')}")
    return "#" + "&".join(parts)


def _spelled(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _value(entry: Mapping[str, Any], asked: str | None, clamped: list[Clamp]) -> Any:
    """The value of one setting; what cannot be as asked goes into `clamped`."""
    if asked is None:
        return entry["default"]
    value, why = _KINDS[entry["kind"]](entry, asked)
    if why is not None:
        clamped.append(Clamp(entry["name"], asked, _spelled(value), why))
    return value


def _int(entry: Mapping[str, Any], asked: str) -> tuple[Any, Text | None]:
    if not _whole(asked):
        return entry["default"], Text("clamp.number")
    value = min(max(int(asked), entry["min"]), entry["max"])
    why = None if value == int(asked) else Text("clamp.range", {"low": entry["min"], "high": entry["max"]})
    return value, why


def _choice(entry: Mapping[str, Any], asked: str) -> tuple[Any, Text | None]:
    if asked in entry["choices"]:
        return asked, None
    return entry["default"], Text("clamp.choice", {"choices": ", ".join(entry["choices"])})


def _cell(entry: Mapping[str, Any], asked: str) -> tuple[Any, Text | None]:
    """Row and column; a scene brings them into its grid, which only it knows."""
    parts = asked.split(",")
    if len(parts) != 2 or not all(_whole(part) for part in parts):
        return entry["default"], Text("clamp.cell")
    return [int(part) for part in parts], None


def _text(entry: Mapping[str, Any], asked: str) -> tuple[Any, Text | None]:
    return asked, None


_KINDS = {"int": _int, "choice": _choice, "cell": _cell, "text": _text}


def _whole(word: str) -> bool:
    """An integer in at most six ASCII digits, with or without a minus."""
    digits = word.removeprefix("-")
    return 0 < len(digits) <= 6 and digits.isascii() and digits.isdigit()
