"""Rollout servers that die, hang, come back or refuse: a step is repeated in part and never lost."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

from answering import KEY, Echo, answering
from ports import free_port
from safetensors.numpy import save_file
from safetensors.torch import save_file as torch_file

from ecg_r1.corpus.build import build
from ecg_r1.engine import Prompt
from ecg_r1.engine.changes import changes
from ecg_r1.engine.group import Member
from ecg_r1.engine.vllm_server import ServerUnusable, VLLMServers, Weights
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.recipe import CorpusRecipe
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint


@contextmanager
def client(*urls, key=KEY, wait=20.0, checkpoint="sha256:same", transport="http"):
    servers = VLLMServers(urls, key, checkpoint, wait, transport)
    try:
        yield servers
    finally:
        servers.close()


def prompts(count):
    signal_ = np.zeros((12, 50), np.float32)
    return [Prompt([i + 1, i + 2], [signal_ + i // 2]) for i in range(count)]  # two prompts share a signal


def weights(file, version):
    save_file({"w": np.zeros(2, np.float32)}, file, metadata={"said": json.dumps({"version": version})})
    return file


def test_prompts_are_shared_out_and_a_signal_travels_once(tmp_path):
    first, second = Echo(), Echo()
    with answering(first) as one, answering(second) as other, client(one, other) as servers:
        rollouts = servers.generate(prompts(6), n=3, seed=1, temperature=1.0, max_tokens=4)
        assert [[rollout.token_ids for rollout in row] for row in rollouts] == [[[i + 1, i + 2]] * 3 for i in range(6)]
        assert len(first.asked) == len(second.asked) == 3
        sent = servers.sent["requests"]
        servers.generate(prompts(6), n=3, temperature=1.0, max_tokens=4)
        assert servers.sent["requests"] - sent < sent - 6 * 12 * 50 * 4 / 2  # without the three signals, to either


def test_a_server_that_hangs_is_noticed_and_its_prompts_go_to_the_other():
    process = subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, text=True)
    hanging = process.stdout.readline().strip()
    with answering(Echo()) as alive, client(hanging, alive) as servers:
        began = time.monotonic()
        rollouts = servers.generate(prompts(4), n=1, temperature=1.0, max_tokens=4)
        assert time.monotonic() - began < 30  # 5 seconds on an idle machine
        assert len(rollouts) == 4
        assert servers.lost == 1
    process.kill()
    process.wait()


HANGS = """
import http.server, json, threading
class Handler(http.server.BaseHTTPRequestHandler):
    hung = False
    def do_GET(self):
        if Handler.hung:
            threading.Event().wait()
        said = json.dumps({"boot": "b", "version": None, "checkpoint": "sha256:same"}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(said))); self.end_headers()
        self.wfile.write(said)
    def do_POST(self):
        Handler.hung = True
        threading.Event().wait()
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


def test_a_server_that_comes_back_gets_the_weights_again(tmp_path):
    port, before, after = free_port(), Echo(), Echo()
    url = f"http://127.0.0.1:{port}"
    with answering(before, port), client(url) as servers:
        servers.replace_weights(Weights("v1", weights(tmp_path / "w", "v1")), push=True)
        servers.generate(prompts(2), max_tokens=4)
        servers.generate(prompts(2), max_tokens=4)
        with answering(after, free_port()) as other:
            servers.servers[0].url = other  # started again
            servers.generate(prompts(2), max_tokens=4)
    assert before.replaced == after.replaced == ["replace_weights"]


def adapter(folder, version, tensors, since=None, last=None):
    """An adapter, and what changed of it since the last one."""
    said = {"version": version, "adapter": {"peft_type": "LORA", "r": 2}}
    file, change = folder / version, None
    torch_file(tensors, file, metadata={"said": json.dumps(said)})
    if since:
        change = folder / f"{version}-change"
        save_file(changes(last, tensors), change, metadata={"said": json.dumps(said | {"since": since})})
    return Weights(version, file, since, change)


def test_what_changed_of_an_adapter_goes_to_the_server_that_has_the_last_one(tmp_path):
    old, stays, starts = {"a": torch.randn(64, 8), "b": torch.zeros(8, 64)}, Echo(), Echo()
    new = {name: tensor + 1e-4 * torch.randn_like(tensor) for name, tensor in old.items()}
    first, second = adapter(tmp_path, "v1", old), adapter(tmp_path, "v2", new, "v1", old)
    assert second.change.stat().st_size < second.file.stat().st_size
    with answering(stays) as one, answering(Echo()) as gone, answering(starts) as other, client(one, gone) as servers:
        servers.replace_weights(first, push=True)
        servers.servers[1].url = other  # started again
        sent = servers.sent["weights"]
        servers.replace_weights(second, push=True)
        assert servers.sent["weights"] - sent == second.change.stat().st_size + second.file.stat().st_size
    assert [len(echo.adapters) for echo in (stays, starts)] == [2, 1]
    for echo in (stays, starts):
        assert all(torch.equal(tensor, new[name]) for name, tensor in echo.adapters[-1].items())


def test_changes_of_other_weights_than_the_servers_are_refused(tmp_path):
    tensors = {"a": torch.randn(4, 4)}
    change = adapter(tmp_path, "v2", tensors, "v1", tensors).change
    with answering(Echo()) as url, client(url) as servers:
        assert servers.servers[0].ask("POST", "/rollouts/weights", change)[0] == 409


def broadcast(folder, version):
    tensors = {"w": torch.randn(3, 40), "half": torch.randn(7).bfloat16(), "one": torch.tensor(2.5)}
    torch_file(tensors, folder / version, metadata={"said": json.dumps({"version": version})})
    return tensors, Weights(version, folder / version)


def same(given, expected):
    return given.keys() == expected.keys() and all(torch.equal(given[name], expected[name]) for name in expected)


def test_weights_by_broadcast_reach_each_server_and_one_that_was_started_again(tmp_path):
    first, second, again = Echo(), Echo(), Echo()
    with (
        answering(first) as one, answering(second) as other, answering(again) as third,
        client(one, other, transport="gloo") as servers,
    ):  # fmt: skip
        for version in ("v1", "v2"):
            tensors, weights = broadcast(tmp_path, version)
            servers.replace_weights(weights, push=True)
            assert same(first.received, tensors)
            assert same(second.received, tensors)
        assert first.replaced == ["replace_weights"] * 2
        servers.servers[1].url = third  # started again
        assert len(servers.generate(prompts(2), max_tokens=4)) == 2
        assert same(again.received, tensors)


def test_two_trainers_processes_broadcast_in_turns(tmp_path):
    echo = Echo()
    with answering(echo) as url, client(url, transport="gloo") as one, client(url, transport="gloo") as other:
        for version, servers in (("v1", one), ("v2", other), ("v3", one)):
            tensors, weights = broadcast(tmp_path, version)
            servers.replace_weights(weights, push=True)
            assert same(echo.received, tensors)


def test_a_broadcast_that_breaks_off_is_repeated_in_another_group(tmp_path):
    echo = Echo()
    with answering(echo) as url, client(url, transport="gloo") as servers:
        for version in ("v1", "v2"):
            tensors, weights = broadcast(tmp_path, version)
            servers.replace_weights(weights, push=True)
            assert same(echo.received, tensors)
            name = echo.member.place.name
            echo.member.close()  # the next broadcast finds nobody
        assert servers.servers[0].sender.place.name == name
    assert echo.replaced == ["replace_weights"] * 2


def test_a_trainer_that_no_worker_reaches_is_told_why(tmp_path, monkeypatch):
    def receive(place, expected):
        raise RuntimeError("the trainer cannot be reached at 127.0.0.1")

    echo = Echo()
    monkeypatch.setattr(echo, "receive", receive)
    with (
        answering(echo) as url, client(url, transport="gloo", wait=1) as servers,
        pytest.raises(ServerUnusable, match=r"answered for 1 seconds: http\S+: the trainer cannot be reached"),
    ):  # fmt: skip
        servers.replace_weights(broadcast(tmp_path, "v1")[1], push=True)
    assert echo.replaced == []


def test_a_trainer_that_cannot_be_reached_is_named():
    place = {"name": "n", "host": "127.0.0.1", "port": free_port(), "size": 2, "backend": "gloo"}
    with pytest.raises(RuntimeError, match=f"the trainer cannot be reached at 127.0.0.1:{place['port']}"):
        Member(place, 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"key": "wrong"}, "asks for a key"),
        ({"checkpoint": "sha256:other"}, "serves another checkpoint"),
    ],
)
def test_what_a_trainer_may_not_ask_ends_the_run_in_one_line(settings, said):
    with answering(Echo()) as url, pytest.raises(ServerUnusable, match=said), client(url, **settings):
        pass


def test_no_server_at_all_ends_the_run_after_the_wait():
    with pytest.raises(ServerUnusable, match="no rollout server has answered for 1 seconds"):
        VLLMServers([f"http://127.0.0.1:{free_port()}"], KEY, "sha256:same", wait=1)


def test_an_option_of_sampling_that_vllm_lacks_is_named():
    with answering(Echo()) as url, client(url) as servers, pytest.raises(ServerUnusable, match="temprature"):
        servers.generate(prompts(1), temprature=1.0)


@pytest.fixture
def recipe(tmp_path):
    """A GRPO recipe with server rollouts, from a tiny checkpoint."""
    simulated = {"stage": "corpus", "out": str(tmp_path / "corpus"), "splits": {"train": [{"simulate": 4}]}}
    (corpus,) = build(CorpusRecipe.model_validate(simulated))
    torch.manual_seed(0)
    save(*load_model("tiny", texts=["Read this ECG. PR 160 ms, QRS 90 ms. normal ECG"]), tmp_path / "model")
    text = f"""
        base: tiny/grpo
        run: {tmp_path}/run
        model: {tmp_path}/model
        corpus: {{train: {corpus}}}
        deepspeed: null
        rewards: [{{name: length, limit: 48, cache: 48}}]
        credit: sequence
        rollout:
          mode: server
          servers: [http://127.0.0.1:{free_port()}]
          key_file: {tmp_path}/key
          dtype: float32
          options: {{max_model_len: 256}}
        trainer: {{num_generations: 4, per_device_train_batch_size: 16, max_steps: 5, max_completion_length: 48,
          save_steps: 2, learning_rate: 1.0e-3}}
        """
    path = tmp_path / "recipe.yaml"
    path.write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()), encoding="utf-8")
    return path


@contextmanager
def rollout_server(recipe, log, *options):
    """`ecg-r1 rollout-server`, answering."""
    port = recipe.read_text(encoding="utf-8").partition("127.0.0.1:")[2].partition("]")[0]
    command = [sys.executable, "-m", "ecg_r1", "rollout-server", str(recipe), "--port", port, *options]
    with log.open("a") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ)
    try:
        until = time.monotonic() + 900
        while not answers(int(port)):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port):
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lora", "transport", "ranks"), [("", "http", 1), ("", "gloo", 2), ("\nlora: {r: 8, lora_alpha: 64}", "http", 1)]
)
def test_a_server_is_killed_amid_a_step_and_the_run_ends_whole(recipe, tmp_path, monkeypatch, lora, transport, ranks):
    if ranks > 1:
        monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "|".join(map(str, range(ranks))))
    text = recipe.read_text(encoding="utf-8").replace("mode: server", f"mode: server\n  transport: {transport}")
    text = text.replace("max_model_len: 256", f"max_model_len: 256, tensor_parallel_size: {ranks}")
    recipe.write_text(text + lora, encoding="utf-8")
    log, run = tmp_path / "server.log", tmp_path / "run"
    with rollout_server(recipe, log) as server:
        trainer = subprocess.Popen(
            [sys.executable, "-m", "ecg_r1", "train", str(recipe)], stderr=subprocess.PIPE, text=True, env=os.environ
        )
        while not (run / "metrics.jsonl").is_file() or len(metrics(run)) < 2:
            assert trainer.poll() is None, trainer.stderr.read()[-3000:]
            time.sleep(0.05)
        server.send_signal(signal.SIGKILL)
        server.wait()
    with rollout_server(recipe, log):
        assert trainer.wait(timeout=600) == 0, trainer.stderr.read()[-3000:]
    assert json.loads((run / "finished.json").read_text(encoding="utf-8"))["steps"] == 5
    steps = metrics(run)
    assert all(row["grad_norm"] > 0 for row in steps[:5])  # the weights changed each time
    assert [row["step"] for row in steps if "reward" in row] == [1, 2, 3, 4, 5]
    for row in steps[:5]:  # the server has the trainer's weights at each step, also after its restart
        assert row["sampling/sampling_logp_difference/max"] < 1e-3
    adapted, whole = 3 * 4 * 2 * 8 * 128, (tmp_path / "model" / "model.safetensors").stat().st_size
    assert steps[0]["rollout/sync_bytes"] < whole
    if lora:
        assert steps[0]["rollout/sync_bytes"] < 2 * 4 * (adapted + 3 * 3 * 8 * (128 + 352)) + 2**14
    assert fingerprint(tmp_path / "model", WEIGHTS)  # untouched
