"""Worker processes for rewards, each with a clock: what overruns it is killed, and the work goes on in another."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from typing import Any

from ecg_r1.scoring.calls import groups, units
from ecg_r1.scoring.child import Process
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case, Score
from ecg_r1.scoring.judgement import judgement_of
from ecg_r1.scoring.registry import Reward

START = 120.0  # seconds a process may take to start and load its rewards
DEATHS = 8  # a reward that kills its process may do so this often in a batch before the rest of its calls are given up
Call = tuple[int, list[int]]  # a reward and the samples of one call


class Worker:
    """One child process at a time, and the calls it still has to make."""

    def __init__(self, process: Process, replacement: Callable[[], Process], deadline: float) -> None:
        self.process, self.replacement, self.deadline = process, replacement, deadline
        self.plan: deque[Call] = deque()
        self.spent: dict[int, float] = {}
        self.blamed: int | None = None  # the reward that a process still loading takes the place of

    def give(self, completions: Sequence[Completion], cases: Sequence[Case], plan: list[Call]) -> None:
        """Hand over calls; the clock of the first starts once the process is ready."""
        self.plan, self.task, self.spent, self.blamed = (
            deque(plan),
            ([(c.text, c.ids) for c in completions], list(cases)),
            {},
            None,
        )
        self._hand_over()
        self.since = time.monotonic()

    def _hand_over(self) -> None:
        """Send the calls that are left, to another process where this one has died while it was idle."""
        while not self.process.send((*self.task, list(self.plan))):  # the kernel takes memory where it finds it
            self.process.kill()
            self.process = self.replacement()

    def limit(self) -> float:
        """The moment when the call in progress has taken too long: half the deadline, or what its reward has left.

        While a process loads, its reward's time runs if it is the only one that waits for it.
        """
        if not self.process.ready and self.plan[0][0] != self.blamed:
            return self.process.since + START
        left = self.deadline - self.spent.get(self.plan[0][0], 0.0)
        return self.since + (left if not self.process.ready else min(self.deadline / 2, left))

    def receive(self) -> tuple[Call, float, list[Score]] | None:
        """Read what the process has sent.

        Returns:
            The call that has just ended, its seconds and its scores; None where the process says that it is ready.

        Raises:
            EOFError: the process has died.
        """
        message = self.process.connection.recv_bytes()
        now = time.monotonic()
        if not self.process.ready:
            self.process.ready = True
            if self.blamed is not None:
                self.spent[self.blamed] = self.spent.get(self.blamed, 0.0) + now - self.since
            self.since = now
            return None
        self.since = now
        seconds, scores = json.loads(message)
        done = self.plan.popleft()
        self.spent[done[0]] = self.spent.get(done[0], 0.0) + seconds
        return done, seconds, [Score(**s | {"evidence": tuple(map(judgement_of, s["evidence"]))}) for s in scores]

    def give_up(self) -> list[Call]:
        """Kill the process and let another go on with what is left.

        The other calls of the reward in progress come last then, so that no other reward waits for them.

        Returns:
            The calls that are lost: the one in progress; with all others of its reward, once that has used up its
            deadline or has lost DEATHS calls.
        """
        now = time.monotonic()
        self.process.kill()
        reward = self.plan[0][0]
        self.spent[reward] = self.spent.get(reward, 0.0) + max(now - self.since, self.deadline / DEATHS)
        lost = [self.plan.popleft()]
        its, others = [c for c in self.plan if c[0] == reward], [c for c in self.plan if c[0] != reward]
        if self.spent[reward] >= self.deadline * 0.99:
            lost, its = lost + its, []
        self.plan, self.process, self.blamed, self.since = deque(others + its), self.replacement(), reward, now
        if self.plan:
            self._hand_over()
        return lost


class Workers:
    """Processes that share each batch, and a spare one that is loaded before it is needed."""

    def __init__(self, rewards: Sequence[Reward], number: int, deadline: float) -> None:
        self.rewards = tuple(rewards)
        self._workers = [Worker(Process(self.rewards), self._replacement, deadline) for _ in range(number)]
        self._spare = Process(self.rewards)

    def _replacement(self) -> Process:
        spare, self._spare = self._spare, Process(self.rewards)
        return spare

    def score(
        self, completions: Sequence[Completion], cases: Sequence[Case]
    ) -> tuple[list[list[Score]], list[dict[str, Any]]]:
        """Score a batch.

        Returns:
            For each reward one Score a completion, and its counts of seconds and timeouts.

        Raises:
            RuntimeError: a process ended before it had loaded its rewards.
        """
        results: list[list[Score]] = [[Score(None)] * len(completions) for _ in self.rewards]
        counts: list[dict[str, Any]] = [{"seconds": 0.0, "timeouts": 0} for _ in self.rewards]
        busy: dict[Worker, list[int]] = {}
        tasks = share(self.rewards, cases, len(self._workers))
        for worker, (samples, plan) in zip(self._workers, tasks, strict=False):
            worker.give([completions[i] for i in samples], [cases[i] for i in samples], plan)
            busy[worker] = samples
        while busy:
            first = min(worker.limit() for worker in busy)
            readable = wait([w.process.connection for w in busy], timeout=max(0.0, first - time.monotonic()))
            for worker, samples in list(busy.items()):
                lost: list[Call] = []
                why = ""
                if worker.process.connection in readable:
                    try:
                        ended = worker.receive()
                    except (EOFError, ConnectionResetError):
                        code = worker.process.child.wait()
                        if not worker.process.ready:
                            raise worker.process.cannot_start() from None
                        lost, why = worker.give_up(), f"the worker process died (exit status {code})"
                    else:
                        if ended is not None:
                            (reward, places), seconds, scores = ended
                            counts[reward]["seconds"] += seconds
                            for place, score in zip(places, scores, strict=True):
                                results[reward][samples[place]] = score
                elif time.monotonic() >= worker.limit():
                    seconds = time.monotonic() - worker.since
                    lost = worker.give_up()
                    why = (
                        f"stopped after {seconds:.1f} s: its deadline is {worker.deadline:g} s for a batch and half of "
                        "it for one call; raise `reward_workers.timeout` in the recipe, or make the reward faster"
                    )
                    counts[lost[0][0]]["seconds"] += seconds
                    counts[lost[0][0]]["timeouts"] += sum(len(places) for _, places in lost)
                for reward, places in lost:
                    for place in places:
                        results[reward][samples[place]] = Score(None, error=why)
                if not worker.plan:
                    del busy[worker]
        return results, counts

    def close(self) -> None:
        """End the processes."""
        for process in (*(worker.process for worker in self._workers), self._spare):
            process.kill()


def share(rewards: Sequence[Reward], cases: Sequence[Case], workers: int) -> list[tuple[list[int], list[Call]]]:
    """Divide a batch among workers.

    The completions of one prompt stay together. Rewards that see the whole batch go to the first worker, which gets
    all samples.

    Args:
        rewards: all of the pool.
        cases: of the samples, in order.
        workers: their number.

    Returns:
        For each worker its samples, and its calls by places in them.
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
