"""`ecg-r1 serve` on a real model: who is let in, what is refused, and what is left when the server is killed."""

import copy
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

from ports import free_port

from ecg_r1.ecg.simulate import simulate
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.model.message import ecg_part, user_message
from ecg_r1.serving.server import ServeError, serve

KEY = "the-key-of-this-test"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    save(*load_model("tiny", texts=["Rate?"]), folder)
    return folder


class Server:
    """A running server, its log and its processes."""

    def __init__(self, folder, at):
        self.port = free_port()
        (at / "key").write_text(KEY + "\n")
        self.log = at / "log"
        command = [sys.executable, "-m", "ecg_r1", "serve", folder, "--port", self.port, "--api-key-file", at / "key"]
        command += ["--served-model-name", "gem", "--request-timeout", 60]
        with self.log.open("w") as out:
            self.process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=out, cwd=at)

    def wait(self):
        while True:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                return self.ask("/health", key=None)
            except OSError:
                time.sleep(0.5)

    def ask(self, path, body=None, key=KEY, **headers):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers |= {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
        try:
            asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
            with urllib.request.urlopen(asked, timeout=300) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    server = Server(folder, tmp_path_factory.mktemp("server"))
    server.wait()
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture(scope="module")
def record():
    (simulated,) = simulate(1, seed=3)
    return simulated.record


def chat(record, **options):
    return {"model": "gem", "messages": [user_message("Rate?", [record])], "max_tokens": 4, "temperature": 0} | options


def test_every_route_of_vllm_asks_for_the_key(server):
    """Every route that this version registers, found by the schema, and those that it leaves out of it."""
    schema = json.loads(server.ask("/openapi.json")[1])
    paths = {*schema["paths"], "/docs", "/metrics", "/redoc", "/version", "/load", "/ping", "/invocations"} - {
        "/health"
    }
    assert {CHAT, "/tokenize", "/detokenize", "/scale_elastic_ep", "/inference/v1/generate"} & paths
    for path in paths:
        for body in (None, {}):
            assert server.ask(path, body, key=None)[0] == 401, path
            assert server.ask(path, body, key="another")[0] == 401, path
    assert server.ask("/health", key=None)[0] == 200


def test_with_the_key_it_answers(server, record):
    assert server.ask(CHAT, chat(record))[0] == 200
    assert server.ask("/v1/models")[0] == 200
    assert "vllm:" in server.ask("/metrics")[1]


def test_the_key_is_in_no_list_of_processes_and_no_log(server):
    whole = psutil.Process(server.process.pid)
    for process in (whole, *whole.children(recursive=True)):
        assert KEY not in " ".join(process.cmdline())
    assert KEY not in server.log.read_text()


@pytest.mark.parametrize(
    ("path", "prompt"),
    [(CHAT, "messages"), ("/v1/messages", "messages"), ("/tokenize", "messages"), ("/v1/completions", "prompt"),
     ("/v1/responses", "input")],
)  # fmt: skip
def test_a_route_that_takes_a_prompt_refuses_one_without_an_ecg(server, path, prompt):
    question = [{"role": "user", "content": "Who are you?"}] if prompt == "messages" else "Who are you?"
    code, said = server.ask(path, {"model": "gem", "max_tokens": 4, prompt: question})
    assert (code, "the request has no ECG" in said) == (400, True)


@pytest.mark.parametrize("path", ["/inference/v1/generate", "/invocations", "/v1/chat/completions/batch", "/pooling"])
def test_the_other_routes_are_closed(server, path):
    code, said = server.ask(path, {"model": "gem", "prompt": "Who?", "token_ids": [1], "sampling_params": {}})
    assert (code, "closed" in said) == (404, True)


@pytest.mark.parametrize("sample", ["0.1", True, False, None, [0.1], {"a": 1}, float("nan"), 1e999, 10**400])
def test_only_finite_numbers_are_samples(server, record, sample):
    body = chat(record)
    body["messages"][0]["content"][0]["ecg"]["signal"][3][7] = sample
    code, said = server.ask(CHAT, body)
    assert code == 400
    assert "signal" in said or "finite" in said


@pytest.mark.parametrize(
    ("options", "code"),
    [({"n": 10_000}, 400), ({"best_of": 10_000}, 400), ({"max_tokens": 10**12}, 400), ({"seed": 10**30}, 400),
     ({"messages": [{"role": "user", "content": "a" * 40_000_000}]}, 413), ({"chat_template": "{{ 1 }}"}, 400),
     ({"messages": None}, 400), ({"messages": []}, 400), ({"messages": [5]}, 400), ({"model": "another"}, 404)],
)  # fmt: skip
def test_a_hostile_request_is_one_answer(server, record, options, code):
    answered, said = server.ask(CHAT, chat(record, **options))
    assert answered == code
    assert "error" in json.loads(said)


def test_honest_clients_are_answered_beside_hostile_ones(server, record):
    small = ecg_part(record)
    small["ecg"]["signal"] = [row[:600] for row in small["ecg"]["signal"]]
    many = json.dumps(chat(record, messages=[{"role": "user", "content": [small] * 200}])).encode()
    deep = b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for connection in silent[::2]:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
    try:
        with ThreadPoolExecutor(12) as pool:
            hostile = [pool.submit(server.ask, CHAT, body) for body in (many, deep, b" " * 40_000_000) * 8]
            honest = [pool.submit(server.ask, CHAT, chat(record)) for _ in range(16)]
            assert [answer.result()[0] for answer in honest] == [200] * 16
            assert {answer.result()[0] for answer in hostile} <= {400, 413}
    finally:
        for connection in silent:
            connection.close()


ODD = [
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    "",
    "\0",
    "\x1b[2J",
    "<ecg>",
    [],
    {},
    [[]],
    {"type": "ecg"},
    [None] * 20,
    "data:,",
]


def damaged(body, rng):
    """One value of the request replaced, removed or doubled, or some of its bytes changed."""
    if rng.random() < 0.3:
        data = bytearray(json.dumps(body).encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        return bytes(data)
    body = copy.deepcopy(body)
    place = body
    while True:
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.3:
            break
        place = place[key]
    change = rng.randrange(3)
    if change == 0:
        place[key] = rng.choice(ODD)
    elif change == 1:
        del place[key]
    elif isinstance(place, list):
        place.append(place[key])
    else:
        place[rng.choice(["n", "stop", "ecg", "content", "seed"])] = place[key]
    return json.dumps(body).encode()


@pytest.mark.slow
def test_no_damaged_request_is_a_fault_of_the_server(server, record):
    rng = random.Random(0)
    body = chat(record, n=1, logprobs=True, top_logprobs=2, stop=["a"], seed=1, stream=False)
    ecg = body["messages"][0]["content"][0]["ecg"]
    ecg["signal"] = [row[:600] for row in ecg["signal"]]
    with ThreadPoolExecutor(4) as pool:
        for sent, (code, said) in pool.map(
            lambda data: (data, server.ask(CHAT, data)), [damaged(body, rng) for _ in range(2500)]
        ):
            assert code < 500, (code, said, sent[:300], sent[-300:])
    assert server.ask(CHAT, body)[0] == 200


def test_killing_the_server_ends_its_engine(server, record):
    """The last test of the shared server: nothing is left of it, also while it generates."""
    whole = psutil.Process(server.process.pid)
    children = whole.children(recursive=True)
    assert any("EngineCore" in child.name() or "EngineCore" in " ".join(child.cmdline()) for child in children)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.ask, CHAT, chat(record, n=8, temperature=1, max_tokens=300, ignore_eos=True))
        time.sleep(0.3)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        asked.exception(timeout=120)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def serve_in_a_process(*options, env=None):
    command = [sys.executable, "-m", "ecg_r1", "serve", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)


def test_a_server_that_cannot_start_says_so_in_one_line(folder, tmp_path, monkeypatch):
    """In this process, as the command does; each fault comes before the engine is started."""
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "options.yaml").write_text("trust-remote-code: true\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, more, said in [
            (["--port", str(port)], {}, f"port {port} is taken"),
            (["--host", "0.0.0.0"], {}, "--api-key-file"),
            (["--host", ""], {}, "--api-key-file"),
            (["--host", "no.such.host.invalid", "--api-key", KEY], {}, "no such address"),
            (["--host", "192.0.2.1", "--api-key", KEY], {}, "192.0.2.1"),
            ([], {"key_file": tmp_path / "missing"}, "missing: the key cannot be read"),
            ([], {"key_file": tmp_path}, "the key cannot be read"),
            ([], {"key_file": tmp_path / "empty"}, "the key is empty"),
            (["--api-key", " "], {}, "the key is empty"),
            (["--grpc"], {}, "--grpc is not accepted"),
            (["--headless"], {}, "--headless is not accepted"),
            (["--api-server-count", "2"], {}, "--api-server-count is not accepted"),
            (["--tokenizer-mode", "auto"], {}, "--tokenizer-mode is not accepted: it refuses requests without an ECG"),
            (["--tokenizer-mode", "hf"], {"allow_text_only": True}, "--tokenizer-mode is not accepted"),
            (["--model", "another"], {}, "--model is not accepted"),
            (["--config", str(tmp_path / "options.yaml")], {}, "--trust-remote-code is not accepted"),
            ([], {"seconds": float("nan")}, "--request-timeout nan"),
            ([], {"seconds": float("inf")}, "--request-timeout inf"),
            ([], {"allowed_hosts": ["*"]}, "--allowed-host '*'"),
            ([], {"allowed_hosts": ["ecg.example", "ecg.example:8000"]}, "--allowed-host 'ecg.example:8000'"),
            (["--allowed-local-media-path", "/"], {}, "read files"),
            (["--trust-remote-code"], {}, "its code is not run"),
            (["--enable-prompt-embeds"], {}, "a pickle"),
            (["--enable_mm_embeds"], {}, "--enable-mm-embeds is not accepted"),
            (["--no-such-option"], {}, "--no-such-option"),
        ]:
            with pytest.raises(ServeError) as refused:
                serve(str(folder), options, **more)
            assert said in str(refused.value)
            assert "\n" not in str(refused.value)


def test_without_vllm_it_says_what_to_install(folder, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *more: None if name == 'vllm' else find(name, *more)\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = serve_in_a_process(folder, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 2
    assert "vLLM is not installed: pip install" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_that_is_none_is_one_line(tmp_path):
    done = serve_in_a_process(tmp_path / "nothing")
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr
