"""Seconds and memory of tracing a model that exists: this project beside its peers, whole processes, side by side.

Every contender is a fresh process, in turn, several times. What each reports is printed beside what it took: speed
with wrong numbers is no speed. docs/benchmarks.md says what is measured, and has one machine's tables (--write).
Run: python benchmarks/trace.py [--quick] [--cases resnet152 ...] [--contenders ...] [--folder FILES]
The peers: pip install -r benchmarks/peers.txt, and a build of PyTorch.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pages

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- tracing: written by benchmarks/trace.py --write -->", "<!-- end of tracing -->"
GOAL = 10  # times as fast, and as small, as the best peer that starts from a framework
GOAL_SECONDS, GOAL_MEGABYTES = 0.3, 40  # of resnet152
GOAL_LIVE = 3  # times torchinfo's seconds, at most, of a live module; and less memory than any peer on large inputs


@dataclass(frozen=True)
class Case:
    """A network: what is right to report of it, and how `layerscope trace` is told it besides files."""

    about: str
    parameters: frozenset[int]
    macs: frozenset[int]
    text: str = ""
    batch: tuple[str, ...] = ()


A = "conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same | conv 4 3 same relu | maxpool 2 same"
A_BACK = "conv 4 3 same relu | upsample 2 | conv 8 3 same relu | upsample 2 | conv 16 3 relu | upsample 2"
CASES = {
    "autoencoder": Case(
        "the document's autoencoder, one 28×28 digit",
        frozenset({3369}),
        frozenset({712_224}),
        f"28x28x1 | {A} | {A_BACK} | conv 1 3 same sigmoid",
    ),
    "resnet152": Case(
        "ResNet-152, one 224×224 image (v1.5; v1 with biases in Keras)",
        frozenset({60_192_808, 60_344_232, 60_419_944}),  # trainable; with statistics; Keras's
        frozenset({11_513_626_624, 11_282_415_616}),  # v1.5; v1
    ),
    "convolution": Case(
        "64 images of 1920×1080×3 through the document's convolution",
        frozenset({1_328_304}),
        frozenset({6_455_033_856}),
        "1920x1080x3 | conv 16 5 stride 5 nobias | flatten | dense 1 nobias",
        ("--batch", "64"),
    ),
}


@dataclass(frozen=True)
class Contender:
    """A row of the tables: its title, which modules it needs, where it starts from."""

    title: str
    start: str
    """text, json, .onnx or .keras of ours; "framework" or "file" of a peer."""
    ours: bool = False
    modules: tuple[str, ...] = ()
    peer: str = ""
    environment: dict[str, str] = field(default_factory=dict)


JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
TORCH = {"KERAS_BACKEND": "torch"}


OWN = {"PYTHONPATH": str(HERE.parent / "src")}


def _peer(title: str, peer: str, *modules: str, start: str = "framework", **environment: str) -> Contender:
    return Contender(title, start, False, modules, peer, environment)


CONTENDERS = {
    "ours-text": Contender("layerscope, one line of text", "text", True),
    "ours-json": Contender("layerscope, graph as JSON", "json", True),
    "ours-onnx": Contender("layerscope, .onnx file", ".onnx", True),
    "ours-keras": Contender("layerscope, .keras file", ".keras", True),
    "ours-torch": _peer("layerscope, live PyTorch module", "layerscope", "torch", start="module", **OWN),
    "ours-torch-meta": _peer(
        "layerscope, live module on the meta device", "layerscope-meta", "torch", start="module", **OWN
    ),
    "ours-flax": _peer("layerscope, live Flax module", "layerscope-flax", "flax", start="module", **OWN, **JAX),
    "torchinfo": _peer("torchinfo", "torchinfo", "torchinfo", "torch"),
    "torchlens": _peer("TorchLens", "torchlens", "torchlens", "torch"),
    "fvcore": _peer("fvcore", "fvcore", "fvcore", "iopath", "torch"),
    "flop-counter": _peer("FlopCounterMode", "flop-counter", "torch"),
    "flop-counter-meta": _peer("FlopCounterMode, meta device", "flop-counter-meta", "torch"),
    "flax-tabulate": _peer("Flax tabulate", "flax-tabulate", "flax", **JAX),
    "keras-tensorflow": _peer("Keras summary, on TensorFlow", "keras-summary", "keras", "tensorflow", **TENSORFLOW),
    "keras-jax": _peer("Keras summary, on JAX", "keras-summary", "keras", "jax", **JAX),
    "keras-torch": _peer("Keras summary, on PyTorch", "keras-summary", "keras", "torch", **TORCH),
    "keras-file": _peer("Keras load_model, summary (JAX)", "keras-file", "keras", "jax", **JAX),
    "onnx-tool": _peer("onnx-tool, .onnx file", "onnx-tool", "onnx_tool", "tabulate", "onnx", start="file"),
}
NAMES = {"onnx_tool": "onnx-tool"}


@dataclass
class Run:
    """What one process took, and what it reported."""

    seconds: float
    megabytes: float
    parameters: Any = None
    macs: Any = None


@dataclass
class Findings:
    """All runs, and who failed how, by case and contender."""

    runs: dict[tuple[str, str], list[Run]] = field(default_factory=dict)
    failed: dict[tuple[str, str], str] = field(default_factory=dict)
    floor: list[Run] = field(default_factory=list)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Failed(Exception):
    """A process that did not end well; the text says how, for the table."""


def measured(command: list[str], asked: argparse.Namespace, environment: dict[str, str]) -> tuple[Run, str]:
    """A process and what it printed. Failed: it was killed at a limit, or ended badly."""
    output, errors = asked.scratch / "output", asked.scratch / "errors"
    limits = [str(asked.limit), str(asked.megabytes)]
    watch = [sys.executable, "-I", "-S", str(HERE / "measured.py"), *limits, str(output), str(errors), *command]
    given = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | environment
    told = subprocess.run(watch, capture_output=True, text=True, check=True, env=given).stdout.split(maxsplit=2)
    run, end = Run(float(told[0]), float(told[1])), told[2].strip()
    if end == "ok":
        return run, output.read_text("utf-8", "replace")
    if end in ("time", "memory"):
        limit = f"{asked.limit:g} s" if end == "time" else f"{asked.megabytes / 1000:g} GB"
        raise Failed(f"killed: more than {limit} (after {run.seconds:.1f} s and {run.megabytes:,.0f} MB)")
    lines = errors.read_text("utf-8", "replace").strip().splitlines() or [end]
    words = lines[0 if end == "code 2" else -1].replace(f"{asked.folder}{os.sep}", "")
    raise Failed(f"{'refused' if end == 'code 2' else 'failed'}: {words[:240]}")


def command(contender: Contender, case: str, asked: argparse.Namespace) -> list[str] | None:
    """What runs; None where the contender has nothing to start from."""
    if not contender.ours:
        return [sys.executable, str(HERE / "tracers.py"), contender.peer, case, str(asked.folder)]
    suffix = ".json" if contender.start == "json" else contender.start
    what = CASES[case].text if contender.start == "text" else str(asked.folder / f"{case}{suffix}")
    if not what or (contender.start != "text" and not os.path.exists(what)):
        return None
    return [sys.executable, "-m", "layerscope.cli", "trace", what, *CASES[case].batch, "--format", "json"]


def turn(name: str, case: str, asked: argparse.Namespace, found: Findings, counted: bool = True) -> None:
    """One run of one contender on one case; one that fails is not tried again."""
    contender, key = CONTENDERS[name], (case, name)
    what = command(contender, case, asked)
    if key in found.failed or what is None:
        return
    source = {"PYTHONPATH": str(HERE.parent / "src"), "PYTHONPYCACHEPREFIX": str(asked.scratch / "bytecode")}
    try:
        run, printed = measured(what, asked, source if contender.ours else contender.environment)
        told = json.loads(printed)
    except Failed as error:
        found.failed[key] = str(error)
        say(f"  {case}, {contender.title}: {error}")
        return
    told = told["totals"] if contender.ours else told
    run.parameters, run.macs = told["parameters"], told["macs"]
    if counted:
        found.runs.setdefault(key, []).append(run)
        say(f"  {case}, {contender.title}: {run.seconds:.2f} s, {run.megabytes:,.0f} MB")


def measure(asked: argparse.Namespace, found: Findings) -> None:
    """All rounds, in turn, so that a busy moment hits all alike; a first one, uncounted, fills the caches."""
    for number in range(asked.rounds + 1):
        say(f"round {number} of {asked.rounds}" if number else "a first run of each, to fill the caches")
        if number:
            found.floor.append(measured([sys.executable, "-c", "pass"], asked, {})[0])
        for case in asked.cases:
            for name in asked.contenders:
                turn(name, case, asked, found, bool(number))


# --- the files ---


def prepare(asked: argparse.Namespace) -> None:
    """The files of all cases, each written by its own framework, where it is not there yet."""
    for case in asked.cases:
        graph(case, asked.folder / f"{case}.json")
        for suffix, peer, modules, environment in (
            (".onnx", "files-torch", ("torch", "onnx"), {}),
            (".keras", "files-keras", ("keras", "jax"), JAX),
        ):
            path = asked.folder / f"{case}{suffix}"
            if path.exists() or not all(map(importlib.util.find_spec, modules)):
                continue
            say(f"writing {path}")
            told = subprocess.run(
                [sys.executable, str(HERE / "tracers.py"), peer, case, str(asked.folder)],
                capture_output=True, text=True, env=os.environ | environment, check=False,
            )  # fmt: skip
            if told.returncode:
                say(f"  failed: {told.stderr.strip().splitlines()[-1]}")


GRAPHS = """
import sys
import layerscope as ls
case, path = sys.argv[1:]
if case == "resnet152":
    from tests import networks
    ls.trace(networks.resnet(152)).save(path)
else:
    ls.trace(case).save(path)
"""


def graph(case: str, path: Path) -> None:
    """The case as a graph in JSON."""
    if not path.exists():
        root = HERE.parent
        given = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
        subprocess.run([sys.executable, "-c", GRAPHS, CASES[case].text or case, str(path)], check=True, env=given)


# --- the table ---


def cell(value: Any, right: frozenset[int]) -> str:
    """A number that a contender reports; of a wrong one, how wrong; of an expression, that it is open."""
    if not isinstance(value, int):
        return "–" if value is None else "open"
    near = min(right, key=lambda truth: abs(truth - value))
    return f"{value:,}" if value in right else f"{value:,} (×{value / near:.6g})"


def best(found: Findings, case: str, name: str) -> tuple[float, float, float]:
    """The smallest and the median seconds, and the largest peak."""
    runs = found.runs[case, name]
    seconds = [run.seconds for run in runs]
    return min(seconds), median(seconds), max(run.megabytes for run in runs)


def rows_of(asked: argparse.Namespace, found: Findings, case: str) -> list[list[str]]:
    """One row for each contender of a case."""
    rows: list[list[str]] = []
    for name in asked.contenders:
        title = CONTENDERS[name].title
        if (case, name) in found.failed:
            rows.append([title, "–", "–", "–", found.failed[case, name].partition(":")[0], ""])
        elif (case, name) in found.runs:
            least, middle, peak = best(found, case, name)
            last = found.runs[case, name][-1]
            told = cell(last.parameters, CASES[case].parameters), cell(last.macs, CASES[case].macs)
            rows.append([title, f"{least:.3f}", f"{middle:.3f}", f"{peak:,.1f}", *told])
    return rows


def verdicts(asked: argparse.Namespace, found: Findings, case: str) -> list[str]:
    """For each of our rows: how many times as fast and as small it is as the best peer with a framework."""
    here = [name for name in asked.contenders if (case, name) in found.runs]
    peers = {CONTENDERS[n].title: best(found, case, n) for n in here if CONTENDERS[n].start == "framework"}
    lines: list[str] = []
    for name in here:
        if not CONTENDERS[name].ours:
            continue
        _, seconds, peak = best(found, case, name)
        words = f"{CONTENDERS[name].title}: {seconds:.2f} s, {peak:.0f} MB"
        if peers:
            fast, small = min(peers, key=lambda n: peers[n][1]), min(peers, key=lambda n: peers[n][2])
            times, parts = peers[fast][1] / seconds, peers[small][2] / peak
            words += f"; {times:.0f} times as fast as {fast}, {parts:.0f} times as small as {small}"
            words += f" (goal {GOAL}: {'reached' if min(times, parts) >= GOAL else 'missed'})"
        if case == "resnet152":
            kept = seconds < GOAL_SECONDS and peak < GOAL_MEGABYTES
            words += f" (goal {GOAL_SECONDS} s and {GOAL_MEGABYTES} MB: {'reached' if kept else 'missed'})"
        lines.append(f"- {words}")
    return lines + live_verdict(found, case, peers)


def live_verdict(found: Findings, case: str, peers: dict[str, tuple[float, float, float]]) -> list[str]:
    """The rows of a live module beside torchinfo's, and the smallest peer: with weights, one that holds them, too."""
    if (case, "ours-torch") not in found.runs or (case, "torchinfo") not in found.runs:
        return []
    lines: list[str] = []
    for name in [name for name in ("ours-torch", "ours-torch-meta") if (case, name) in found.runs]:
        _, seconds, peak = best(found, case, name)
        times = seconds / best(found, case, "torchinfo")[1]
        others = {n: peers[n][2] for n in peers if name.endswith("meta") or "meta" not in n}
        small = min(others, key=others.__getitem__)
        words = f"{CONTENDERS[name].title}: {seconds:.2f} s, {times:.1f} times torchinfo's"
        words += f" (goal {GOAL_LIVE}: {'reached' if times <= GOAL_LIVE else 'missed'})"
        lines.append(f"- {words}; {peak:.0f} MB, {others[small] / peak:.2f} times as small as {small}")
    if (case, "ours-flax") in found.runs and (case, "flax-tabulate") in found.runs:
        (_, ours, mine), (_, theirs, other) = (best(found, case, name) for name in ("ours-flax", "flax-tabulate"))
        told = f"{ours:.2f} s, {ours / theirs:.1f} times Flax tabulate's; {mine:.0f} MB"
        lines.append(f"- {CONTENDERS['ours-flax'].title}: {told}, {other / mine:.1f} times as small")
    return lines


def failures(asked: argparse.Namespace, found: Findings, case: str) -> list[str]:
    """Who failed, and how."""
    failed = [(name, found.failed[case, name]) for name in asked.contenders if (case, name) in found.failed]
    return [f"- {CONTENDERS[name].title}: `{words}`" for name, words in failed]


def versions(asked: argparse.Namespace) -> str:
    names = sorted(
        {module for name in asked.contenders for module in CONTENDERS[name].modules} - {"iopath", "tabulate"}
    )
    told = [f"{name} {importlib.metadata.version(NAMES.get(name, name))}" for name in names]
    return ", ".join([f"Python {platform.python_version()}", *told])


def report(asked: argparse.Namespace, found: Findings, load: str) -> str:
    """The whole result."""
    head = ["", "best, s", "median, s", "peak, MB", "parameters", "MACs"]
    parts = [
        f"- {datetime.date.today().isoformat()}, `{' '.join(['python benchmarks/trace.py', *pages.shown()])}`\n"
        f"- {pages.processor()}, {os.cpu_count()} cores, {platform.system()}, load {load} before\n"
        f"- {versions(asked)}\n"
        f"- {asked.rounds} round{'s' * (asked.rounds != 1)}; `python -c pass` took "
        f"{median(r.seconds for r in found.floor):.3f} s and {max(r.megabytes for r in found.floor):.1f} MB"
    ]
    for case in asked.cases:
        parts.append(f"**{CASES[case].about}**\n\n{pages.rendered(head, rows_of(asked, found, case))}")
        parts.append("\n".join([*verdicts(asked, found, case), *failures(asked, found, case)]))
    return "\n\n".join(part for part in parts if part)


# --- the command line ---


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, help="by default all that can be imported")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=180, help="seconds for one process (180)")
    parser.add_argument("--megabytes", type=float, default=12_000, help="peak memory for one process (12000)")
    parser.add_argument("--folder", type=Path, help="where the files are kept between runs (by default nowhere)")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    asked = parser.parse_args()
    asked.rounds = 1 if asked.quick else asked.rounds
    absent = [n for n, c in CONTENDERS.items() if not all(map(importlib.util.find_spec, c.modules))]
    for name in absent:
        say(f"{CONTENDERS[name].title}: not possible here")
    asked.contenders = [name for name in asked.contenders or CONTENDERS if name not in absent]
    return asked


def main() -> None:
    asked, found = parsed(), Findings()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    with tempfile.TemporaryDirectory() as scratch:
        asked.scratch = Path(scratch)
        asked.folder = (asked.folder or asked.scratch / "files").resolve()
        asked.folder.mkdir(parents=True, exist_ok=True)
        prepare(asked)
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
