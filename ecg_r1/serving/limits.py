"""The largest request that the server reads. The JSON of a record and its page is about 1 MB."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

LARGEST = 32 * 2**20  # bytes


class BodyLimit:
    """ASGI middleware that refuses a body before it is read, if it is larger than `LARGEST` or of unknown length.

    Args:
        app: the server's application.
    """

    def __init__(self, app: Callable[..., Any]):
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (refusal := _refusal(dict(scope["headers"]))):
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _refusal(headers: dict[bytes, bytes]) -> JSONResponse | None:
    """The response that refuses a request with these headers. Errors have the same form as OpenAI's and vLLM's."""
    if b"transfer-encoding" in headers:
        return _error(411, "send the request with a Content-Length, not in chunks")
    if int(headers.get(b"content-length", b"0")) > LARGEST:
        return _error(413, f"the request is larger than {LARGEST // 2**20} MB")
    return None


def _error(code: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "BadRequestError", "code": code}}, code)
