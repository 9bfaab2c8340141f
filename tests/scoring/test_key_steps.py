"""Key steps of a reference reasoning: each is read back by the reward from the reference and from other words."""

import json

import pytest
from splits import write_split

from ecg_r1.corpus.export import export
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import FormatError
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.key_steps import key_steps_of

REFERENCE = (
    "<think>Step 1: The rate is 62 bpm, sinus rhythm.\nStep 2: The PR interval is 212 ms (normal up to 200 ms). "
    "QRS duration 98 ms, so no bundle branch block.\nStep 3: Possible left ventricular hypertrophy. The long PR "
    "interval is a first-degree AV block.</think><answer>first-degree AV block</answer>"
)
STEPS = ["heart rate 62 bpm", "sinus rhythm", "PR interval 212 ms", "QRS duration 98 ms", "first-degree AV block"]


def test_values_and_asserted_diagnoses_in_order():
    found = key_steps_of(REFERENCE)
    assert [step for step in found if step != "prolonged PR interval"] == STEPS
    assert key_steps_of("<answer>normal ECG</answer>") == []


def test_the_reward_reads_each_of_them_back_from_other_words():
    steps = load_reward("steps", {"parts": ["accuracy"]})
    case = Case("a", ("1AVB",), Measurements.from_json({}), extra={"key_steps": STEPS})
    other = (
        "<think>HR 61/min in sinus rhythm. PR 0.21 s, QRS 100 ms: first-degree AV block.</think><answer>1AVB</answer>"
    )
    silent = "<think>It looks odd.</think><answer>1AVB</answer>"
    values = [
        steps.function(Completion.parse(text), case, parts=["accuracy"]).value for text in (REFERENCE, other, silent)
    ]
    assert values == pytest.approx([1.1, 1.1, 1.0])


def test_a_split_is_exported_with_its_own_key_steps(tmp_path):
    row = {"record": "a", "diagnoses": ["1AVB"], "measurements": {}}
    examples = [
        Example("a", ("a",), "What is shown?", REFERENCE),
        Example("b", ("a",), "And?", "", extra={"key_steps": ["x"]}),
    ]
    split = write_split(tmp_path / "split", [row], examples, page_size=32)
    export(split, tmp_path / "out.jsonl", "jsonl", media=False, key_steps=True)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["extra"]["key_steps"] for line in rows] == [key_steps_of(REFERENCE), ["x"]]
    with pytest.raises(FormatError, match="--to jsonl"):
        export(split, tmp_path / "out.json", "gem", media=False, key_steps=True)
