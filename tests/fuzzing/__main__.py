"""Readers on broken input: python -m tests.fuzzing [READER ...] [--seconds N] [--seed N] [--keep]."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from .readers import READERS, Reader

SLICE = 30.0
"""Seconds of one worker."""
GRACE = 40.0
"""Seconds that a worker may take longer, making a find smaller; then it hangs."""


@dataclass
class Tally:
    """What came of one reader so far."""

    asked: int = 0
    causes: set[str] = field(default_factory=set)


def kept(reader: Reader, data: bytes) -> Path:
    """The input in the corpus of its reader."""
    path = reader.folder / f"{hashlib.sha256(data).hexdigest()[:12]}{reader.suffix}"
    path.write_bytes(data)
    return path


def report(reader: Reader, cause: str, story: str, data: bytes, keep: bool) -> None:
    """Print a find, and keep it."""
    where = f", kept as {kept(reader, data)}" if keep else ""
    print(f"\n{reader.name}: {cause} ({len(data)} bytes{where})\n{story}", flush=True)
    if not keep:
        print(f"input: {data[:300]!r}", flush=True)


def worked(reader: Reader, seed: int, seconds: float, tally: Tally, keep: bool) -> None:
    """One worker's time; one that dies or hangs is a find by itself."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [reader.name, str(seed), str(seconds), folder, *sorted(tally.causes)]
        command = [sys.executable, "-m", "tests.fuzzing.worker", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE, check=False)
            printed, end = done.stdout, "" if not done.returncode else f"the process ended with {done.returncode}"
            story = done.stderr[-3000:]
        except subprocess.TimeoutExpired as error:
            printed = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else error.stdout or ""
            end, story = "the process hangs", ""
        for line in printed.splitlines():
            row = json.loads(line)
            tally.asked += row.get("asked", 0)
            if "cause" in row:
                tally.causes.add(row["cause"])
                report(reader, row["cause"], row["story"], base64.b64decode(row["data"]), keep)
        if end and end not in tally.causes:
            tally.causes.add(end)
            case = Path(folder) / f"case{reader.suffix}"
            report(reader, end, story, case.read_bytes() if case.exists() else b"", keep and case.exists())


def fuzz(reader: Reader, seconds: float, seed: int, keep: bool) -> Tally:
    """Ask one reader for so long."""
    tally, begun, turn = Tally(), time.monotonic(), 0
    while (left := seconds - (time.monotonic() - begun)) > 0.5:
        worked(reader, seed + turn * 1_000_000, min(left, SLICE), tally, keep)
        turn += 1
    spent = time.monotonic() - begun
    print(f"{reader.name}: {tally.asked:,} inputs, {len(tally.causes)} finds, {spent:.0f} s", flush=True)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(READERS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=10, help="for each reader (10)")
    parser.add_argument("--seed", type=int, help="the number of the first input (default: by chance)")
    parser.add_argument("--keep", action="store_true", help="put finds into tests/data/corpus")
    asked = parser.parse_args()
    unknown = [name for name in asked.readers if name not in READERS]
    if unknown:
        parser.error(f"no reader is called {unknown[0]!r}; there are: {', '.join(READERS)}")
    seed = random.randrange(10**9) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    readers = [READERS[name] for name in asked.readers or READERS if READERS[name].folder.is_dir()]
    tallies = [fuzz(reader, asked.seconds, seed, asked.keep) for reader in readers]
    return int(any(tally.causes for tally in tallies))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C; what was found stands above")
        sys.exit(130)
