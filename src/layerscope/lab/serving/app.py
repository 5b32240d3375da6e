"""What the server answers: the page's files by their exact names, and /api. Each answer of /api is JSON; a mistake is
{"error": why}.

| request | answer |
|---|---|
| GET /api/lab | version, own network, data sets, whether a training runs |
| GET /api/scene?hash=… | Python's scene of a link |
| GET /api/model | the journey of the user's network |
| POST /api/reconstruct {"drawn": letters, "of": "own" or "live"} | a drawing through a network |
| POST /api/train {settings} | starts a training |
| GET /api/train/events?token=… | what happens, as server-sent events; `Last-Event-ID` goes on |
| POST /api/train/stop | ends it |
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from layerscope import __version__
from layerscope.core.errors import LayerscopeError, SettingError
from layerscope.datasets import names
from layerscope.lab import drawing
from layerscope.lab.page import SERVED, served
from layerscope.lab.scenes import scene
from layerscope.lab.serving.guards import Guarded
from layerscope.lab.serving.live import DEFAULTS, Busy, Live
from layerscope.lab.serving.own import Own

KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
}
PAGE = "index.html"
HEAD = "<head>"


@dataclass
class Lab:
    """What one launch serves."""

    token: str
    port: int
    own: Own | None = None
    ending: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.live = Live(None if self.own is None else self.own.network, lambda: self.ending())

    def app(self) -> Guarded:
        """The application."""
        routes = [
            *(Route(f"/{name}" if name != PAGE else "/", _file(name, body)) for name, body in self._files().items()),
            Route("/favicon.ico", _nothing),
            Route("/api/lab", self.about),
            Route("/api/scene", self.scene),
            Route("/api/model", self.model),
            Route("/api/reconstruct", self.reconstruct, methods=["POST"]),
            Route("/api/train", self.train, methods=["POST"]),
            Route("/api/train/events", self.events),
            Route("/api/train/stop", self.stop, methods=["POST"]),
        ]
        handlers: Mapping[Any, Any] = {LayerscopeError: _mistake, 404: _missing, 405: _missing}
        inner = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)
        inner.router.redirect_slashes = False
        return Guarded(inner, self.port, self.token)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        yield
        await self.live.close()

    def _files(self) -> dict[str, bytes]:
        """The page's files by name, the token written into the page. They are read once: no path of a request is ever
        looked for on the disk.
        """
        found = {name: served(name).read_bytes() for name in SERVED}
        page = found[PAGE].decode("utf-8")
        assert HEAD in page
        head = f'{HEAD}<meta name="layerscope-token" content="{self.token}">'
        found[PAGE] = page.replace(HEAD, head, 1).encode("utf-8")
        return found

    # --- answers ---

    async def about(self, request: Request) -> Response:
        """What the page has to know at once."""
        return _json(
            {
                "version": __version__,
                "own": None if self.own is None else self.own.told(),
                "data": names(),
                "defaults": DEFAULTS,
                "training": self.live.told(),
            }
        )

    async def scene(self, request: Request) -> Response:
        """Python's scene of a link."""
        asked = request.query_params.get("hash", "")
        return _json((await run_in_threadpool(scene, asked)).to_json())

    async def model(self, request: Request) -> Response:
        """The journey of the user's network."""
        if self.own is None:
            return _json({"error": "no network was given: layerscope lab MODEL"}, 404)
        return _json(await run_in_threadpool(self.own.journey))

    async def reconstruct(self, request: Request) -> Response:
        """A drawing through the user's run, or through what is trained."""
        given = await _given(request)
        letters, of = given.get("drawn"), given.get("of", "own")
        levels = drawing.read(letters) if isinstance(letters, str) else None
        if levels is None:
            raise SettingError("drawn is a drawing of 28 × 28 pixels in the letters of the link")
        if of == "live":
            return _json(await run_in_threadpool(self.live.reconstruct, levels))
        if of != "own":
            raise SettingError(f'of is "own" or "live", not {of!r}')
        if self.own is None:
            raise SettingError("no run was given: layerscope lab RUN")
        return _json(await run_in_threadpool(self.own.reconstruct, levels))

    async def train(self, request: Request) -> Response:
        """Start a training; 409 where one runs."""
        try:
            return _json(await self.live.start(await _given(request)))
        except Busy as error:
            return _json({"error": str(error)}, 409)

    async def stop(self, request: Request) -> Response:
        """End the training."""
        return _json({"stopped": await self.live.stop()})

    async def events(self, request: Request) -> Response:
        """What happens in the training, from its begin or from where this page was."""
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else 0

        async def stream() -> AsyncGenerator[str]:
            yield "retry: 1000\n\n"
            async for event in self.live.follow(after):
                yield ": still here\n\n" if event is None else f"id: {event['id']}\ndata: {_dumped(event)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")


async def _given(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body. Errors: SettingError."""
    try:
        found: Any = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        raise SettingError("the body of the request is no JSON") from None
    if not isinstance(found, dict):
        raise SettingError("the body of the request is no JSON object")
    return found


def _file(name: str, body: bytes) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return Response(body, media_type=KINDS[name.rpartition(".")[2]])

    return answer


async def _nothing(request: Request) -> Response:
    """The page has no icon, and browsers ask."""
    return Response(status_code=204)


async def _mistake(request: Request, error: Exception) -> Response:
    notes = error.__notes__ if isinstance(error, LayerscopeError) else []
    return _json({"error": "\n".join([str(error), *notes])}, 400)


async def _missing(request: Request, error: Exception) -> Response:
    status: int = getattr(error, "status_code", 404)
    return _json({"error": "there is nothing here" if status == 404 else "not with this method"}, status)


def _json(found: Any, status: int = 200) -> Response:
    return Response(_dumped(found), status, media_type="application/json")


def _dumped(found: Any) -> str:
    """As JSON, which knows no NaN and no infinities: they become null."""
    try:
        return json.dumps(found, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(found), ensure_ascii=False, allow_nan=False)


def _finite(found: Any) -> Any:
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, Mapping):
        return {key: _finite(value) for key, value in found.items()}
    return [_finite(value) for value in found] if isinstance(found, list | tuple) else found
