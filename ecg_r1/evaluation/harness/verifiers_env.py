"""The rewards as an environment of verifiers, over the exported set.

`PYTHONPATH=FOLDER vf-eval ecg_r1_claims --env.taskset.folder FOLDER --env.agent.harness.id null --no-push …`, and the
same in prime-rl. The reward is the weighted sum of `scoring.adapters.WEIGHTS`; each reward by itself is a metric.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import verifiers.v1 as vf

from ecg_r1.evaluation.harness.held import read_set
from ecg_r1.scoring.adapters import WEIGHTS, case_of_row
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import load_reward


class ClaimsData(vf.TaskData):
    """One question. truth: the row of the set as JSON, as `scoring.adapters.case_of_row` reads it."""

    truth: str = "{}"


class ClaimsTask(vf.Task[ClaimsData]):
    """Scores an answer with the rewards."""

    @vf.reward(weight=1.0)
    async def claims(self, trace: vf.Trace) -> float:
        """The weighted sum; a reward that does not apply adds nothing."""
        return sum(WEIGHTS[name] * value for name, value in self._scores(trace).items())

    @vf.metric
    async def rewards(self, trace: vf.Trace) -> dict[str, float]:
        """Each reward that applies."""
        return self._scores(trace)

    def _scores(self, trace: vf.Trace) -> dict[str, float]:
        scored = _pool().score([trace.last_reply], [case_of_row(json.loads(self.data.truth))])
        return {
            name: scores[0].value for name, scores in zip(WEIGHTS, scored, strict=True) if scores[0].value is not None
        }


class ClaimsConfig(vf.TasksetConfig):
    """folder: that `ecg-r1 benchmark export` wrote."""

    folder: str = "."


class ClaimsTaskset(vf.Taskset[ClaimsTask, ClaimsConfig]):
    """The questions of an exported set, each with its page."""

    def load(self) -> Iterable[ClaimsTask]:
        """Yield one task for each question."""
        for item in read_set(Path(self.config.folder)).values():
            page = base64.b64encode(item.page.read_bytes()).decode()
            content = [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{page}"}},
                {"type": "text", "text": item.question},
            ]
            prompt = [{"role": "user", "content": content}]
            data = ClaimsData.model_validate({"id": item.id, "prompt": prompt, "truth": json.dumps(dict(item.row))})
            yield ClaimsTask(data, self.config.task)


@cache
def _pool() -> RewardPool:
    return RewardPool([load_reward(name) for name in WEIGHTS])


__all__ = ["ClaimsTaskset"]
