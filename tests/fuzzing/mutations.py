"""Ways to break input: bytes, texts, JSON, archives and protobuf messages."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import string
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

Chance = random.Random

HUGE = (2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 10**12, 10**30, -(2**63))
SMALL = (-(10**6), -3, -2, -1, 0, 1, 2, 3, 7, 255, 256, 1000, 65535, 65536)
ODD: tuple[Any, ...] = (
    None, True, False, "", "batch", "same", "x" * 3000, "\ud800", "../x", "0", 0.5, -0.0, 1e308, float("nan"),
    float("inf"), [], {}, [[]], [None], [0], [-1, -1], [1, 2, 3], [10**9] * 3, {"": None}, {"class_name": "Dense"},
    ["+", "a", 1], ["//", "a", 0], ["max", 1, "a"], ["*"], *HUGE, *SMALL,
)  # fmt: skip


# --- bytes ---


def of_bytes(chance: Chance, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to a few changes anywhere."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(made) + 1)
        length = chance.choice((1, 1, 2, 4, 8, chance.randrange(1, 1 + max(1, len(made) // 4))))
        change = chance.randrange(8)
        if change == 0 and made:
            made[min(place, len(made) - 1)] ^= 1 << chance.randrange(8)
        elif change == 1:
            made[place : place + length] = bytes(chance.choice((0, 255, 127, 128)) for _ in range(min(length, 64)))
        elif change == 2:
            del made[place:]
        elif change == 3:
            del made[place : place + length]
        elif change == 4:
            made[place:place] = made[place : place + length]
        elif change == 5:
            made[place : place + 8] = struct.pack("<q", chance.choice((-1, 0, 2**31, 2**40, 2**62)))
        elif change == 6:
            made[place:place] = chance.randbytes(min(length, 64))
        else:
            other = chance.choice(others)
            made[place:] = other[chance.randrange(len(other) + 1) :]
    return bytes(made)


# --- one line of text ---

VOCABULARY = (
    "| [ ] ; x2 x99999 x0 same valid relu softmax nobias as 1 2 3 0 -1 7 99999 1000000000000 3x3 0x0 1x1x1x1 2.5 .5 "
    "stride=2 strides=0 use_bias=no padding=full rate=2 size=3x dilation 2 groups 0 groups 3 bilinear none name=a "
    "conv convt maxpool avgpool gap flatten dense dropout reshape upsample nails unpool pad crop pixelshuffle add "
    "28x28x1 axbxc batch x × * = : % \u0000 é \ud800 '"
)
TOKENS = VOCABULARY.split(" ")


def of_text(chance: Chance, data: str, others: Sequence[str]) -> str:
    """Words dropped, doubled, exchanged and invented; brackets; now and then single characters."""
    words = re.findall(r"\s+|[^\s]+", data)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        place = chance.randrange(len(words) + 1)
        change = chance.randrange(8)
        if change == 0:
            del words[place : place + chance.choice((1, 2, 5))]
        elif change in (1, 2):
            words[place:place] = [" ", chance.choice(TOKENS), " "]
        elif change == 3:
            words[place : place + 1] = [chance.choice(TOKENS)]
        elif change == 4:
            words[place:] = [" | ", *re.findall(r"\s+|[^\s]+", chance.choice(others))[chance.randrange(4) :]]
        elif change == 5:
            depth = chance.choice((1, 2, 40, 2000))
            words = [words[0] if words else "", " | ", *["[ "] * depth, *words[1:], *[" ] x1"] * depth]
        elif change == 6 and words:
            words[place:place] = words[: chance.randrange(len(words)) + 1] * chance.choice((1, 3))
        else:
            text = "".join(words)
            spot = chance.randrange(len(text) + 1)
            words = [text[:spot] + chance.choice(string.printable + "×é\u2028") + text[spot + chance.randrange(2) :]]
    return "".join(words)[:100_000]


# --- JSON ---


def _places(value: Any) -> list[tuple[Any, Any]]:
    """All (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack and len(found) < 20_000:
        here = stack.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        for key in keys:
            found.append((here, key))
            stack.append(here[key])
    return found


def _turned(chance: Chance, value: Any) -> Any:
    """The value in another type, or the next number."""
    if isinstance(value, bool) or value is None:
        return chance.choice((0, "true", not value, [value]))
    if isinstance(value, int):
        return chance.choice(
            (value + 1, value - 1, -value, value * 1000, str(value), float(value), [value], {"a": value})
        )
    if isinstance(value, str):
        return chance.choice((value[::-1], value.upper(), value[:-1], value + "x", [value], {value: value}, 7))
    if isinstance(value, list):
        return chance.choice((value[::-1], value * 2, value[:1] * 1000, value[1:], dict(enumerate(map(str, value)))))
    return chance.choice((list(value), list(value.items()), str(value), None)) if isinstance(value, dict) else 1


def _changed(chance: Chance, tree: Any) -> None:
    places = _places(tree)
    if not places:
        return
    (there, key), (other, elsewhere) = chance.choice(places), chance.choice(places)
    change = chance.randrange(8)
    if change == 0:
        del there[key]
    elif change in (1, 2):
        there[key] = copy.deepcopy(chance.choice(ODD))
    elif change in (3, 4):
        there[key] = _turned(chance, there[key])
    elif change == 5:
        there[key] = copy.deepcopy(other[elsewhere])
    elif change == 6:
        same = [(a, b) for a, b in places if b == key and a is not there]
        if same:
            other, elsewhere = chance.choice(same)
            there[key], other[elsewhere] = copy.deepcopy(other[elsewhere]), copy.deepcopy(there[key])
    else:
        there[key] = chance.choice((*DEEP, [there[key]], {"a": there[key]}))


DEEP = {f"{opened} so deep {depth}": (opened, depth) for opened in "[{" for depth in (30, 900, 3000, 50_000)}
"""Words that stand for values too deep to be copied."""


def dumped(tree: Any) -> bytes:
    """JSON of a tree, as deep as its words say."""
    written = json.dumps(tree)
    for word, (opened, depth) in DEEP.items():
        if word in written:
            start, end = (opened, "]") if opened == "[" else ('{"a": ', "}")
            written = written.replace(f'"{word}"', start * depth + "0" + end * depth, 1)
    return written.encode("utf-8", "surrogatepass")


def of_json(chance: Chance, data: bytes, others: Sequence[bytes]) -> bytes:
    """The tree changed in one to a few places; now and then its bytes."""
    if chance.random() < 0.1:
        return of_bytes(chance, data, others)
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return of_bytes(chance, data, others)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        _changed(chance, tree)
    return dumped(tree)


# --- archives ---

NAMES = ("../escaped", "/absolute", "graph.json/", "config.json", "model.weights.h5", "metadata.json", "", "a" * 300)


def entries(data: bytes) -> dict[str, bytes]:
    """What an archive holds; nothing where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        NotImplementedError,
        EOFError,
        ValueError,
        RuntimeError,
        struct.error,
    ):
        return {}


def archive(held: Sequence[tuple[str, bytes]], deflate: bool = True) -> bytes:
    """An archive of these entries; names may come twice."""
    made = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", kind) as file:
        warnings.simplefilter("ignore")
        for name, content in held:
            file.writestr(zipfile.ZipInfo(name), content, file.compression)
    return made.getvalue()


def of_zip(chance: Chance, data: bytes, others: Sequence[bytes]) -> bytes:
    """A JSON within it changed, or its list of entries, or its bytes."""
    held = list(entries(data).items())
    trees = [n for n, (name, _) in enumerate(held) if name.endswith(".json")]
    change = chance.random()
    if not held or change < 0.3:
        return of_bytes(chance, data, others)
    number = chance.choice(trees) if trees and change < 0.85 else chance.randrange(len(held))
    name, content = held[number]
    if change < 0.75:
        held[number] = name, of_json(chance, content, [content])
    elif change < 0.8:
        held[number] = name, b"{" + b" " * chance.choice((1 << 20, 70 << 20)) + b"}"
    elif change < 0.85:
        held.append((name, of_json(chance, content, [content])))
    elif change < 0.92:
        del held[number]
    else:
        held[number] = chance.choice(NAMES) or "x", content
    return archive(held, chance.random() < 0.7)


# --- protobuf messages, without their schema ---

Fields = list[list[Any]]
"""[number, wire type, value]: an integer, bytes, or again fields."""


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("too long")


def parsed(data: bytes, depth: int = 0) -> Fields | None:
    """The fields of a message, those within it too where they look like one; None for anything else."""
    found: Fields = []
    place = 0
    try:
        while place < len(data):
            key, place = _varint(data, place)
            number, kind = key >> 3, key & 7
            value: Any
            if kind == 0:
                value, place = _varint(data, place)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
                value, place = data[place : place + size], place + size
            elif kind == 2:
                size, place = _varint(data, place)
                value, place = data[place : place + size], place + size
                inner = parsed(value, depth + 1) if depth < 6 and value else None
                value = value if inner is None or _printable(value) else inner
            else:
                return None
            if place > len(data) or not number:
                return None
            found.append([number, kind, value])
    except (IndexError, ValueError):
        return None
    return found


def _printable(data: bytes) -> bool:
    return all(32 <= byte < 127 for byte in data)


def _encoded(value: int) -> bytes:
    made = bytearray()
    value &= 2**64 - 1
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def assembled(fields: Fields) -> bytes:
    """The bytes of a message."""
    made = bytearray()
    for number, kind, value in fields:
        made += _encoded(number << 3 | kind)
        if kind == 0:
            made += _encoded(value)
        else:
            content = assembled(value) if isinstance(value, list) else value
            made += (_encoded(len(content)) if kind == 2 else b"") + content
    return bytes(made)


def _messages(fields: Fields) -> list[Fields]:
    found = [fields]
    for _, _, value in fields:
        if isinstance(value, list):
            found += _messages(value)
    return found


def of_protobuf(chance: Chance, data: bytes, others: Sequence[bytes]) -> bytes:
    """Fields dropped, doubled, moved, renumbered, with other values and in other messages; now and then bytes."""
    fields = parsed(data) if chance.random() < 0.85 else None
    if not fields:
        return of_bytes(chance, data, others)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        messages = [message for message in _messages(fields) if message]
        here, elsewhere = chance.choice(messages), chance.choice(messages)
        place, change = chance.randrange(len(here)), chance.randrange(8)
        one = here[place]
        if change == 0:
            del here[place]
        elif change == 1:
            here.insert(chance.randrange(len(here) + 1), copy.deepcopy(one))
        elif change == 2:
            elsewhere.append(copy.deepcopy(one))
        elif change == 3:
            one[0] = chance.randrange(1, 40)
        elif change == 4:
            chance.shuffle(here)
        elif one[1] == 0:
            one[2] = chance.choice((*SMALL, *HUGE, one[2] + 1))
        elif isinstance(one[2], bytes):
            same = [row[2] for message in messages for row in message if isinstance(row[2], bytes)]
            one[2] = chance.choice((b"", chance.choice(same), of_bytes(chance, one[2], same), one[2] * 50))
        else:
            one[2] = copy.deepcopy(chance.choice(messages))
        if not fields:
            break
    return assembled(fields)


Mutation = Callable[[Chance, Any, Sequence[Any]], Any]
