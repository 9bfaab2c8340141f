"""The server's outermost layer on real sockets, before an application that only says what reached it."""

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from itertools import islice

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

import uvicorn

from ecg_r1.serving.access import Access, is_loopback
from ecg_r1.serving.connection import Connection
from ecg_r1.serving.guard import ASKING, TELLING, Guard
from ecg_r1.serving.limits import Limits
from ecg_r1.serving.patience import ADDRESSES, BURST, LONGEST, SHARE, Patience

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


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.8.8", True), ("", False), ("0.0.0.0", False),
    ("::", False), ("192.168.1.2", False), ("localhost.example", False)])  # fmt: skip
def test_what_is_loopback(host, loopback):
    assert is_loopback(host) == loopback


def test_an_address_that_takes_much_time_waits_for_its_refusals():
    now = 0.0
    patience = Patience(lambda: now)
    assert [patience.wait("a", BURST / 10) for _ in range(10)] == [0.0] * 10
    assert patience.wait("a", 0.01) == pytest.approx(0.01 / SHARE)
    assert patience.wait("b", 0.01) == 0.0  # each for itself
    now += 0.01 / SHARE
    assert patience.wait("a", 0.02) == pytest.approx(0.02 / SHARE)  # the rest is paid back
    assert patience.wait("a", 1e6) == LONGEST
    taken, now = 0.0, 1e9
    while now < 1e9 + 100:  # whatever it sends, in the long run it takes its share
        now += patience.wait("c", 0.03)
        taken += 0.03
    assert taken <= BURST + 0.03 + SHARE * 100
    for i in range(2 * ADDRESSES):
        patience.wait(f"x{i}", 1.0)
    assert len(patience._taken) == ADDRESSES


def test_hostile_requests_are_refused_slowly_and_honest_ones_answered_at_once(application):
    guard = Guard(Access(), replace(SMALL, body=2**23, text=2**22))
    guard._patience = Patience(lambda: 0.0)  # the clock stands, so nothing is paid back
    guard._patience.wait("127.0.0.1", BURST)
    port, end = running(guard, application)
    try:
        deep = b'{"messages": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"
        began = time.monotonic()
        statuses = [status(exchange(port, request(body=deep))) for _ in range(3)]
        waited = time.monotonic() - began
        taken = dict(guard._patience._taken)
        assert status(exchange(port, request(body=b"{}"))) == 200
    finally:
        end()
    assert statuses == [400] * 3
    assert waited > (1 + 2 + 3) * 0.001 / SHARE  # a megabyte is a millisecond to read
    assert guard._patience._taken == taken  # who is answered is not asked to wait
