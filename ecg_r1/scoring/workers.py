"""Worker processes for rewards, each with a clock: what overruns it is killed, and the work goes on in another."""

from __future__ import annotations

import json
import math
import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Any

from ecg_r1.scoring.calls import failure, groups, units
from ecg_r1.scoring.child import Process
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case, Score
from ecg_r1.scoring.frames import ForeignBytes
from ecg_r1.scoring.judgement import judgement_of
from ecg_r1.scoring.registry import Reward

START = 120.0  # seconds a process may take to start and load its rewards
DEATHS = 8  # a reward that kills its process may do so this often in a batch before the rest of its calls are given up
Call = tuple[int, list[int]]  # a reward and the samples of one call
Lost = list[tuple[Call, str]]  # calls that get no answer, each with the reason


class Worker:
    """The calls of one share of a batch, one at a time.

    The library's rewards have one process, and each other reward has one of its own: whatever a reward does to its
    process (folder, environment, random numbers, signals, threads, descriptors, the cases it gets), no other sees it.

    Args:
        processes: by the first reward that each runs.
        home: for each reward, the first one of its process.
        replacement: a process for any of them.
        deadline: seconds that a reward may take for a batch.
    """

    def __init__(
        self, processes: dict[int, Process], home: Sequence[int], replacement: Callable[[], Process], deadline: float
    ) -> None:
        self.processes, self.home, self.replacement, self.deadline = processes, home, replacement, deadline
        self.process = processes[home[0]]
        self.plan: deque[Call] = deque()
        self.spent: dict[int, float] = {}
        self.blamed: int | None = None  # the reward that a process still loading takes the place of

    def give(self, completions: Sequence[Completion], cases: Sequence[Case], plan: list[Call]) -> None:
        """Hand over calls, those of one process together; the clock of the first starts once the process is ready."""
        self.plan = deque(sorted(plan, key=lambda call: self.home[call[0]]))
        self.task = ([(c.text, c.ids) for c in completions], list(cases))
        self.spent, self.blamed = {}, None
        self._hand_over()

    def _hand_over(self) -> None:
        """Send the next calls of one process, to another process where this one has died while it was idle."""
        home = self.home[self.plan[0][0]]
        calls = list(takewhile(lambda call: self.home[call[0]] == home, self.plan))
        while not self.processes[home].give((*self.task, calls)):  # the kernel takes memory where it finds it
            self.processes[home].kill()
            self.processes[home] = self.replacement()
        self.process, self.since = self.processes[home], time.monotonic()

    def limit(self) -> float:
        """The moment when the call in progress has taken too long: half the deadline, or what its reward has left.

        While a process loads, its reward's time runs if it is the only one that waits for it.
        """
        if not self.process.ready and self.plan[0][0] != self.blamed:
            return self.process.since + START
        left = self.deadline - self.spent.get(self.plan[0][0], 0.0)
        return self.since + (left if not self.process.ready else min(self.deadline / 2, left))

    def receive(self) -> list[tuple[Call, float, list[Score]]]:
        """Send and read what the connection takes and holds.

        Returns:
            The calls that have just ended, each with its seconds and scores.

        Raises:
            EOFError, OSError: the process has died.
            ForeignBytes: a reward has written on the connection.
        """
        ended = []
        process = self.process
        process.send()
        process.receive()
        while self.process is process and (content := process.answer()) is not None:
            now = time.monotonic()
            if content:
                seconds, scores = json.loads(content)
                done = self.plan.popleft()
                self.spent[done[0]] = self.spent.get(done[0], 0.0) + seconds
                ended.append((done, seconds, list(map(_score, scores))))
            elif self.blamed is not None:
                self.spent[self.blamed] = self.spent.get(self.blamed, 0.0) + now - self.since
            self.since = now
            if not self.plan:
                break
            if self.processes[self.home[self.plan[0][0]]] is not process:
                self._hand_over()
        return ended

    def give_up(self, why: str) -> Lost:
        """Kill the process and let another go on with what is left.

        The other calls of the reward in progress come last then, so that no other reward waits for them.

        Args:
            why: the call in progress gets no answer.

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
        self.plan, self.blamed = deque(others + its), reward
        self.processes[self.home[reward]] = self.replacement()
        if self.plan:
            self._hand_over()
        return [(call, why) for call in lost]


def _score(fields: dict[str, Any]) -> Score:
    return Score(**fields | {"evidence": tuple(map(judgement_of, fields["evidence"]))})


class Workers:
    """Processes that share each batch, and a spare one that is loaded before it is needed.

    Args:
        rewards: all of the pool.
        number: how many calls are made at a time.
        deadline: seconds that a reward may take for a batch.
        memory: GiB that a process may allocate.
    """

    def __init__(self, rewards: Sequence[Reward], number: int, deadline: float, memory: float) -> None:
        self.rewards, self.memory = tuple(rewards), memory
        library = next((n for n, reward in enumerate(rewards) if reward.ours), 0)
        home = [library if reward.ours else n for n, reward in enumerate(rewards)]
        self._workers = []
        for _ in range(number):
            processes = {h: self._process(n for n in range(len(home)) if home[n] == h) for h in dict.fromkeys(home)}
            self._workers.append(Worker(processes, home, self._replacement, deadline))
        self._spare = self._process(range(len(home)))

    def _process(self, numbers: Iterable[int]) -> Process:
        return Process({n: self.rewards[n] for n in numbers}, self.memory)

    def _replacement(self) -> Process:
        spare, self._spare = self._spare, self._process(range(len(self.rewards)))
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
            moved = _moved(busy, max(0.0, first - time.monotonic()))
            for worker, samples in list(busy.items()):
                lost: Lost = []
                if worker in moved:
                    try:
                        for (reward, places), seconds, scores in worker.receive():
                            counts[reward]["seconds"] += seconds
                            for place, score in zip(places, scores, strict=True):
                                results[reward][samples[place]] = score
                    except (EOFError, OSError):
                        if not worker.process.ready:
                            raise worker.process.cannot_start() from None
                        lost = worker.give_up(f"the worker process died ({worker.process.how_it_ended()})")
                    except ForeignBytes:
                        lost = worker.give_up(
                            "the reward wrote on its worker's connection; its only answer is what it returns"
                        )
                elif time.monotonic() >= worker.limit():
                    seconds = time.monotonic() - worker.since
                    lost = worker.give_up(
                        f"stopped after {seconds:.1f} s: its deadline is {worker.deadline:g} s for a batch and half of "
                        "it for one call; raise `reward_workers.timeout` in the recipe, or make the reward faster"
                    )
                    counts[lost[0][0][0]]["seconds"] += seconds
                    counts[lost[0][0][0]]["timeouts"] += sum(len(call[1]) for call, _ in lost)
                for (reward, places), why in lost:
                    for place in places:
                        results[reward][samples[place]] = failure(why)
                if not worker.plan:
                    del busy[worker]
        return results, counts

    def close(self) -> None:
        """End the processes."""
        processes = [self._spare, *(process for worker in self._workers for process in worker.processes.values())]
        for process in processes:
            process.hang_up()
        for process in processes:
            process.kill()


def _moved(workers: Iterable[Worker], timeout: float) -> set[Worker]:
    """Wait for the connections of workers.

    Args:
        timeout: seconds after which nothing has moved.

    Returns:
        The workers whose process has sent something, takes something, or has ended.
    """
    poll, known = select.poll(), {worker.process.fileno(): worker for worker in workers}
    for fd, worker in known.items():
        poll.register(fd, select.POLLIN | (select.POLLOUT if worker.process.unsent else 0))
    return {known[fd] for fd, _ in poll.poll(math.ceil(timeout * 1000))}


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
