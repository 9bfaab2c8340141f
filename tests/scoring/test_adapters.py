"""The same rewards as TRL, verl, EasyR1 and ms-swift call them, by what these do at

TRL 1.16 (`GRPOTrainer._calculate_rewards`), verl b070598 (`experimental/reward_loop/reward_manager/naive.py`) and
03023e2 (`trainer/ppo/reward.py:get_custom_reward_fn`), EasyR1 46c6c21 (`workers/reward/function.py`), ms-swift 20ec461
(`swift/rewards/orm.py`).
"""

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ecg_r1.errors import UserError
from ecg_r1.scoring import RewardError, adapters
from ecg_r1.scoring.adapters import swift_orm, trl_reward, verl_score

RIGHT = (
    "<think>Rate 75 bpm. PR interval 160 ms. QRS duration 92 ms. QT interval 400 ms.</think><answer>normal ECG</answer>"
)
WRONG = RIGHT.replace("160", "220")
MEASURED = {
    "heart_rate_bpm": 75,
    "pr_ms": 160,
    "qrs_ms": 92,
    "qt_ms": 400,
    "qtc_ms": None,
    "unmeasurable": {"qtc_ms": "no T", "p_ms": None},
}
TRUTH = {"diagnoses": ["normal ECG"], "measurements": MEASURED}


def test_trl() -> None:
    function = trl_reward("intervals", quantities=["pr_ms"])
    logged = {}
    values = function(
        prompts=["q", "q"], completions=[RIGHT, WRONG], completion_ids=[[1], [2]], trainer_state=None,
        diagnoses=[["normal ECG"]] * 2, measurements=[MEASURED] * 2, log_extra=lambda name, rows:
        logged.update({name: rows}), log_metric=lambda name, value: None,
    )  # fmt: skip
    assert function.__name__ == "intervals"
    assert values[0] == 1.0 > values[1]
    assert len(logged["intervals/explanation"]) == 2
    chat = [[{"role": "assistant", "content": text}] for text in (RIGHT, WRONG)]
    assert function(completions=chat, diagnoses=[["normal ECG"]] * 2, measurements=[MEASURED] * 2) == values


def test_trl_says_which_column_is_missing() -> None:
    with pytest.raises(RewardError, match='needs the column "measurements"'):
        trl_reward("intervals")(completions=[RIGHT], diagnoses=[["normal ECG"]])


@pytest.mark.parametrize(
    "prompts",
    [
        {"prompts": ["p", "p", "q", "q"]},
        {"prompts": [[{"role": "user", "content": [{"type": "text", "text": t}]}] for t in "ppqq"]},
        {"prompt_id": [1, 1, 2, 2]},
        {"record_id": ["a", "a", "b", "b"]},
        {},
    ],
)
def test_each_prompt_is_a_group_with_its_own_case(prompts: dict) -> None:
    columns = {"diagnoses": [["NORM"]] * 4, "measurements": [{"pr_ms": 100}] * 2 + [{"pr_ms": 200}] * 2, **prompts}
    spec = f"{Path(__file__).with_name('misbehaving.py')}:group_of"
    assert trl_reward(spec)(completions=[RIGHT] * 4, **columns) == [102.0, 102.0, 202.0, 202.0]
    assert swift_orm(spec)()([RIGHT] * 4, **columns) == [102.0, 102.0, 202.0, 202.0]


@pytest.mark.parametrize("key", ["prompts", "prompt_id", "record_id"])
def test_two_prompts_of_one_truth_are_two_groups(key: str) -> None:
    columns = {"diagnoses": [["NORM"]] * 4, "measurements": [{"pr_ms": 100}] * 4, key: ["p", "q", "q", "q"]}
    spec = f"{Path(__file__).with_name('misbehaving.py')}:group_of"
    assert trl_reward(spec)(completions=[RIGHT] * 4, **columns) == [101.0, 103.0, 103.0, 103.0]


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("normal", "ground_truth is not JSON"),
        ("[]", "ground_truth is an object"),
        (TRUTH | {"diagnoses": "normal ECG"}, "\"diagnoses\" is a list of names or codes, not 'normal ECG'"),
        (TRUTH | {"measurements": {"pr": 160}}, 'unknown measurement "pr"'),
        (TRUTH | {"measurements": '{"pr_ms": 160}'}, '"measurements" is an object'),
        (TRUTH | {"expected": [1]}, '"expected" is an object'),
    ],
)
def test_a_wrong_row_is_refused_as_a_wrong_line_is(truth: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        verl_score("ecg", RIGHT, truth)


def test_a_row_of_a_parquet_file() -> None:
    assert verl_score("ecg", RIGHT, TRUTH | {"diagnoses": np.array(["NORM"], dtype=object)})["diagnosis"] == 1.0


def test_atrial_fibrillation_has_no_pr_whatever_was_measured() -> None:
    text = "<think>PR interval not measurable.</think><answer>AF</answer>"
    function = trl_reward("intervals", quantities=["pr_ms"])
    assert function(completions=[text], diagnoses=[["AF"]], measurements=[MEASURED]) == [1.0]


def loaded_by_path(name: str) -> ModuleType:
    """The adapters as verl and EasyR1 load the file that they are given."""
    spec = importlib.util.spec_from_file_location(name, adapters.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_verl() -> None:
    score = loaded_by_path("custom_module").verl_score
    call = {"data_source": "ecg", "ground_truth": json.dumps(TRUTH)}
    right = score(**call, solution_str=RIGHT, extra_info={"index": 0})
    wrong = verl_score("ecg", WRONG, TRUTH)
    assert right == {"score": pytest.approx(1.0), "format": 1.0, "diagnosis": 1.0, "intervals": 1.0}
    assert wrong["score"] < right["score"]


def test_verl_is_given_every_key_of_every_sample() -> None:
    nothing = {"diagnoses": [], "measurements": {}}
    scored = verl_score("ecg", RIGHT, nothing, extra_info=None)
    assert scored.keys() == verl_score("ecg", RIGHT, TRUTH).keys()
    assert math.isnan(scored["diagnosis"])
    assert scored["score"] == pytest.approx(0.1)  # the format's


def test_easyr1() -> None:
    module = loaded_by_path("custom_reward_fn")
    assert (module.REWARD_NAME, module.REWARD_TYPE) == ("ecg_r1", "batch")
    rows = [{"response": text, "response_length": 40, "ground_truth": json.dumps(TRUTH)} for text in (RIGHT, WRONG)]
    right, wrong = module.easyr1_score(rows)
    assert right["overall"] == pytest.approx(1.0)
    assert wrong["overall"] < 1.0
    assert set(right) == {"overall", "format", "diagnosis", "intervals"}


def test_ms_swift() -> None:
    orm = swift_orm("intervals", quantities=["pr_ms"])
    columns = {"diagnoses": [["normal ECG"]] * 2, "measurements": [MEASURED] * 2, "response_token_ids": [[1], [2]]}
    for made in (orm(), orm(args=object())):
        assert made(completions=[RIGHT, WRONG], **columns)[0] == 1.0
        assert made([RIGHT, WRONG], **columns)[1] < 1.0
    assert orm.__name__ == "intervals"
