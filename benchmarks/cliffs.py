"""Where a network is no longer fast: training and predicting over a grid of shapes, beside PyTorch.

Each case is one or a few layers of a kind: wide and deep ones, large images and kernels, batches of 1 and 256, odd
sizes. Both take turns on the same arrays, several times; the best of each counts, PyTorch by either order of axes,
whichever is faster. Times are the process's own seconds, so that what else runs on the machine matters little; with
several threads they are those on the clock. --memory runs training steps of each in a process of its own and tells
by how much its memory grew beyond data, weights and loaded libraries, and the whole process at its peak.
Run: python benchmarks/cliffs.py [--cases conv256 ...] [--rounds 3] [--threads 1] [--memory]
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cliff_cases import CASES

from layerscope.models import Model

Work = Callable[[], Any]


def data(name: str) -> tuple[Any, Any, Model]:
    """Numbers, labels, and the model."""
    import numpy as np

    batch, make = CASES[name]
    model, random = make(), np.random.default_rng(0)
    x = random.random((batch, *(int(n) for n in model.input_shape[1:])), np.float32)
    return x, random.integers(0, 10, batch), model


def ours(name: str, threads: int) -> tuple[Work, Work]:
    """A training step and a prediction."""
    batch, _ = CASES[name]
    x, y, model = data(name)
    model.compile("sgd", "sparse_categorical_crossentropy", engine="native", threads=threads)
    return lambda: model.fit(x, y, batch, 1, verbose=0), lambda: model.predict(x, batch, verbose=0)


def peers(name: str, threads: int) -> Iterator[tuple[Work, Work]]:
    """The same in PyTorch, once with channels last and once with channels first."""
    import torch

    torch.set_num_threads(threads)
    x, y, model = data(name)
    layouts = {
        4: (torch.channels_last, torch.contiguous_format),
        5: (torch.channels_last_3d, torch.contiguous_format),
    }
    for layout in layouts.get(x.ndim, (torch.contiguous_format,)):
        module, images = model.to_torch().to(memory_format=layout), torch.from_numpy(x)
        if x.ndim > 2:
            images = images.movedim(-1, 1).contiguous(memory_format=layout)
        optimizer = torch.optim.SGD(module.parameters(), 0.01)

        def fit(module: Any = module, images: Any = images, optimizer: Any = optimizer) -> None:
            module.train()
            optimizer.zero_grad()
            torch.nn.functional.nll_loss(torch.log(module(images) + 1e-7), torch.from_numpy(y)).backward()
            optimizer.step()

        def predict(module: Any = module, images: Any = images) -> None:
            module.eval()
            with torch.inference_mode():
                module(images)

        yield fit, predict


def least(work: Work, clock: Callable[[], float], seconds: float = 0.25) -> float:
    """Seconds of the fastest of several calls."""
    found, until = [], time.perf_counter() + seconds
    while len(found) < 2 or time.perf_counter() < until:
        start = clock()
        work()
        found.append(clock() - start)
    return min(found)


def measure(name: str, threads: int, rounds: int) -> list[str]:
    """A row: seconds of the first step, milliseconds of both, and ratios."""
    clock = time.process_time if threads == 1 else time.perf_counter
    start = time.perf_counter()
    mine = ours(name, threads)
    mine[0]()
    first = time.perf_counter() - start
    mine[1]()
    others = list(peers(name, threads))
    for pair in others:
        for work in pair:
            work()
    best = [[float("inf")] * 2 for _ in range(2)]
    for _ in range(rounds):
        for what in (0, 1):
            best[0][what] = min(best[0][what], least(mine[what], clock))
            for pair in others:
                best[1][what] = min(best[1][what], least(pair[what], clock))
    cells = [name, str(CASES[name][0]), f"{first:.1f}"]
    for what in (0, 1):
        cells += [f"{best[0][what] * 1e3:.2f}", f"{best[1][what] * 1e3:.2f}", f"{best[1][what] / best[0][what]:.2f}"]
    return cells


def growth(name: str, threads: int, who: str) -> tuple[float, float]:
    """Megabytes by which this process grows in three training steps, and all that it has at its peak. Libraries are
    loaded before for both: importing torch does that, and asking LLVM for the processor.
    """
    if who == "ours":
        from layerscope.engine.native import engine

        work = ours(name, threads)[0]
        engine.objects.host()
    else:
        work = next(peers(name, threads))[0]
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = resident("VmRSS")
    for _ in range(3):
        work()
    return resident("VmHWM") - before, resident("VmHWM")


def resident(name: str) -> float:
    """Megabytes of this process, as Linux tells them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e3


def grown(name: str, threads: int, who: str) -> tuple[float, float]:
    """`growth` in a process of its own; ours with its kernels compiled before."""
    command = [sys.executable, __file__, "--one", json.dumps([name, threads, who])]
    for _ in range(1 + (who == "ours")):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    step, whole = json.loads(done.stdout.splitlines()[-1])
    return step, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(growth(*json.loads(asked.one))))
        return
    head = [
        "case",
        "batch",
        "first step, s",
        "training: ms",
        "PyTorch's",
        "ratio",
        "predict: ms",
        "PyTorch's",
        "ratio",
    ]
    if asked.memory:
        head = ["case", "batch", "training step: MB", "PyTorch's", "whole process: MB", "PyTorch's"]
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    for name in asked.cases:
        if asked.memory:
            sizes = [grown(name, asked.threads, who) for who in ("ours", "torch")]
            cells = [name, str(CASES[name][0]), *(f"{pair[n]:.0f}" for n in (0, 1) for pair in sizes)]
        else:
            cells = measure(name, asked.threads, asked.rounds)
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
