"""The comparison in the terminal."""

from io import StringIO

from rich.console import Console

from ecg_r1.evaluation.report.terminal import print_comparison

from .conftest import RIGHT, compared


def test_no_column_is_cut_however_many_models(write_run, tmp_path):
    names = ["sft", "sft-more", "grpo", "grpo-claim-credit", "grpo-without-diagnosis"]
    result = compared([write_run(name, RIGHT) for name in names], tmp_path / "out", resamples=20)
    out = StringIO()
    print_comparison(result, Console(file=out, width=80))
    text = out.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert all(pair in text for pair in result["paired"])
