"""`ecg-r1 push`: what lands in a folder, and in a repository on a Hub that listens on loopback."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint

SECRET = "hf_" + "s3cret" * 5
RECIPE = {"stage": "grpo", "run": "runs/x/grpo", "model": "runs/x/sft", "seed": 3, "corpus": {"train": "runs/x/rl"}}


@pytest.fixture
def run(tmp_path):
    """A finished run, and the comparison above it."""
    folder = tmp_path / "x" / "grpo"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    save(*load_model("tiny", texts=["Read this ECG."]), folder / "model")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | {"note": "``` a fence"}))
    (folder / "environment.json").write_text(json.dumps({"packages": {"trl": "1.16.0"}, "host": "my-laptop"}))
    (folder / "finished.json").write_text(json.dumps({"steps": 100}))
    (folder / "predictions").mkdir()
    (folder / "predictions" / "test.jsonl").write_text("{}\n")
    label = {"model": fingerprint(folder / "model", WEIGHTS), "decoding": {}}
    (folder / "predictions" / "test.json").write_text(json.dumps(label))
    (tmp_path / "x" / "compare.json").write_text(json.dumps({"split": "test", "models": {"sft": {}, "grpo": {}}}))
    (tmp_path / "x" / "card.md").write_text("# RL card: grpo\n\n- **seeds**: ⚠ 3 alone\n")
    return folder


def card(text):
    """The front matter, and the page below it."""
    _, head, page = text.split("---\n", 2)
    return yaml.safe_load(head), page


def test_a_folder_gets_weights_processor_and_card(run, tmp_path, ecg_r1):
    target = tmp_path / "out" / "mine"
    said = ecg_r1("push", run, target, "--licence", "apache-2.0")
    assert (said.code, said.out) == (0, f"{target}\n")
    assert {path.name for path in target.iterdir()} == {path.name for path in (run / "model").iterdir()} | {"README.md"}
    assert fingerprint(target, (".safetensors",)) == fingerprint(run / "model", (".safetensors",))
    _, processor = load_model(str(target))
    assert processor.tokenizer("ECG").input_ids
    head, page = card((target / "README.md").read_text())
    assert head["license"] == "apache-2.0"
    assert "grpo" in head["tags"]
    assert "\n## RL card: grpo\n\n- **seeds**: ⚠ 3 alone\n" in page
    assert "trl 1.16.0" in page
    assert "not a medical device" in page
    assert "my-laptop" not in page
    fence, recipe = "`" * 4, page.rpartition("````yaml\n")[2].partition("````")[0]
    assert page.count(fence) == 2
    assert yaml.safe_load(recipe)["seed"] == 3
    again = ecg_r1("push", run, target)
    assert (again.code, again.err) == (2, f"{target}: exists already; name a new folder\n")


def test_a_run_that_was_not_compared_says_so(run, tmp_path, ecg_r1):
    (run.parent / "card.md").write_text("# RL card: another\n")
    assert ecg_r1("push", run, tmp_path / "mine").code == 0
    assert "No comparison has judged these weights" in (tmp_path / "mine" / "README.md").read_text()


def unfinished(run):
    (run / "finished.json").unlink()


def no_weights(run):
    (run / "model" / "model.safetensors").unlink()


def other_weights(run):
    torch.manual_seed(1)
    save(*load_model("tiny", texts=["Read this ECG."]), run / "model")


def last_is_another(run):
    (run.parent / "compare.json").write_text(json.dumps({"split": "test", "models": {"grpo": {}, "sft": {}}}))


def bare(run):
    (run / "recipe.yaml").unlink()
    (run / "config.json").write_text("{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (unfinished, "no finished run; repeat `ecg-r1 train` with its recipe to go on with it"),
        (no_weights, "no weights"),
        (other_weights, "compares other weights than"),
        (last_is_another, "its RL card is about sft, and not about grpo"),
        (bare, "a checkpoint by itself, not a run"),
    ],
)
def test_what_is_not_published(run, tmp_path, ecg_r1, change, said):
    change(run)
    done = ecg_r1("push", run, tmp_path / "mine")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "mine").exists()


class Hub(BaseHTTPRequestHandler):
    """The routes of the Hub that a commit of small files needs."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.asked.append((self.path, self.headers.get("Authorization"), body))
        if server.status != 200:
            return self.answer(server.status, {"error": "you may not"})
        if self.path.startswith("/api/repos/create"):
            return self.answer(200, {"url": f"{server.url}/me/mine", "name": "me/mine"})
        if self.path == "/api/validate-yaml":  # the Hub reads the head of README.md
            return self.answer(200, {"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return self.answer(200, {"files": files})
        if "/commit/" in self.path:
            said = {"commitUrl": f"{server.url}/me/mine/commit/1", "commitOid": "1", "hookOutput": ""}
            return self.answer(200, said)
        return self.answer(404, {"error": self.path})

    def do_GET(self):
        self.answer(200, {"siblings": [], "sha": "0", "id": "me/mine"})

    def answer(self, status, said):
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def hub(monkeypatch, status=200):
    from huggingface_hub import constants, hf_api

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.status = [], status
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(hf_api, "ENDPOINT", server.url, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def test_a_repository_gets_the_same_files_and_the_token_is_never_printed(run, ecg_r1, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    with hub(monkeypatch) as server:
        done = ecg_r1("push", run, "me/mine")
    assert (done.code, done.out) == (0, f"{server.url}/me/mine\n")
    assert {shown for _, shown, _ in server.asked} == {f"Bearer {SECRET}"}
    create = json.loads(next(body for path, _, body in server.asked if "/repos/create" in path))
    assert create["visibility"] == "private"
    lines = next(body for path, _, body in server.asked if "/commit/" in path).splitlines()
    sent = {row["value"]["path"]: row["value"] for row in map(json.loads, lines) if row["key"] == "file"}
    assert sent.keys() == {path.name for path in (run / "model").iterdir()} | {"README.md"}
    assert b"## RL card: grpo" in base64.b64decode(sent["README.md"]["content"])
    weights = base64.b64decode(sent["model.safetensors"]["content"])
    assert weights == (run / "model" / "model.safetensors").read_bytes()
    assert SECRET not in done.out + done.err + caplog.text


@pytest.mark.parametrize("status", [401, 403, 400])
def test_a_hub_that_refuses_is_one_line_without_the_token(run, ecg_r1, monkeypatch, status):
    with hub(monkeypatch, status):
        done = ecg_r1("push", run, "me/mine")
    assert done.code == 2
    assert done.err.startswith("me/mine: the Hub was not reached, or refuses: ")
    assert done.err.count("\n") == 1
    assert ("HF_TOKEN" in done.err) == (status != 400)
    assert SECRET not in done.err


def test_a_token_that_no_header_can_hold_is_not_quoted(run, ecg_r1, monkeypatch):
    with hub(monkeypatch):
        monkeypatch.setenv("HF_TOKEN", f"{SECRET}\u20ac\x07")
        done = ecg_r1("push", run, "me/mine")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert SECRET not in done.err


def test_who_did_not_log_in_is_told_how(run, ecg_r1, monkeypatch, tmp_path):
    with hub(monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        assert ecg_r1("push", run, "me/mine").err == (
            "me/mine: the Hub asks who you are: log in with `hf auth login`, or set HF_TOKEN\n"
        )
        assert "name a repository as OWNER/NAME, or a folder as ./mine" in ecg_r1("push", run, "mine").err
