"""Random networks without end: python -m tests.native.fuzz [first seed] [how many] [float64 | float32]."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback

from tests.native.comparing import compare
from tests.native.random_cases import case

DEPTH = 6


def main(first: int = 1_000_000, count: int = 2000, precision: str = "float64") -> int:
    """Compare `count` cases from a seed on; how many of them are wrong."""
    failed: list[int] = []
    start = time.monotonic()
    for seed in range(first, first + count):
        try:
            wrong = compare(case(seed, DEPTH), precision)
        except Exception:  # whatever it is, the seed is what matters
            wrong = [traceback.format_exc(limit=-3)]
        if wrong != []:
            failed.append(seed)
            print(f"\nseed {seed} ({precision}): {'; '.join(wrong or ['refused'])}", flush=True)
        if (seed - first) % 50 == 49 or seed == first + count - 1:
            spent = time.monotonic() - start
            print(f"{seed - first + 1} of {count}, {len(failed)} wrong, {spent:.0f} s", flush=True)
    if failed:
        print(f"Again: python -m tests.native.fuzz SEED 1 {precision}, for SEED in {failed}")
    return len(failed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        numbers = [int(text) for text in sys.argv[1:3]]
        sys.exit(bool(main(*numbers, *sys.argv[3:4])))
