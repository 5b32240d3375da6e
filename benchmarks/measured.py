"""Run a command and print its seconds, its peak memory and how it ended: what trace.py measures with.

A process begins with the peak of the one that made it, so this one stands between, as small as a Python can be.
Run: python -I -S benchmarks/measured.py SECONDS MEGABYTES OUTPUT ERRORS COMMAND ...
prints: seconds, peak MB (10^6 bytes), and ok, code N, signal N, time (killed after SECONDS) or memory (likewise).
"""

import _signal as signal  # the public module imports much more
import os
import sys
import time

TICK = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(process: int) -> float:
    """Megabytes of a process in memory now; 0 where the system does not tell."""
    try:
        with open(f"/proc/{process}/statm") as file:
            return int(file.read().split()[1]) * PAGE / 1e6
    except (OSError, IndexError, ValueError):
        return 0.0


def start(output: str, errors: str, command: list[str]) -> int:
    """The number of a process that runs the command."""
    child = os.fork()
    if child:
        return child
    for stream, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
    try:
        os.execvp(command[0], command)
    finally:
        os._exit(127)


def main(seconds: float, megabytes: float, output: str, errors: str, command: list[str]) -> str:
    """Run it to its end, or to a limit."""
    killed: list[str] = []
    began = time.perf_counter()
    child = start(output, errors, command)

    def look(*_: object) -> None:
        late, large = time.perf_counter() - began > seconds, resident(child) > megabytes
        if late or large:
            killed.append("time" if late else "memory")
            os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    _, status, usage = os.wait4(child, 0)
    took = time.perf_counter() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
    code = os.waitstatus_to_exitcode(status)
    end = killed[0] if killed else "ok" if not code else f"code {code}" if code > 0 else f"signal {-code}"
    return f"{took:.6f} {usage.ru_maxrss * (1 if sys.platform == 'darwin' else 1024) / 1e6:.3f} {end}"


if __name__ == "__main__":
    print(main(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]))
