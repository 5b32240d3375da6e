"""The demo: the document's autoencoder on scikit-learn's real digits, until one can read them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.callbacks import Callback
from layerscope.studies import autoencoder, reconstruction, runs
from layerscope.studies.autoencoder import Array
from layerscope.studies.images import load_images
from layerscope.studies.reconstruction import Reconstructions

NETWORK = "example:autoencoder"
GOAL = 0.85
MOST_EPOCHS = 45


class Readable(Callback):
    """Ends training once a reader of the originals reads enough reconstructions right.

    The reader is a 3-nearest-neighbour classifier of the training images: it never saw a
    reconstruction, so what it reads is in the picture. `share` is the share of test images.
    """

    def __init__(self, goal: float = GOAL) -> None:
        from sklearn.neighbors import KNeighborsClassifier

        self.goal, self.share, self.loss = goal, 0.0, float("nan")
        found = load_images("digits")
        self.images, self.labels = found.test.array(), found.test.labels
        self.reader: Any = KNeighborsClassifier(3).fit(
            found.train.array().reshape(len(found.train), -1), found.train.labels
        )
        self.originals = self.read(self.images)

    def read(self, images: Array) -> float:
        """The share of test images that are read as what they are."""
        return float(self.reader.score(images.reshape(len(images), -1), self.labels))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.share, self.loss = self.read(self.model.predict(self.images)), dict(logs or {})["val_loss"]
        if self.share >= self.goal:
            self.model.stop_training = True


@dataclass
class Result:
    """What the demo reached."""

    pictures: Reconstructions
    path: Path
    loss: float
    share: float
    originals: float
    epochs: int
    interrupted: bool


def demo(out: str | os.PathLike[str] = "reconstructions.png", seed: int = 0, verbose: Any = "auto") -> Result:
    """Train on `digits` until the reconstructions are readable, and write ten of them as a picture.

    Errors: OutputError when the picture cannot be written, before anything is trained.
    """
    path = runs.writable(out)
    readable = Readable()
    with tempfile.TemporaryDirectory(prefix="layerscope-") as folder:
        run = autoencoder.train(
            NETWORK,
            "digits",
            epochs=MOST_EPOCHS,
            batch_size=16,
            seed=seed,
            out=folder,
            verbose=verbose,
            callbacks=[readable],
        )
    found = reconstruction.reconstructions(run.model, readable.images[:10])
    done = len(run.history.epoch)
    if done:
        found.save(path, maps=False)
    return Result(found, path, readable.loss, readable.share, readable.originals, done, run.history.interrupted)
