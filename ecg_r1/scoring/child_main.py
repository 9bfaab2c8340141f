"""What a worker process does: it loads its rewards and answers tasks, each call with a sealed frame."""

from __future__ import annotations

import json
import os
import pickle
import socket
import sys
import time
import traceback
from typing import Any

from ecg_r1.scoring.calls import call, failure
from ecg_r1.scoring.collector import paused
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Score
from ecg_r1.scoring.frames import LARGEST, READY, sealed
from ecg_r1.scoring.judgement import to_json
from ecg_r1.scoring.registry import load_reward

TEXT = "<think>Step 1: Rate 75 bpm. PR 160 ms. QRS 92 ms. No LBBB.</think><answer>normal ECG</answer>"


def warm() -> None:
    """Read one completion, so that the parser's vocabulary is loaded before the first one that counts."""
    completion = Completion.parse(TEXT)
    _ = completion.steps, completion.quantities, completion.statements


def serve(connection: socket.socket) -> None:
    """Answer tasks until the parent hangs up.

    The parent first sends (secret, sys.path, {number: (spec, options)}). A task is (batch, [(text, token ids)], cases,
    plan), plan the [(number of a reward, samples of one call)] to work through in order. Each call is answered with
    JSON, so that nothing a reward returns is ever unpickled: [seconds, [a Score's fields, …]].

    Args:
        connection: to the parent.

    Raises:
        EOFError, ConnectionError: the parent has hung up.
    """
    own = os.getpid()
    received = connection.makefile("rb")
    secret, sys.path[:], specs = pickle.load(received)
    rewards = {number: load_reward(spec, options) for number, (spec, options) in specs.items()}
    if os.getpid() != own:  # a fork that a reward's file has made
        os._exit(0)
    warm()
    connection.sendall(sealed(secret, *READY, b""))
    while True:
        batch, texts, cases, plan = pickle.load(received)
        completions = [Completion.parse(text, ids) for text, ids in texts]
        with paused():
            for number, (reward, samples) in enumerate(plan):
                began = time.perf_counter()
                try:
                    scores = call(rewards[reward], [completions[i] for i in samples], [cases[i] for i in samples])
                except KeyboardInterrupt:  # no terminal reaches this process: the reward itself has raised it
                    scores = [failure(traceback.format_exc(limit=-8))] * len(samples)
                if os.getpid() != own:  # a fork of the reward's has come back from the call
                    os._exit(0)
                answer = _answer(time.perf_counter() - began, scores)
                connection.sendall(sealed(secret, batch, number, answer))


def _answer(seconds: float, scores: list[Score]) -> bytes:
    try:
        answer = json.dumps([seconds, [_fields(score) for score in scores]]).encode()
        why = f"returned more than {LARGEST // 2**20} MiB of explanations and evidence" if len(answer) > LARGEST else ""
    except (ValueError, TypeError, RecursionError) as error:  # JSON cannot write what the evidence holds
        why = f"returned evidence that cannot be written as JSON: {error}"
    if why:
        answer = json.dumps([seconds, [_fields(failure(why))] * len(scores)]).encode()
    return answer


def _fields(score: Score) -> dict[str, Any]:
    return vars(score) | {"evidence": [to_json(row) for row in score.evidence]}
