"""Progress of a study of several runs: a bar with what remains in a terminal, a line for each run."""

from __future__ import annotations

import sys
import time
from typing import Any

from layerscope.models.progress import seconds


class Steps:
    """Shows runs that each have as many epochs.

    `verbose` is "auto" or 1 (a bar where there is a terminal), 2 (lines) or 0 (nothing); `stream` is where to, by
    default stdout.
    """

    def __init__(self, verbose: Any, runs: int, epochs: int, stream: Any = None) -> None:
        self.stream = stream or sys.stdout
        self.lines = verbose not in (0, False)
        self.bar = verbose in ("auto", 1, True) and self.stream.isatty()
        self.runs, self.epochs = runs, epochs
        self.done = self.trained = self.kept = 0
        self._title, self._rich = "", None
        self._started = time.monotonic()

    def __enter__(self) -> Steps:
        if self.bar:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._rich: Any = Bar(
                TextColumn("{task.fields[title]}"),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[text]}"),
                console=Console(file=self.stream, highlight=False),
                transient=True,
            )
            self._rich.__enter__()
            self._task = self._rich.add_task("", total=self.runs * self.epochs, title="", text="")
        return self

    def __exit__(self, *error: Any) -> None:
        if self._rich is not None:
            self._rich.__exit__(*error)

    def begins(self, title: str) -> None:
        """A run begins."""
        self._title = title
        self._show(f"compiling {self._left()}")

    def epoch_ends(self, epoch: int) -> None:
        """An epoch of the run is done; they count from 0."""
        self.trained += 1
        self._show(f"epoch {epoch + 1}/{self.epochs}{self._left()}")

    def ends(self, text: str, kept: bool = False) -> None:
        """A run is finished, or was finished before."""
        self.done += 1
        self.kept += kept
        last = self.done == self.runs
        self.say(f"{self.done:>{len(str(self.runs))}}/{self.runs}  {text}{'' if last or kept else self._left()}")

    def _left(self) -> str:
        """How long what remains will take, from what was trained so far."""
        if not self.trained:
            return ""
        rest = (self.runs - self.kept) * self.epochs - self.trained
        return f"  {seconds((time.monotonic() - self._started) / self.trained * rest)} left"

    def _show(self, text: str) -> None:
        if self._rich is not None:
            made = self.kept * self.epochs + self.trained
            self._rich.update(self._task, title=self._title, text=text, completed=made)

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self.lines:
            return
        if self._rich is not None:
            self._rich.console.print(text, soft_wrap=True, markup=False)
        else:
            print(text, flush=True, file=self.stream)
