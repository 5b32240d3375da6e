"""What a user can get wrong, one class for each kind of mistake.

LayerscopeError (ValueError)
├── SizeError           an impossible size: zero, negative, or not a number
├── SettingError        a layer, loss or option was given a value that it does not take
├── ShapeError          tensors that do not fit a layer, or each other
├── GraphError          layers that do not form one network
├── UnknownNameError    a name that nothing answers to; carries the nearest known names
├── TextError           one line of text that is not a network; carries the place
├── SourceError         a file, module or saved model that cannot be read
├── DataError           arrays or data sets that cannot be used
│   └── DatasetMissingError   a known data set that is neither here nor reachable
├── OutputError         a place that cannot be written
├── ExportError         a network that another framework or format cannot hold
└── TrainingError       training that cannot start or go on
    └── NotFiniteError  the loss became NaN or infinite; carries epoch and batch

The command line prints the message of any of them and exits with code 2. One that carries the network in which it
arose (`sketch`) also says what would make that fit, as a note below the message, worked out when it is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, TypeVar

Error = TypeVar("Error", bound="LayerscopeError")


class LayerscopeError(ValueError):
    """Base of every error that a user can mend; the message says how.

    `sketch` makes the network in which it arose, where there is one; `whole`: all of it, not only what leads to the
    layer that does not fit.
    """

    sketch: Callable[[], Any] | None = None
    whole: bool = False
    _noted: Any = None

    def of(self: Error, sketch: Callable[[], Any] | None, whole: bool = True) -> Error:
        """The same error, carrying the network in which it arose (unless it carries all of one already)."""
        if sketch is not None and (self.sketch is None or not self.whole):
            self.sketch, self.whole = sketch, whole
        return self

    @property
    def __notes__(self) -> list[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What Python prints below the message: changes that make the network fit, found when they are asked for."""
        if self._noted is None:
            advice = None if self.sketch is None else import_module("layerscope.analyses.advice")  # see architecture
            self._noted = [] if advice is None else advice.notes(self)
        return self._noted


class SizeError(LayerscopeError):
    """A size that no tensor can have."""


class SettingError(LayerscopeError):
    """A value that a setting does not take."""


class ShapeError(LayerscopeError):
    """Types that do not fit a layer; `layer` is its name once it has one."""

    def __init__(self, message: str, layer: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.layer = layer

    def at(self, layer: str) -> ShapeError:
        """The same error, naming the layer in which it arose."""
        if self.layer:
            return self
        return ShapeError(f"{layer}: {self.message}", layer).of(self.sketch, self.whole)


class GraphError(LayerscopeError):
    """Layers that do not form one network."""


class UnknownNameError(LayerscopeError):
    """A name that nothing answers to."""

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.name, self.known = name, sorted(set(known))
        import difflib  # few traces need it

        self.nearest = difflib.get_close_matches(name.lower(), self.known, n=3, cutoff=0.5)
        message = f"unknown {what} {name!r}."
        if self.nearest:
            message += " Did you mean " + " or ".join(map(repr, self.nearest)) + "?"
        elif len(self.known) <= 24:
            message += " Known: " + ", ".join(self.known) + "."
        super().__init__(message + (f" {hint}" if hint else ""))


class TextError(LayerscopeError):
    """One line of text that is not a network; the message points at the place."""

    def __init__(self, message: str, text: str = "", start: int = 0, length: int = 1) -> None:
        self.message, self.text, self.start, self.length = message, text, start, length
        if text:
            offset = max(0, start - 50)
            window = text[offset : start + max(length, 1) + 30].replace("\n", " ")
            lead = "... " if offset else ""
            mark = " " * (len(lead) + start - offset) + "^" * max(1, length)
            message = f"{message}\n\n  {lead}{window}\n  {mark}"
        super().__init__(message)


class SourceError(LayerscopeError):
    """A file, module or saved model that cannot be read."""


class DataError(LayerscopeError):
    """Arrays or data sets that cannot be used."""


class DatasetMissingError(DataError):
    """A known data set that is neither on this machine nor reachable."""


class OutputError(LayerscopeError):
    """A place that cannot be written."""


class ExportError(LayerscopeError):
    """A network that another framework or format cannot hold, or one whose package is missing."""


class TrainingError(LayerscopeError):
    """Training that cannot start or go on."""


class NotFiniteError(TrainingError):
    """The loss became NaN or infinite; weights are those before the failing batch."""

    def __init__(self, message: str, epoch: int, batch: int) -> None:
        super().__init__(message)
        self.epoch, self.batch = epoch, batch
