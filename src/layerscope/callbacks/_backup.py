"""A callback that lets an interrupted fit go on."""

from __future__ import annotations

import os
import shutil
from typing import Any

from layerscope.callbacks._base import Callback, Logs
from layerscope.core.errors import SettingError, TrainingError


class BackupAndRestore(Callback):
    """Saves the model after each epoch; a fit that finds the backup of an interrupted one goes on behind it.

    `backup_dir` is a folder of its own, which is removed when training is over (`delete_checkpoint=False`: kept).
    Training goes on to the same bits as if it had never stopped, given the same data, batches and threads.
    Errors: SettingError for a `save_freq` other than "epoch"; TrainingError for a backup of another model.
    """

    def __init__(
        self, backup_dir: str | os.PathLike[str], save_freq: str | int = "epoch", delete_checkpoint: bool = True
    ) -> None:
        if save_freq != "epoch":
            raise SettingError(
                f"BackupAndRestore: save_freq must be 'epoch', not {save_freq!r}: training goes on behind an epoch"
            )
        self.backup_dir, self.delete_checkpoint = os.fspath(backup_dir), delete_checkpoint

    @property
    def path(self) -> str:
        """The file of the backup."""
        return os.path.join(self.backup_dir, "latest.npz")

    def found(self, model: Any) -> bool:
        """Bring the model to where the backup stands; False when there is none."""
        if not os.path.isfile(self.path):
            return False
        saved = model.load(self.path)
        if [w.shape for w in saved.weights] != [w.shape for w in model.weights]:
            raise TrainingError(
                f"{self.path} is the backup of a model with other weights. Delete it, or give another backup_dir"
            )
        model.set_weights(saved.get_weights())
        ids = dict(zip(saved._variables, model._variables, strict=True))
        model._state.slots = {(ids[id], name): array for (id, name), array in saved._state.slots.items()}
        model._state.step, model.position = saved._state.step, saved.position
        return True

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        self.model.save(self.path)

    def on_train_end(self, logs: Logs | None = None) -> None:
        # An interrupted fit keeps its backup: it has not come to its last epoch, nor was it told to stop there.
        done = self.model.position is not None and self.model.position.epoch >= self.params["epochs"]
        if self.delete_checkpoint and (done or self.model.stop_training) and os.path.isfile(self.path):
            os.remove(self.path)
            if not os.listdir(self.backup_dir):
                shutil.rmtree(self.backup_dir)
