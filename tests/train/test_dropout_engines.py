"""Dropout on the real engines: vLLM's rollouts and the policy's log-probs are of the same views, over a resume too."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

import pyarrow.parquet as parquet

from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.writer import SplitWriter
from ecg_r1.datasets.example import Example
from ecg_r1.recipe import CorpusRecipe

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"
DROPOUT = "dropout={leads: 0.5, ecg: 0.2, page: 0.2, nothing: 0.2, interleave: 0.3}"


def train(folder, split):
    command = [
        sys.executable, "-m", "ecg_r1", "train", RECIPES / "grpo.yaml", f"run={folder}", "model=tiny",
        f"corpus={{train: {split}}}", "deepspeed=null", "freeze=[]", DROPOUT, "trainer.per_device_train_batch_size=32",
        "trainer.num_generations=4", "trainer.learning_rate=1e-3", "trainer.max_completion_length=16",
        "trainer.save_steps=1", "trainer.save_total_limit=9", "trainer.max_steps=3", "shared_prefix=true",
    ]  # fmt: skip
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def records(tmp_path) -> Path:
    """Every second record is asked about alone, and then together with the next."""
    recipe = {"stage": "corpus", "out": str(tmp_path), "page_size": 112, "workers": 1}
    (folder,) = build(CorpusRecipe.model_validate(recipe | {"splits": {"train": [{"simulate": 16}]}}))
    store = RecordStore(folder)
    with SplitWriter(tmp_path / "asked", store.facts) as writer:
        for record in store.ids:
            writer.add(store.record(record), store.measurements(record), store.page(record))
        for one, other in zip(store.ids[::2], store.ids[1::2], strict=True):
            writer.add_example(Example(f"{one} rate", (one,), "Rate?"))
            writer.add_example(Example(f"{one} and the next", (one, other), "Which is faster?"))
        writer.finish()
    return tmp_path / "asked"


def shown(run, step):
    table = parquet.read_table(run / "completions" / f"completions_{step:05d}.parquet").to_pandas()
    views = table.groupby("example")["shown"].unique()
    assert all(len(each) == 1 for each in views)  # one view for the G completions of a prompt
    return {record: each[0] for record, each in views.items()}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rollouts_and_policy_agree_though_parts_are_hidden_and_a_resumed_run_hides_the_same(records, tmp_path):
    run = tmp_path / "run"
    steps = [row for row in train(run, records) if "reward" in row]
    assert len(steps) == 3
    assert max(row["sampling/sampling_logp_difference/mean"] for row in steps) <= 1e-4
    views = [shown(run, step) for step in (1, 2, 3)]
    assert len({view for each in views for view in each.values()}) > 8
    assert {view.count(";") for each in views for view in each.values()} == {0, 1}  # of one record, and of two

    shutil.rmtree(run / "checkpoints" / "checkpoint-3")
    (run / "finished.json").unlink()
    (run / "completions" / "completions_00003.parquet").unlink()
    again = [row for row in train(run, records) if "reward" in row]
    assert [row["step"] for row in again] == [1, 2, 3]
    assert shown(run, 3) == views[2]
