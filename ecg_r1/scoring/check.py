"""`ecg-r1 reward check`: tries a reward on right, wrong, empty, huge and hostile completions and says what is amiss."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

from ecg_r1.scoring.cases import Sample, read_samples
from ecg_r1.scoring.contract import RewardError, Score
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import Reward, load_reward

DEADLINE = 10.0  # seconds for all samples, in its own process
SLOW = 0.01  # seconds a completion: 256 of them are then a good part of a training step
LARGE = 100.0  # a reward past this drowns every other one
HUGE = 100_000  # characters of the huge sample
_FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+)')


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks wrong, with a reward.

    Attributes:
        level: "error" or "warning".
        message: one line.
        sample: the id of the sample that shows it.
    """

    level: str
    message: str
    sample: str | int | None = None


@dataclass(frozen=True)
class Check:
    """How a reward did.

    Attributes:
        samples: those it was tried on.
        scores: one for each sample.
        findings: what is wrong or looks wrong.
        seconds: that a completion took.
    """

    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.level == "error" for finding in self.findings)


def shipped_samples() -> list[Sample]:
    """The samples of data/reward_samples.jsonl, and a huge one."""
    with as_file(files("ecg_r1").joinpath("data", "reward_samples.jsonl")) as path:
        samples = list(read_samples(path))
    right = samples[0]
    text = right.completion.replace("</think>", " The PR interval is 162 ms.</think>" + " a" * (HUGE // 2))
    return [*samples, Sample("huge", right.case, text)]


def try_rewards(rewards: Sequence[Reward], timeout: float, *, also: Sequence[Sample] = (), workers: int = 1) -> None:
    """Call each reward once on the shipped samples, before a run depends on it.

    Args:
        rewards: those of a recipe.
        timeout: seconds that a reward may take for all samples, as `reward_workers.timeout` is for a batch.
        also: further samples, such as those of the corpus, which have the fields that the run will give it.
        workers: 1, or 0 for this process, without a time limit.

    Raises:
        RewardError: a reward fails on every sample; the message names file, line and error.
    """
    samples = [*shipped_samples(), *also]
    ids = [range(len(sample.completion) // 4) for sample in samples]  # as in training, where the tokens are known
    with RewardPool(rewards, workers=workers, deadline=timeout, error_limit=1.0) as pool:
        results = pool.score([s.completion for s in samples], [s.case for s in samples], ids)
    for reward, scores in zip(rewards, results, strict=True):
        errors = [score.error for score in scores if score.error is not None]
        if len(errors) == len(samples):
            raise RewardError(f'reward "{reward.spec}" fails on every sample: {in_one_line(errors[-1], reward.file)}')


def check_reward(spec: str, options: dict[str, Any] | None = None) -> Check:
    """Score every shipped sample twice in a worker process and look at what comes back. Needs no model and no GPU.

    Args:
        spec: as `load_reward` takes it.
        options: likewise.

    Returns:
        The scores, and what was found.

    Raises:
        RewardError: the reward cannot be loaded.
    """
    reward = load_reward(spec, options)
    samples = shipped_samples()
    with RewardPool([reward], workers=1, deadline=DEADLINE, error_limit=1.0) as pool:
        texts, cases = [s.completion for s in samples], [s.case for s in samples]
        first = pool.score(texts, cases)[0]
        began = time.perf_counter()
        second = pool.score(texts, cases)[0]
        seconds = (time.perf_counter() - began) / len(samples)
    findings = [*_errors(reward, samples, first, second), *_doubts(reward, samples, first)]
    if seconds > SLOW:
        findings.append(Finding("warning", f"{seconds * 1000:.0f} ms a completion; run it with workers"))
    return Check(tuple(samples), tuple(first), tuple(findings), seconds)


def _errors(
    reward: Reward, samples: Sequence[Sample], first: Sequence[Score], second: Sequence[Score]
) -> Iterator[Finding]:
    failed: dict[str, list[str | int]] = {}
    for sample, score in zip(samples, first, strict=True):
        if score.error is not None:
            failed.setdefault(in_one_line(score.error, reward.file), []).append(sample.id)
    for message, ids in failed.items():
        yield Finding("error", f"{message} ({len(ids)} of {len(samples)} samples)", ids[0])
    for sample, a, b in zip(samples, first, second, strict=True):
        if a.value != b.value and not (a.error or b.error):
            message = "another value the second time: a reward is a function of its completion and case"
            yield Finding("error", message, sample.id)
            break


def _doubts(reward: Reward, samples: Sequence[Sample], scores: Sequence[Score]) -> Iterator[Finding]:
    values = {s.id: score.value for s, score in zip(samples, scores, strict=True) if score.value is not None}
    constant = len(values) > 1 and len(set(values.values())) == 1
    if not values and not any(score.error for score in scores):
        needed = f"it needs {reward.needs}" if reward.needs else "it may need fields that the samples do not have"
        yield Finding("warning", f"None for every sample: {needed}")
    if constant and reward.scope != "group":  # each sample is a group of one here
        message = f"{next(iter(values.values())):g} for every sample: no completion is better than another"
        yield Finding("warning", message)
    for name, value in values.items():
        if abs(value) > LARGE:
            yield Finding("warning", f"{value:g} is far from the 0 to 1 of the others", name)
    if not constant:
        yield from _outranked(values)


def _outranked(values: dict[str | int, float]) -> Iterator[Finding]:
    """Warnings of what is paid more than the right completion of the same case, or for nothing as much."""
    right = values.get("right")
    if right is None:
        return
    for name, value in values.items():
        if str(name).startswith("hostile") and value > right:
            yield Finding("warning", f"a hostile completion gets {value:g}, the right one {right:g}", name)
    empty = values.get("empty", -float("inf"))
    if empty > right:
        yield Finding("warning", f"an empty completion gets {empty:g}, the right one {right:g}", "empty")
    elif empty == right == max(values.values()):
        message = f"an empty completion gets {empty:g}, as much as the right one: alone it teaches to say nothing"
        yield Finding("warning", message, "empty")


def in_one_line(error: str, file: str | None = None) -> str:
    """The last line of a traceback, and where it was raised: the last place in `file`, else the last of all."""
    lines = error.strip().split("\n")  # `splitlines` also ends lines at characters of the message
    places = [m for line in lines if (m := _FRAME.search(line))]
    own = [m for m in places if m["file"] == file]
    return lines[-1] + "".join(f", at {m['file']}:{m['line']}" for m in (own or places)[-1:])
