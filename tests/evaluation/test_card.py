import csv
import json
from dataclasses import replace

import pytest
import yaml

from ecg_r1.evaluation.card import Card, Fact, as_csv, as_html, as_latex, as_markdown

from .conftest import RIGHT, STOCK, compared

LOG = [
    {"step": i, "reward": 0.1 * i, "completions/mean_length": 50.0, "entropy": 1.0, "cpu_seconds": 60.0 * i}
    for i in range(11)
]


def trained(run, **keys):
    """The run's recipe with other keys."""
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe | keys))
    return run


@pytest.fixture
def cards(write_run, tmp_path):
    def write(later, earlier=STOCK, *, control=True, log=LOG):
        slow = [row | {"cpu_seconds": 66.0 * row["step"]} for row in log]
        sft = trained(write_run("sft", earlier, log=slow if control else []), model="base")
        grpo = trained(write_run("grpo", later, log=log), model="base", stage="grpo", rewards=[{"name": "intervals"}])
        compared([sft, grpo], tmp_path / "out", resamples=50)
        return {
            line.split("**")[1]: line.partition("**: ")[2] for line in markdown(tmp_path) if line.startswith("- **")
        }

    return write


def markdown(tmp_path):
    return (tmp_path / "out" / "card.md").read_text().splitlines()


def test_a_whole_comparison(cards, tmp_path):
    facts = cards(RIGHT)
    assert facts["equal-compute control"] == "sft: 11.0 processor minutes, grpo 10.0, from base"
    assert facts["rewards"] == "intervals × 1"
    assert facts["cost of training"] == "10 steps, 10.0 processor minutes"
    assert facts["reward against metrics"] == "reward 0.00 to 1.00; no held-out metric is worse beyond its interval"
    assert facts["seeds"].startswith("⚠ ")
    assert facts["is the ECG used?"].startswith("⚠ own ECG 100.0%")
    assert "alarms" in facts
    result = json.loads((tmp_path / "out" / "compare.json").read_text())
    rows = {row["metric"]: row for row in csv.DictReader((tmp_path / "out" / "card.csv").open())}
    shown = rows["Quoted values the signal supports"]
    assert shown["grpo"] == f"{100 * result['models']['grpo']['supported']:.1f}%"
    assert "(" in shown["grpo − sft"]
    assert r"\begin{tabular}{lrrr}" in (tmp_path / "out" / "card.tex").read_text()


def test_a_missing_control_is_flagged(cards):
    assert cards(RIGHT, control=False)["equal-compute control"].startswith("⚠ missing")


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (19.0, "more: 19.0 processor minutes, grpo 20.0, from sft"),  # SFT for ten minutes, then GRPO for ten
        (11.0, "⚠ missing"),
    ],
)
def test_a_control_is_held_against_all_stages_since_the_common_base(write_run, tmp_path, minutes, said):
    def log(minutes):
        return [row | {"cpu_seconds": 6.0 * minutes * row["step"]} for row in LOG]

    sft = trained(write_run("sft", STOCK, log=log(60)), model="base")
    more = trained(write_run("more", STOCK, log=log(minutes)), model=str(sft))
    half = trained(write_run("half", STOCK, log=log(10)), model=str(sft))
    grpo = trained(write_run("grpo", RIGHT, log=LOG), model=str(half), rewards=[{"name": "intervals"}])
    compared([sft, more, half, grpo], tmp_path / "out", resamples=50)
    (line,) = [line for line in markdown(tmp_path) if "equal-compute control" in line]
    assert line.partition("**: ")[2].startswith(said)


def test_a_reward_that_rises_while_a_metric_falls_is_flagged(cards):
    facts = cards(STOCK, earlier=RIGHT)
    assert facts["reward against metrics"].startswith("⚠ reward 0.00 to 1.00, and yet quoted values")


def test_longer_answers_and_collapsed_entropy_are_alarms(cards, tmp_path):
    cards(
        RIGHT,
        log=[
            row | {"completions/mean_length": 50.0 + 9 * row["step"], "entropy": 1 / (1 + 3 * row["step"])}
            for row in LOG
        ],
    )
    alarms = [line for line in markdown(tmp_path) if line.startswith("- **alarm**")]
    assert any("from 50 to 140 tokens" in line for line in alarms)
    assert any("entropy fell" in line for line in alarms)


NASTY = Card(
    "x", (Fact("model", "<script>alert(1)</script> [a](http://evil) | 100% & $x_1$"),),
    ("metric", "=1+1", "a|b"), (("=HYPERLINK(1)", "+5.0 (1, 2)", r"\input{x}"),),
)  # fmt: skip


def test_names_are_plain_text_in_every_form():
    assert "<script>" not in as_html(NASTY)
    said = as_markdown(NASTY)
    assert "<script>" not in said.replace("\\<", "")
    assert "[a](" not in said
    assert r"a\|b" in said
    assert as_csv(NASTY).splitlines() == [
        "metric,'=1+1,a|b",
        r"'=HYPERLINK(1),\"+5.0 (1, 2)\",\input{x}".replace('\\"', '"'),
    ]
    assert r"\textbackslash{}input\{x\}" in as_latex(NASTY)
    assert r"\$x\_1\$" in as_latex(replace(NASTY, head=("metric", "$x_1$", "b")))
