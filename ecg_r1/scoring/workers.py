"""Worker processes for rewards, each with a clock: what overruns it is killed, and the work goes on in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from ecg_r1.scoring.calls import groups, units
from ecg_r1.scoring.contract import Case, Score
from ecg_r1.scoring.registry import Reward

START = 120.0  # seconds a process may take to start and load its rewards
DEATHS = 8  # a reward that kills its process may do so this often in a batch before the rest of its calls are given up
Call = tuple[int, list[int]]  # a reward and the samples of one call


class Worker:
    """One child process and the calls it still has to make."""

    def __init__(self, rewards: Sequence[Reward], deadline: float) -> None:
        self.rewards, self.deadline = rewards, deadline
        self.plan: deque[Call] = deque()
        self.spent: dict[int, float] = {}
        self.connection: Connection
        self._start()

    def _start(self) -> None:
        self.connection, theirs = Pipe()
        hidden = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ecg_r1.scoring.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env=os.environ | hidden, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self.connection.send([(reward.spec, reward.given) for reward in self.rewards])
        self.ready, self.since = False, time.monotonic()

    def kill(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def give(self, texts: Sequence[str], cases: Sequence[Case], plan: list[Call]) -> None:
        """Hand over calls; the clock of the first starts once the process is ready."""
        self.plan, self.task = deque(plan), (list(texts), list(cases))
        self._send(plan)
        self.since = time.monotonic()

    def _send(self, plan: list[Call]) -> None:
        try:
            self.connection.send((*self.task, plan))
        except (BrokenPipeError, ConnectionResetError):
            if not self.ready:
                raise self.cannot_start() from None
            self.kill()  # it has died while it was idle: the kernel takes memory where it finds it
            self._start()
            self._send(plan)

    def cannot_start(self) -> RuntimeError:
        """The error of a process that ended before it had loaded its rewards."""
        return RuntimeError(f"a reward worker could not start (exit status {self.process.wait()}); its error is above")

    def limit(self) -> float:
        """The moment when the call in progress has taken too long: half the deadline, or what its reward has left."""
        if not self.ready:
            return self.since + START
        left = self.deadline - self.spent.get(self.plan[0][0], 0.0)
        return self.since + min(self.deadline / 2, left)

    def receive(self) -> tuple[Call, float, list[Score]] | None:
        """The call that has just ended, its seconds and scores; None for the sign that the process is ready.

        Raises EOFError where the process has died.
        """
        message = self.connection.recv_bytes()
        self.since = time.monotonic()
        if not self.ready:
            self.ready = True
            return None
        seconds, scores = json.loads(message)
        done = self.plan.popleft()
        self.spent[done[0]] = self.spent.get(done[0], 0.0) + seconds
        return done, seconds, [Score(**s | {"evidence": tuple(s["evidence"])}) for s in scores]

    def give_up(self) -> list[Call]:
        """Kill the process, start another on what is left, and return the calls that are lost.

        Lost is the call in progress; once its reward has used up its deadline, so are all its other calls.
        """
        now = time.monotonic()
        self.kill()
        reward = self.plan[0][0]
        self.spent[reward] = self.spent.get(reward, 0.0) + max(now - self.since, self.deadline / DEATHS)
        lost = [self.plan.popleft()]
        if self.spent[reward] >= self.deadline * 0.99:
            lost += [c for c in self.plan if c[0] == reward]
            self.plan = deque(c for c in self.plan if c[0] != reward)
        self._start()
        if self.plan:
            self._send(list(self.plan))
        return lost


def share(rewards: Sequence[Reward], cases: Sequence[Case], workers: int) -> list[tuple[list[int], list[Call]]]:
    """The batch as one task a worker: (its samples, its calls by places in them).

    A prompt's completions stay together. Rewards that see the whole batch go to the first worker, which gets all
    samples.
    """
    whole = [r for r, reward in enumerate(rewards) if reward.scope not in ("sample", "group")]
    chunks: list[list[int]] = [[] for _ in range(workers)]
    for group in groups(cases):
        min(chunks, key=len).extend(group)
    tasks = []
    for n, chunk in enumerate(chunks):
        samples = list(range(len(cases))) if n == 0 and whole else chunk
        place = {i: k for k, i in enumerate(samples)}
        mine = [cases[i] for i in chunk]
        plan = [
            (r, [place[chunk[i]] for i in unit])
            for r, reward in enumerate(rewards)
            if r not in whole
            for unit in units(reward, mine)
        ]
        if n == 0:
            plan += [(r, unit) for r in whole for unit in units(rewards[r], cases)]
        if plan:
            tasks.append((samples, plan))
    return tasks


def work(
    workers: Sequence[Worker], texts: Sequence[str], cases: Sequence[Case]
) -> tuple[list[list[Score]], list[dict[str, Any]]]:
    """Score a batch on the workers: for each reward one Score a completion, and its counts of seconds and timeouts."""
    rewards = workers[0].rewards
    results: list[list[Score]] = [[Score(None)] * len(texts) for _ in rewards]
    counts: list[dict[str, Any]] = [{"seconds": 0.0, "timeouts": 0} for _ in rewards]
    busy: dict[Worker, list[int]] = {}
    for worker, (samples, plan) in zip(workers, share(rewards, cases, len(workers)), strict=False):
        worker.spent.clear()
        worker.give([texts[i] for i in samples], [cases[i] for i in samples], plan)
        busy[worker] = samples
    while busy:
        first = min(worker.limit() for worker in busy)
        readable = wait([w.connection for w in busy], timeout=max(0.0, first - time.monotonic()))
        for worker, samples in list(busy.items()):
            lost: list[Call] = []
            why = ""
            if worker.connection in readable:
                try:
                    ended = worker.receive()
                except (EOFError, ConnectionResetError):
                    code = worker.process.wait()
                    if not worker.ready:
                        raise worker.cannot_start() from None
                    lost, why = worker.give_up(), f"the worker process died (exit status {code})"
                else:
                    if ended is not None:
                        (reward, places), seconds, scores = ended
                        counts[reward]["seconds"] += seconds
                        for place, score in zip(places, scores, strict=True):
                            results[reward][samples[place]] = score
            elif time.monotonic() >= worker.limit():
                seconds = time.monotonic() - worker.since
                lost, why = worker.give_up(), f"stopped: no answer within its deadline ({seconds:.1f} s)"
                counts[lost[0][0]]["seconds"] += seconds
                counts[lost[0][0]]["timeouts"] += sum(len(places) for _, places in lost)
            for reward, places in lost:
                for place in places:
                    results[reward][samples[place]] = Score(None, error=why)
            if not worker.plan:
                del busy[worker]
    return results, counts
