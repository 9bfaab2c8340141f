"""Constructed models: one reads the truth, one recites, one follows PR by half and its QT moves with PR."""

import json

import numpy as np
import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.evaluation.metrics import judge
from ecg_r1.evaluation.probe.follow import series
from ecg_r1.evaluation.probe.hearts import build_hearts
from ecg_r1.evaluation.probe.page import print_probe, probe_page
from ecg_r1.evaluation.probe.run import probed
from ecg_r1.recipe import ProbeRecipe
from ecg_r1.runs.predictions import Prediction

HEARTS = 3
QUANTITIES = {
    "heart_rate_bpm": "Rate {:.1f} bpm.",
    "pr_ms": "PR interval {:.1f} ms.",
    "qrs_ms": "QRS duration {:.1f} ms.",
    "qt_ms": "QT interval {:.1f} ms.",
    "axis_deg": "QRS axis {:.1f}°.",
}


def recipe(folder, **keys):
    given = {"stage": "probe", "models": ["m"], "out": str(folder), "hearts": {"simulate": HEARTS}, "resamples": 500}
    return ProbeRecipe.model_validate(given | keys)


@pytest.fixture(scope="module")
def hearts(tmp_path_factory) -> RecordStore:
    return build_hearts(recipe(tmp_path_factory.mktemp("probe"), page_size=56))


def text(values, st, diagnoses):
    said = [form.format(values[name]) for name, form in QUANTITIES.items() if values.get(name) is not None]
    said += ["PR interval not measurable."] * (values.get("pr_ms") is None)
    return f"<think>{' '.join(said)} ST level in V1-V4 {st:.2f} mV.</think><answer>{'; '.join(diagnoses)}</answer>"


def answers(store, say):
    """What `say(case)` writes of each example."""
    rows = [Prediction(e, "?", say(store.case(e)), 9, cut=False) for e in store.example_ids]
    return judge(rows, store)


def level(case):
    return np.mean([case.measurements.in_lead("st_mv", lead).value for lead in ("V1", "V2", "V3", "V4")])


def true(case, **over):
    values = {name: case.measurements.value(name) for name in QUANTITIES}
    return values | {name: change(values) for name, change in over.items()}


def reads(case):
    return text(true(case), level(case), case.diagnoses)


def recites(case):
    return text({"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 90, "qt_ms": 400, "axis_deg": 30}, 0.05, ["normal ECG"])


def half(case):
    """PR by half, and a QT that rises by 2 ms for each 10 of PR."""
    changed = {
        "pr_ms": lambda v: v["pr_ms"] and 100 + v["pr_ms"] / 2,
        "qt_ms": lambda v: v["qt_ms"] + (v["pr_ms"] or 0) / 5,
    }
    return text(true(case, **changed), level(case), case.diagnoses)


@pytest.fixture(scope="module")
def result(hearts):
    models = {"reads": reads, "recites": recites, "half": half}
    return probed(recipe("unused"), hearts, {name: answers(hearts, say) for name, say in models.items()})


MOVED = ("pr_ms", "qrs_ms", "qt_ms", "heart_rate_bpm", "axis_deg", "st_mv")


@pytest.mark.parametrize("move", MOVED)
def test_who_reads_the_truth_has_slope_one_and_who_recites_has_zero(result, move):
    for model, slope in (("reads", 1.0), ("recites", 0.0)):
        found = result["moves"][move]["models"][model]["follows"][move]
        assert found["slope"]["value"] == pytest.approx(slope, abs=0.02)
        assert found["slope"]["low"] <= found["slope"]["value"] <= found["slope"]["high"]
        assert found["slope"]["high"] - found["slope"]["low"] < 0.04
        assert found["quoted"] == 1
    assert result["moves"][move]["models"]["reads"]["follows"][move]["offset"]["value"] == pytest.approx(0, abs=0.05)


def test_who_reads_the_truth_has_no_cross_talk(result):
    for name, move in result["moves"].items():
        for quantity, found in move["models"]["reads"]["cross_talk"].items():
            assert abs(found["value"]) < 0.02 * found["tolerance"], (name, quantity)


def test_cross_talk_and_slopes_between_are_seen(result):
    pr = result["moves"]["pr_ms"]["models"]["half"]
    assert pr["follows"]["pr_ms"]["slope"]["value"] == pytest.approx(0.5, abs=0.01)
    assert pr["cross_talk"]["qt_ms"]["value"] == pytest.approx(160 / 5, abs=0.5)
    assert abs(pr["cross_talk"]["qrs_ms"]["value"]) < 0.5
    difference = result["moves"]["pr_ms"]["paired"]["half - recites"]["pr_ms"]
    assert difference["difference"] == pytest.approx(0.5, abs=0.02)
    assert 0 < difference["low"] <= difference["high"]


def test_who_recites_has_the_cross_talk_that_a_constant_has(result):
    recited = result["moves"]["pr_ms"]["models"]["recites"]["cross_talk"]
    assert all(abs(found["value"]) < 1 for found in recited.values())  # the others stay, and so do the quotes


def test_diagnoses_flip_at_their_criterion(result):
    for move, event, limit in (
        ("pr_ms", "first-degree AV block", 200),
        ("heart_rate_bpm", "bradycardia", 60),
        ("heart_rate_bpm", "tachycardia", 100),
        ("axis_deg", "left axis deviation", -30),
        ("axis_deg", "right axis deviation", 90),
        ("qrs_ms", "broad-QRS block", 120),
    ):
        found = result["moves"][move]["models"]["reads"]["flips"][event]
        assert found["limit"] == limit
        assert found["holds"]["value"] == 1
        step = np.diff(result["moves"][move]["steps"])[0]
        assert found["at"]["value"] == pytest.approx(limit, abs=step), event
        stays = result["moves"][move]["models"]["recites"]["flips"][event]
        assert (stays["holds"]["value"], stays["otherwise"]["value"], stays["at"]) == (0, 0, None)


def test_fibrillation_and_st_elevation_flip(result):
    for move in ("fibrillation", "st_mv", "qt_ms"):
        (found,) = result["moves"][move]["models"]["reads"]["flips"].values()
        assert (found["holds"]["value"], found["otherwise"]["value"]) == (1, 0)


def test_nothing_said_is_not_followed(hearts):
    silent = answers(hearts, lambda case: "<think>An ECG.</think><answer>normal ECG</answer>")
    result = probed(recipe("unused"), hearts, {"silent": silent})
    assert result["moves"]["pr_ms"]["models"]["silent"]["follows"] == {}
    assert json.dumps(result, allow_nan=False)
    assert "0%" not in probe_page(result)[:200]
    print_probe(result)


def test_the_page_has_a_figure_of_each_quantity_and_escapes_names(result, hearts):
    page = probe_page(result)
    for title in (
        "PR interval quoted, ms",
        "QRS duration quoted",
        "Axis quoted",
        "Share that asserts atrial fibrillation",
    ):
        assert f"<figcaption>{title}" in page
    named = probed(recipe("unused"), hearts, {"<b>&": answers(hearts, recites)})
    assert "<b>&" not in probe_page(named)
    assert "&lt;b&gt;&amp;" in probe_page(named)


def test_hearts_are_clusters(hearts):
    rows = answers(hearts, reads)
    for one in series(hearts, rows):
        assert one.count == HEARTS
        assert len(one.rows) == HEARTS * (2 if one.move.name == "fibrillation" else 6)
