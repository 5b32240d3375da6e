"""Starting the served lab, and ending it."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

import uvicorn

from layerscope.core.errors import OutputError
from layerscope.lab.serving.app import Lab
from layerscope.lab.serving.own import Own

ADDRESS = "127.0.0.1"
GRACE = 2
"""Seconds that open requests get when the server ends."""


class Server(uvicorn.Server):
    """uvicorn, which calls back when it answers, and ends by a signal without raising it again."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """The first Ctrl-C (or SIGTERM) ends the server, a second one does not wait for open requests."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(
    what: str | None, port: int = 0, state: str = "", browser: bool = True, say: Callable[[str], None] = print
) -> None:
    """Serve the lab until Ctrl-C. `state` is the hash of the screen that is opened, "" the one that shows `what`;
    port 0 is any free one.

    Errors: those of `trace` for `what`; OutputError for a port that is taken.
    """
    own = None if what is None else Own(what)
    with listening(port) as listener:
        lab = Lab(secrets.token_urlsafe(24), listener.getsockname()[1], own)
        address = f"http://{ADDRESS}:{lab.port}/{state or _first(own)}"

        def ready() -> None:
            say(f"The lab is at {address}")
            say("Ctrl-C ends it.")
            if browser:
                threading.Thread(target=opened, args=(address,), daemon=True).start()

        server = Server(configured(lab), ready)
        lab.ending = lambda: server.should_exit
        try:
            server.run([listener])
        finally:
            lab.live.abandon()
    say("The lab is closed.")


def _first(own: Own | None) -> str:
    """The screen that shows what was given: a run is drawn for, another network is a journey."""
    return "" if own is None else "#lab=autoencoder" if own.run else "#lab=journey&net=own"


def configured(lab: Lab) -> uvicorn.Config:
    """How uvicorn serves the lab: without logs of its own."""
    return uvicorn.Config(
        lab.app(), http="h11", ws="none", loop="asyncio", lifespan="on", log_config=None, log_level="critical",
        access_log=False, server_header=False, timeout_graceful_shutdown=GRACE,
    )  # fmt: skip


@contextlib.contextmanager
def listening(port: int) -> Any:
    """A socket that listens on this machine alone. Errors: OutputError for a port that cannot be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError as error:
            why = error.strerror or str(error)
            raise OutputError(f"port {port} cannot be used ({why}); without --port a free one is taken") from None
        yield listener


def opened(address: str) -> bool:
    """Open the address in a browser with windows; one that runs in the terminal would take it over."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return False
    return type(found) is not webbrowser.GenericBrowser and found.open(address)
