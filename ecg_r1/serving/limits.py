"""What a request may ask for, and how a request that asks for more is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse

LARGEST = 32 * 2**20  # bytes; the JSON of a record and its page is about 1 MB
READ_ON = 8  # times the largest body: what a client may still send after it was refused, so that it reads the refusal


@dataclass(frozen=True)
class Limits:
    """The limits of one server. All are checked before the model, the tokenizer or an image decoder sees the request.

    Attributes:
        body: bytes of a request's body.
        held: bytes of all bodies that the server holds at one time.
        text: bytes of the body that are neither samples of an ECG nor a page.
        ecgs: ECGs in a request.
        samples: samples of all ECGs of a request together.
        pages: pages in a request.
        pixels: pixels of all pages of a request together; a page of A4 at 300 dots per inch has 8.7 million.
        scans: scans of a progressive JPEG; each costs a pass over all pixels.
        depth: levels of JSON objects and lists.
        values: JSON objects and lists, outside of ECGs.
        messages: messages of a conversation, or prompts of a completion.
        choices: answers to one request (`n`, `best_of`).
        logprobs: alternatives that are reported for one token.
        words: entries of `stop` and of the other lists that are compared with every token.
        grammar: bytes of a JSON schema, regular expression or grammar that the answer must follow.
        running: requests that are answered at one time.
        connections: open connections whose next request has not arrived whole.
        head_seconds: time in which the headers of a request must arrive.
        body_seconds: time in which its body must arrive, and in which an answer that is waiting must be read on.
        seconds: time in which a request must be answered.
    """

    body: int = LARGEST
    held: int = 16 * LARGEST
    text: int = 256 * 2**10
    ecgs: int = 16
    samples: int = 1_500_000
    pages: int = 16
    pixels: int = 20_000_000
    scans: int = 32
    depth: int = 32
    values: int = 5_000
    messages: int = 64
    choices: int = 16
    logprobs: int = 20
    words: int = 64
    grammar: int = 8 * 2**10
    running: int = 256
    connections: int = 1024
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    seconds: float = 300.0


class Refusal(Exception):
    """A request is not answered.

    Args:
        status: of HTTP.
        message: what the client must change; it names the limit.
        headers: of the response.
    """

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers

    def response(self) -> JSONResponse:
        """The response, in the form of OpenAI's and vLLM's errors."""
        error = {
            "message": self.message,
            "type": self.status.phrase.title().replace(" ", "") + "Error",
            "param": None,
            "code": self.status.value,
        }
        return JSONResponse({"error": error}, self.status.value, self.headers)
