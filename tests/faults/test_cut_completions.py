"""A file of completions that was cut short, or holds something else: one line, and the other steps are shown."""

import io
import json
from contextlib import suppress

import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console

from ecg_r1.evaluation.inspect import InspectError, inspect

ROW = {"example": "r1", "completion": "PR interval 160 ms.", "format": 1.0, "advantage": 0.5}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "completions").mkdir()
    for step in (1, 2):
        rows = [ROW | {"step": step, "evidence": json.dumps([{"step": "no claim"}])}] * 3
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "completions" / f"completions_{step:05d}.parquet")
    return tmp_path


def shown(run, **options):
    console = Console(file=io.StringIO(), width=100)
    inspect(run, console=console, **options)
    return console.file.getvalue()


def test_a_file_that_is_cut_anywhere_is_named_and_the_other_steps_are_shown(run):
    file = run / "completions" / "completions_00002.parquet"
    content = file.read_bytes()
    for length in {0, 3, 4, 8, *range(0, len(content), 97), len(content) - 1}:
        file.write_bytes(content[:length])
        with pytest.raises(InspectError, match="cut short or damaged") as error:
            shown(run)
        assert str(error.value).startswith(f"{file}: ")
        assert "\n" not in str(error.value)
        assert shown(run, step=1).count("step 1  r1") == 3
        with pytest.raises(InspectError, match=r"no completions of step 2; there are 1; .*00002.parquet: cut short"):
            shown(run, step=2)


def test_bytes_that_are_replaced_are_shown_or_named(run):
    file = run / "completions" / "completions_00002.parquet"
    content = file.read_bytes()
    for place in range(0, len(content), 53):
        file.write_bytes(
            content[:place] + bytes(byte ^ 255 for byte in content[place : place + 9]) + content[place + 9 :]
        )
        with suppress(InspectError):
            shown(run)


@pytest.mark.parametrize(
    "change",
    [
        {"step": None}, {"step": "2"}, {"completion": None}, {"evidence": 1}, {"evidence": "["}, {"evidence": "[1]"},
        {"evidence": "null"}, {"evidence": None}, {"advantage": "x"}, {"format": "high"}, {"format": [1.0]},
    ],
)  # fmt: skip
def test_columns_that_hold_something_else_are_named(run, change):
    rows = [ROW | {"step": 2, "evidence": "[]"} | change] * 2
    parquet.write_table(pa.Table.from_pylist(rows), run / "completions" / "completions_00002.parquet")
    with pytest.raises(InspectError, match=r"no completions of GRPO|its evidence is damaged"):
        shown(run)


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{"step": 2}]])
def test_a_file_of_something_else_is_named(run, rows):
    parquet.write_table(pa.Table.from_pylist(rows), run / "completions" / "completions_00002.parquet")
    with pytest.raises(InspectError, match=r"completions_00002\.parquet: no completions of GRPO"):
        shown(run)
