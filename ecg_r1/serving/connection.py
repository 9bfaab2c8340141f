"""A connection to the server: it is closed where a request does not arrive, or where an answer is not read.

The only file that knows uvicorn's protocol.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ecg_r1.serving.guard import Guard
from ecg_r1.serving.limits import READ_ON


class Connection(H11Protocol):
    """uvicorn's connection with deadlines. uvicorn waits for ever for headers, for a body, and for a slow reader.

    Args:
        guard: through which the application is asked.
        waiting: the server's connections whose next request has not arrived whole, the longest wait first.
        settings: of uvicorn.
    """

    def __init__(self, *, guard: Guard, waiting: dict[Connection, None], **settings: Any):
        super().__init__(**settings)
        self.app = partial(guard, self.app)
        self._limits = guard.limits
        self._waiting = waiting
        self._phase: Any = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._ignored = 0  # bytes of a body that was refused
        self._ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Ending(transport, self._end))  # type: ignore[arg-type]
        self._watch()
        if len(self._waiting) > self._limits.connections:
            next(iter(self._waiting)).transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._ending or self.conn.our_state is h11.DONE:
            self._ignored += len(data)
            if self._ignored > READ_ON * self._limits.body:
                self.transport.abort()
                return
        if not self._ending:
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        self._ignored = 0
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._waiting.pop(self, None)
        for timer in self._timers.values():
            timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._abort_after("writing", self._limits.body_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._no_timer("writing")

    def _watch(self) -> None:
        """Set the deadline of what the client must send next: the headers of a request, a body, or nothing."""
        phase = self.conn.their_state
        if phase is self._phase or self._ending:
            return
        self._phase = phase
        self._waiting.pop(self, None)
        self._no_timer("reading")
        if phase in (h11.IDLE, h11.SEND_BODY):
            self._waiting[self] = None
            late = self._limits.head_seconds if phase is h11.IDLE else self._limits.body_seconds
            self._abort_after("reading", late + (phase is h11.SEND_BODY))  # the guard's answer comes first

    def _end(self) -> bool:
        """Whether the connection may be closed at once: bytes that arrive at a closed one would reset it, and the
        client would lose the answer. Until it has read that, what it sends is ignored.
        """
        if self.conn.their_state is not h11.SEND_BODY:
            return True
        if not self._ending:
            self._ending = True
            self.flow.resume_reading()
            self._abort_after("reading", self._limits.head_seconds)
        return False

    def _abort_after(self, name: str, seconds: float) -> None:
        self._no_timer(name)
        self._timers[name] = self.loop.call_later(seconds, self.transport.abort)

    def _no_timer(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


class _Ending:
    """A transport whose `close` waits until the client has had its say."""

    def __init__(self, transport: asyncio.Transport, end: Any):
        self._transport, self._end, self._closed = transport, end, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closed or self._transport.is_closing()

    def close(self) -> None:
        self._closed = True
        if self._end():
            self._transport.close()
