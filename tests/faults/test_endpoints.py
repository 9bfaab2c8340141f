"""Whoever asks an endpoint is killed amid its questions: what was answered is not asked, nor paid, again."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("openai")

import splits
from fake_server import chat

RECORDS = 6


def killed_at_the_fourth(server, command, answer):
    """Run a command until it has asked its fourth question, and kill it before the reply."""
    waiting, go_on = threading.Event(), threading.Event()

    def reply(request):
        if len(server.asked) == 4:
            waiting.set()
            go_on.wait()
        return answer(request)

    server.reply = reply
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    assert waiting.wait(300)
    process.send_signal(signal.SIGKILL)
    process.wait()
    go_on.set()


@pytest.mark.slow  # two processes that import torch; test_endpoint.py repeats a comparison in one process
def test_a_killed_comparison_asks_only_what_is_missing(tmp_path):
    rows = [{"record": f"r{k}", "diagnoses": ["normal ECG"], "measurements": {}} for k in range(RECORDS)]
    pages = [np.full((56, 56, 3), 10 * k, np.uint8) for k in range(RECORDS)]
    split = splits.write_split(tmp_path / "split", rows, page_size=56, page=pages.__getitem__)
    with chat() as server:
        recipe = {"stage": "evaluate", "corpus": str(split), "out": str(tmp_path / "out"), "resamples": 10, "mirage": 0,
                  "models": [{"endpoint": server.url, "signal": True, "concurrent": 1}]}  # fmt: skip
        (tmp_path / "evaluate.yaml").write_text(json.dumps(recipe))
        command = [sys.executable, "-m", "ecg_r1", "evaluate", str(tmp_path / "evaluate.yaml")]
        killed_at_the_fourth(server, command, lambda request: "<think></think><answer>normal ECG</answer>")
        assert not (tmp_path / "out" / "predictions" / "fake" / "split.json").exists()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr
        assert "3 questions asked, 3 answers from the cache" in done.stderr
        assert len(server.asked) == 4 + 3


def test_a_killed_build_asks_only_for_texts_that_are_missing(tmp_path):
    with chat() as server:
        recipe = {"stage": "corpus", "out": str(tmp_path / "out"), "cache": str(tmp_path / "cache"), "pages": "drawn",
                  "workers": 1, "splits": {"train": [{"simulate": RECORDS}]},
                  "rewrite": {"endpoint": server.url, "concurrent": 1}}  # fmt: skip
        (tmp_path / "corpus.yaml").write_text(json.dumps(recipe))
        command = [sys.executable, "-m", "ecg_r1", "corpus", str(tmp_path / "corpus.yaml")]
        killed_at_the_fourth(
            server, command, lambda request: "Read in full. " + request["messages"][-1]["content"].replace("\n", " ")
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr
        assert "3 questions asked, 3 answers from the cache" in done.stderr
        assert f"{RECORDS} texts worded anew by a language model, 0 refused" in done.stderr
