"""What fit tells while it runs, with Keras 3's hooks, and callbacks that do something with it."""

from layerscope.callbacks._backup import BackupAndRestore
from layerscope.callbacks._base import Callback, History, LambdaCallback, Logs
from layerscope.callbacks._monitored import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from layerscope.callbacks._recording import CSVLogger, LearningRateScheduler, TerminateOnNaN

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "EarlyStopping", "History", "LambdaCallback",
    "LearningRateScheduler", "Logs", "ModelCheckpoint", "ReduceLROnPlateau", "TerminateOnNaN",
]  # fmt: skip
