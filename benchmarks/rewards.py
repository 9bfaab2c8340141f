"""Completions scored a second on one core, how long hostile texts take, and what a misbehaving reward costs the others.

    python benchmarks/rewards.py

Prints a table and, as its last line, the same as JSON.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, RewardPool, load_reward

DEFAULT = ("format", "diagnosis", "intervals", "consistency")
LENGTH = 1500
DEADLINE = 4.0

REASONING = (
    "Step {n}: The rhythm is regular with an upright P wave before each QRS complex, consistent with sinus rhythm at "
    "{rate} bpm. The PR interval is within normal limits at approximately {pr} ms (normal 120-200 ms). The QRS "
    "duration of {qrs} ms is narrow, with no evidence of left bundle branch block or right bundle branch block. R wave "
    "progression in V1-V6 is preserved, and the voltage in the precordial leads does not meet the criteria for left "
    "ventricular hypertrophy. The QT interval measures {qt} ms, giving a QTc of {qtc} ms. ST segments are isoelectric "
    "in leads II, III and aVF.\n"
)
HOSTILE = (
    "a",
    "?",
    "normal (",
    "一二三",
    "PR (normal 1-2 ms) <3 ms ",
    "~~af~~",
    "PR 20 ms. That value is wrong. ",
    "<answer>",
)
MISBEHAVING = """
import os, time
from ecg_r1.scoring import reward

@reward
def sleeps(completion, case):
    time.sleep(3600)

@reward
def spins(completion, case):
    while True:
        pass

@reward
def dies(completion, case):
    os._exit(1)
"""


def completions(n: int, first: int = 0) -> list[str]:
    """n completions of LENGTH characters; no sentence of theirs occurs twice, so that none is remembered."""
    texts = []
    for i in range(first, first + n):
        numbers = {"rate": 50 + i % 60, "pr": 120 + i % 97, "qrs": 80 + i % 41, "qt": 360 + i % 83, "qtc": 400 + i % 67}
        reasoning = "".join(REASONING.format(n=k, **numbers) for k in range(1, 4))
        reasoning = reasoning.replace(". ", f" ({i}). ").replace("Step", f"Step ({i})")
        answer = "</think><answer>normal ECG</answer>"
        texts.append("<think>" + reasoning[: LENGTH - len(answer) - len("<think>")] + answer)
    return texts


def throughput(names: tuple[str, ...], n: int = 1000) -> tuple[float, float]:
    """Completions a second of processor time, in process, the parse included: at first sight, and seen before.

    The best of three runs. A policy's completions are in between: those of a prompt share many sentences.
    """
    case = Case(
        "r", ("normal ECG",), Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 92, "qt_ms": 400})
    )
    best = [0.0, 0.0]
    with RewardPool([load_reward(name) for name in names]) as pool:
        pool.score(completions(20), [case] * 20)
        for run in range(3):
            texts = completions(n, first=(run + 1) * n)
            for again in (0, 1):
                began = time.process_time()
                pool.score(texts, [case] * n)
                best[again] = max(best[again], n / (time.process_time() - began))
    return best[0], best[1]


def slowest_text(length: int = 20_000) -> tuple[float, str]:
    """The most milliseconds of processor time that 10,000 characters of a hostile text take to read, and which text."""
    taken = []
    for piece in HOSTILE:
        completion = Completion.parse((piece * length)[:length])
        began = time.process_time()
        _ = completion.quantities, completion.statements, completion.steps, completion.think
        taken.append(((time.process_time() - began) * 1000 * 10_000 / length, piece))
    return max(taken)


def cost_of(function: str, file: Path) -> float:
    """Seconds that a batch of 64 takes longer in one worker when this reward is among the default ones."""
    case = Case("r", ("normal ECG",), Measurements.from_json({"heart_rate_bpm": 75}))
    texts, cases = completions(64), [case] * 64
    others = [load_reward(name) for name in DEFAULT]
    seconds = []
    for rewards in (others, [load_reward(f"{file}:{function}"), *others]):
        with RewardPool(rewards, workers=1, deadline=DEADLINE, error_limit=1.0) as pool:
            pool.score(texts[:1], cases[:1])  # the processes have started, as in any step but the first
            time.sleep(2 * DEADLINE)  # … and the spare one, during the rollouts
            began = time.perf_counter()
            scores = pool.score(texts, cases)
            seconds.append(time.perf_counter() - began)
    assert all(score.value is not None for scored in scores[1:3] for score in scored), "another reward lost its scores"
    return seconds[1] - seconds[0]


def main() -> None:
    table, results = Table("what", "measured", title="rewards"), {}
    for names in (*((name,) for name in DEFAULT), DEFAULT):
        key = "+".join(names)
        first, again = throughput(names)
        results[key], results[f"{key}, seen before"] = round(first), round(again)
        table.add_row(
            key, f"{first:.0f} completions of {LENGTH} characters a second on one core, {again:.0f} seen before"
        )
    milliseconds, piece = slowest_text()
    results["hostile text"] = round(milliseconds, 1)
    table.add_row("10,000 characters of hostile text", f"at most {milliseconds:.1f} ms to read, of {piece!r}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "misbehaving.py"
        file.write_text(MISBEHAVING)
        for function in ("sleeps", "spins", "dies"):
            results[function] = round(cost_of(function, file), 2)
            table.add_row(
                f"a reward that {function}", f"{results[function]} s longer for a batch of 64, deadline {DEADLINE:g} s"
            )
    Console().print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
