"""A training in a process of its own: settings as JSON on standard input, what happens as lines of JSON on standard
output. It ends when told to (SIGTERM), and by itself when nobody reads its lines any more.

Run by `live`: python -m layerscope.lab.serving.child
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np

from layerscope.callbacks import Callback
from layerscope.core.errors import LayerscopeError
from layerscope.lab.serving.own import as_bytes

SHOWN = 8
"""Validation images that are followed."""
OFTEN = 0.05
"""Seconds between two reports on batches."""


class Teller(Callback):
    """Says what happens: begin, batches (not all), epochs with reconstructions."""

    def __init__(self, stream: TextIO, images: Any, rebuilds: bool) -> None:
        self.stream, self.images, self.rebuilds = stream, images, rebuilds
        self.last = 0.0

    def say(self, event: str, **told: Any) -> None:
        """One line."""
        self.stream.write(json.dumps({"event": event, **told}) + "\n")
        self.stream.flush()

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        shown = {"shape": list(self.images.shape[1:]), "images": [as_bytes(image) for image in self.images]}
        self.say(
            "begin", epochs=self.params["epochs"], batches=self.params["steps"], rebuilds=self.rebuilds,
            parameters=self.model.count_params(), shown=shown, made=self._made(),
        )  # fmt: skip

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        now = time.monotonic()
        if now - self.last >= OFTEN:
            self.last = now
            self.say("batch", batch=batch + 1, loss=dict(logs or {}).get("loss"))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        seconds = time.perf_counter() - self.started
        self.say("epoch", epoch=epoch + 1, seconds=seconds, logs=dict(logs or {}), made=self._made())

    def _made(self) -> list[list[int]] | None:
        """What the network makes of the images that are followed, where it makes images."""
        if not self.rebuilds:
            return None
        fed = self.images.reshape(len(self.images), *self.model.input_shape[1:])
        return [as_bytes(image) for image in self.model.predict(fed, verbose=0)]


def train(asked: Mapping[str, Any], stream: TextIO) -> None:
    """Train as asked, and say it. Errors of the user's are the last line."""
    from layerscope import sources, studies
    from layerscope.core import propagate
    from layerscope.core.sizes import product
    from layerscope.studies.images import load_images

    teller = Teller(stream, np.zeros((0, 1, 1, 1), np.float32), False)
    try:
        graph = sources.read(asked["network"])
        types = propagate.types(graph)
        node, number = graph.outputs[0]
        wanted = types[graph.inputs[0]][0].shape[1:]
        images = load_images(asked["data"], wanted=wanted, most=SHOWN, verbose=0)
        teller.images = images.test.array(0, SHOWN)
        teller.rebuilds = product(types[node][number].shape[1:]) == product(wanted)
        settings = {key: asked[key] for key in ("epochs", "batch_size", "optimizer", "learning_rate", "seed")}
        studies.train(asked["network"], asked["data"], out=asked["out"], verbose=0, callbacks=[teller], **settings)
    except LayerscopeError as error:
        teller.say("failed", why="\n".join([str(error), *error.__notes__]))
    except MemoryError as error:
        teller.say("failed", why=f"not enough memory: {error}")
    else:
        teller.say("end")


def main() -> None:
    """What others print goes to standard error, so that standard output has lines of JSON alone."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.readline())
    try:
        train(asked, own)
    except BrokenPipeError:  # whoever started it is gone
        shutil.rmtree(asked["out"], ignore_errors=True)
        os._exit(1)


if __name__ == "__main__":
    main()
