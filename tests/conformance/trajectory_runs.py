"""Training runs, ours and Keras's, from the same weights over the same batches; and the losses of every step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits  # comes with scikit-learn

import layerscope as ls

BATCH = 256
SEED = 0
SCRIPT = Path(__file__).with_name("trajectory_keras.py")
LIMIT = 1200
"""Seconds that one framework may take for all of its runs."""


@dataclass(frozen=True)
class Run:
    """A network of the document with an optimizer, for some steps."""

    network: str
    optimizer: str
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    steps: int = 50
    seed: int = SEED

    @property
    def title(self) -> str:
        return "-".join((self.network, self.optimizer, *(f"{key}={value}" for key, value in self.settings.items())))


@cache
def images() -> np.ndarray:
    """Fifty batches of real digits: MNIST where LAYERSCOPE_DATA has it, else those of scikit-learn, repeated."""
    base = Path(os.environ.get("LAYERSCOPE_DATA") or os.devnull)
    folders = [folder for folder in (base / "mnist", base) if any(folder.glob("train-images*"))]
    (x, _), _ = ls.datasets.mnist.load_data(folders[0]) if folders else ls.datasets.digits.load_data()
    return x[np.arange(50 * BATCH) % len(x)]


def batches(steps: int, dtype: str):
    for start in range(0, steps * BATCH, BATCH):
        yield images()[start : start + BATCH, ..., None].astype(dtype) / 255


def fresh(network: str, seed: int = SEED) -> ls.Model:
    """A document's network with weights of its own, the same each time for a seed."""
    ls.utils.set_random_seed(seed)
    return ls.Model.from_graph(ls.trace(f"example:{network}").graph)


def ours(run: Run, dtype: str) -> np.ndarray:
    """The loss of each batch before its update: one fit of one batch after the other."""
    model = fresh(run.network, run.seed)
    optimizer = getattr(ls.optimizers, run.optimizer)(**run.settings)
    model.compile(optimizer, "binary_crossentropy", precision=dtype)
    with threadpool_limits(1):  # Keras is running beside it
        return np.array(
            [
                model.fit(batch, batch, batch_size=BATCH, shuffle=False, verbose=0).history["loss"][0]
                for batch in batches(run.steps, dtype)
            ]
        )


def need(*modules: str) -> None:
    """Skips a test whose framework is not installed, without importing it."""
    for name in modules:
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


def write_jobs(runs: Sequence[Run], dtype: str, path: Path) -> None:
    """What the script reads: images, settings and initial weights."""
    arrays: dict[str, Any] = {"x": images()}
    jobs = []
    for run in runs:
        made = fresh(run.network, run.seed).get_weights()
        weights = {f"{run.network}/{run.seed}/{n}": array for n, array in enumerate(made)}
        arrays |= weights
        jobs.append({**vars(run), "batch": BATCH, "dtype": dtype, "weights": list(weights)})
    np.savez(path, jobs=np.array(json.dumps(jobs)), **arrays)


def keras_arrays(backend: str, folder: Path, *command: str, **more: str) -> dict[str, np.ndarray]:
    """What a script, which is told where last, writes with Keras on a backend: in a process of its own, with more
    settings.
    """
    settings = {
        "KERAS_BACKEND": backend,
        "KERAS_HOME": str(folder),  # nobody's own keras.json
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **more,
    }
    path = folder / "found.npz"
    done = subprocess.run(
        [sys.executable, *command, str(path)],
        env={**os.environ, **settings}, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"Keras on {backend} ended with {done.returncode}:\n{done.stderr[-3000:]}"
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def keras_losses(backend: str, dtype: str, own: Path, script: Path = SCRIPT) -> list[np.ndarray]:
    """What Keras makes of the jobs in a folder, in a process of its own."""
    more = {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "",  # here it is computing, not compiling, that takes time
        "JAX_ENABLE_X64": "1" if dtype == "float64" else "0",
    }
    found = keras_arrays(backend, own, str(script), str(own / "jobs.npz"), **more)
    return [found[f"loss/{number}"] for number in range(len(found))]


class Frameworks:
    """Keras's losses by backend and precision; one process after the other, beside our own training."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.queue = folder, ThreadPoolExecutor(1)
        self.asked: dict[tuple[str, str], Future[list[np.ndarray]]] = {}

    def ask(self, backend: str, dtype: str, runs: Sequence[Run]) -> Future[list[np.ndarray]]:
        """Losses of all runs; computed once."""
        key = backend, dtype
        if key not in self.asked:
            own = self.folder / f"{backend}-{dtype}"
            own.mkdir()
            write_jobs(runs, dtype, own / "jobs.npz")  # here: making weights seeds the one generator there is
            self.asked[key] = self.queue.submit(keras_losses, backend, dtype, own)
        return self.asked[key]
