"""Rollouts of the next updates, generated on servers while the policy makes this one.

With a staleness of S, the completions of update t are written with the weights that t - S updates had made: always
these, so that nothing depends on how fast a server is. Completions that were written ahead of a checkpoint are kept
with it, and a resumed run learns from the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ecg_r1.engine import Prompt, Rollout, wire
from ecg_r1.engine.vllm_server import Weights
from ecg_r1.files import write_atomically
from ecg_r1.train.dropout import Shown
from ecg_r1.train.rollout import as_trl
from ecg_r1.train.server_rollout import ServerRollout

Asked = tuple[list[list[int]], list[Shown]]  # the token ids of each prompt, and what is shown of its example


class Written(NamedTuple):
    """The completions of a batch, and the seconds that they took with the weights on their way."""

    rollouts: list[Rollout]
    seconds: float


@dataclass(frozen=True)
class Ahead:
    """A batch that was asked for, and the updates that its weights had made."""

    asked: Asked
    weights: int
    answer: Future[Written]


class OverlappedRollout(ServerRollout):
    """As `ServerRollout`; one batch is generated after another in a thread, `staleness` batches ahead of the update.

    Args:
        staleness: updates between the weights that write completions and those that learn from them.
        kwargs: `ServerRollout`'s.
    """

    def __init__(self, *, staleness: int, **kwargs: Any):
        self.staleness = staleness
        self.kept = staleness + 1  # the weights of the batches that may be in hand
        self._ahead: dict[int, Ahead] = {}  # by update
        self._timing: dict[str, float] = {}
        self._queue = ThreadPoolExecutor(1, "rollouts")
        super().__init__(**kwargs)

    def follow(self, now: Callable[[], int], batch: Callable[[int], Asked | None]) -> None:
        """Learn what will be asked.

        Args:
            now: the updates made so far.
            batch: what update t asks for in this process; None after the last one.
        """
        self._now, self._batch = now, batch

    def sync_weights(self) -> None:
        """Keep the weights of now; a batch takes them to the servers when it is its turn."""
        began = time.monotonic()
        self.save_weights()
        self._spent = time.monotonic() - began

    def generate(
        self, prompts: list[list[int]], images: list[Shown], num_generations: int, profiler: Any = None
    ) -> tuple[list, list, list, None]:
        """As `ECGRollout.generate`: completions that were asked for earlier. Asks for those of later updates."""
        now = self._now()
        for update in range(now, now + self.staleness + 1):
            if update not in self._ahead and (asked := self._batch(update)) is not None:
                self._ahead[update] = self._ask(asked, now)
        batch = self._ahead.pop(now)
        if batch.asked != (prompts, images):
            raise RuntimeError(f"the prompts of update {now} are not those that were asked for ahead")
        began = time.monotonic()
        written = batch.answer.result()
        waited = time.monotonic() - began
        self._timing = {
            "rollout/staleness": now - batch.weights,
            "rollout/seconds": written.seconds,
            "rollout/waited_seconds": waited,
            "rollout/hidden": max(0.0, 1 - waited / written.seconds),
        }
        return as_trl(prompts, written.rollouts)

    def answer(self, prompts: Any, **sampling: Any) -> list[list[Rollout]]:
        """As `ECGRollout.answer`, after the batches that were asked for."""
        return self._queue.submit(self._generate, self.weights[-1], prompts, 1, sampling).result()

    def counters(self) -> dict[str, float]:
        """As `ServerRollout`; and the share of the rollouts' time in which the trainer did not wait for them."""
        return super().counters() | self._timing

    def save(self, file: Path) -> None:
        """Wait for the batches that were asked for, and keep them: a message of `ecg_r1.engine.wire`."""
        said, tensors = [], {}
        for update, batch in self._ahead.items():
            rollouts, seconds = batch.answer.result()
            said.append({"update": update, "weights": batch.weights, "seconds": seconds})
            tensors[f"{update}.lengths"] = np.array([len(one.token_ids) for one in rollouts])
            tensors[f"{update}.token_ids"] = np.array([token for one in rollouts for token in one.token_ids], np.int64)
            tensors[f"{update}.logprobs"] = np.array([value for one in rollouts for value in one.logprobs])
        write_atomically(file, wire.pack({"batches": said}, tensors))

    def load(self, file: Path) -> None:
        """Take up what `save` kept."""
        said, tensors = wire.unpack(file.read_bytes())
        for batch in said["batches"]:
            update = batch["update"]
            ends = np.cumsum(tensors[f"{update}.lengths"])[:-1]
            ids, logprobs = (np.split(tensors[f"{update}.{name}"], ends) for name in ("token_ids", "logprobs"))
            answer: Future[Written] = Future()
            rollouts = [Rollout(own.tolist(), given.tolist()) for own, given in zip(ids, logprobs, strict=True)]
            answer.set_result(Written(rollouts, batch["seconds"]))
            asked = self._batch(update)
            if asked is not None:  # else the budget is smaller now
                self._ahead[update] = Ahead(asked, batch["weights"], answer)

    def give_up(self) -> None:
        """End what is being generated, and let go of the servers."""
        self._queue.shutdown(wait=False, cancel_futures=True)
        self.engine.close()

    def _init_vllm(self) -> None:
        super()._init_vllm()
        several = self.accelerator.num_processes > 1
        # of the threads of all processes: the trainer's own group is the trainer's alone
        self._meeting = torch.distributed.new_group(backend="gloo") if several else None
        self._used: Weights | None = None

    def _ask(self, asked: Asked, weights: int) -> Ahead:
        requests, n = self._requests(zip(*asked, strict=True))
        return Ahead(asked, weights, self._queue.submit(self._write, self.weights[-1], requests, n))

    def _write(self, weights: Weights, requests: list[Prompt], n: int) -> Written:
        began = time.monotonic()
        groups = self._generate(weights, requests, n, self.sampling)
        return Written([rollout for group in groups for rollout in group], time.monotonic() - began)

    def _generate(self, weights: Weights, requests: Any, n: int, sampling: dict[str, Any]) -> list[list[Rollout]]:
        if weights != self._used:  # in the same order in each process
            self._meet()  # nobody generates with other weights any more
            self.engine.replace_weights(weights, push=self.accelerator.is_main_process)
            self._meet()
            self._used = weights
        return self.engine.generate(requests, n=n, **sampling)

    def _meet(self) -> None:
        if self._meeting is not None:
            torch.distributed.barrier(group=self._meeting)
