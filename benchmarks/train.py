"""Images a second in training and predicting: this project beside PyTorch and Keras, on the same arrays.

Whoever can be imported takes part, each in fresh processes, in turn, several times; the tables give medians.
docs/benchmarks.md says what is measured, and holds the tables of one machine (--write puts them there).
Run: python benchmarks/train.py [--quick] [--networks autoencoder ...] [--contenders ours torch ...]
"""

import argparse
import contextlib
import dataclasses
import datetime
import functools
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pages
from contenders import CONTENDERS, NETWORKS, Task

import layerscope as ls

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by benchmarks/train.py --write -->", "<!-- end of results -->"
LIMIT = 1800  # seconds for one process
TRAINING, PREDICTING = 6, 2  # FLOPs for each MAC of the forward pass
SELDOM = {"ours-reference": 512}  # contenders that get few images


@dataclass
class Findings:
    """All that was measured, by network, threads and contender."""

    runs: dict[tuple[str, int, str], list[dict[str, Any]]] = field(default_factory=dict)
    failed: dict[tuple[str, int, str], str] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)
    starts: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def peak(self) -> float:
        """GFLOP/s of one thread."""
        return max(self.peaks, default=float("nan"))


class Failed(Exception):
    """A process that ended badly; the text is the last line that it printed."""


def process(arguments: list[str], cores: list[int], environment: dict[str, str]) -> str:
    """The last line that a script of this folder prints, run on these cores."""
    bound = {"preexec_fn": lambda: os.sched_setaffinity(0, cores)} if hasattr(os, "sched_setaffinity") else {}
    command = [sys.executable, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, timeout=LIMIT, **bound
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no result within {LIMIT} s") from None
    if done.returncode:
        raise Failed((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return done.stdout.splitlines()[-1]


def cores_for(threads: int) -> list[int]:
    """The last so many of the cores that this process may use: the first ones serve interrupts."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return list(allowed)[-threads:]


def contend(task: Task, **environment: str) -> dict[str, Any]:
    """What one contender finds in a fresh process."""
    line = json.dumps(dataclasses.asdict(task))
    given = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if task.threads == 1 else {}
    given |= {name: str(task.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    given |= CONTENDERS[task.contender].environment | environment
    return json.loads(process([str(HERE / "contenders.py"), line], cores_for(task.threads), given))


def start(task: Task) -> tuple[float, float]:
    """Seconds until the first batch is finished: with an empty cache of kernels, then with a filled one."""
    task = dataclasses.replace(task, start_only=True)
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (contend(task, XDG_CACHE_HOME=folder)["first"] for _ in range(2))
    return cold, warm


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(asked: argparse.Namespace, found: Findings) -> None:
    """All rounds; contenders take turns, so that a busy moment hits all alike."""
    for number in range(asked.rounds):
        say(f"round {number + 1} of {asked.rounds}")
        with contextlib.suppress(Failed):
            found.peaks.append(float(process([str(HERE / "peak.py"), "--bare"], cores_for(1), {})))
        for network in asked.networks:
            for threads in asked.threads:
                for name in asked.contenders:
                    turn(task_of(asked, network, threads, name), found)
            if "ours" in asked.contenders:
                with contextlib.suppress(Failed):  # the contender's own run says so
                    pair = start(task_of(asked, network, max(asked.threads), "ours"))
                    found.starts.setdefault(network, []).append(pair)


def task_of(asked: argparse.Namespace, network: str, threads: int, name: str) -> Task:
    pool = min(asked.images, SELDOM.get(name, asked.images))
    parameters = totals(network)["parameters"]
    return Task(name, network, threads, parameters, asked.seconds, pool, asked.data)


def turn(task: Task, found: Findings) -> None:
    """One run of one contender; one that fails is not tried again."""
    key = task.network, task.threads, task.contender
    if key in found.failed:
        return
    try:
        result = contend(task)
    except Failed as error:
        found.failed[key] = str(error)
        say(f"  {task.network}, {task.threads}, {CONTENDERS[task.contender].title}: failed: {error}")
        return
    found.versions |= result["versions"]
    found.runs.setdefault(key, []).append(result)
    told = f"{result['train']:,.0f} images/s in training, {result['predict']:,.0f} in predicting"
    say(f"  {task.network}, {task.threads}, {CONTENDERS[task.contender].title}: {told}")


# --- tables ---


@functools.cache
def totals(network: str) -> dict[str, Any]:
    net = NETWORKS[network]
    return ls.trace(net.made() if net.written else net.source).totals


def medians(found: Findings, network: str, threads: int, what: str) -> dict[str, float]:
    """The median of each contender that has results for a network and a number of threads."""
    return {
        name: statistics.median(run[what] for run in runs)
        for (net, count, name), runs in found.runs.items()
        if (net, count) == (network, threads)
    }


def speeds(found: Findings, network: str, threads: int, what: str, factor: int) -> dict[str, list[str]]:
    """For each contender: images a second, spread, ratio to the best peer, share of the peak."""
    values = medians(found, network, threads, what)
    best = max((value for name, value in values.items() if CONTENDERS[name].peer), default=None)
    cells: dict[str, list[str]] = {}
    for name, value in values.items():
        each = [run[what] for run in found.runs[network, threads, name]]
        spread = (max(each) - min(each)) / value
        share = value * totals(network)["macs"] * factor / (found.peak * 1e9 * threads)
        ratio = f"{value / best:.2f}" if best else "–"
        cells[name] = [f"{value:,.0f}", f"{spread:.0%}", ratio, f"{share:.1%}"]
    return cells


def table(asked: argparse.Namespace, found: Findings, network: str, threads: int) -> str:
    """One network on so many threads."""
    train = speeds(found, network, threads, "train", TRAINING)
    predict = speeds(found, network, threads, "predict", PREDICTING)
    first = medians(found, network, threads, "first")
    rows = []
    for name in asked.contenders:
        cells = [*train[name], *predict[name], f"{first[name]:.2f}"] if name in train else ["–"] * 9
        rows.append([CONTENDERS[name].title, *cells])
    columns = ["images/s", "spread", "× best peer", "of peak"]
    head = [
        "",
        *(f"training: {columns[0]}", *columns[1:]),
        *(f"predict: {columns[0]}", *columns[1:]),
        "first batch, s",
    ]
    title = f"**{network}, {threads} thread{'s' * (threads != 1)}** "
    title += f"({totals(network)['macs'] / 1e6:.2f} million MACs an image, batch {NETWORKS[network].batch})"
    notes = [
        f"{CONTENDERS[name].title} failed: `{found.failed[network, threads, name]}`"
        for name in asked.contenders
        if (network, threads, name) in found.failed
    ]
    return "\n\n".join([title, pages.rendered(head, rows), *notes, *goals(found, network, threads)])


def goals(found: Findings, network: str, threads: int) -> list[str]:
    """Whether this project is as much faster than the best peer as is wanted."""
    wanted, lines = NETWORKS[network].goal, []
    for what, title in (("train", "training"), ("predict", "predict")):
        values = medians(found, network, threads, what)
        best = max((value for name, value in values.items() if CONTENDERS[name].peer), default=0.0)
        if best and "ours" in values:
            ratio = values["ours"] / best
            lines.append(f"- {title}: × {ratio:.2f} (goal {wanted:g}: {'reached' if ratio >= wanted else 'missed'})")
    return ["\n".join(lines)] if lines else []


def starts(found: Findings) -> str:
    """Seconds to the first batch of ours."""
    rows = [
        [network, *(f"{statistics.median(each):.2f}" for each in zip(*pairs, strict=True))]
        for network, pairs in found.starts.items()
    ]
    title = "**From calling `fit` to the first finished batch**, layerscope, fresh processes"
    return f"{title}\n\n{pages.rendered(['', 'empty cache, s', 'filled cache, s'], rows)}"


def report(asked: argparse.Namespace, found: Findings, load: str) -> str:
    """The whole result."""
    from layerscope.engine.native import objects

    host = objects.host()
    command = " ".join(["python benchmarks/train.py", *sys.argv[1:]])
    rounds = max(map(len, found.runs.values()), default=0)
    versions = {"layerscope": ls.__version__, "Python": platform.python_version(), **found.versions}
    facts = [
        f"{datetime.date.today().isoformat()}, `{command}`",
        f"{pages.processor()}, {len(cores_for(0))} cores (to LLVM {host.cpu}; {objects.chosen(host).name}), "
        f"{platform.system()}, load {load} before",
        f"peak of one core: {found.peak:.1f} GFLOP/s of float32",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"median of {rounds} round{'s' * (rounds != 1)}; data: {asked.data}",
    ]
    tables = [table(asked, found, network, threads) for network in asked.networks for threads in asked.threads]
    return "\n\n".join(
        ["\n".join(f"- {fact}" for fact in facts), *tables, *([starts(found)] if found.starts else [])]
    )


# --- the command line ---


def threads_of(word: str) -> int:
    return len(cores_for(0)) if word == "all" else int(word)


def available(name: str) -> bool:
    """Whether a contender can take part here."""
    if name == "ours-avx2":
        from layerscope.engine.native import objects

        return objects.chosen(objects.host()).name == "avx512"
    if not all(importlib.util.find_spec(module) for module in CONTENDERS[name].modules):
        return False
    if CONTENDERS[name].device == "cuda":
        import torch

        return bool(torch.cuda.is_available())
    return True


def parsed() -> argparse.Namespace:
    """The command line, with what it leaves out filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, help="by default all that can be imported")
    parser.add_argument("--threads", nargs="+", default=["1", "all"], help="numbers, or all (1 all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="about how long a timed run takes (2.5)")
    parser.add_argument("--images", type=int, default=60_000, help="how many images an epoch may have (60000)")
    parser.add_argument("--data", choices=("noise", "mnist"), default="noise")
    parser.add_argument("--quick", action="store_true", help="one round, 2048 images, short runs")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.images, asked.seconds = 1, min(asked.images, 2048), 0.2
    asked.threads = sorted({min(threads_of(word), threads_of("all")) for word in asked.threads})
    absent = [name for name in CONTENDERS if not available(name)]
    for name in absent:
        say(f"{CONTENDERS[name].title}: not possible here")
    asked.contenders = [name for name in asked.contenders or CONTENDERS if name not in absent]
    return asked


def main() -> None:
    asked, found = parsed(), Findings()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    try:
        measure(asked, found)
    except KeyboardInterrupt:
        say("stopped; the tables hold what is there")
        asked.write = False
    text = report(asked, found, load)
    print(text)
    if asked.write:
        pages.put(PAGE, BEGIN, END, text)


if __name__ == "__main__":
    main()
