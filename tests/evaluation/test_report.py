import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.simulate import simulate
from ecg_r1.evaluation.metrics import judge
from ecg_r1.evaluation.report import curves
from ecg_r1.evaluation.report.calipers import MM_S, shown_beat, strips
from ecg_r1.evaluation.report.cases import flags, pieces, unverified
from ecg_r1.evaluation.report.html import findings
from ecg_r1.evaluation.report.template import our_own
from ecg_r1.evaluation.report.trace import LABEL, UNIT, page_size, path, traces
from ecg_r1.scoring import Case, Judgement

from .conftest import RIGHT, STOCK, TRUTHS, answers, compared, says, write_split

EVIL = says(
    "PR interval 160 ms.<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>", "normal ECG"
)


class Reader(HTMLParser):
    """Which tags a page holds, which addresses it names, and whether every tag is closed."""

    VOID = ("meta", "input", "img", "line", "circle", "polyline", "rect", "path", "br")

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
    assert reader.tags.count("script") == 1
    assert f"<script>{our_own('report.js')}</script>" in page
    assert set(reader.addresses) == {"#cases"}
    assert not re.search(r"url\((?!#)|@import", page)


def test_a_case_shows_what_a_run_wrote_about_it_in_its_own_training(write_run, tmp_path):
    runs = [write_run("sft", STOCK), write_run("grpo", RIGHT)]
    rows = [
        {
            "step": step,
            "example": example,
            "completion": f"{text} at <{step}>",
            "evidence": "[]",
            "advantage": 0.1 * step,
        }
        for step in range(1, 8)
        for example, text in (("r0#7", "of r0"), ("elsewhere", "of another"))
    ]
    folder = runs[1] / "completions"
    folder.mkdir()
    parquet.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    (folder / "b.parquet").write_bytes(b"cut short")
    compared(runs, tmp_path / "out", resamples=20)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("was trained on this record: 7 completions") == 1
    assert re.findall(r"of r0 at &lt;(\d)&gt;", page) == ["1", "4", "7"]
    assert "advantage +0.40" in page
    assert "of another" not in page


def test_what_a_model_or_a_folder_says_is_escaped(page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "sft &lt;b&gt;" in page
    assert page.count("<script") == 1
    assert "<img" not in page
    assert "sft <b>" not in page


def test_each_quoted_value_stands_beside_the_measured_one(page):
    assert re.search(r'<mark class="supported"[^>]*>PR interval 160 ms<b>✓ 164 ms</b></mark>', page)
    assert re.search(r'<mark class="contradicted"[^>]*>QRS duration 150 ms<b>✗ 92 ms</b></mark>', page)
    assert re.search(r'<mark class="contradicted"[^>]*>PR interval 160 ms<b>✗ not measurable</b></mark>', page)


def test_corruption_and_curves_are_shown(page):
    assert "boilerplate that ignores the signal" in page
    assert "30%" in page
    assert "Total reward, GRPO" in page


def judged(predictions, truths):
    rows = {row["record"]: row for row in truths}

    class Cases:
        def case(self, example_id):
            row = rows[example_id]
            return Case(example_id, tuple(row["diagnoses"]), Measurements.from_json(row["measurements"]))

    return judge(answers(predictions), Cases())


def test_a_text_is_cut_into_claims_tags_and_what_nothing_was_held_against():
    (row,) = judged({"r0": says("Sinus rhythm. PR interval 160 ms.", "normal ECG")}, TRUTHS)
    assert [(piece.text, piece.kind) for piece in pieces(row)] == [
        ("<think>", "tag"), ("Sinus rhythm", "unchecked"), (". ", ""), ("PR interval 160 ms", "supported"), (".", ""),
        ("</think>", "tag"), ("<answer>", "tag"), ("normal ECG", ""), ("</answer>", "tag"),
    ]  # fmt: skip
    assert next(piece for piece in pieces(row) if piece.kind == "supported").beside == "164 ms"
    assert unverified(row) == 0.5  # one of two claims
    (silent,) = judged({"r0": says("", "normal ECG")}, TRUTHS)
    assert unverified(silent) is None


def test_of_claims_that_overlap_the_first_is_marked():
    (row,) = judged({"r0": says("PR<160 c>d", "normal ECG")}, TRUTHS)
    both = [Judgement("pr_ms", "supported", span=span, quantity="pr_ms", measured=164.0) for span in ((7, 13), (9, 15))]
    found = list(pieces(replace(row, evidence=tuple(both))))
    assert [piece.text for piece in found if piece.kind == "supported"] == ["PR<160"]
    assert "".join(piece.text for piece in found) == row.completion.text


def test_the_filter_knows_wins_losses_and_disagreement():
    good, bad = says("Rate 75 bpm. PR interval 160 ms.", "normal ECG"), says("Rate 120 bpm.", "atrial fibrillation")
    a, b = (judged({"r0": text}, TRUTHS)[0] for text in (good, bad))
    assert set(flags([a, b])) == {"loss", "disagree", "wrong", "contradicted"}
    assert set(flags([b, a])) == {"win", "disagree", "right", "contradicted"}
    assert flags([a, a]) == ["right"]


def simulated(**keys):
    (one,) = simulate(1, seed=5, **keys)
    return one.record, measure(one.record)


def quote(name, value, lead=None, verdict="contradicted"):
    return Judgement(name, verdict, span=(0, 1), quantity=name, quoted=value, lead=lead)


def test_calipers_stand_where_the_interval_was_measured():
    record, measured = simulated(diagnoses=["normal ECG"])
    beat = shown_beat(record)
    quotes = [quote("pr_ms", 250.0), quote("qrs_ms", 60.0), quote("qt_ms", 480.0), quote("heart_rate_bpm", 100.0)]
    (strip,) = strips(record, measured, beat, quotes)
    assert strip.lead == "II"
    pr, qrs, qt, rate = strip.spans
    for span, name, quoted in ((pr, "pr_ms", 250), (qrs, "qrs_ms", 60), (qt, "qt_ms", 480)):
        assert span.quoted == pytest.approx(quoted / 1000 * MM_S)
        assert span.measured == pytest.approx(measured.value(name) / 1000 * MM_S)
    assert pr.start + pr.measured == pytest.approx(qrs.start)  # PR ends where the QRS begins
    assert qrs.start == qt.start == pytest.approx((beat.onset - strip.begin) * MM_S)
    assert rate.quoted == pytest.approx(0.6 * MM_S)
    assert beat.onset < beat.peak < beat.offset
    peak = round(beat.peak * 500)
    assert np.abs(record.signal[1, peak - 30 : peak + 30]).max() == np.abs(record.signal[1, peak - 5 : peak + 6]).max()
    assert len({span.y for span in strip.spans}) == 4


def test_a_value_of_one_lead_is_drawn_in_that_lead_and_what_has_no_place_is_not():
    record, measured = simulated(diagnoses=["normal ECG"])
    beat = shown_beat(record)
    quotes = [quote("st_mv", 0.2, lead="v2"), quote("axis_deg", 40.0), quote("qtc_ms", 420.0)]
    (strip,) = strips(record, measured, beat, quotes)
    (span,) = strip.spans
    assert (strip.lead, span.y) == ("V2", None)
    assert span.quoted < span.measured or measured.in_lead("st_mv", "V2").value > 0.2  # higher is nearer to the top
    assert strips(record, measured, None, quotes) == []
    flat = ECGRecord("flat", np.zeros((12, 5000), np.float32), np.ones(12, bool))
    assert shown_beat(flat) is None


def test_quantities_without_a_measurement_have_the_quoted_span_alone():
    record, measured = simulated(diagnoses=["atrial fibrillation"])
    (strip,) = strips(record, measured, shown_beat(record), [quote("pr_ms", 160.0)])
    (span,) = strip.spans
    assert span.measured is None
    assert span.quoted == pytest.approx(8.0)
    assert "not measurable" in span.title


@pytest.mark.parametrize("seed", range(6))
def test_no_lead_name_stands_on_a_trace(seed):
    (one,) = simulate(1, seed=seed)
    tall = ECGRecord("tall", one.record.signal * 2.5, one.record.lead_mask)  # up to the row above
    drawn = traces(tall)
    for name in drawn:
        for line in drawn:
            x, y = corners(line.path)
            at = np.linspace(name.x, name.x + LABEL[0] * UNIT * 0.8, 60)
            inside = (at >= x.min()) & (at <= x.max())
            heights = np.interp(at[inside], x, y)
            assert not ((heights > name.y - 30) & (heights < name.y)).any(), (name.lead, line.lead)


def test_a_lead_is_drawn_where_it_was_recorded_alone():
    (one,) = simulate(1, seed=0)
    windows = np.tile([1000, 2250], (12, 1))  # begins and ends amid cells
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no mean of nothing
        whole, part = traces(one.record), traces(replace(one.record, windows=windows))
    assert 0 < sum(len(line.path) for line in part) < sum(len(line.path) for line in whole) / 2


def corners(drawn):
    """The points of a path, without the calibration pulse before it."""
    part = drawn.split("M")[-1]
    start, moves = part.split("l")
    first = [int(n) for n in start.split()]
    steps = np.array([int(n) for n in re.findall(r"-?\d+", moves)]).reshape(-1, 2)
    points = np.concatenate([[first], first + steps.cumsum(0)])
    return points[:, 0], points[:, 1]


def test_a_path_leaves_out_points_on_a_line_and_gaps():
    x, y = np.arange(8.0), np.array([0, 0, 0, 3, np.nan, 5, 6, 7.0])
    assert path(x, y) == "M0 0l2 0 1 3 M5 5l2 2"
    assert path(np.zeros(0), np.zeros(0)) == ""


def test_the_page_shows_speed_gain_and_every_lead(page):
    assert page.count("25 mm/s · 10 mm/mV</text>") == len(TRUTHS)
    (first,) = re.findall(r'<article class="case" id="case-1".*?</article>', page, re.DOTALL)
    assert re.findall(r">(I|II|III|aV[RLF]|V[1-6])</text>", first).count("II") == 2  # its place and the rhythm strip
    assert len(re.findall(r">(I|II|III|aV[RLF]|V[1-6])</text>", first)) == 13
    width, height = page_size()
    assert f'viewBox="0 0 {width} {height}"' in first


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


def test_every_case_is_shown_and_found(write_run, tmp_path):
    truths = [TRUTHS[0] | {"record": f"r{i}", "diagnoses": [f"made-up diagnosis {i}"]} for i in range(20)]
    write_split(tmp_path / "corpus" / "held-out", truths)  # over the fixture's
    run = write_run("a", {row["record"]: RIGHT["r0"] for row in truths})
    compared([run], tmp_path / "out", resamples=10)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<article") == 20
    assert page.count('data-truth="made-up diagnosis 7"') == 1
    assert "<option>made-up diagnosis 7</option>" in page


def test_a_case_shows_each_record_of_its_example_and_the_question_where_questions_differ(write_run, tmp_path):
    examples = [
        {"id": "q0", "records": ["r0"], "question": "Is the rhythm <sinus>?"},
        {"id": "q1", "records": ["r0", "r1"], "question": "What has changed?"},
    ]
    write_split(tmp_path / "corpus" / "held-out", TRUTHS, examples)
    compared([write_run("a", {"q0": RIGHT["r0"], "q1": RIGHT["r0"]})], tmp_path / "out", resamples=10)
    page = (tmp_path / "out" / "report.html").read_text()
    (both,) = [part for part in page.split("<article") if "What has changed?" in part]
    assert both.count('<div class="ecg"') == 2
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

    assert "Different" not in told(0.0004)["kinds"]
    assert "values quoted per answer +0.2" in told(0.2)["kinds"]["Different"]
