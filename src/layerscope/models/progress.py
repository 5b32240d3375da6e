"""Progress of training: a bar with loss and time left in a terminal, one line for each epoch elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

Logs = Mapping[str, Any]
PATIENCE = 1.0
"""Seconds of compiling after which a line says so."""


def numbers(logs: Logs) -> str:
    """ "loss 0.1389  val_loss 0.1240"; of a metric with several numbers their mean."""
    return "  ".join(f"{name} {_number(value)}" for name, value in logs.items())


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"{_number(sum(value) / len(value))} (mean of {len(value)})"
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3e}"


def seconds(left: float) -> str:
    """ "12 s", "3 min 05 s", "1 h 02 min"."""
    whole = round(left)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Shown:
    """A bar in a terminal, and lines above it that stay; elsewhere lines alone.

    `verbose` is "auto" or 1 (a bar where there is a terminal), 2 (lines) or 0 (nothing); `stream` is where to, by
    default stdout.
    """

    def __init__(self, verbose: Any, stream: Any = None) -> None:
        self.stream = stream or sys.stdout
        self.bar = verbose in ("auto", 1, True) and self.stream.isatty()
        self.lines = verbose not in (0, False)
        self._rich: Any = None
        self._started = time.monotonic()

    def _open(self, total: int | None, title: str = "") -> None:
        """Show the bar, if there is one."""
        if self.bar:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._rich = Bar(
                TextColumn("{task.fields[title]}"),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[text]}"),
                console=Console(file=self.stream, highlight=False),
                transient=True,
            )
            self._rich.__enter__()
            self._task = self._rich.add_task("", total=total, title=title, text="")

    def __exit__(self, *error: Any) -> None:
        if self._rich is not None:
            self._rich.__exit__(*error)

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""
        if not self.lines:
            return
        if self._rich is not None:
            self._rich.console.print(text, soft_wrap=True, markup=False)
        else:
            print(text, flush=True, file=self.stream)


class Progress(Shown):
    """Shows a run, with `verbose` as `Shown` has it."""

    def __init__(self, verbose: Any, epochs: int, batches: int | None, done: int = 0) -> None:
        super().__init__(verbose)
        self.bar = self.bar and epochs > done
        self.epochs, self.batches, self.done = epochs, batches, done
        self._epoch_started = self._started
        self._logs: Logs = {}

    def __enter__(self) -> Progress:
        self._open(self.batches)
        return self

    @contextlib.contextmanager
    def compiling(self) -> Iterator[None]:
        """While an engine compiles: a word in the bar at once, or a line when it takes longer than PATIENCE."""
        if self._rich is not None:
            self._rich.update(self._task, text="compiling for this processor")
        late = threading.Timer(
            PATIENCE, self.say, ["Compiling the network for this processor; kept for the next time."]
        )
        late.daemon = True
        if self._rich is None:
            late.start()
        try:
            yield
        finally:
            late.cancel()

    def epoch_begins(self, epoch: int) -> None:
        self._epoch_started = time.monotonic()
        self._logs = {}
        if self._rich is not None:
            self._rich.reset(self._task, title=f"Epoch {epoch + 1}/{self.epochs}", text="")

    def batch_ends(self, epoch: int, batch: int, logs: Logs) -> None:
        if self._rich is not None:
            text = numbers(logs)
            if self.batches is None:  # nobody knows yet how many there are
                text += f"  batch {batch + 1}"
            else:
                made = (epoch - self.done) * self.batches + batch + 1
                whole = (self.epochs - self.done) * self.batches
                spent = time.monotonic() - self._started
                text += f"  {seconds(spent / made * (whole - made))} left"
            self._rich.update(self._task, completed=batch + 1, total=self.batches, text=text)

    def epoch_ends(self, epoch: int, logs: Logs) -> None:
        width = len(str(self.epochs))
        spent = time.monotonic() - self._epoch_started
        self.say(f"Epoch {epoch + 1:>{width}}/{self.epochs}  {numbers(logs)}  {spent:.1f} s")


class Counting(Shown):
    """Shows how many of some things are done: a bar in a terminal, elsewhere one line when it takes a second.

    `aside`: on stderr, where stdout is for a result.
    """

    def __init__(self, title: str, total: int, verbose: Any = "auto", aside: bool = False) -> None:
        super().__init__(verbose, sys.stderr if aside else sys.stdout)
        self.title, self.total, self.done = title, total, 0
        self._shown = self._started
        self._said = False

    def __enter__(self) -> Counting:
        self._open(self.total, self.title)
        return self

    def one(self) -> None:
        """One more is done."""
        self.more(1)

    def more(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        now = time.monotonic()
        if self._rich is not None:
            if now - self._shown > 0.1:
                self._shown = now
                left = (now - self._started) / self.done * (self.total - self.done)
                self._rich.update(self._task, completed=self.done, text=f"{self.done:,}  {seconds(left)} left")
        elif self.lines and not self._said and now - self._started > 1:
            self._said = True
            print(f"{self.title} ...", file=self.stream, flush=True)
