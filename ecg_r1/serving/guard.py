"""The outermost layer of the server: every request passes it before vLLM sees a byte of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette._utils import get_route_path
from starlette.datastructures import Headers

from ecg_r1.serving.access import Access
from ecg_r1.serving.content import check_content
from ecg_r1.serving.limits import READ_ON, Limits, Refusal
from ecg_r1.serving.patience import READ, Patience

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ASKING = frozenset(
    {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/tokenize", "/detokenize"}
)
TELLING = frozenset({"/health", "/ping", "/version", "/metrics", "/v1/models", "/docs", "/openapi.json"})
CLOSE = {"Connection": "close"}
LAST_WORD = 5.0  # seconds in which a client must take the end of an answer that ran out of time


@dataclass
class Spent:
    """What a request took before it was refused.

    bytes: of its body, read or to be read. seconds: of processor time, to look at its content.
    """

    bytes: int = 0
    seconds: float = 0.0


class Guard:
    """Refuse what may not be asked, or asks for too much.

    A route that is named neither in `ASKING` nor in `TELLING` is closed, whatever a later vLLM adds.

    Args:
        access: who may ask.
        limits: how much may be asked.
        root_path: prefix that vLLM's application takes off paths.
    """

    def __init__(self, access: Access, limits: Limits | None = None, root_path: str = ""):
        self.access, self.limits, self.root_path = access, limits or Limits(), root_path
        self._patience = Patience()
        self._held = self._running = 0

    async def __call__(self, app: Any, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request of ASGI through `app`, or refuse it."""
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "http":
            spent, response = Spent(), None
            try:
                await self._answer(app, scope, receive, send, spent)
            except Refusal as refusal:  # it holds the body until this block ends
                response = refusal.response()
            if response is not None:
                address = (scope.get("client") or ("",))[0]
                await asyncio.sleep(self._patience.wait(address, spent.seconds + READ * spent.bytes))
                await response(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "this server has no websockets"})

    async def _answer(self, app: Any, scope: Message, receive: Receive, send: Send, spent: Spent) -> None:
        declared = self._declared(Headers(scope=scope), spent)
        path = get_route_path({"path": scope["path"], "root_path": self.root_path})
        self.access.check(scope, path)
        if path not in ASKING | TELLING:
            raise Refusal(HTTPStatus.NOT_FOUND, f"this route is closed; open are {', '.join(sorted(ASKING | TELLING))}")
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            held += size
            spent.bytes += size
            self._held += size
            if self._held > self.limits.held:
                raise _busy(f"the server holds at most {self.limits.held} bytes of requests")

        try:
            body = await self._body(receive, declared, hold)
            if body is None:
                return
            if path in ASKING and scope["method"] == "POST":
                await asyncio.to_thread(_checked, body, self.limits, spent)  # others are answered meanwhile
                await self._run(app, scope, _replayed(body, receive), send)
            else:
                await app(scope, _replayed(body, receive), send)
        finally:
            self._held -= held

    def _declared(self, headers: Headers, spent: Spent) -> int | None:
        """The length of the body; None where it comes in chunks."""
        lengths, chunked = set(headers.getlist("content-length")), "transfer-encoding" in headers
        if len(lengths) + chunked > 1 or not all(length.isascii() and length.isdigit() for length in lengths):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the request states more than one length", CLOSE)
        size = int(lengths.pop()[:20]) if lengths else 0
        if size > self.limits.body:
            spent.bytes = min(size, READ_ON * self.limits.body)  # the client sends it before it reads the refusal
            raise self._too_large()
        return None if chunked else size

    def _too_large(self) -> Refusal:
        size = f"{self.limits.body // 2**20} MB" if self.limits.body >= 2**20 else f"{self.limits.body} bytes"
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request is larger than {size}")

    async def _body(self, receive: Receive, declared: int | None, hold: Callable[[int], None]) -> bytes | None:
        """The whole body; None where the client left."""
        if declared == 0:
            return b""
        parts, commas = bytearray(), 0
        most = self.limits.samples + self.limits.text  # values that text and ECGs can have
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    part = message.get("body", b"")
                    hold(len(part))
                    commas += part.count(b",")
                    parts += part
                    if len(parts) > self.limits.body:
                        raise self._too_large()
                    if commas > most:
                        raise Refusal(
                            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                            f"the ECGs of a request have at most {self.limits.samples} samples together",
                        )
                    if not message.get("more_body", False):
                        return bytes(parts)
        except TimeoutError:
            raise Refusal(
                HTTPStatus.REQUEST_TIMEOUT, f"the body did not arrive in {self.limits.body_seconds:g} seconds", CLOSE
            ) from None

    async def _run(self, app: Any, scope: Message, receive: Receive, send: Send) -> None:
        if self._running >= self.limits.running:
            raise _busy(f"the server answers at most {self.limits.running} requests at one time")
        started = False

        async def tell(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        self._running += 1
        try:
            async with asyncio.timeout(self.limits.seconds) as limit:
                await app(scope, receive, tell)
        except TimeoutError:
            if not limit.expired():
                raise  # the application's own
            late = Refusal(HTTPStatus.GATEWAY_TIMEOUT, f"the answer took more than {self.limits.seconds:g} seconds")
            if not started:
                raise late from None
            async with asyncio.timeout(LAST_WORD):  # a stream: the error is its last event
                event = b"data: " + bytes(late.response().body) + b"\n\n"
                await send({"type": "http.response.body", "body": event, "more_body": False})
        finally:
            self._running -= 1


def _checked(body: bytes, limits: Limits, spent: Spent) -> None:
    began = time.thread_time()
    try:
        check_content(body, limits)
    finally:
        spent.seconds += time.thread_time() - began


def _busy(message: str) -> Refusal:
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"{message}; try again", {"Retry-After": "1"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """ASGI's `receive` of a request whose body was read already."""
    read = False

    async def again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
