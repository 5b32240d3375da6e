"""One training at a time, in a process of its own, and everybody who watches it.

What the process says is kept, so that a page that comes later, or again, is told all that matters: the begin, every
epoch, and the batches since. Pictures are kept of the begin and of the last epoch.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from layerscope import optimizers
from layerscope.core.errors import LayerscopeError, SettingError
from layerscope.core.sizes import checked
from layerscope.datasets import names
from layerscope.lab.serving import own
from layerscope.models import Model, load_model
from layerscope.sources import examples, text
from layerscope.studies import runs

LINE = 32 << 20
"""Bytes of a line from the process: its images."""
PULSE = 15.0
"""Seconds after which a silent stream says that it is there."""
TICK = 0.2
DEFAULTS: dict[str, Any] = {
    "network": "example:autoencoder", "data": "digits", "epochs": 10, "batch_size": 128, "optimizer": "adam",
    "learning_rate": None, "seed": 0,
}  # fmt: skip
MOST = {"epochs": 1000, "batch_size": 8192, "seed": 2**31 - 1}
ENDED = ("end", "stopped", "failed")


class Busy(LayerscopeError):
    """A training is running, and only one runs at a time."""


def asked(given: Any, own: str | None) -> dict[str, Any]:
    """The settings of a training, checked. `own` is the user's network, which "own" stands for; no other file is read
    and no code is called because a page asks for it.

    Errors: SettingError; UnknownNameError for an optimizer; LayerscopeError for a network that does not fit.
    """
    if not isinstance(given, dict):
        raise SettingError("a training is asked for with an object of settings")
    unknown = [name for name in given if name not in DEFAULTS]
    if unknown:
        raise SettingError(f"a training has no setting {unknown[0]!r}; it has {', '.join(DEFAULTS)}")
    found = {**DEFAULTS, **given}
    found["network"] = _network(found["network"], own)
    if found["data"] not in names():
        raise SettingError(f"the page trains on {', '.join(names())}; for own images: layerscope train --data FOLDER")
    for name, most in MOST.items():
        if checked(found[name], name, 0 if name == "seed" else 1) > most:
            raise SettingError(f"{name} is at most {most:,} here, not {found[name]:,}")
    if not isinstance(found["optimizer"], str):
        raise SettingError(f"the optimizer is a name, not {found['optimizer']!r}")
    optimizers.get(found["optimizer"])
    rate = found["learning_rate"]
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e6):
        raise SettingError(f"the learning rate is a number above 0, not {rate!r}")
    return found


def _network(given: Any, own: str | None) -> str:
    if given == "own":
        if own is None:
            raise SettingError("no network was given to layerscope lab: layerscope lab MODEL")
        return own
    if not text.handles(given) and not examples.handles(given):
        raise SettingError("a network is one line of text, such as 28x28x1 | flatten | dense 784 | reshape 28x28x1")
    module = examples if examples.handles(given) else text
    module.read(given)
    return str(given)


def command(settings: Mapping[str, Any]) -> str:
    """The command that trains the same and keeps it."""
    import shlex

    words = ["layerscope", "train", settings["network"], "--data", settings["data"]]
    for name in ("epochs", "batch_size", "optimizer", "learning_rate", "seed"):
        if settings[name] is not None:
            words += [f"--{name.replace('_', '-')}", str(settings[name])]
    return shlex.join(words)


class Live:
    """The training of this server. Everything but `reconstruct` is for the event loop alone."""

    def __init__(self, own: str | None = None, ending: Callable[[], bool] = lambda: False) -> None:
        self.own, self.ending = own, ending
        self.events: list[dict[str, Any]] = []
        self.settings: dict[str, Any] | None = None
        self.number = 0
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._known: tuple[float, Model] | None = None
        self._lock = Lock()

    @property
    def running(self) -> bool:
        """Whether a training goes on."""
        return self._reading is not None and not self._reading.done()

    def told(self) -> dict[str, Any]:
        """What the page has to know at once."""
        has = self._folder is not None and (self._folder / runs.MODEL).exists()
        return {"running": self.running, "settings": self.settings, "model": has}

    async def start(self, given: Any) -> dict[str, Any]:
        """Start a training. Errors: Busy; those of `asked`."""
        if self.running:
            raise Busy("a training is running already; stop it first")
        settings = await asyncio.to_thread(asked, given, self.own)
        if self.running:  # somebody else was faster
            raise Busy("a training is running already; stop it first")
        self._clean()
        self._folder = Path(tempfile.mkdtemp(prefix="layerscope-lab-"))
        self.settings, self.events, self._known = settings, [], None
        self._say({"event": "started", "settings": settings, "command": command(settings)})
        self._reading = asyncio.create_task(self._train({**settings, "out": str(self._folder)}))
        return self.told()

    async def stop(self) -> bool:
        """End the training, if there is one; what was trained so far can still be used."""
        was = self.running
        process, reading = self._process, self._reading
        if was and reading is not None:
            if process is None:
                reading.cancel()
            else:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()  # its files take their places when they are complete
            with contextlib.suppress(asyncio.CancelledError):
                await reading
        return was

    async def close(self) -> None:
        """End everything and leave nothing."""
        await self.stop()
        self._clean()

    def abandon(self) -> None:
        """What is left of it when the event loop has ended."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        self._clean()

    async def follow(self, after: int) -> AsyncGenerator[dict[str, Any] | None]:
        """Events with a number above `after`, as they come; None where nothing happened for a while. It ends with the
        training, or with the server.
        """
        silent = 0.0
        while not self.ending():
            news = [event for event in self.events if event["id"] > after]
            for event in news:
                after, silent = event["id"], 0.0
                yield event
            if (news and news[-1]["event"] in ENDED) or (not news and not self.running):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), TICK)
            silent += TICK
            if silent >= PULSE:
                silent = 0.0
                yield None

    def reconstruct(self, levels: list[int]) -> dict[str, Any]:
        """A drawing through the model as the last epoch left it. Errors: SettingError before the first epoch."""
        path = None if self._folder is None else self._folder / runs.MODEL
        if path is None or not path.exists():
            raise SettingError("nothing has been trained here yet")
        with self._lock:  # an engine computes one thing at a time
            when = path.stat().st_mtime
            if self._known is None or self._known[0] != when:
                self._known = when, load_model(path)
            return own.reconstruct(self._known[1], levels)

    async def _train(self, settings: dict[str, Any]) -> None:
        """The process from its start to its end."""
        last = {"event": "stopped"}
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"{__package__}.child", limit=LINE, start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            )  # fmt: skip
            pipe, lines = self._process.stdin, self._process.stdout
            assert pipe is not None
            assert lines is not None
            pipe.write(json.dumps(settings).encode() + b"\n")
            while line := await lines.readline():
                event = json.loads(line)
                if event["event"] in ENDED:
                    last = event
                else:
                    self._say(event)
            if await self._process.wait() > 0:
                last = {"event": "failed", "why": "the process that trained ended unexpectedly"}
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
            self._process = None
            self._say(last)

    def _say(self, event: dict[str, Any]) -> None:
        """Keep an event, and forget what it makes needless."""
        self.number += 1
        if event["event"] == "epoch":
            self.events = [one for one in self.events if one["event"] != "batch"]
            for one in self.events:
                if one["event"] == "epoch":
                    one.pop("made", None)
        self.events.append({**event, "id": self.number})
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _clean(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None
