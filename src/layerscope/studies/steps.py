"""Progress of a study of several runs: a bar with what remains in a terminal, a line for each run."""

from __future__ import annotations

import time
from typing import Any

from layerscope.models.progress import Shown, seconds


class Steps(Shown):
    """Shows runs that each have as many epochs, with `verbose` and `stream` as `Shown` has them."""

    def __init__(self, verbose: Any, runs: int, epochs: int, stream: Any = None) -> None:
        super().__init__(verbose, stream)
        self.runs, self.epochs = runs, epochs
        self.done = self.trained = self.kept = 0
        self._title = ""

    def __enter__(self) -> Steps:
        self._open(self.runs * self.epochs)
        return self

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
