"""What fit tells while it runs, with Keras 3's hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerscope.core.errors import UnknownNameError

Logs = Mapping[str, Any]
"""Numbers by name; some metrics are lists of them."""


class Callback:
    """Base: override the hooks of interest. `self.model` and `self.params` are set before training.

    Setting `self.model.stop_training = True` ends training after the current batch.
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, also when training was interrupted."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch; they count from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation, with all numbers of the epoch."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch, with the means so far."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before evaluation or validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After evaluation or validation."""


class History(Callback):
    """What fit returns: `history`, a list of numbers for each name, and `epoch`, their epochs.

    A metric of several numbers (a score for each class) gives a list at each epoch.

    `interrupted` is true when Ctrl-C ended training.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.interrupted = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value if isinstance(value, list) else float(value))


class LambdaCallback(Callback):
    """A callback from functions: LambdaCallback(on_epoch_end=lambda epoch, logs: ...)."""

    def __init__(self, **hooks: Any) -> None:
        for name, function in hooks.items():
            known = {hook for hook in vars(Callback) if hook.startswith("on_")}
            if name not in known:
                raise UnknownNameError("hook", name, known)
            setattr(self, name, function)
