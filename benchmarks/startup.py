"""Seconds and peak memory of `import layerscope` and of tracing, whole processes, beside `python -c pass`.

Run: python benchmarks/startup.py
"""

import os
import statistics
import subprocess
import sys
import time

TEXT = "28x28x1 | conv 16 3 same relu | maxpool 2 same | flatten | dense 10"
CASES = {
    "python -c pass": ["-c", "pass"],
    "import layerscope": ["-c", "import layerscope"],
    "layerscope trace TEXT": ["-m", "layerscope.cli", "trace", TEXT],
    "trace example:image-conv --batch 64": ["-m", "layerscope.cli", "trace", "example:image-conv", "--batch", "64"],
    "trace example:boxes-condense": ["-m", "layerscope.cli", "trace", "example:boxes-condense"],
    "import numpy": ["-c", "import numpy"],
}
RUNS = 9


def once(arguments: list[str]) -> tuple[float, float]:
    """Seconds, and peak megabytes (10^6 bytes), of one process."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{arguments} failed")
    return time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    for _ in range(RUNS):  # interleaved, so that a busy moment hits all alike
        for name, arguments in CASES.items():
            rows[name].append(once(arguments))
    print(f"{'whole process':<38}{'seconds':>9}{'peak MB':>10}")
    for name, found in rows.items():
        seconds = statistics.median(s for s, _ in found)
        print(f"{name:<38}{seconds:>9.3f}{max(mb for _, mb in found):>10.1f}")


if __name__ == "__main__":
    main()
