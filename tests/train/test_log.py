"""What a run's log says: no line that is repeated without a consequence, and how long the rest will take."""

import io
import logging
from types import SimpleNamespace

import pytest

pytest.importorskip("transformers")

from rich.console import Console

from ecg_r1.engine.quiet import NOISE, quieten
from ecg_r1.train import progress
from ecg_r1.train.progress import LiveProgress


@pytest.mark.parametrize("name", NOISE)
def test_repeated_warnings_are_left_out_and_others_stay(name):
    quieten()
    quieten()  # a filter is added once
    logger, kept = logging.getLogger(name), []
    assert len(logger.filters) == 1
    handler = logging.Handler()
    handler.emit = lambda record: kept.append(record.getMessage())
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.WARNING)  # an earlier test may have had vLLM configure its loggers for errors alone
    try:
        for beginning in NOISE[name]:
            logger.warning("%s, and more", beginning)
        logger.warning("%s: Failed to load weights", "QKVParallelLinear")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert kept == ["QKVParallelLinear: Failed to load weights"]


def lines(monkeypatch, *, terminal=False, disable_tqdm=False, first=0):
    """What is printed in ten steps of three seconds each."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = LiveProgress("runs/x")
    shown.console = Console(file=io.StringIO(), force_terminal=terminal, width=40)
    arguments = SimpleNamespace(disable_tqdm=disable_tqdm)
    state = SimpleNamespace(is_world_process_zero=True, max_steps=10, global_step=first)
    shown.on_train_begin(arguments, state, None)
    while state.global_step < 10:
        now[0] += 3
        state.global_step += 1
        shown.on_log(arguments, state, None, logs={"loss": 0.5, "rewards/format/mean": 1.0, "grad_norm": 3.0})
        shown.on_step_end(arguments, state, None)
    shown.on_train_end(arguments, state, None)
    return shown.console.file.getvalue()


def test_a_log_file_gets_a_line_with_the_time_left_at_every_tenth(monkeypatch):
    said = lines(monkeypatch).splitlines()
    assert len(said) == 10
    assert said[0] == "runs/x 1/10  0:00:27 left  loss 0.5  format 1"
    assert said[8] == "runs/x 9/10  0:00:03 left  loss 0.5  format 1"
    assert said[9] == "runs/x 10/10  loss 0.5  format 1"


def test_the_pace_of_a_resumed_run_is_that_of_its_own_steps(monkeypatch):
    assert lines(monkeypatch, first=7).splitlines()[0] == "runs/x 8/10  0:00:06 left  loss 0.5  format 1"


def test_disable_tqdm_turns_the_bar_of_a_terminal_into_lines(monkeypatch):
    assert "━" in lines(monkeypatch, terminal=True)
    said = lines(monkeypatch, terminal=True, disable_tqdm=True)
    assert "━" not in said
    assert "1/10" in said
