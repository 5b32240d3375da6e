"""What reports say, in Korean: strings.json has each English text, with {} where it has a number or a name, and its
translation, by where it stands. Names that a network brings, and advice that depends on them, stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

ENOUGH = 400
"""Letters of the longest text that is matched with patterns."""


@cache
def table() -> dict[str, str]:
    """Every text of a report that is its own, with its translation."""
    parts: dict[str, dict[str, str]] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return {english: told for part in parts.values() for english, told in part.items()}


@lru_cache(8192)
def korean(text: str) -> str | None:
    """The text in Korean; None where it is no text of a report's own.

    Parts of a list ("1 bias, 2 pooling") and values within a text ("at least 12 bytes") are translated, too.
    """
    if text in table():
        return table()[text]
    if len(text) > ENOUGH:
        return None
    parts = text.split(", ")
    if len(parts) > 1:
        listed = [korean(part) for part in parts]
        if all(listed):
            return ", ".join(part for part in listed if part)
    for pattern, told in _patterns():
        found = pattern.fullmatch(text)
        if found:
            return _put(told, [_inner(part) for part in found.groups()])
    return None


def _inner(value: str) -> str:
    """A value within a text: an amount in words is translated, a name stays."""
    if re.match(r"[\d≥<]|at least ", value):
        return korean(value) or value
    return value


def _put(told: str, values: list[str]) -> str:
    """Values in the place of {} in order, or of {1} by number."""
    rest = iter(values)
    return re.sub(r"\{(\d?)\}", lambda mark: values[int(mark[1])] if mark[1] else next(rest), told)


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Texts with values in them, the most particular first."""
    found = [english for english in table() if "{}" in english]
    found.sort(key=lambda english: -len(english.replace("{}", "")))
    return [(_pattern(english), table()[english]) for english in found]


def _pattern(english: str) -> re.Pattern[str]:
    """What the text is with anything in the place of {}."""
    return re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL)


def known(texts: Iterator[str]) -> dict[str, str]:
    """Those of the texts that have a translation, with it."""
    pairs = ((text, korean(text)) for text in texts)
    return {text: told for text, told in pairs if told is not None and told != text}
