"""Callbacks that watch one number of the logs, such as `val_loss`."""

from __future__ import annotations

import os
import warnings
from typing import Any

from layerscope.callbacks._base import Callback, Logs
from layerscope.core.errors import SettingError

FALLING = ("loss", "error", "mse", "mae", "crossentropy")
RISING = ("accuracy", "acc", "auc", "precision", "recall", "psnr", "ssim")


class Monitor(Callback):
    """Base: whether the watched number became better, and by how much it must.

    `mode`: "min", "max", or "auto", for which the model's metric of this name tells the direction, or the name does.
    `min_delta`: what is less is no improvement.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise SettingError(f"{type(self).__name__}: mode must be 'auto', 'min' or 'max', not {mode!r}")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.best: float | None = None
        self._falls: bool | None = None if mode == "auto" else mode == "min"
        self._warned = False

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if getattr(self, "mode", "") == "auto":  # one that keeps every epoch watches nothing
            self._falls = self._falling()

    def _falling(self) -> bool:
        name = self.monitor.removeprefix("val_")
        if name in self.model.metrics:
            return bool(self.model.metrics[name][1].falls)
        words = name.lower().split("_")
        if any(word.endswith(FALLING) for word in words):
            return True
        if any(word in RISING for word in words):
            return False
        raise SettingError(
            f"{type(self).__name__}: whether {self.monitor} should fall or rise cannot be told from its name; "
            "give mode='min' or mode='max'"
        )

    def value(self, logs: Logs | None) -> float | None:
        """The watched number; None, with a warning once, where the logs lack it."""
        found = (logs or {}).get(self.monitor)
        if found is None and not self._warned:
            self._warned = True
            missing = " (validation_data is missing)" if self.monitor.startswith("val_") else ""
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor}, but the logs have only "
                f"{', '.join(logs or {}) or 'nothing'}{missing}",
                stacklevel=2,
            )
        if isinstance(found, list):
            raise SettingError(
                f"{type(self).__name__} watches {self.monitor}, which is {len(found)} numbers, one for each class; "
                "let the metric average them (average='macro', say)"
            )
        return found

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value beats another one by more than `min_delta`."""
        if than is None:
            return True
        return value + self.min_delta < than if self._falls else value - self.min_delta > than


class EarlyStopping(Monitor):
    """Ends training when the watched number has not become better for `patience` epochs.

    `baseline`: waiting starts over only for what beats this, too. `restore_best_weights`: the model gets those of its
    best epoch at the end. `start_from_epoch`: epochs before are not looked at.
    Errors: SettingError for a mode that does not exist, or cannot be told from the name.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best, self.best_weights = None, None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = self.value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.better(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.better(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping, {self.monitor} was best in {self.best_epoch + 1}")
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)
            if self.verbose:
                print(f"Weights are those of the best epoch: {self.best_epoch + 1}")


class ModelCheckpoint(Monitor):
    """Saves the model (`Model.save`) after each epoch, or after each `save_freq` batches.

    `filepath` may have {epoch}, {batch} and the logs' names in it: "{epoch:02d}-{val_loss:.2f}.npz".
    `save_best_only`: only when the watched number became better (than `initial_value_threshold`, to begin with).
    Errors: SettingError for `save_weights_only` (a saved model is read for its weights with `load_model`), for a
    `save_freq` that is none, and for a name in `filepath` that the logs lack.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        if save_best_only:
            super().__init__(monitor, mode)
        if save_weights_only:
            raise SettingError(
                "ModelCheckpoint: save_weights_only is not supported; a saved model holds graph and weights, "
                "and load_model(...).get_weights() gives the latter"
            )
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise SettingError(
                f"ModelCheckpoint: save_freq must be 'epoch' or a number of batches, not {save_freq!r}"
            )
        self.filepath, self.verbose, self.save_best_only = os.fspath(filepath), verbose, save_best_only
        self.save_freq, self.best = save_freq, initial_value_threshold
        self._seen = self._epoch = 0
        if save_freq == "epoch":  # who hears of batches is waited for at each of them
            self.on_train_batch_end = super().on_train_batch_end

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._seen += 1
        if self._seen == self.save_freq:
            self._seen = 0
            self._save(logs, batch=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(logs)

    def _save(self, logs: Logs | None, **place: int) -> None:
        name = f"Epoch {self._epoch + 1}"
        try:
            path = self.filepath.format(epoch=self._epoch + 1, **place, **(logs or {}))
        except (KeyError, IndexError, ValueError) as error:
            known = ", ".join(["epoch", *place, *(logs or {})])
            raise SettingError(
                f"ModelCheckpoint: {self.filepath!r} names {error}, but there are only {known}"
            ) from None
        if self.save_best_only and (current := self.value(logs)) is not None:
            if not self.better(current, self.best):
                if self.verbose:
                    print(f"{name}: {self.monitor} {current:.5f} is not better than {self.best:.5f}")
                return
            self.best = current
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.model.save(path)
        if self.verbose:
            print(f"{name}: saved as {path}")


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when the watched number has not become better for `patience` epochs.

    Never below `min_lr`; for `cooldown` epochs after that, it only waits.
    Errors: SettingError for a factor of 1 or more, or where the optimizer has a schedule.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 0.0001,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise SettingError(f"ReduceLROnPlateau: factor must be between 0 and 1, not {factor!r}")
        self.factor, self.patience, self.verbose, self.cooldown = factor, patience, verbose, cooldown
        self.min_lr = min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        number_of(self.model.optimizer, type(self).__name__)
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = self.value(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.better(current, self.best):
            self.best, self.wait = current, 0
        elif not self.cooldown_counter:
            self.wait += 1
            rate = self.model.optimizer.learning_rate
            if self.wait >= self.patience and rate > self.min_lr:
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate {self.model.optimizer.learning_rate:g}")


def number_of(optimizer: Any, who: str) -> float:
    """The learning rate, which is a number; SettingError where it is a schedule."""
    rate = optimizer.learning_rate
    if not isinstance(rate, int | float):
        raise SettingError(
            f"{who} changes the learning rate, but it follows a {type(rate).__name__}; use one of the two"
        )
    return rate
