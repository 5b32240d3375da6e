"""Callbacks that write down, or set, something at each epoch."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from typing import Any, TextIO

from layerscope.callbacks._base import Callback, Logs
from layerscope.callbacks._monitored import number_of
from layerscope.core.errors import OutputError, SettingError


class CSVLogger(Callback):
    """Writes a line for each epoch: its number from 0, and all numbers of the logs, in the order of their names.

    `append`: continue a file that is there (without a second line of names). What an epoch lacks is NA.
    Errors: OutputError when the file cannot be written.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._file: TextIO | None = None
        self._keys: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        try:
            self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise OutputError(f"cannot write {self.filename}: {error.strerror}") from None
        self._keys = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert self._file is not None
        told = dict(logs or {})
        writer = csv.writer(self._file, delimiter=self.separator, lineterminator="\n")
        if not self._keys:
            self._keys = sorted(told)
            if not any(key.startswith("val_") for key in self._keys):  # validation may come in later epochs only
                self._keys += [f"val_{key}" for key in self._keys]
            if not self._file.tell():
                writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(told.get(key, "NA") for key in self._keys)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch to what `schedule(epoch, rate)`, or `schedule(epoch)`, returns.

    Errors: SettingError where that is no number of at least 0, or the optimizer has a schedule.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = _takes_two(schedule)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        rate = number_of(self.model.optimizer, type(self).__name__)
        told: Any = self.schedule(epoch, rate) if self._takes_rate else self.schedule(epoch)
        try:
            fresh = float(told)
        except (TypeError, ValueError):
            fresh = math.nan
        if not 0 <= fresh < math.inf:
            raise SettingError(
                f"LearningRateScheduler: the schedule must give a number of at least 0, but gave {told!r}"
            )
        self.model.optimizer.learning_rate = fresh
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {fresh:g}")


def _takes_two(schedule: Callable[..., float]) -> bool:
    """Whether a schedule takes the rate beside the epoch."""
    import inspect

    try:
        inspect.signature(schedule).bind(0, 0.1)
    except TypeError:
        return False
    except ValueError:  # of a function that has no signature
        return True
    return True


class TerminateOnNaN(Callback):
    """Ends training where the loss becomes NaN or infinite, with the history so far; without it, fit raises
    NotFiniteError. The weights are those before that batch.
    """
