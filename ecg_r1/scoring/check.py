"""`ecg-r1 reward check`: tries a reward on right, wrong, empty, huge and hostile completions and says what is amiss."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

from ecg_r1.scoring.cases import Sample, read_samples
from ecg_r1.scoring.contract import Score
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import load_reward

DEADLINE = 10.0  # seconds for all samples, in its own process
SLOW = 0.01  # seconds a completion: 256 of them are then a good part of a training step
LARGE = 100.0  # a reward past this drowns every other one
HUGE = 100_000  # characters of the huge sample


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong ("error") or looks wrong ("warning") with a reward. sample: the one that shows it."""

    level: str
    message: str
    sample: str | int | None = None


@dataclass(frozen=True)
class Check:
    """How a reward did: its score of each sample, what was found, and its seconds a completion."""

    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not any(finding.level == "error" for finding in self.findings)


def shipped_samples() -> list[Sample]:
    """The samples of data/reward_samples.jsonl, and a huge one."""
    with as_file(files("ecg_r1").joinpath("data", "reward_samples.jsonl")) as path:
        samples = list(read_samples(path))
    right = samples[0]
    text = right.completion.replace("</think>", " The PR interval is 162 ms.</think>" + " a" * (HUGE // 2))
    return [*samples, Sample("huge", right.case, text)]


def check_reward(spec: str, options: dict[str, Any] | None = None) -> Check:
    """Score every shipped sample twice in a worker process and look at what comes back. Needs no model and no GPU.

    Raises RewardError where the reward cannot be loaded.
    """
    reward = load_reward(spec, options)
    samples = shipped_samples()
    with RewardPool([reward], workers=1, deadline=DEADLINE, error_limit=1.0) as pool:
        texts, cases = [s.completion for s in samples], [s.case for s in samples]
        first = pool.score(texts, cases)[0]
        began = time.perf_counter()
        second = pool.score(texts, cases)[0]
        seconds = (time.perf_counter() - began) / len(samples)
    return Check(tuple(samples), tuple(first), tuple(_findings(reward.scope, samples, first, second, seconds)), seconds)


def _findings(
    scope: str, samples: Sequence[Sample], first: Sequence[Score], second: Sequence[Score], seconds: float
) -> list[Finding]:
    failed: dict[str, list[str | int]] = {}
    for sample, score in zip(samples, first, strict=True):
        if score.error is not None:
            failed.setdefault(in_one_line(score.error), []).append(sample.id)
    found = [
        Finding("error", f"{message} ({len(ids)} of {len(samples)} samples)", ids[0]) for message, ids in failed.items()
    ]
    changed = [
        s.id for s, a, b in zip(samples, first, second, strict=True) if a.value != b.value and not (a.error or b.error)
    ]
    if changed:
        found.append(
            Finding(
                "error", "another value the second time: a reward is a function of its completion and case", changed[0]
            )
        )
    values = {sample.id: score.value for sample, score in zip(samples, first, strict=True) if score.value is not None}
    if not values and not found:
        found.append(
            Finding(
                "warning", "None for every sample: it applies to no case, or only to cases with its own extra fields"
            )
        )
    if scope != "group" and len(values) > 1 and len(set(values.values())) == 1:  # each sample is a group of one here
        found.append(
            Finding(
                "warning", f"{next(iter(values.values())):g} for every sample: no completion is better than another"
            )
        )
    found += [
        Finding("warning", f"{v:g} is far from the 0 to 1 of the others", k)
        for k, v in values.items()
        if abs(v) > LARGE
    ]
    right, empty = values.get("right"), values.get("empty")
    if right is not None and empty is not None and empty > right:
        found.append(Finding("warning", f"an empty completion gets {empty:g}, a right one {right:g}", "empty"))
    if seconds > SLOW:
        found.append(Finding("warning", f"{seconds * 1000:.0f} ms a completion; run it with workers"))
    return found


def in_one_line(error: str) -> str:
    """The last line of a traceback, and where in the reward it was raised."""
    lines = error.strip().splitlines()
    places = [line.strip() for line in lines if line.strip().startswith("File ")]
    return f"{lines[-1]}, at {places[-1].removeprefix('File ')}" if places else lines[-1]
