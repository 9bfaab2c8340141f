"""Rewards as users write them by mistake; loaded by path in the tests of the pool."""

import asyncio
import os
import time

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


@reward(scope="batch")
def rank(completions, cases):
    return [i / len(cases) for i in range(len(cases))]


@reward
async def waits(completion, case):
    await asyncio.sleep(0.2)
    return 0.5


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
