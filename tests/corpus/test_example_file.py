"""Examples that a researcher brings: several of one record, one of several records, and every mistake named."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.formats import read_examples
from ecg_r1.datasets.item import FormatError
from ecg_r1.ecg.record import RecordError, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import CorpusRecipe, RecipeError

LINES = [
    {"record": "r1", "question": "Rate?", "response": "75 bpm"},
    {"id": "choice", "record": "r1", "question": "A or B?", "extra": {"answer": "A"}},
    {"records": ["r2", "r1"], "question": "Which is faster?", "expected": {"leads": ["II"]}},
]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    record = next(simulate(1, seed=3)).record
    for name in ("r0", "r1", "r2"):
        write_record(dataclasses.replace(record, record_id=name), folder)
    cut = write_record(dataclasses.replace(record, record_id="bad"), folder).with_name("bad.dat")
    cut.write_bytes(cut.read_bytes()[:1000])
    write_record(dataclasses.replace(record, record_id="unlabelled", diagnoses=()), folder)
    return folder


def built(records, tmp_path, lines=LINES, more=(), **source):
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sources = [{"records": str(records), "examples": str(file), **source}, *more]
    values = {"stage": "corpus", "out": str(tmp_path / "out"), "page_size": 32, "workers": 1}
    (folder,) = build(CorpusRecipe.model_validate(values | {"splits": {"train": sources}}))
    return RecordStore(folder)


def test_several_examples_of_one_record_share_what_is_stored_of_it(records, tmp_path):
    store = built(records, tmp_path)
    assert list(store.ids) == ["r1", "r2"]  # what nobody asks about is not read
    assert list(store.examples) == [
        Example("own-1", ("r1",), "Rate?", "75 bpm"),
        Example("choice", ("r1",), "A or B?", extra={"answer": "A"}),
        Example("own-3", ("r2", "r1"), "Which is faster?", expected={"leads": ["II"]}),
    ]
    assert store.case("choice").extra == {"answer": "A"}
    assert [case.record_id for case in store.case("own-3").others] == ["r1"]


def test_own_questions_beside_the_reports_on_the_same_records(records, tmp_path):
    store = built(records, tmp_path, more=[{"records": str(records)}])
    assert sorted(store.ids) == ["r0", "r1", "r2"]
    assert [example.id for example in store.examples] == ["r1", "r2", "r0", "own-1", "choice", "own-3"]
    assert store.example("r0").response.startswith("<think>")


def test_an_example_whose_record_is_quarantined_is_left_out_and_counted(records, tmp_path):
    store = built(records, tmp_path, [*LINES, {"records": ["r0", "bad"], "question": "Which?"}])
    assert len(store.examples) == len(LINES)
    counts = json.loads((store.folder / "complete.json").read_text())
    assert (counts["examples"], counts["examples_left_out"], counts["quarantined"]) == (3, 1, 1)
    assert json.loads((store.folder / "left-out.jsonl").read_text()) == {"example": "own-4", "records": ["bad"]}


def test_a_question_needs_no_label(records, tmp_path):
    store = built(records, tmp_path, [{"record": "unlabelled", "question": "Rate?"}])
    assert store.diagnoses("unlabelled") == ()


def test_a_limit_draws_examples(records, tmp_path):
    lines = [{"record": "r1", "question": f"Question {k}?"} for k in range(20)]
    store = built(records, tmp_path, lines, limit=4)
    drawn = [int(example.id.removeprefix("own-")) for example in store.examples]
    assert drawn == sorted(drawn)
    assert drawn != [1, 2, 3, 4]
    assert len(drawn) == 4


def test_another_text_of_the_file_is_another_split(records, tmp_path):
    built(records, tmp_path)
    with pytest.raises(RecipeError, match="holds a split of another recipe"):
        built(records, tmp_path, LINES[:2])


def test_a_report_and_an_example_of_one_id(records, tmp_path):
    with pytest.raises(RecordError, match="r0: its report has the id of an example"):
        built(records, tmp_path, [LINES[0] | {"id": "r0"}], more=[{"records": str(records)}])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"question": "Rate?"}, 'needs either "record", an id, or "records"'),
        ({"record": "r1", "records": ["r1"], "question": "Rate?"}, 'needs either "record"'),
        ({"record": "r11", "question": "Rate?"}, "no record 'r11' in this source — did you mean \"r1\"?"),
        ({"records": [], "question": "Rate?"}, r"not \[\]"),
        ({"records": ["r1", 2], "question": "Rate?"}, r"not \['r1', 2\]"),
        ({"record": ["r1"], "question": "Rate?"}, '"record" is an id'),
        ({"record": "r1"}, '"question" is a text, not None'),
        ({"record": "r1", "question": " "}, '"question" is a text'),
        ({"record": "r1", "question": "Rate?", "response": 75}, '"response" is a text, not 75'),
        ({"record": "r1", "question": "Rate?", "id": 7}, '"id" is a text, not 7'),
        ({"record": "r1", "question": "Rate?", "id": "choice"}, "\"id\" 'choice' occurs twice"),
        ({"record": "r1", "question": "Rate?", "expected": ["rate"]}, '"expected" is an object'),
        ({"record": "r1", "question": "Rate?", "extra": None}, '"extra" is an object'),
        ({"record": "r1", "question": "Rate?", "extra": {"x": float("nan")}}, "NaN is not a number"),
        ({"record": "r1", "question": "Rate?", "answer": "A"}, "unknown key 'answer'"),
        ({"record": "r1", "qestion": "Rate?"}, "unknown key 'qestion' — did you mean \"question\"?"),
    ],
)
def test_a_mistake_is_named_with_its_line_before_anything_is_built(records, tmp_path, line, message):
    with pytest.raises(FormatError, match=rf"own\.jsonl:4: .*{message}"):
        built(records, tmp_path, [*LINES, line])
    assert not (tmp_path / "out").exists()


def test_the_lines_of_the_documentation_are_taken(tmp_path):
    howto = Path(__file__).parents[2] / "docs" / "howto.md"
    (lines,) = (block for block in re.findall(r"```json\n(.*?)```", howto.read_text(), re.DOTALL) if "record" in block)
    (tmp_path / "questions.jsonl").write_text(lines)
    read = list(read_examples(tmp_path / "questions.jsonl", ["00001_hr", "00002_hr"], set()))
    assert [len(example.records) for example in read] == [1, 2]


def test_a_file_that_is_not_there(records, tmp_path):
    values = {"stage": "corpus", "out": str(tmp_path / "out"), "page_size": 32, "workers": 1}
    source = {"records": str(records), "examples": str(tmp_path / "gone.jsonl")}
    with pytest.raises(FormatError, match=r"gone\.jsonl: no such file"):
        build(CorpusRecipe.model_validate(values | {"splits": {"train": [source]}}))


@pytest.mark.parametrize("key", ["examples", "folds", "limit"])
def test_what_a_simulated_source_cannot_have_is_refused(key):
    source = {"simulate": 2, key: {"examples": "own.jsonl", "folds": [1], "limit": 1}[key]}
    with pytest.raises(ValueError, match=f"`{key}` is for `records: FOLDER`"):
        CorpusRecipe.model_validate({"stage": "corpus", "out": "out", "splits": {"train": [source]}})
