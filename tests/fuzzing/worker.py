"""A process that asks one reader again and again; it is started anew now and then, and after a crash.

python -m tests.fuzzing.worker READER FIRST_SEED SECONDS FOLDER [KNOWN ...] leaves the input that it asks for in
FOLDER/case.SUFFIX, and prints a line of JSON for each find of a cause that is not KNOWN, and how many it asked for.
"""

from __future__ import annotations

import base64
import json
import random
import sys
import time
import warnings
from pathlib import Path

from .readers import READERS, Find, Reader, judge

MOST = 3000
"""Cases of one process."""


def mutated(reader: Reader, seed: int, seeds: list[bytes]) -> bytes:
    """The case of a number."""
    chance = random.Random(seed)
    return reader.mutate(chance, chance.choice(seeds), seeds)


def tried(reader: Reader, data: bytes, folder: Path) -> Find | None:
    """Ask for these bytes."""
    path = folder / f"case{reader.suffix}"
    path.write_bytes(data)
    return judge(reader, path)


def smaller(reader: Reader, data: bytes, found: Find, folder: Path, seconds: float = 10) -> bytes:
    """As short an input as is found soon that breaks in the same place."""
    end = time.monotonic() + seconds
    size = len(data) // 2
    while size and time.monotonic() < end:
        place = 0
        while place < len(data) and time.monotonic() < end:
            shorter = data[:place] + data[place + size :]
            again = tried(reader, shorter, folder)
            if again is not None and again.cause == found.cause:
                data = shorter
            else:
                place += size
        size //= 2
    return data


def main(name: str, first: int, seconds: float, folder: Path, known: set[str]) -> None:
    reader = READERS[name]
    seeds = reader.seeds()
    for data in seeds:  # loads all that is loaded when it is wanted, so that the limits are of the inputs alone
        tried(reader, data, folder)
    end, seed = time.monotonic() + seconds, first
    while time.monotonic() < end and seed < first + MOST:
        data = mutated(reader, seed, seeds)
        found = tried(reader, data, folder)
        seed += 1
        if found is not None and found.cause not in known:
            known.add(found.cause)
            short = smaller(reader, data, found, folder)
            row = {"cause": found.cause, "story": found.story, "data": base64.b64encode(short).decode()}
            print(json.dumps(row), flush=True)
    print(json.dumps({"asked": seed - first}), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(1000)
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]), set(sys.argv[5:]))
