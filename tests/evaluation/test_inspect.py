import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console

from ecg_r1.evaluation.inspect import InspectError, inspect
from ecg_r1.runs.read import RunError

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
