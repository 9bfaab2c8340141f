"""Three real steps of SFT and of GRPO on splits that are read from files in GEM's, ECG-QA's and ECG-R1's shape."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

import pyarrow.parquet as parquet

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"
QA = Path(os.environ.get("ECG_R1_LANG", Path(__file__).parents[2] / "../shared/lang")) / "ecg-qa"
REAL = Path(os.environ.get("ECG_R1_RECORDS", Path(__file__).parents[2] / "../shared/ecg")) / "ptb-xl"
COUNT, STEPS = 8, 3


def run(*words: object) -> None:
    command = [sys.executable, "-m", "ecg_r1", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=700, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def gem(names: list[str]) -> list[dict]:
    return [
        {
            "id": name,
            "ecg": f"ptbxl/records500/00000/{name}",
            "image": f"ptb_gen/{name}-0.png",
            "conversations": [
                {"from": "human", "value": "<image>\nInterpret this ECG."},
                {"from": "gpt", "value": "Rate 75 bpm. PR interval 160 ms. QRS duration 92 ms. Normal ECG."},
            ],
        }
        for name in names
    ]


def ecg_qa(names: list[str]) -> list[dict]:
    """Questions about one ECG and about two, in ECG-QA's shape."""
    rows = []
    for k, name in enumerate(names):
        ids = [int(name[:5])] if k % 2 else [int(name[:5]), int(names[k - 1][:5])]
        kind = "single-query" if k % 2 else "comparison_irrelevant-query"
        rows.append(
            {
                "template_id": k, "question_id": k, "sample_id": 80000 + k, "question_type": kind,
                "attribute_type": "numeric_feature", "question": f"What is long in ECG {k % 2}?",
                "answer": ["pr interval", "qt interval"][: 1 + k % 2], "ecg_id": ids, "attribute": None,
            }
        )  # fmt: skip
    return rows


def ecg_r1(names: list[str]) -> list[dict]:
    return [
        {
            "id": f"r-{name}",
            "messages": [
                {"role": "system", "content": "You are a clinical ECG assistant."},
                {"role": "user", "content": "<ecg><image>\nInterpret this ECG."},
                {"role": "assistant", "content": "<think>**Step 1: regular**</think><answer>sinus rhythm</answer>"},
            ],
            "images": [f"ptb_gen/{name}-0.png"],
            "objects": {"ecg": [f"ptbxl/records500/00000/{name}"]},
            "solution": "<|answer|>sinus rhythm<|/answer|><|key_diagnostic_evidence|>"
            "step_1_technical_rate_rhythm: regular<|/key_diagnostic_evidence|>",
        }
        for name in names
    ]


FORMATS = {
    "gem": (gem, ".json", ["diagnosis", "intervals"]),
    "ecg-qa": (ecg_qa, ".json", ["answers"]),
    "ecg-r1": (ecg_r1, ".jsonl", ["diagnosis", "evidence"]),
}


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ptb-xl")
    lines = ["ecg_id,patient_id,report,scp_codes,strat_fold"]
    for k, simulated in enumerate(simulate(COUNT, seed=1, diagnoses=["normal ECG"]), start=1):
        write_record(dataclasses.replace(simulated.record, record_id=f"{k:05d}_hr"), folder / "records500" / "00000")
        lines.append(f"{k},{k},sinus rhythm,\"{{'NORM': 100.0, 'SR': 0.0}}\",1")
    (folder / "ptbxl_database.csv").write_text("\n".join(lines) + "\n")
    return folder


def trained(split: Path, folder: Path, rewards: list[str]) -> None:
    """SFT from nothing, then GRPO from it, three steps each."""
    corpus = f"corpus={{train: {split}}}"
    run("train", RECIPES / "sft.yaml", f"run={folder}/sft", "model=tiny", corpus, f"trainer.max_steps={STEPS}",
        "trainer.per_device_train_batch_size=4")  # fmt: skip
    run("train", RECIPES / "grpo.yaml", f"run={folder}/grpo", f"model={folder}/sft", corpus,
        f"rewards=[{', '.join(f'{{name: {name}}}' for name in rewards)}]", f"trainer.max_steps={STEPS}",
        "trainer.num_generations=2", "trainer.per_device_train_batch_size=4", "trainer.max_completion_length=12",
        "rollout.options={max_model_len: 512}")  # fmt: skip
    for stage in ("sft", "grpo"):
        assert json.loads((folder / stage / "finished.json").read_text())["steps"] == STEPS
        rows = [json.loads(line) for line in (folder / stage / "metrics.jsonl").read_text().splitlines()]
        assert all(abs(row["loss"]) < 1e3 for row in rows if "loss" in row)
    written = sorted((folder / "grpo" / "completions").glob("*.parquet"))
    assert len(written) == STEPS
    columns = parquet.read_table(written[0]).column_names
    assert all(any(name in column for column in columns) for name in rewards), columns


@pytest.mark.parametrize("name", FORMATS)
def test_three_steps_of_sft_and_grpo(records, tmp_path, name):
    rows_of, ending, rewards = FORMATS[name]
    rows = rows_of([f"{k:05d}_hr" for k in range(1, COUNT + 1)])
    file = tmp_path / f"examples{ending}"
    file.write_text(json.dumps(rows) if ending == ".json" else "\n".join(map(json.dumps, rows)))
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text(
        f"stage: corpus\nout: {tmp_path}/corpus\ncache: {tmp_path}/cache\n"
        f"splits: {{train: [{{records: {records}, examples: {file}}}]}}\n"
    )
    run("corpus", recipe)
    store = RecordStore(tmp_path / "corpus" / "train")
    assert len(store.examples) == COUNT
    assert {len(example.records) for example in store.examples} == ({1, 2} if name == "ecg-qa" else {1})
    trained(store.folder, tmp_path, rewards)


@pytest.mark.skipif(not (QA.is_dir() and REAL.is_dir()), reason=f"no files of ECG-QA in {QA}, or no records in {REAL}")
def test_three_steps_on_ecg_qa_s_own_file(tmp_path):
    recipe = tmp_path / "corpus.yaml"
    file = QA / "ptbxl_paraphrased_test_ours.json"
    recipe.write_text(
        f"stage: corpus\nout: {tmp_path}/corpus\ncache: {tmp_path}/cache\n"
        f"splits: {{train: [{{records: {REAL}, examples: {file}, limit: 12}}]}}\n"
    )
    run("corpus", recipe)
    trained(tmp_path / "corpus" / "train", tmp_path, ["answers"])
