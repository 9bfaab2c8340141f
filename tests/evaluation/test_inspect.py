import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console
from rich.text import Text

from ecg_r1.evaluation.inspect import InspectError, inspect
from ecg_r1.runs.read import RunError

COLOURS = {"supported": "\x1b[32m", "contradicted": "\x1b[31m"}  # green and red, as a terminal gets them
TEXT = "<think>PR interval 160 ms. [bold]QRS[/bold]</think><answer>normal ECG</answer>"
CLAIM = {"verdict": "supported", "span": [7, 25], "text": "PR interval 160 ms", "measured": 164.0, "unit": "ms"}


@pytest.fixture
def run(tmp_path):
    for step in (1, 2):
        rows = [
            {
                "step": step,
                "prompt": "p",
                "example": "r7 rate",
                "shown": "ecg: II V1",
                "completion": TEXT,
                "format": 1.0,
                "intervals": value,
                "advantage": value or 0.0,
            }
            | {"evidence": json.dumps([CLAIM, {"step": "no claim"}]), "intervals/explanation": "near"}
            for value in (0.9, None, 0.25)
        ]
        (tmp_path / "completions").mkdir(exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "completions" / f"completions_{step:05d}.parquet")
    return tmp_path


def shown(run, **options):
    console = Console(file=io.StringIO(), width=100)
    inspect(run, console=console, **options)
    return console.file.getvalue()


def test_shows_text_as_it_is_scores_and_claims_of_the_last_step(run):
    text = shown(run)
    assert text.count("step 2  r7 rate") == 3
    assert "[bold]QRS[/bold]" in text
    assert "intervals  +0.90  near" in text
    assert "intervals  –" in text
    assert "supported  PR interval 160 ms  (measured: 164 ms)" in text


def test_lowest_first_leaves_out_what_a_reward_did_not_apply_to(run):
    text = shown(run, by="intervals", step=1)
    assert text.count("step 1") == 2
    assert text.index("intervals  +0.25") < text.index("intervals  +0.90")


def test_names_what_there_is(run, tmp_path):
    with pytest.raises(InspectError, match="there are format, intervals, advantage"):
        inspect(run, by="interval")
    with pytest.raises(InspectError, match="no completions of step 7; there are 1 to 2"):
        inspect(run, step=7)
    with pytest.raises(InspectError, match="no completions; GRPO saves"):
        inspect(tmp_path / "completions")


def test_a_run_that_is_not_there_names_the_nearest_one(tmp_path):
    (tmp_path / "grpo").mkdir()
    with pytest.raises(RunError, match=r'grp: no such run — did you mean ".*/grpo"'):
        inspect(tmp_path / "grp")


def test_a_judged_finding_stands_with_its_number_and_margin(tmp_path):
    text = "<think>ST elevation in II and III. The QRS is broad.</think><answer>normal ECG</answer>"
    said = [
        (
            "ST elevation in II and III",
            "supported",
            "st elevation: measured 0.2 mV in II, 0.1 mV within the threshold",
        ),
        ("The QRS is broad", "contradicted", "qrs broad: measured 92 ms, 28 ms short of the threshold"),
    ]
    claims = [
        {"claim": "a", "kind": "finding", "verdict": verdict, "score": 1.0, "text": quote, "reason": reason}
        | {"span": [text.index(quote), text.index(quote) + len(quote)], "measured": 1.0}
        for quote, verdict, reason in said
    ]
    row = {"step": 1, "prompt": "p", "example": "r", "shown": "ecg", "completion": text, "advantage": 0.0}
    row |= {"findings": 0.5, "evidence": json.dumps(claims)}
    (tmp_path / "completions").mkdir()
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "completions" / "completions_00001.parquet")
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard")
    inspect(tmp_path, console=console)
    shown = console.file.getvalue()
    for quote, verdict, reason in said:
        assert f"{verdict}  {quote}  ({reason})" in Text.from_ansi(shown).plain
        # the claim stands in the text in its colour, and in the list below it
        assert shown.count(f"{COLOURS[verdict]}{quote}") == 1
        assert f"{COLOURS[verdict]}{verdict:>12}  {quote}" in shown
