"""The server's outermost layer on real sockets, before an application that only says what reached it."""

import asyncio
import base64
import io
import json
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ecg_r1.serving.access import Access, is_loopback
from ecg_r1.serving.connection import Connection
from ecg_r1.serving.content import check_content
from ecg_r1.serving.guard import ASKING, TELLING, Guard
from ecg_r1.serving.limits import Limits, Refusal
from ecg_r1.serving.pages import PageError, pixels

CHAT = "/v1/chat/completions"
KEY = "sesame"
SMALL = Limits(
    body=2**20, held=4 * 2**20, text=2**16, head_seconds=1.0, body_seconds=1.0, seconds=1.0, running=3, connections=40
)


class Application:
    """Answers with the size of the body.

    The model `slow` never answers, `waits` does when the test says so, and `stream` never ends after its first event.
    """

    def __init__(self):
        self.reached = []
        self.goes_on = threading.Event()

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "http"
        message = await receive()
        self.reached.append(scope["path"])
        body = json.loads(message["body"] or b"{}")
        if body.get("model") == "slow":
            await asyncio.sleep(3600)
        while body.get("model") == "waits" and not self.goes_on.is_set():
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if body.get("model") == "stream":
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await asyncio.sleep(3600)
        await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


def running(guard, application):
    """A server in a thread: its port, and the function that ends it."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, http=partial(Connection, guard=guard, waiting={}), ws="none", lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()

    def end():
        server.should_exit = server.force_exit = True
        thread.join(20)
        listening.close()

    return listening.getsockname()[1], end


@pytest.fixture(scope="module")
def application():
    return Application()


@pytest.fixture(scope="module")
def port(application):
    guard = Guard(Access([KEY], ["ecg.example"], ["https://viewer.example"]), SMALL)
    port, end = running(guard, application)
    yield port
    end()


def exchange(port, data, timeout=30):
    """What the server sends back for these bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        return everything(connection)


def everything(connection):
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def request(path=CHAT, method="POST", body=b"", key=KEY, host="127.0.0.1", last=True, **headers):
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host is not None else [])]
    lines += [f"Authorization: Bearer {key}"] if key is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if method == "POST" and "Transfer_Encoding" not in headers else []
    lines += ["Connection: close"] if last else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer else None


def said(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


PATHS = [
    *sorted((ASKING | TELLING) - {"/health"}),
    *("/invocations", "/scale_elastic_ep", "/inference/v1/generate", "/v1/realtime", "/v1/chat/completions/render"),
    *("/", "//health", "/health/", "/HEALTH", "/health;x", "/health/../v1/models", "/v1/../health/x", "/health%2f"),
    *("/health%00", "/%2fhealth", "/healthz", "/static/../health/", "/x/health", "http://127.0.0.1/health", "*"),
    "/docs/oauth2-redirect",
]


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_every_route_but_health_asks_for_the_key(port, application, method):
    del application.reached[:]
    for path in PATHS:
        assert status(exchange(port, request(path, method, key=None))) == 401, path
    assert application.reached == []


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "PUT", "DELETE"])
def test_health_is_open_to_questions_only(port, method):
    assert status(exchange(port, request("/health", "GET", key=None))) == 200
    assert status(exchange(port, request("/health", "HEAD", key=None))) == 200
    assert status(exchange(port, request("/health", method, key=None))) == 401


@pytest.mark.parametrize(
    "given",
    [
        {"key": "Sesame"},
        {"key": "sesam"},
        {"key": "sesamee"},
        {"key": ""},
        {"key": None, "Authorization": "sesame"},
        {"key": None, "Authorization": "Basic sesame"},
        {"key": None, "X_Api_Key": "sesame"},
        {"key": None, "Authorization": "Bearer caf\xe9"},
        {"key": "no", "authorization": "Bearer sesame"},  # two headers
    ],
)
def test_only_the_key_itself_is_a_key(port, given):
    data = "\r\n".join(request(**given).decode().split("\r\n")).encode("latin-1")
    assert status(exchange(port, data)) == 401


@pytest.mark.parametrize("path", ["/invocations", "/inference/v1/generate", "/v1/load_lora_adapter", "/later"])
def test_an_unnamed_route_is_closed_with_the_key_too(port, application, path):
    del application.reached[:]
    answer = exchange(port, request(path, body=b"{}"))
    assert (status(answer), application.reached) == (404, [])
    assert CHAT in said(answer)


def test_a_websocket_reaches_nothing(port, application):
    del application.reached[:]
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
    answer = exchange(
        port,
        request("/v1/realtime", "GET", key=None, last=False, **upgrade, Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA=="),
    )
    assert (status(answer), application.reached) == (401, [])
    sent = []

    async def send(message):
        sent.append(message["type"])

    asyncio.run(Guard(Access())(application, {"type": "websocket", "path": "/health"}, None, send))
    assert (sent, application.reached) == (["websocket.close"], [])


def test_a_prefix_is_taken_off_as_the_application_does_it(application):
    guard = Guard(Access([KEY]), SMALL, root_path="/gem")
    port, end = running(guard, application)
    try:
        assert status(exchange(port, request("/gem/health", "GET", key=None))) == 200
        for path in ("/gem/v1/models", "/gem/health/v1/models", "/gemhealth", "/gem//health"):
            assert status(exchange(port, request(path, "GET", key=None))) == 401
    finally:
        end()


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8000", "ecg.example", "ecg.example.:80"]
)
def test_its_own_names_are_accepted(port, host):
    assert status(exchange(port, request("/v1/models", "GET", host=host))) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "10.1.2.3", "", "a b",
     "127.0.0.1@evil.example", "[::2]", "ecg.example/x"],
)  # fmt: skip
def test_another_name_in_the_host_header_is_refused(port, application, host):
    del application.reached[:]
    for path in ("/health", "/v1/models"):
        assert status(exchange(port, request(path, "GET", host=host))) in (400, 421)
    assert application.reached == []


def test_a_request_without_a_host_is_refused(port):
    assert status(exchange(port, b"GET /health HTTP/1.0\r\n\r\n")) == 421
    assert status(exchange(port, request("/health", "GET", host=None))) == 400


def test_web_pages_of_other_servers_may_not_call_it(port, application):
    del application.reached[:]
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"):
        assert status(exchange(port, request(body=b"{}", Origin=origin))) == 403
    preflight = {"Access_Control_Request_Method": "POST", "key": None}
    assert status(exchange(port, request(method="OPTIONS", Origin="https://evil.example", **preflight))) == 403
    assert application.reached == []
    assert status(exchange(port, request(body=b"{}", Origin="http://127.0.0.1"))) == 200
    assert status(exchange(port, request(body=b"{}", Origin="https://viewer.example"))) == 200
    assert status(exchange(port, request(body=b"{}", Origin="https://viewer.example", key=None))) == 401
    assert status(exchange(port, request(method="OPTIONS", Origin="https://viewer.example", **preflight))) == 200


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("size", [SMALL.body + 1, 5 * 2**20])
def test_a_large_body_is_answered_and_not_reset(port, last, size):
    """The client sends all of it before it reads: with or without keep-alive it gets the answer."""
    data = request(body=b" " * size, last=last) + (b"" if last else request("/health", "GET"))
    answer = exchange(port, data)
    assert status(answer) == 413
    assert b"larger than 1 MB" in answer
    assert last or status(b"HTTP" + answer.split(b"HTTP")[2]) == 200  # the connection is usable


def test_a_body_in_chunks_is_counted_while_it_arrives(port):
    chunk = b"10000\r\n" + b" " * 2**16 + b"\r\n"
    head = request(Transfer_Encoding="chunked")
    assert status(exchange(port, head + b"2\r\n{}\r\n0\r\n\r\n")) == 200
    assert status(exchange(port, head + 40 * chunk + b"0\r\n\r\n")) == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", "0x10", "1, 2", "9" * 5000])
def test_a_length_that_is_no_number(port, length):
    assert status(exchange(port, request(method="PUT", Content_Length=length).replace("٣".encode(), b"+3"))) in (
        400,
        413,
    )


def test_two_lengths_are_refused(port):
    smuggled = request(method="PUT", Content_Length="5", Transfer_Encoding="chunked") + b"0\r\n\r\n"
    assert status(exchange(port, smuggled)) == 400


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", None),
        (b"GET /health HTTP/1.1\r\nHost: 127", None),
        (request(body=b"{}")[:-1], 408),
        (request(Transfer_Encoding="chunked") + b"2\r\n{", 408),
    ],
)
def test_a_half_open_connection_is_closed(port, sent, answered):
    assert status(exchange(port, sent)) == answered


def test_one_byte_at_a_time_does_not_help(port):
    with socket.create_connection(("127.0.0.1", port), timeout=0.1) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
        assert any(is_closed_after(connection, b"a") for _ in range(100))


def is_closed_after(connection, byte):
    try:
        connection.sendall(byte)
        return not connection.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_headers_without_end_are_refused(port):
    assert status(exchange(port, b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 50_000)) == 400


def test_silent_connections_do_not_shut_others_out(application):
    """The one that has waited longest makes room, and no other."""
    port, end = running(Guard(Access(), replace(SMALL, connections=5, head_seconds=60)), application)
    silent = []
    try:
        for _ in range(12):
            silent.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            assert status(exchange(port, request("/health", "GET"))) == 200  # it is the newest, and so the last to go
        assert [everything(connection) for connection in silent[:8]] == [b""] * 8
        for connection in silent[8:]:
            connection.sendall(request("/health", "GET"))
            assert status(everything(connection)) == 200
    finally:
        end()


def test_an_answer_that_takes_too_long_is_given_up(port):
    answer = exchange(port, request(body=b'{"model": "slow"}', last=True))
    assert (status(answer), "more than 1 seconds" in said(answer)) == (504, True)
    answer = exchange(port, request(body=b'{"model": "stream"}', last=True))
    assert status(answer) == 200
    assert b"data: 1" in answer
    assert b"more than 1 seconds" in answer


def test_more_requests_than_can_run_are_told_to_come_again():
    application = Application()
    port, end = running(Guard(Access(), replace(SMALL, seconds=60)), application)
    waiting = request(body=b'{"model": "waits"}')
    try:
        with ThreadPoolExecutor(3 * SMALL.running) as pool:
            asked = [pool.submit(exchange, port, waiting) for _ in range(3 * SMALL.running)]
            refused = list(islice(as_completed(asked), 2 * SMALL.running))
            assert [status(answer.result()) for answer in refused] == [429] * len(refused)
            application.goes_on.set()
            assert sorted(status(answer.result()) for answer in asked)[: SMALL.running] == [200] * SMALL.running
        assert status(exchange(port, waiting)) == 200
    finally:
        end()


def test_bodies_that_are_held_are_counted_and_let_go(application):
    guard = Guard(Access(), replace(SMALL, held=100_000, body_seconds=20))
    port, end = running(guard, application)
    try:
        with socket.create_connection(("127.0.0.1", port)) as first:
            first.sendall(request(body=b'{"a": "' + b"a" * 60_000)[:-5].replace(b"60007", b"60009"))
            while not guard._held:
                time.sleep(0.01)
            assert status(exchange(port, request(body=b'{"a": "' + b"a" * 60_000 + b'"}'))) == 429
        while guard._held:
            time.sleep(0.01)
        assert status(exchange(port, request(body=b'{"a": "' + b"a" * 60_000 + b'"}'))) == 200
        assert guard._held == 0
    finally:
        end()


def png(width, height, *, again=None):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    sizes = [(width, height), *([again] if again else [])]
    heads = [chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0)) for w, h in sizes]
    return b"\x89PNG\r\n\x1a\n" + b"".join(heads) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def encoded(kind, **options):
    out = io.BytesIO()
    Image.new("RGB", (60, 40)).save(out, kind, **options)
    return out.getvalue()


def url(page, head="data:image/png;base64,"):
    return head + base64.b64encode(page).decode()


def page(page, **options):
    return {"type": "image_url", "image_url": {"url": url(page, **options)}}


def chat(*parts, **options):
    return {"model": "m", "messages": [{"role": "user", "content": [*parts, {"type": "text", "text": "?"}]}], **options}


def ecg(signal=((0.1, 0.2),), leads=("I",)):
    return {"type": "ecg", "ecg": {"leads": leads, "sampling_rate": 500, "unit": "mV", "signal": signal}}


def nested(levels, opening="[", closing="]", value="1"):
    return opening * levels + value + closing * levels


LIMITS = Limits()
SEVERAL = {
    "choices": (chat(n=10_000), 400, "n is a whole number of at most 16"),
    "choices as text": (chat(n="10000"), 400, "n is"),
    "choices as a fraction": (chat(n=1e4), 400, "n is"),
    "choices, the last counts": ('{"n": 1, "\\u006e": 10000}', 400, "n is"),
    "the best of many": ({"prompt": "a", "best_of": 10**9}, 400, "best_of"),
    "alternatives": (chat(logprobs=True, top_logprobs=10**6), 400, "top_logprobs"),
    "all alternatives": (chat(prompt_logprobs=-1), 400, "prompt_logprobs"),
    "a number of 26 digits": (chat(max_tokens=10**25), 400, "max_tokens: the number is too large"),
    "a number of 5,000 digits": ('{"seed": ' + "9" * 5000 + "}", 400, "seed"),
    "stop words": (chat(stop=["a"] * 1000), 400, "stop has at most 64"),
    "biases": (chat(logit_bias=dict.fromkeys(map(str, range(1000)), 1)), 400, "logit_bias"),
    "messages": ({"messages": [{"role": "user", "content": "a"}] * 65}, 400, "messages has at most 64"),
    "prompts": ({"prompt": ["a"] * 65}, 400, "prompt has at most 64"),
    "a grammar": (chat(structured_outputs={"regex": "a" * 9000}), 413, "structured_outputs has at most 8192 bytes"),
    "a schema": (chat(response_format={"a": list(range(9000))}), 413, "response_format"),
    "ECGs": (chat(*[ecg()] * 2000), 400, "at most 16 ECGs"),
    "ECGs in several messages": ({"messages": chat(*[ecg()] * 9)["messages"] * 2}, 400, "at most 16 ECGs"),
    "samples": (chat(ecg([[0.5] * 200_000] * 8)), 413, "at most 1500000 samples"),
    "samples that are lists": (chat(ecg([[[0.5]] * 100])), 400, "one list of numbers"),
    "text": (chat({"type": "text", "text": "a" * 300_000}), 413, "at most 262144 bytes"),
    "white space": ("{}" + " " * 300_000, 413, "at most 262144 bytes"),
    "tokens": ({"prompt": list(range(100_000))}, 413, "at most 262144 bytes"),
    "depth": ('{"messages": ' + nested(10_000) + "}", 400, "32 levels"),
    "depth of objects": ('{"messages": ' + nested(40, '{"a":', "}") + "}", 400, "32 levels"),
    "depth in an ECG": ('{"messages": [{"content": [{"ecg": ' + nested(400) + "}]}]}", 400, "one list of numbers"),
    "depth behind a name": ('{"x": ' + nested(100_000) + "}", 400, "32 levels"),
    "values": ({"x": [[]] * 6000}, 400, "more than 5000"),
    "pixels": (chat(page(png(13_000, 13_000))), 413, "at most 20000000 pixels"),
    "pixels of several pages": (chat(*[page(png(2000, 2000))] * 6), 413, "pixels"),
    "pixels, another spelling": (chat(page(png(13_000, 13_000), head="DATA:image/PNG;base64,")), 413, "pixels"),
    "pixels, an escaped spelling": (
        json.dumps(chat(page(png(13_000, 13_000)))).replace("data:", "\\u0064ata:"), 413, "pixels"),
    "pixels, Anthropic's form": (
        chat({"source": {"type": "base64", "data": url(png(13_000, 13_000), "")}}), 413, "pixels"),
    "pixels, OpenAI's other form": (
        {"input": [{"content": [{"type": "input_image", "image_url": url(png(13_000, 13_000))}]}]}, 413, "pixels"),
    "two sizes": (chat(page(png(10, 10, again=(13_000, 13_000)))), 400, "more than one"),
    "pages": (chat(*[page(png(10, 10))] * 17), 400, "at most 16 pages"),
    "a page cut off": (chat(page(png(10, 10)[:20])), 400, "cut off"),
    "another format": (chat(page(encoded("GIF"))), 400, "neither PNG nor JPEG"),
    "scans": (chat(page(encoded("JPEG") + b"\xff\xda" * 50)), 400, "at most 32 scans"),
    "no base64": (chat({"image_url": {"url": "data:image/png;base64,??"}}), 400, "base64"),
    "a file of the server": (chat({"image_url": {"url": "file:///etc/passwd"}}), 400, "a page is given as"),
    "another client's media": (chat({"type": "image_url", "image_url": None, "uuid": "a"}), 400, "uuid"),
    "a line for the log": (chat(request_id="a\nINFO: all is well"), 400, "request_id"),
    "NaN": ('{"x": NaN}', 400, "finite"),
    "no object": ("[1]", 400, "not a JSON object"),
    "nothing": ("", 400, "not a JSON object"),
    "half": ('{"messages": [', 400, "not a JSON object"),
    "no UTF-8": (b'{"messages": ["\xff"]}', 400, "not a JSON object"),
    "UTF-16": ('{"n": 10000}'.encode("utf-16"), 400, "not a JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEVERAL)
def test_too_much_is_refused_before_work_with_the_limit(name):
    body, code, words = SEVERAL[name]
    data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    with pytest.raises(Refusal) as refused:
        check_content(data, LIMITS)
    assert (refused.value.status, words in refused.value.message) == (code, True), refused.value.message
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    "body",
    [
        chat(
            ecg([[0.5] * 5000] * 12),
            page(png(1000, 800)),
            page(encoded("JPEG")),
            page(encoded("JPEG", progressive=True)),
        ),
        chat(
            *[ecg([[0.5] * 5000] * 12)] * 16, n=16, temperature=1, logprobs=True, top_logprobs=20, stop="a", seed=2**62
        ),
        chat({"type": "text", "text": "data: the rate; base64 is a word, file: another"}, n=None, max_tokens=5),
        chat({"type": "image_url", "image_url": {"url": "https://viewer.example/page.png"}}),  # vLLM's to refuse
        {"prompt": [1] * 5000, "n": 1, "request_id": "a-1"},
        {
            "input": "Rate?",
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        },
    ],
)
def test_an_ordinary_request_passes(body):
    check_content(json.dumps(body, indent=1).encode(), LIMITS)


@pytest.mark.parametrize("options", [{"format": "PNG"}, {"format": "JPEG"}, {"format": "JPEG", "progressive": True}])
def test_the_size_is_the_decoders(options):
    out = io.BytesIO()
    Image.new("RGB", (123, 45)).save(out, exif=Image.Exif(), dpi=(300, 300), **options)
    assert pixels(out.getvalue()) == 123 * 45


@given(st.sampled_from(["PNG", "JPEG"]), st.lists(st.tuples(st.integers(0, 700), st.binary(max_size=4)), max_size=4))
@settings(max_examples=400, deadline=None)
def test_no_damaged_page_is_larger_for_the_decoder_than_for_us(kind, changes):
    damaged = bytearray(encoded(kind))
    for at, new in changes:
        damaged[at : at + len(new)] = new
    try:
        counted = pixels(bytes(damaged))
    except PageError:
        return
    try:
        with Image.open(io.BytesIO(bytes(damaged))) as opened:
            assert opened.width * opened.height == counted
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        pass


def test_the_documentation_states_the_limits():
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    for limit in (
        LIMITS.ecgs,
        LIMITS.samples,
        LIMITS.pages,
        LIMITS.messages,
        LIMITS.choices,
        LIMITS.logprobs,
        LIMITS.words,
    ):
        assert f" {limit:,}" in text
    for limit in (LIMITS.values, LIMITS.depth, LIMITS.running, LIMITS.connections, LIMITS.pixels // 10**6):
        assert f" {limit:,}" in text
    for limit in (LIMITS.body // 2**20, LIMITS.held // 2**20):
        assert f" {limit} MB" in text
    for limit in (LIMITS.text // 2**10, LIMITS.grammar // 2**10):
        assert f" {limit} KB" in text
    for limit in (LIMITS.head_seconds, LIMITS.body_seconds, LIMITS.seconds):
        assert f" {limit:g} s" in text


NAMES = st.sampled_from(
    ["messages", "content", "ecg", "data", "type", "url", "image_url", "n", "stop", "prompt", "uuid"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(0, 200), st.binary(max_size=3))
@settings(max_examples=400, deadline=None)
def test_any_body_passes_or_is_refused(value, at, noise):
    data = bytearray(json.dumps(value).encode())
    for body in (bytes(data), bytes(data[:at] + noise + data[at:])):
        with suppress(Refusal):
            check_content(body, LIMITS)


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.8.8", True), ("", False), ("0.0.0.0", False),
    ("::", False), ("192.168.1.2", False), ("localhost.example", False)])  # fmt: skip
def test_what_is_loopback(host, loopback):
    assert is_loopback(host) == loopback
