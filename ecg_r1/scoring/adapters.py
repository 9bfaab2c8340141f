"""The same rewards as other frameworks expect them: TRL, verl, EasyR1 and ms-swift. None of them is imported.

TRL:      GRPOTrainer(reward_funcs=[trl_reward("intervals"), …]), with the columns of `case_of_row` in the dataset
verl:     custom_reward_function.path=…/ecg_r1/scoring/adapters.py  custom_reward_function.name=verl_score
EasyR1:   worker.reward.reward_function=…/ecg_r1/scoring/adapters.py:easyr1_score
ms-swift: orms["ecg_intervals"] = swift_orm("intervals") in a file given as --external_plugins
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from reprlib import repr as shown
from typing import Any

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring.cases import CaseError, case_from, diagnoses_from, leads_from, measurements_from, unlabelled_from
from ecg_r1.scoring.contract import Case, RewardError
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import load_reward

WEIGHTS = {"format": 0.1, "diagnosis": 0.45, "intervals": 0.45}  # what the shipped GRPO recipes weigh the rewards with
ROW = "a row of the data set"
REWARD_NAME, REWARD_TYPE = "ecg_r1", "batch"  # read by EasyR1 from the file of its reward function


def case_of_row(row: Mapping[str, Any]) -> Case:
    """The case of a dataset row: `diagnoses` (a list), `measurements` (an object), maybe `record_id`, `expected`,
    `unlabelled` and `leads` (lists, as in `Case`).

    Which completions are of one prompt is known by `example`, the example's id; without it by `record_id`, `prompt_id`
    (ms-swift) and the prompt's text.
    Raises RewardError that names the column that is missing, CaseError where one is not what it should be.
    """
    for column in ("diagnoses", "measurements"):
        if row.get(column) is None:
            raise RewardError(f'an ECG reward needs the column "{column}"; there are {", ".join(map(str, row))}')
    measurements, diagnoses = row["measurements"], row["diagnoses"]
    if not isinstance(measurements, Measurements):
        measurements = measurements_from(measurements, ROW)
    expected = row.get("expected") or {}
    if not isinstance(expected, Mapping):
        raise CaseError(f'{ROW}: "expected" is an object, not {shown(expected)}')
    return case_from(
        str(row.get("record_id") or row.get("prompt_id") or ""),
        diagnoses_from(diagnoses, ROW),
        measurements,
        question=text_of(row["prompts"]) if "prompts" in row else None,
        # datasets turns objects of different keys into one schema and fills up with null
        expected={key: value for key, value in expected.items() if value is not None},
        extra=dict(row),
        example_id=str(row.get("example") or ""),
        unlabelled=unlabelled_from(row.get("unlabelled") or [], ROW),
        leads=leads_from(row.get("leads"), ROW),
    )


def text_of(said: Any) -> str:
    """The text of a completion or prompt as TRL gives it: a text, or a list of messages whose last one counts."""
    if isinstance(said, str):
        return said
    content = said[-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def trl_reward(
    spec: str, *, case_of: Callable[[Mapping[str, Any]], Case] = case_of_row, **options: Any
) -> Callable[..., list[float | None]]:
    """A reward function for TRL's GRPOTrainer: f(prompts, completions, **columns) -> one number or None a completion.

    It runs in this process, as TRL's own do; its explanations go to TRL's `log_extra`.
    Raises RewardError where the reward cannot be loaded.
    """
    reward = load_reward(spec, options)
    pool = RewardPool([reward])

    def function(
        completions: Sequence[Any], log_extra: Callable[..., None] | None = None, **columns: Any
    ) -> list[float | None]:
        n = len(completions)
        listed = {key: value for key, value in columns.items() if isinstance(value, list) and len(value) == n}
        rows = [{key: value[i] for key, value in listed.items()} for i in range(n)]
        ids = columns.get("completion_ids") or columns.get("response_token_ids")  # TRL's name, ms-swift's
        scores = pool.score([text_of(c) for c in completions], [case_of(row) for row in rows], ids)[0]
        if log_extra is not None:
            log_extra(f"{reward.name}/explanation", [score.error or score.explanation for score in scores])
        return [score.value for score in scores]

    function.__name__ = reward.name
    return function


@cache
def _default_pool() -> RewardPool:
    return RewardPool([load_reward(name) for name in WEIGHTS])


def _case_of_truth(ground_truth: Any) -> Case:
    try:
        row = json.loads(ground_truth) if isinstance(ground_truth, str) else ground_truth
    except ValueError as error:
        raise CaseError(f"ground_truth is not JSON: {error}: {shown(ground_truth)}") from error
    if not isinstance(row, Mapping):
        raise CaseError(f'ground_truth is an object, {{"diagnoses": …, "measurements": …}}, not {shown(row)}')
    return case_of_row(row)


def _scores(responses: Sequence[str], truths: Sequence[Any]) -> list[dict[str, float]]:
    """For each response the rewards of WEIGHTS by name, those that do not apply left out."""
    results = _default_pool().score(responses, [_case_of_truth(truth) for truth in truths])
    return [
        {name: score.value for name, score in zip(WEIGHTS, scores, strict=True) if score.value is not None}
        for scores in zip(*results, strict=True)
    ]


def _overall(scores: Mapping[str, float]) -> float:
    return sum(WEIGHTS[name] * value for name, value in scores.items())


def verl_score(
    data_source: str, solution_str: str, ground_truth: Any, extra_info: Mapping[str, Any] | None = None, **_: Any
) -> dict[str, float]:
    """The rewards as verl's `compute_score`.

    Args:
        solution_str: the completion.
        ground_truth: a row as `case_of_row` reads it, or its JSON.

    Returns:
        {"score": weighted sum, and each reward by its name}. verl wants every key for every sample: a reward that does
        not apply has the score NaN.
    """
    scores = _scores([solution_str], [ground_truth])[0]
    return {"score": _overall(scores)} | dict.fromkeys(WEIGHTS, math.nan) | scores


def easyr1_score(reward_inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """EasyR1's compute_score, "batch": inputs {"response", "ground_truth", …} -> {"overall", …each reward}."""
    scored = _scores([row["response"] for row in reward_inputs], [row["ground_truth"] for row in reward_inputs])
    return [{"overall": _overall(scores)} | scores for scores in scored]


def swift_orm(spec: str, **options: Any) -> type:
    """An ORM class for ms-swift: made with the trainer's arguments, called with completions and dataset columns."""
    function = trl_reward(spec, **options)

    class ORM:
        def __init__(self, args: Any = None, **kwargs: Any) -> None:
            self.args = args

        def __call__(self, completions: Sequence[Any], **kwargs: Any) -> list[float | None]:
            return function(completions=completions, **kwargs)

    ORM.__name__ = function.__name__
    return ORM
