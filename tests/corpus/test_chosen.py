"""What a recipe chooses: balanced records, those that agree with their label, families and forms of questions."""

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.corpus.balance import balanced_sample
from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.text.conflicts import Conflict
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.errors import UserError
from ecg_r1.recipe import CorpusRecipe, RecipeError, read_recipe
from ecg_r1.scoring import Completion, load_reward


def counts(labels, count, seed=0):
    places = balanced_sample(labels, count, np.random.default_rng(seed))
    assert places == sorted(set(places))
    return Counter(name for place in places for name in labels[place])


def test_each_statement_is_drawn_as_often_as_records_allow():
    labels = [["normal"]] * 80 + [["AF"]] * 6 + [["LBBB"]] * 2
    assert counts(labels, 6) == {"AF": 2, "LBBB": 2, "normal": 2}
    assert counts(labels, 10) == {"AF": 4, "LBBB": 2, "normal": 4}  # there are two of LBBB
    assert counts(labels, 20) == {"AF": 6, "LBBB": 2, "normal": 12}
    assert counts(labels, 500) == {"AF": 6, "LBBB": 2, "normal": 80}


def test_a_record_of_two_statements_counts_for_both():
    labels = [["AF", "LBBB"], ["normal"], ["normal"], ["AF"], ["LBBB"]]
    for seed in range(9):
        found = counts(labels, 2, seed)
        assert found["normal"] <= 1
        assert found["AF"] + found["LBBB"] >= 1


def test_records_without_a_statement_come_last_and_the_draw_is_the_seed_s():
    labels = [[]] * 5 + [["AF"]] * 2
    assert balanced_sample(labels, 2, np.random.default_rng(0)) == [5, 6]
    assert len(balanced_sample(labels, 4, np.random.default_rng(0))) == 4
    many = [["a"]] * 50 + [["b"]] * 50
    one, again, other = (balanced_sample(many, 10, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(
    "source",
    [
        {"records": "r", "balanced": True},
        {"simulate": 5, "balanced": True},
        {"records": "r", "limit": 5, "examples": "e.jsonl", "balanced": True},
    ],
)
def test_balanced_without_a_limit_is_refused(source, tmp_path):
    file = tmp_path / "corpus.yaml"
    file.write_text(json.dumps({"stage": "corpus", "out": "o", "splits": {"a": [source]}}))
    with pytest.raises(RecipeError, match="balanced"):
        read_recipe(str(file), [])


def built(tmp_path, name, **options):
    recipe = {"stage": "corpus", "out": str(tmp_path / name), "page_size": 32, "pages": "drawn", "workers": 1,
              "executor": "here", "cache": str(tmp_path / "cache"), "splits": {"a": [{"simulate": 11}]}}  # fmt: skip
    (folder,) = build(CorpusRecipe.model_validate(recipe | options))
    return RecordStore(folder)


def test_questions_alone_of_one_form(tmp_path):
    store = built(tmp_path, "choice", reports={"questions": 2, "forms": ["choice"], "report": False})
    assert len(store.examples) > 8
    for example in store.examples:
        assert example.extra["task"]["type"] == "multiple-choice"
        assert example.extra["answer"] in "ABCD"
    with pytest.raises(ValueError, match="leaves the `questions` alone"):
        built(tmp_path, "none", reports={"report": False})


def test_a_record_whose_label_and_signal_disagree_is_quarantined_with_the_reason(tmp_path, monkeypatch):
    def disagreeing(subject):
        if "atrial fibrillation" in subject.diagnoses:  # the simulator's own records agree with their labels
            yield Conflict("atrial fibrillation", "what must be absent is there", ("p_ms 100 ms",))

    monkeypatch.setattr("ecg_r1.corpus.make.conflicts", disagreeing)
    whole = built(tmp_path, "all")
    listed = {json.loads(line)["record"] for line in (whole.folder / "conflicts.jsonl").open()}
    assert len(listed) == 1
    strict = built(tmp_path, "strict", refuse_conflicts=True)
    assert set(strict.ids) == set(whole.ids) - listed
    (row,) = map(json.loads, (strict.folder / "quarantine.jsonl").open())
    assert row["quarantined"] == "label and signal disagree: atrial fibrillation: what must be absent is there"


@pytest.mark.parametrize("code", ["en", "de", "zh"])
def test_a_question_about_a_finding_says_what_it_means_and_where_it_is(tmp_path, code):
    asked = {"questions": 3, "families": ["morphology"], "forms": ["open", "closed", "fill"], "report": False}
    plain = built(tmp_path, "plain", reports=asked | {"language": code})
    knowing = built(tmp_path, "knowing", reports=asked | {"language": code, "knowledge": True})
    assert plain.example_ids.array.to_pylist() == knowing.example_ids.array.to_pylist()
    located = 0
    for one, other in zip(plain.examples, knowing.examples, strict=True):
        means, _, question = other.question.partition("\n")
        assert question == one.question
        assert "mV" in means or "ms" in means
        assert (one.response, one.expected) == (other.response, other.expected)
        if leads := one.expected.get("leads"):
            located += 1
            score = load_reward("localisation")(Completion.parse(one.response), plain.case(one.id))
            assert score.value == 1, (one.response, leads)
    assert located


@pytest.mark.parametrize("code", ["en", "de", "zh"])
def test_a_question_about_premature_beats_says_when_they_come(tmp_path, code):
    asked = {"questions": 4, "families": ["beats"], "report": False, "language": code, "knowledge": True}
    names = ["ventricular premature complex", "supraventricular premature complex", "normal ECG", "atrial fibrillation"]
    store = built(tmp_path, "beats", reports=asked, splits={"a": [{"simulate": 16, "diagnoses": names}]})
    types, placed = set(), 0
    for example in store.examples:
        assert "85" in example.question
        types.add(example.extra["task"]["type"])
        at = store.case(example.id).measurements.premature_at
        if windows := example.expected.get("windows"):
            placed += 1
            assert [start < one < stop for one, (start, stop) in zip(at, windows, strict=True)] == [True] * len(at)
            score = load_reward("localisation")(Completion.parse(example.response), store.case(example.id))
            assert score.value == 1, (example.response, windows)
        elif example.extra["task"]["type"] == "open-ended":
            assert not at
    assert placed >= 8
    assert len(types) == 4


def test_of_a_short_record_no_part_is_asked_for_that_it_lacks(tmp_path):
    for k, one in enumerate(simulate(12, seed=3, diagnoses=("ventricular premature complex",))):
        short = replace(one.record, record_id=f"r{k}", samples=2600, signal=one.record.signal[:, :2600])
        write_record(short, tmp_path / "records")
    asked = {"questions": 2, "families": ["beats"], "report": False}
    store = built(tmp_path, "short", reports=asked, splits={"a": [{"records": str(tmp_path / "records")}]})
    parts = {part for one in store.examples for part in re.findall(r"\d-\d s", one.question)}
    assert parts == {"0-2 s", "2-4 s"}


def test_the_simulator_takes_the_diagnoses_of_a_source_in_turn(tmp_path):
    names = ["third-degree AV block", "left bundle branch block; atrial fibrillation"]
    store = built(tmp_path, "chosen", splits={"a": [{"simulate": 4, "diagnoses": names}]})
    assert [set(store.case(example.id).diagnoses) for example in store.examples] == [
        {"third-degree AV block"}, {"left bundle branch block", "atrial fibrillation"},
    ] * 2  # fmt: skip
    with pytest.raises(UserError, match="no simulated population 'wrong'"):
        built(tmp_path, "wrong", splits={"a": [{"simulate": 4, "diagnoses": ["wrong"]}]})
    with pytest.raises(ValueError, match="`diagnoses` is for `simulate: N`"):
        built(tmp_path, "records", splits={"a": [{"records": str(tmp_path), "diagnoses": names}]})
