import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.metrics import judge
from ecg_r1.evaluation.report import completions, curves
from ecg_r1.evaluation.report.html import findings
from ecg_r1.scoring import Case, Judgement

from .conftest import RIGHT, STOCK, TRUTHS, answers, compared, says, write_split

EVIL = says(
    "PR interval 160 ms.<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>", "normal ECG"
)


class Reader(HTMLParser):
    """Which tags a page holds, which addresses it names, and whether every tag is closed."""

    VOID = ("meta", "img", "line", "circle", "polyline", "br")

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        self.addresses += [name for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        pass


@pytest.fixture
def page(write_run, tmp_path):
    log = [{"step": i, "reward": 0.1 * i, "rewards/format/mean": 1.0} for i in range(5)]
    runs = [write_run("sft <b>", STOCK), write_run("grpo", {**RIGHT, "r0": EVIL}, log=log)]
    compared(runs, tmp_path / "out", resamples=20)
    return (tmp_path / "out" / "report.html").read_text()


def test_the_page_is_whole_and_needs_no_network(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.tags
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert not re.search(r"url\(|@import", page)


def test_what_a_model_or_a_folder_says_is_escaped(page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "<img src=http" not in page
    assert "sft <b>" not in page


def test_each_quoted_value_stands_beside_the_measured_one(page):
    assert re.search(r'<mark class="supported"[^>]*>PR interval 160 ms<b>✓ 164 ms</b></mark>', page)
    assert re.search(r'<mark class="contradicted"[^>]*>QRS duration 150 ms<b>✗ 92 ms</b></mark>', page)
    assert re.search(r'<mark class="contradicted"[^>]*>PR interval 160 ms<b>✗ not measurable</b></mark>', page)


def test_corruption_and_curves_are_shown(page):
    assert "boilerplate that ignores the signal" in page
    assert "30%" in page
    assert "Total reward, GRPO" in page


def test_highlighting_escapes_inside_and_outside_of_spans_and_marks_the_first_of_overlapping_ones():
    rows = [
        Judgement("pr_ms", "supported", span=span, reason='a "quote"', quantity="pr_ms", measured=164.0)
        for span in ((4, 10), (6, 12))
    ]
    shown = completions.highlighted("a<b PR<160 c>d", rows)
    assert shown == (
        'a&lt;b <mark class="supported" title="a &quot;quote&quot;">PR&lt;160<b>✓ 164 ms</b></mark> c&gt;d'
    )


def judged(predictions, truths):
    rows = {row["record"]: row for row in truths}

    class Cases:
        def case(self, example_id):
            row = rows[example_id]
            return Case(example_id, tuple(row["diagnoses"]), Measurements.from_json(row["measurements"]))

    return judge(answers(predictions), Cases())


def test_cases_are_spread_over_diagnoses_and_hold_losses():
    names = ["normal ECG", "atrial fibrillation", "sinus tachycardia", "long QT interval"]
    truths = [TRUTHS[0] | {"record": f"r{i}", "diagnoses": [names[i % 4]]} for i in range(40)]
    good = {f"r{i}": says("Rate 75 bpm.", names[i % 4]) for i in range(40)}
    bad = {
        record: says("Rate 175 bpm.", "normal ECG") if int(record[1:]) > 20 else text for record, text in good.items()
    }
    models = {"sft": judged(good, truths), "grpo": judged(bad, truths)}
    chosen = completions.choose(models, seed=0)
    spread = [record for record, why in chosen if why == "spread"]
    assert sorted(names.index(names[int(record[1:]) % 4]) for record in spread) == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    worse = [record for record, why in chosen if why == "worse"]
    assert len(worse) == 3
    assert all(int(record[1:]) > 20 for record in worse)
    assert not set(worse) & set(spread)
    assert completions.choose(models, seed=0) == chosen
    assert completions.choose(models, seed=1) != chosen


def test_which_cases_are_spread_does_not_depend_on_what_models_answered():
    truths = [TRUTHS[0] | {"record": f"r{i}"} for i in range(30)]
    good = {row["record"]: RIGHT["r0"] for row in truths}
    bad = {row["record"]: STOCK["r0"] for row in truths}
    spreads = [
        [record for record, why in completions.choose({"a": judged(p, truths)}, seed=4) if why == "spread"]
        for p in (good, bad)
    ]
    assert spreads[0] == spreads[1]


def test_a_resumed_step_counts_once_and_a_non_finite_value_is_left_out():
    log = [
        {"step": 1, "loss": 3.0},
        {"step": 2, "loss": 9.0},
        {"step": 2, "loss": 2.0},
        {"step": 3, "loss": float("nan")},
    ]
    line = curves.series(log, "loss", "sft", 0)
    assert line.steps.tolist() == [1, 2]
    assert line.values.tolist() == [3, 2]


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [0.0, 0.0], [-3.0, 250.0], [1e-7, 3e-6]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_chart_stays_inside_its_frame(values, logarithmic):
    line = curves.Series("x", np.arange(len(values), dtype=float), np.array(values), 0)
    drawn = curves.chart("t", [line], logarithmic=logarithmic and min(values) >= 0)
    for points in re.findall(r'points="([^"]+)"', drawn):
        for x, y in (pair.split(",") for pair in points.split()):
            assert 0 <= float(x) <= curves.WIDTH
            assert 0 <= float(y) <= curves.HEIGHT


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_the_axis_of_a_share_holds_only_what_a_share_can_be(value):
    line = curves.Series("x", np.arange(3.0), np.full(3, value), 0)
    drawn = curves.chart("t", [line], share=True)
    ticks = [float(tick) for tick in re.findall(r'text-anchor="end">([^<s]+)</text>', drawn)]
    assert len(ticks) > 1
    assert min(ticks) >= 0
    assert max(ticks) <= 1


def test_captions_stand_outside_the_tables_that_scroll(page):
    assert "<caption" not in page
    assert re.search(r'</table></div><p class="caption">\d+ examples, the same for every model', page)


def test_a_run_without_a_log_has_no_empty_chart():
    assert curves.chart("t", []) == ""


def test_more_diagnoses_than_cases(write_run, tmp_path):
    truths = [TRUTHS[0] | {"record": f"r{i}", "diagnoses": [f"made-up diagnosis {i}"]} for i in range(20)]
    write_split(tmp_path / "corpus" / "held-out", truths)  # over the fixture's
    run = write_run("a", {row["record"]: RIGHT["r0"] for row in truths})
    compared([run], tmp_path / "out", resamples=10)
    assert (tmp_path / "out" / "report.html").read_text().count("<article") == completions.SPREAD


def test_a_case_shows_each_record_of_its_example_and_the_question_where_questions_differ(write_run, tmp_path):
    examples = [
        {"id": "q0", "records": ["r0"], "question": "Is the rhythm <sinus>?"},
        {"id": "q1", "records": ["r0", "r1"], "question": "What has changed?"},
    ]
    write_split(tmp_path / "corpus" / "held-out", TRUTHS, examples)
    compared([write_run("a", {"q0": RIGHT["r0"], "q1": RIGHT["r0"]})], tmp_path / "out", resamples=10)
    page = (tmp_path / "out" / "report.html").read_text()
    (both,) = re.findall(r'<article class="case"[^>]*>(?:(?!</article>).)*What has changed\?.*?</article>', page)
    assert both.count("<img src=") == 2
    assert both.count('<dl class="measured"') == 2
    assert "q1: r0, r1" in both
    assert "Is the rhythm &lt;sinus&gt;?" in page


def test_the_report_says_what_was_drawn_and_how_answers_were_made(page):
    assert "20 resamples of 3 clusters" in page
    assert "<dt>decoding</dt><dd>greedy</dd><dt>limit</dt><dd>128 tokens</dd>" in page


def test_a_difference_too_small_to_be_shown_is_not_told():
    def told(difference):
        model = {"supported": 0.8, "quoted_per_answer": 4.1}
        interval = {"difference": difference, "low": difference / 2, "high": 2 * difference}
        paired = {"grpo - sft": {"supported": interval, "quoted_per_answer": interval}}
        return findings({"models": {"sft": model, "grpo": model}, "paired": paired})

    assert "Different" not in told(0.0004)
    assert "values quoted per answer +0.2" in told(0.2)
