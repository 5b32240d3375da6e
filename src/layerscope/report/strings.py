"""What reports say, in Korean: strings.json has each English text, with {} where it has a value, and its translation.

Names that a network brings, and advice that depends on them, stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from layerscope.report.particles import settled

PLACE = re.compile(r"\{([#*\d]?)\}")
"""Where a text has a value: {} anything, {#} a number, {*} a text of the report's own; {1} the second of them."""
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
    for pattern, marks, told in _patterns():
        found = pattern.fullmatch(text)
        if found:
            return _put(told, [_inner(part, mark) for part, mark in zip(found.groups(), marks, strict=True)])
    return None


def _inner(value: str, mark: str) -> str:
    """A value within a text: an amount in words and a text of a report's own (*) are translated, a name stays."""
    if mark == "*" or re.match(r"[\d≥<]|at least ", value):
        return korean(value) or value
    return value


def _put(told: str, values: list[str]) -> str:
    """Values in the place of {} in order, or of {1} by number; particles as these have them."""
    rest = iter(values)
    return settled(PLACE.sub(lambda mark: values[int(mark[1])] if mark[1].isdigit() else next(rest), told))


@cache
def _patterns() -> list[tuple[re.Pattern[str], list[str], str]]:
    """Texts with values in them, the most particular first, with the marks of the values."""
    found = [english for english in table() if PLACE.search(english)]
    found.sort(key=lambda english: -len(PLACE.sub("", english)))
    return [(_pattern(english), PLACE.findall(english), table()[english]) for english in found]


def _pattern(english: str) -> re.Pattern[str]:
    """What the text is with a number in the place of {#}, and anything in that of {}."""
    parts = PLACE.split(english)
    texts, marks = map(re.escape, parts[::2]), [r"([\d≥<].*?)" if mark == "#" else "(.+?)" for mark in parts[1::2]]
    return re.compile("".join(text + mark for text, mark in zip(texts, [*marks, ""], strict=True)), re.DOTALL)


def known(texts: Iterator[str]) -> dict[str, str]:
    """Those of the texts that have a translation, with it."""
    pairs = ((text, korean(text)) for text in texts)
    return {text: told for text, told in pairs if told is not None and told != text}
