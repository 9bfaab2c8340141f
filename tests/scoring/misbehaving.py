"""Rewards as users write them by mistake; loaded by path in the tests of the pool."""

import asyncio
import os
import sys
import time
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from ecg_r1.scoring import Score, reward


@reward
def sleeps(completion, case):
    time.sleep(3600)


@reward
def spins_on_hang(completion, case):
    while "hang" in completion.text:
        pass
    return 1.0


@reward
def dies(completion, case):
    os._exit(3)


@reward
def raises(completion, case):
    return {}["missing"]


@reward
def returns_text(completion, case):
    return "good"


@reward
def returns_nan(completion, case):
    return float("nan")


@reward
def prints(completion, case):
    print("debug")
    return Score(1.0, extracted=object())


@reward(scope="group")
def relative(completions, case):
    longest = max(len(c.text) for c in completions)
    return [len(c.text) / longest for c in completions]


@reward(scope="group")
def wrong_length(completions, case):
    return [1.0]


@reward(scope="group")
def group_of(completions, case):
    return [case.measurements.value("pr_ms") + len(completions)] * len(completions)


@reward(scope="batch")
def rank(completions, cases):
    return [i / len(cases) for i in range(len(cases))]


WAITING = []


@reward
async def waits(completion, case):
    """How many wait at the same moment."""
    WAITING.append(completion)
    await asyncio.sleep(0)
    together = len(WAITING)
    await asyncio.sleep(0)
    WAITING.remove(completion)
    return together


def for_trl(prompts, completions, answer, **kwargs):
    return [float(text == wanted) if wanted else None for text, wanted in zip(completions, answer, strict=True)]


def trl_overlong(completion_ids, **kwargs):  # as TRL's get_soft_overlong_punishment(20, 10)
    return [min(0.0, max(-1.0, (10 - len(ids)) / 10)) for ids in completion_ids]


def for_trl_chat(completions, **kwargs):
    return [float(len(messages[0]["content"])) for messages in completions]


def no_reward(text):
    return 1.0


@reward
def with_options(completion, case, *, words: int = 150, needed: str):
    return float(words)


class Tensor:
    """What a reward may see of torch here: a number, or a list of them, behind `tolist`."""

    def __init__(self, held):
        self.held = held

    def tolist(self):
        return self.held


NUMBERS = {
    "float32": np.float32(0.5), "int64": np.int64(1), "bool_": np.bool_(True), "longdouble": np.longdouble(0.5),
    "fraction": Fraction(1, 2), "decimal": Decimal("0.5"), "tensor": Tensor(0.5), "bool": True,
}  # fmt: skip
WRONG = {
    "text": "0.5", "text of numpy": np.str_("0.5"), "text in an array": np.array("0.5"), "list": [0.5],
    "row": np.array([0.5]), "signal": Decimal("sNaN"), "endless": 10**400,
    "evidence None": Score(0.5, evidence=None), "evidence 7": Score(0.5, evidence=7),
    "evidence object": Score(0.5, evidence={"span": [0, 1]}), "evidence numbers": Score(0.5, evidence=(1, 2)),
    "evidence keys": Score(0.5, evidence=({(1, 2): 3},)),
}  # fmt: skip


@reward
def numbers(completion, case):
    value = NUMBERS[case.record_id]
    rows = [MappingProxyType({"value": value, "span": (0, 1), "not finite": np.float32("nan")})]
    return Score(value, extracted=np.arange(2), explanation=None, evidence=rows)


@reward
def wrong(completion, case):
    return WRONG[case.record_id]


@reward
def leaves(completion, case):
    sys.exit(3)


def trl_array(completions, **kwargs):
    return np.array([0.25] * len(completions))


def trl_tensor(prompts, **kwargs):
    return Tensor([0.25] * len(prompts))


def trl_any(**kwargs):
    return (0.25 for _ in kwargs["completions"])


def trl_state(completions, trainer_state, **kwargs):
    return [trainer_state.global_step for _ in completions]
