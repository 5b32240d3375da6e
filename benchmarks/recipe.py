"""The document's recipe, ours beside Keras's: the same initial weights, the same order of batches, several seeds.

Trains the two autoencoders on MNIST for 50 epochs with Adadelta at 1.0, and the first one at 0.001 too (the
learning-rate trap). Runs that are done are kept in --work and not repeated, so it can be stopped at any time.
docs/recipe.md says what is compared and holds the tables; --write puts them and the picture there.
Run: python benchmarks/recipe.py [--seeds 5] [--epochs 50] [--jobs 2] [--only ours] [--write]
"""

import argparse
import concurrent.futures
import dataclasses
import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pages
from contenders import CONTENDERS, NETWORKS, TENSORFLOW, keras_model

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "recipe.md"
PICTURE = HERE.parent / "docs" / "pictures" / "recipe.png"
BEGIN, END = "<!-- results: written by benchmarks/recipe.py --write -->", "<!-- end of results -->"
TITLES = {"autoencoder": "A", "autoencoder-transpose": "B"}
WHO = {"ours": "layerscope", "keras": "Keras"}
TRAP = 0.001
COLOURS = {"ours": "#0b6e99", "keras": "#c2571a"}


@dataclass(frozen=True)
class Run:
    """One training: who trains which network, from which seed, with which learning rate."""

    who: str
    network: str
    seed: int
    rate: float
    epochs: int
    data: str

    @property
    def name(self) -> str:
        return f"{self.who}-{self.network}-rate{self.rate:g}-seed{self.seed}-{self.epochs}epochs-{self.data}.json"


def one(run: Run) -> dict[str, Any]:
    """Train; losses after each epoch. Weights and order of examples depend on the seed only, not on who trains."""
    import numpy as np

    import layerscope as ls
    from layerscope.models import Model

    net = NETWORKS[run.network]
    (x, _), (test, _) = ls.datasets.load(run.data)
    x, test = (images[..., None].astype(np.float32) / 255 for images in (x, test))
    ls.utils.set_random_seed(run.seed)
    model = Model.from_graph(ls.trace(net.source).graph)
    initial = model.get_weights()
    if run.who == "ours":
        model.compile(ls.optimizers.Adadelta(run.rate), net.loss, threads=1)
    else:
        model = keras_model(net, 1, run.rate)
        model.set_weights(initial)
    found: dict[str, list[float]] = {"loss": [], "val_loss": []}
    start = time.perf_counter()
    for epoch in range(run.epochs):
        images = x[np.random.default_rng([run.seed, epoch]).permutation(len(x))]
        told = model.fit(
            images, images, batch_size=net.batch, epochs=1, shuffle=False, verbose=0, validation_data=(test, test)
        )
        for name, values in found.items():
            values.append(float(told.history[name][0]))
    return {**found, "seconds": time.perf_counter() - start}


def finished(run: Run, work: Path) -> dict[str, Any]:
    """A run's result, from an earlier time or from a process of its own."""
    path = work / run.name
    if not path.exists():
        environment = {**os.environ, **(TENSORFLOW if run.who == "keras" else {})}
        command = [sys.executable, __file__, "--one", json.dumps(dataclasses.asdict(run))]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise SystemExit(f"{run.name}: {done.stderr.strip().splitlines()[-1]}")
        aside = path.with_suffix(".tmp")
        aside.write_text(done.stdout.splitlines()[-1], "utf-8")
        aside.replace(path)
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    print(f"  {run.name}: validation loss {found['val_loss'][-1]:.4f}", flush=True)
    return found


def plan(seeds: int, epochs: int, data: str, only: str | None) -> list[Run]:
    """All runs, those of one seed together."""
    cells = [(network, seed, 1.0) for seed in range(seeds) for network in TITLES] + [("autoencoder", 0, TRAP)]
    return [Run(who, *cell, epochs, data) for cell in cells for who in WHO if only in (None, who)]


Found = dict[Run, dict[str, Any]]


def ends(found: Found, who: str, network: str, epoch: int, rate: float = 1.0) -> list[float]:
    """Validation losses after an epoch, by seed."""
    return [
        result["val_loss"][epoch - 1]
        for run, result in sorted(found.items(), key=lambda pair: pair[0].seed)
        if (run.who, run.network, run.rate) == (who, network, rate)
    ]


def spread(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    return (
        f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}" if len(values) > 1 else f"{values[0]:.4f}"
    )


def table(found: Found, epochs: int) -> str:
    """Validation losses along the epochs, and the last ones by seed."""
    marks = sorted({max(1, round(epochs * part)) for part in (0.2, 0.4, 0.6, 0.8, 1)})
    lines = ["| validation loss after epoch | " + " | ".join(map(str, marks)) + " |", "|---|" + "---|" * len(marks)]
    for network, rate in (("autoencoder", TRAP), *((network, 1.0) for network in TITLES)):
        for who, title in WHO.items():
            cells = [spread(ends(found, who, network, epoch, rate)) for epoch in marks]
            lines.append(f"| {TITLES[network]}, Adadelta at {rate:g}, {title} | " + " | ".join(cells) + " |")
    seeds = sorted({run.seed for run in found})
    lines += ["", f"| after epoch {epochs}, seed | " + " | ".join(map(str, seeds)) + " | mean ± deviation |"]
    lines.append("|---|" + "---|" * (len(seeds) + 1))
    for network, title in TITLES.items():
        for who, name in WHO.items():
            values = ends(found, who, network, epochs)
            lines.append(f"| {title}, {name} | {' | '.join(f'{v:.4f}' for v in values)} | {spread(values)} |")
    for network, title in TITLES.items():
        ours, theirs = (ends(found, who, network, epochs) for who in WHO)
        if len(ours) > 1:
            apart, wide = statistics.mean(ours) - statistics.mean(theirs), statistics.stdev(theirs)
            lines += ["", f"{title}: means differ by {apart:+.4f}, {abs(apart) / wide:.2f} of Keras's deviation."]
    return "\n".join(lines)


def draw(found: Found, path: Path) -> None:
    """Both rates' curves of A, and B's: ours and Keras's, a line for each seed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.6), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(1, 2)
    wanted = [("A: Adadelta at 0.001 and at 1.0", "autoencoder"), ("B, at 1.0", "autoencoder-transpose")]
    for panel, (title, network) in zip(panels, wanted, strict=True):
        for run, result in sorted(found.items(), key=lambda pair: pair[0].who):
            if run.network == network:
                line = "--" if run.rate == TRAP else "-"
                epochs = range(1, run.epochs + 1)
                panel.plot(epochs, result["val_loss"], line, color=COLOURS[run.who], linewidth=1, alpha=0.75)
        panel.set_title(title, loc="left", fontsize=10)
        panel.set_yscale("log")
        ticks = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
        panel.set_yticks(ticks, map(str, ticks))
        panel.minorticks_off()
        panel.set_ylim(0.1, 0.75)
        panel.set_xlabel("epoch", fontsize=9)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("validation loss", fontsize=9)
    panels[0].annotate("0.001", (40, 0.34), fontsize=9)
    panels[0].annotate("1.0", (42, 0.137), fontsize=9)
    for who, title in WHO.items():
        panels[1].plot([], [], color=COLOURS[who], label=title)
    panels[1].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(path)


def versions() -> str:
    """What computed."""
    from importlib import metadata

    names = ("layerscope", "numpy", *CONTENDERS["keras-tensorflow"].modules)
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once, each on one thread")
    parser.add_argument("--only", choices=[*WHO], help="only these runs, and no table")
    parser.add_argument("--work", type=Path, default=Path("runs") / "recipe", help="where results are kept")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/recipe.md")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(Run(**json.loads(asked.one)))))
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    runs = plan(asked.seeds, asked.epochs, asked.data, asked.only)
    print(f"{len(runs)} runs, {asked.jobs} at once; results in {asked.work}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        found = dict(zip(runs, pool.map(lambda run: finished(run, asked.work), runs), strict=True))
    if asked.only:
        return
    text = table(found, asked.epochs)
    print(f"\n{text}")
    if asked.write:
        command = f"python benchmarks/recipe.py --seeds {asked.seeds} --epochs {asked.epochs} --write"
        about = f"{datetime.date.today()}, `{command}`; data: {asked.data}; {versions()}"
        pages.put(PAGE, BEGIN, END, f"{about}\n\n{text}")
        draw(found, PICTURE)


if __name__ == "__main__":
    main()
