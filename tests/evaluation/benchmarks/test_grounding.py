"""Boxes of a finding on the page, their IoU and average precision, on worked numbers."""

import json

import pytest

from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.paper import Paper
from ecg_r1.evaluation.benchmarks.grounding import Box, average_precision, box_iou, boxes, hits, score
from ecg_r1.evaluation.benchmarks.grounding_set import located
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.recipe import CorpusRecipe


def test_a_window_of_a_lead_is_a_box_in_each_of_its_cells():
    """3x4 at 25 mm/s: margin 5, pulse 2.5 + 5 + 2.5, so traces begin at 15 mm; V1 is the third column, top row."""
    (box,) = boxes(Paper(), {"V1"}, [(5.2, 5.6)])
    assert box == pytest.approx((15 + 5.2 * 25, 5, 15 + 5.6 * 25, 37.5))
    cell, strip = boxes(Paper(), {"ii"}, [(1.0, 3.0)])  # lead II stands in the first column and as the strip
    assert cell[0::2] == pytest.approx((15 + 25, 15 + 62.5))
    assert strip[0::2] == pytest.approx((15 + 25, 15 + 75))
    assert boxes(Paper(), {"V1"}, [(1.0, 2.0)]) == []  # the page shows V1 from 5 to 7.5 s


def test_iou_of_boxes():
    assert box_iou(Box(0, 0, 2, 1), Box(1, 0, 3, 1)) == pytest.approx(1 / 3)
    assert box_iou(Box(0, 0, 2, 2), Box(0, 0, 2, 2)) == 1
    assert box_iou(Box(0, 0, 1, 1), Box(2, 2, 3, 3)) == 0


def test_each_true_box_is_found_once():
    truth = [Box(0, 0, 2, 1), Box(5, 0, 7, 1)]
    assert hits([Box(0, 0, 2, 1), Box(0, 0, 2, 1), Box(6, 0, 8, 1)], truth) == [True, False, False]


def test_average_precision_of_voc():
    # By confidence: hit, miss, hit of 3 truths: recall 1/3, 1/3, 2/3, precision 1, 1/2, 2/3.
    assert average_precision([(0.9, True), (0.8, False), (0.7, True)], 3) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision([(1.0, True), (1.0, False)], 2) == pytest.approx(0.5 * 0.5)
    assert average_precision([], 2) == 0


def test_answers_are_placed():
    items = [
        {"id": "a", "finding": "st_elevation", "leads": ["V1", "V2"], "windows": [[5.0, 6.0]], "seen": True},
        {"id": "b", "finding": "pvc", "windows": [[2.0, 2.4]], "seen": False},
    ]
    answers = [
        {"id": "a", "text": "<answer>ST elevation in V1 from 5.0 to 6.0 s, not in V3.</answer>"},
        {"id": "b", "text": "No ectopic beat is seen."},
    ]
    found = score(items, answers)
    assert found["seen"] == {"answers": 1, "lead_jaccard": 0.5, "temporal_iou": 1.0, "box_iou": 0.5, "ap50": 0.5}
    assert found["unseen"]["ap50"] == found["by_finding"]["pvc"]["temporal_iou"] == 0
    with pytest.raises(BenchmarkError, match="needs `leads` or `windows`"):
        score([{"id": "a"}], answers[:1])
    with pytest.raises(BenchmarkError, match="list of"):
        score([{"id": "a", "windows": [3]}], answers[:1])


def test_a_split_that_asks_when_premature_beats_come_is_a_benchmark(tmp_path):
    recipe = {"stage": "corpus", "out": str(tmp_path / "beats"),
              "splits": {"one": [{"simulate": 6, "diagnoses": ["ventricular premature complex"]}]},
              "reports": {"report": False, "questions": 1, "families": ["beats"], "forms": ["fill"]}}  # fmt: skip
    (folder,) = build(CorpusRecipe.model_validate(recipe))
    asked = RecordStore(folder).examples
    rows = [{"example": example.id, "completion": example.response} for example in asked]
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    figures = score(*located(folder, answers))["by_finding"]["premature_beats"]
    assert (figures["answers"], figures["temporal_iou"], figures["ap50"]) == (len(asked), 1.0, 1.0)
    late = [row | {"completion": "<answer>0.05-0.1 s</answer>"} for row in rows]
    answers.write_text("".join(json.dumps(row) + "\n" for row in late), encoding="utf-8")
    assert score(*located(folder, answers))["temporal_iou"] < 0.1


def test_a_split_that_asks_for_leads_is_a_benchmark_with_known_and_unseen_findings(tmp_path):
    reports = {"report": False, "questions": 1, "families": ["morphology"], "forms": ["fill"]}

    def split(name, **chosen):
        recipe = {"stage": "corpus", "out": str(tmp_path / name), "splits": {"one": [{"simulate": 24}]}}
        (folder,) = build(CorpusRecipe.model_validate(recipe | {"reports": reports | chosen}))
        return folder, RecordStore(folder).examples

    train, learned = split("train", findings=["st_elevation"])
    test, asked = split("test")
    assert {example.extra["finding"] for example in learned} == {"st_elevation"}
    assert {example.extra["finding"] for example in asked} > {"st_elevation"}
    answers = tmp_path / "answers.jsonl"
    rows = [{"example": example.id, "completion": example.response} for example in asked]
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    figures = score(*located(test, answers, train))
    assert figures["lead_jaccard"] == figures["seen"]["ap50"] == figures["unseen"]["lead_jaccard"] == 1
    assert figures["answers"] == len(asked) == figures["seen"]["answers"] + figures["unseen"]["answers"]
    assert "seen" not in score(*located(test, answers))
    answers.write_text(json.dumps(rows[0]) + "\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="no answer to"):
        located(test, answers)
