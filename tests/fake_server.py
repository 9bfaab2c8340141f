"""A chat route on a real socket, whose replies are known, and which fails as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Chat(ThreadingHTTPServer):
    """
    Attributes:
        reply: request -> the text of the answer.
        failures: (status, headers) of the next replies, before anything is answered.
        asked, headers: the requests that came.
        known: as `/v1/models` lists them.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply: Callable[[dict[str, Any]], Any] = lambda request: "normal ECG"
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.known = ["fake"]
        self.finish = "stop"
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Chat

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.known]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(request)
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            failure = self.server.failures.pop(0) if self.server.failures else None
        if failure:
            status, headers = failure
            if status == 0:  # the connection breaks
                self.connection.close()
                return
            self._send(status, {"error": {"message": f"no, with {self.headers.get('Authorization')}"}}, headers)
            return
        text = self.server.reply(request)
        message = text if isinstance(text, dict) else {"role": "assistant", "content": text}
        choices = [
            {"index": i, "message": message, "finish_reason": self.server.finish} for i in range(request.get("n", 1))
        ]
        usage = {"prompt_tokens": 100, "completion_tokens": 20 * len(choices), "total_tokens": 120}
        self._send(200, {"id": "x", "object": "chat.completion", "created": 0, "model": request["model"],
                         "choices": choices, "usage": usage})  # fmt: skip

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def chat() -> Iterator[Chat]:
    """A server that runs until the context ends."""
    server = Chat()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
