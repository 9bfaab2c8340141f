"""One engine serves every run of one shape."""

import pytest

torch = pytest.importorskip("torch")

from ecg_r1.evaluation import predict
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.model.presets import PRESETS

from .conftest import RIGHT


class CountedEngine:
    """Stands for VLLMEngine: which folders it was started on, whose weights it was given."""

    log: list[str] = []  # noqa: RUF012

    def __init__(self, folder, **options):
        self.log.append(f"start {folder.parent.name}")

    def load_weights(self, named_parameters):
        self.log.append(f"weights of {len(list(named_parameters))} tensors")

    def close(self):
        self.log.append("close")


def test_runs_of_one_shape_share_an_engine_and_another_shape_gets_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "VLLMEngine", CountedEngine)
    for name in ("a", "b"):
        save(*load_model("tiny", texts=["Read this ECG."]), tmp_path / name / "model")
    monkeypatch.setitem(
        PRESETS, "tiny", {**PRESETS["tiny"], "text_config": {**PRESETS["tiny"]["text_config"], "num_hidden_layers": 1}}
    )
    save(*load_model("tiny", texts=["Read this ECG."]), tmp_path / "c" / "model")
    current = predict._Current("vllm")
    for name in ("a", "a", "b", "c"):
        current.of(tmp_path / name)
    assert [entry.split(" of ")[0] for entry in CountedEngine.log] == ["start a", "weights", "close", "start c"]


def test_it_is_said_why_predictions_are_made_again(write_run, capsys):
    run = write_run("a", RIGHT, decoding={"temperature": 0.0, "max_tokens": 128, "corpus": "c"})
    path = run / "predictions" / "held-out.jsonl"
    assert not predict._differs(path, {"temperature": 0.0, "max_tokens": 128, "corpus": "c"})
    assert predict._differs(path, {"temperature": 0.0, "max_tokens": 64, "corpus": "c"})
    assert capsys.readouterr().err == f"{path}: made with max_tokens 128, not 64; made again\n"
