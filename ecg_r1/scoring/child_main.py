"""The child process that runs rewards: `python -m ecg_r1.scoring.child_main FD`, FD its connection to the parent."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from ecg_r1.scoring.calls import call
from ecg_r1.scoring.collector import paused
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Score
from ecg_r1.scoring.judgement import to_json
from ecg_r1.scoring.registry import load_reward

TEXT = "<think>Step 1: Rate 75 bpm. PR 160 ms. QRS 92 ms. No LBBB.</think><answer>normal ECG</answer>"


def _die_with(parent: int) -> None:
    """End this process when its parent has gone, even while a reward spins."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def warm() -> None:
    """Read one completion, so that the parser's vocabulary is loaded before the first one that counts."""
    completion = Completion.parse(TEXT)
    _ = completion.steps, completion.quantities, completion.statements


def _fields(score: Score) -> dict[str, Any]:
    return vars(score) | {"evidence": [to_json(row) for row in score.evidence]}


def serve(connection: Connection) -> None:
    """Answer tasks until the parent hangs up.

    A task is ([(text, token ids)], cases, plan), plan the [(reward, samples of one call)] to work through in order;
    after each goes back JSON, so that nothing a reward returns is ever unpickled: [seconds, [a Score's fields, …]].

    Args:
        connection: to the parent, which first sends the [(spec, options)] of the rewards.

    Raises:
        EOFError: the parent has hung up.
    """
    rewards = [load_reward(spec, options) for spec, options in connection.recv()]
    warm()
    connection.send_bytes(b"ready")
    while True:
        texts, cases, plan = connection.recv()
        completions = [Completion.parse(text, ids) for text, ids in texts]
        with paused():
            for reward, samples in plan:
                began = time.perf_counter()
                scores = call(rewards[reward], [completions[i] for i in samples], [cases[i] for i in samples])
                answer = [time.perf_counter() - began, [_fields(score) for score in scores]]
                connection.send_bytes(json.dumps(answer).encode())


if __name__ == "__main__":
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        sys.exit(0)
