"""Which requests are answered: those from the page that this server made, and none that another site or host sends.

A page elsewhere can make a browser send requests to 127.0.0.1. It cannot read the answers, unless its own name is
made to lead here (DNS rebinding): so `Host` has to be this server's. It could have something done: so whatever does
something needs the token of this launch, which only the page knows.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY = 64 * 1024
"""Bytes that the body of a request may have; the page sends less than 4,000."""
QUERY = 16 * 1024
TOKEN = "x-layerscope-token"
STARTS = ("/api/train/events",)
"""What is asked for by GET and needs the token, too; EventSource sends no headers, so it stands in the query."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Refused(Exception):
    """A request that is not answered: status and why."""

    status: int
    why: str


@dataclass(frozen=True)
class Guarded:
    """An ASGI application behind these checks; all its answers carry HEADERS."""

    app: App
    port: int
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in named]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        try:
            self._check(scope)
            await self.app(scope, await _limited(scope, receive), answered)
        except Refused as refusal:
            await _refuse(refusal, answered)

    @property
    def hosts(self) -> tuple[str, ...]:
        """What `Host` may be."""
        names = ("127.0.0.1", "localhost")
        return tuple(f"{name}:{self.port}" for name in names) + (names if self.port == 80 else ())

    def _check(self, scope: Scope) -> None:
        headers = _headers(scope)
        if headers.get("host", "").lower() not in self.hosts:
            raise Refused(403, f"this server answers to {' and '.join(self.hosts[:2])} alone")
        if len(scope["query_string"]) > QUERY:
            raise Refused(414, f"the query is longer than {QUERY:,} bytes")
        if scope["method"] not in ("GET", "HEAD"):
            self._may_act(headers, headers.get(TOKEN, ""))
        elif scope["path"] in STARTS:
            self._may_act(headers, parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0])

    def _may_act(self, headers: Mapping[str, str], token: str) -> None:
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self.hosts}:
            raise Refused(403, "requests of other sites are not answered")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            raise Refused(403, "the token of this launch is missing or wrong: open the address that was printed")


def _headers(scope: Scope) -> dict[str, str]:
    """Headers by their name; one that must be there once and is there twice is refused."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", TOKEN):
            raise Refused(400, f"the header {key} is there twice")
        found[key] = value.decode("latin-1")
    return found


async def _limited(scope: Scope, receive: Receive) -> Receive:
    """The request with its whole body, which is read here, up to BODY."""
    if scope["method"] in ("GET", "HEAD"):
        return receive
    declared = _headers(scope).get("content-length", "0")
    if not declared.isdigit() or int(declared) > BODY:
        raise Refused(413, f"a body has at most {BODY:,} bytes")
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "the request broke off")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY:
            raise Refused(413, f"a body has at most {BODY:,} bytes")
    given: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def again() -> Message:
        return given.pop() if given else await receive()

    return again


async def _refuse(refusal: Refused, send: Send) -> None:
    body = json.dumps({"error": refusal.why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
