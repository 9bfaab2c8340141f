"""What the JSON of a request holds, counted before anything is built from it.

msgspec skips over what is not asked for (1 GB a second), so the samples of an ECG are counted and not read.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
import pybase64
from msgspec import Raw

from ecg_r1.serving.limits import Limits, Refusal
from ecg_r1.serving.pages import PageError, pixels, scans

_CHOICES = ("n", "best_of")
_LOGPROBS = ("logprobs", "top_logprobs", "prompt_logprobs")
_WORDS = ("stop", "bad_words", "stop_token_ids", "allowed_token_ids", "logit_bias")
_GRAMMARS = ("response_format", "structured_outputs")
_BRACKETS = 64  # of an ECG: one for its object, one for its leads, one for its signal, one for each of 12 rows
_INT64 = 2**63
_URL = re.compile(r"https?:|data:[^,]*;base64,", re.IGNORECASE)  # vLLM fetches from --allowed-media-domains alone
_REQUEST_ID = re.compile(rb'"[\w.-]{1,64}"', re.ASCII)

_object = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str)
_any = msgspec.json.Decoder()


def check_content(body: bytes, limits: Limits) -> None:
    """Refuse a request that asks for more than the server gives.

    Args:
        body: JSON, untrusted.
        limits: of the server.

    Raises:
        Refusal: 400 or 413; the message names the limit.
    """
    try:
        fields = _object.decode(body)
        _check_options(fields, limits)
        content = _Content(limits)
        for value in fields.values():
            content.add(value, depth=1)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _refuse(f"the body is not a JSON object of finite numbers: {error}")
    except RecursionError:
        _refuse(f"the body is nested more than {limits.depth} levels deep")
    if len(body) - content.media > limits.text:
        _too_large(f"the text of a request has at most {limits.text} bytes (without its ECGs and pages)")


class _Content:
    """What was found so far."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.media = 0  # bytes
        self.ecgs = self.samples = self.pages = self.pixels = self.values = 0

    def add(self, raw: Raw, depth: int) -> None:
        """Count a JSON value and what it holds."""
        if depth > self.limits.depth:
            _refuse(f"the body is nested more than {self.limits.depth} levels deep")
        kind = bytes(memoryview(raw)[:1])
        if kind == b'"':
            self._add_text(raw)
        elif kind in (b"{", b"["):
            self.values += 1
            if self.values > self.limits.values:
                _refuse(f"the body has more than {self.limits.values} JSON objects and lists")
            if kind == b"[":
                for value in _list.decode(raw):
                    self.add(value, depth + 1)
            else:
                self._add_object(_object.decode(raw), depth)

    def _add_object(self, fields: dict[str, Raw], depth: int) -> None:
        if "uuid" in fields:
            _refuse("parts with a `uuid` are not accepted: they would share cached media with other clients")
        for name, value in fields.items():
            is_text = bytes(memoryview(value)[:1]) == b'"'
            if name == "ecg":
                self._add_ecg(bytes(value))
            elif is_text and name == "data" and ("media_type" in fields or "type" in fields):
                self._add_page(_text.decode(value), len(bytes(value)))  # Anthropic's form of an image
            elif is_text and name in ("url", "image_url") and not _URL.match(_text.decode(value)):
                _refuse("a page is given as data:image/png;base64,… or data:image/jpeg;base64,…")
            else:
                self.add(value, depth + 1)

    def _add_ecg(self, ecg: bytes) -> None:
        self.ecgs += 1
        self.samples += ecg.count(b",") + 1
        self.media += len(ecg)
        if self.ecgs > self.limits.ecgs:
            _refuse(f"a request has at most {self.limits.ecgs} ECGs")
        if self.samples > self.limits.samples:
            _too_large(f"the ECGs of a request have at most {self.limits.samples} samples together")
        if ecg.count(b"[") + ecg.count(b"{") > _BRACKETS:
            _refuse("ecg: `signal` is one list of numbers for each name in `leads`")

    def _add_text(self, raw: Raw) -> None:
        text = _text.decode(raw)
        head, comma, data = text.partition(",") if text[:5].lower() == "data:" else (text, "", "")
        if comma and head.endswith(";base64"):
            self._add_page(data, len(bytes(raw)))

    def _add_page(self, data: str, size: int) -> None:
        self.pages += 1
        self.media += size
        if self.pages > self.limits.pages:
            _refuse(f"a request has at most {self.limits.pages} pages")
        try:
            page = pybase64.b64decode(data, validate=True)  # as vLLM does
            self.pixels += pixels(page)
        except PageError as error:
            _refuse(f"{error}; send a page as PNG or JPEG")
        except ValueError:
            _refuse("an image is not in base64")
        if self.pixels > self.limits.pixels:
            _too_large(f"the pages of a request have at most {self.limits.pixels} pixels together")
        if scans(page) > self.limits.scans:
            _refuse(f"a JPEG has at most {self.limits.scans} scans")


def _check_options(fields: dict[str, Raw], limits: Limits) -> None:
    for names, most in ((_CHOICES, limits.choices), (_LOGPROBS, limits.logprobs)):
        for name in names:
            value = _any.decode(fields[name]) if name in fields else None
            if isinstance(value, bool) and names is _LOGPROBS:
                continue
            if value is not None and (type(value) is not int or not 0 <= value <= most):
                _refuse(f"{name} is a whole number of at most {most}")
    for name, raw in fields.items():
        if memoryview(raw)[:1].tobytes() in b"-0123456789" and not -_INT64 <= _number(name, raw) < _INT64:
            _refuse(f"{name[:40]}: the number is too large")
    if "request_id" in fields and not _REQUEST_ID.fullmatch(fields["request_id"]):
        _refuse("request_id has 1 to 64 letters, digits, dots, hyphens and underscores")  # it is written into the log
    for name in _WORDS:
        if len(_items(fields.get(name))) > limits.words:
            _refuse(f"{name} has at most {limits.words} entries")
    for name in ("messages", "prompt", "input"):
        items = _items(fields.get(name))
        many = name != "prompt" or not items or bytes(memoryview(items[0])[:1]) in (b'"', b"[", b"{")  # not token ids
        if many and len(items) > limits.messages:
            _refuse(f"{name} has at most {limits.messages} entries")
    for name in _GRAMMARS:
        if len(bytes(fields.get(name, b""))) > limits.grammar:
            _too_large(f"{name} has at most {limits.grammar} bytes")


def _number(name: str, raw: Raw) -> Any:
    try:
        return _any.decode(raw)
    except msgspec.ValidationError:  # thousands of digits
        _refuse(f"{name[:40]}: the number is too large")


def _items(raw: Raw | None) -> list[Raw]:
    """The entries of a JSON list or object; none of anything else."""
    kind = b"" if raw is None else bytes(memoryview(raw)[:1])
    if raw is None or kind not in (b"[", b"{"):
        return []
    return _list.decode(raw) if kind == b"[" else list(_object.decode(raw).values())


def _refuse(message: str) -> NoReturn:
    raise Refusal(HTTPStatus.BAD_REQUEST, message) from None


def _too_large(message: str) -> NoReturn:
    raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message) from None
