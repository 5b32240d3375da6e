"""Endings of texts that depend on the word before: Korean particles, and the plural of English nouns.

In strings they stand in both forms behind a value, "{name}을(를)" and "{count} cell(s)"; once the value is known,
`settled` leaves the right one. `particles.json` has the rules for Korean, which the lab's page reads too: numbers end
as they are read (3 삼, 8 팔, 10 십), single and capital letters by their names (L 엘), other words of Latin letters
as English ones are usually written in Hangul (kernel 커널, same 세임).
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

PLURAL = re.compile(r"(?<![\d.,])(\d[\d.,]*)((?: [a-z]+){0,2}) ([A-Za-z-]+)\(s\)")


@cache
def rules() -> dict[str, Any]:
    """The table of rules."""
    return json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))


def settled(text: str) -> str:
    """The text with each pair of endings made one. A particle whose word nobody can read stays in both forms."""
    if "(" not in text:
        return text
    return PLURAL.sub(_counted, _marks().sub(_chosen, text))


def ending(words: str) -> str | None:
    """How the last word is read in Korean: up to a "vowel", a "consonant" or a "liquid" (ㄹ); None: nobody knows."""
    word = re.sub(rules()["silent"], "", re.sub(rules()["aside"], "", words))
    last = word[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return "vowel" if final == 0 else "liquid" if final == 8 else "consonant"
    return next((end for pattern, end in _ends() if pattern.search(word)), None)


@cache
def _marks() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, rules()["forms"])))


@cache
def _ends() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern, re.ASCII), end) for pattern, end in rules()["ends"]]


def _chosen(found: re.Match[str]) -> str:
    mark, end = found[0], ending(found.string[: found.start()])
    if end is None:
        return mark
    closed, open = rules()["forms"][mark]
    return open if end == "vowel" or (end == "liquid" and mark in rules()["liquid"]) else closed


def _counted(found: re.Match[str]) -> str:
    number, between, noun = found.groups()
    return f"{number}{between} {noun}{'' if number == '1' else 's'}"
