"""Files of answers in the shapes of the field: each answer is put to its example, or the row is named."""

import json

import pytest

torch = pytest.importorskip("torch")

from ecg_r1.corpus.store import RecordStore
from ecg_r1.errors import UserError
from ecg_r1.evaluation.given import read_given
from ecg_r1.runs.read import RunError

from .conftest import RIGHT, STOCK, TRUTHS, compared, lines, write_split

QUESTION = "Interpret this ECG."
SHAPES = {  # as each program writes the answer of record r0
    "llava": {"question_id": "r0", "prompt": f"<image>\n{QUESTION}", "text": "…", "answer_id": "x", "model_id": "GEM",
              "metadata": {}},
    "gem": {"id": "r0", "GEM_generated": "…", "report": "sinus rhythm"},
    "gem, another model": {"id": "r0", "Model_generated": "…"},
    "ms-swift": {"response": "…", "labels": "normal ECG", "images": [{"bytes": None, "path": "/a/r0.png"}], "messages":
                 [{"role": "user", "content": f"<image>{QUESTION}"}, {"role": "assistant", "content": "…"}]},
    "ms-swift with signals": {"response": "…", "images": [], "objects": {"ecg": ["files/p1/r0"]},
                              "messages": [{"role": "user", "content": f"<ecg>{QUESTION}"}]},
    "this package": {"example": "r0", "prompt": QUESTION, "completion": "…", "tokens": 12, "cut": False},
    "records and question": {"records": ["r0"], "question": QUESTION, "prediction": "…"},
    "vLLM's batches": {"id": "r0", "output": "…", "finish_reason": "length"},
}  # fmt: skip


def rows_of(shape, texts):
    """The shape's row for each record."""
    written = json.dumps(SHAPES[shape], ensure_ascii=False)
    return [json.loads(written.replace('"…"', json.dumps(text)).replace("r0", name)) for name, text in texts.items()]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read(split_folder, tmp_path, shape):
    path = tmp_path / "answers.jsonl"
    lines(path, rows_of(shape, RIGHT))
    found = read_given(path, RecordStore(split_folder))
    assert {row.example: row.completion for row in found} == RIGHT
    assert [row.cut for row in found] == [shape == "vLLM's batches"] * 3


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".parquet"])
def test_however_the_rows_are_packed(split_folder, tmp_path, ending):
    from ecg_r1.datasets.rows import write_rows

    write_rows(tmp_path / f"a{ending}", rows_of("gem", RIGHT), lines=ending == ".jsonl")
    assert len(read_given(tmp_path / f"a{ending}", RecordStore(split_folder))) == 3


def test_ecg_qa_answers_are_named_by_their_sample(tmp_path):
    examples = [
        {"id": f"ecgqa-{k}", "records": [f"r{k % 2}"], "question": "Rate?", "extra": {"row": {"sample_id": 100 + k}}}
        for k in range(3)
    ]
    split = write_split(tmp_path / "qa", TRUTHS, examples)
    lines(tmp_path / "a.jsonl", [{"sample_id": 102 - k, "response": str(k)} for k in range(3)])
    found = read_given(tmp_path / "a.jsonl", RecordStore(split))
    assert [(row.example, row.completion) for row in found] == [("ecgqa-2", "0"), ("ecgqa-1", "1"), ("ecgqa-0", "2")]


def test_questions_under_one_id_are_answered_in_turn(tmp_path):
    examples = [{"id": name, "records": ["r0"], "question": name} for name in ("q", "q#2", "other")]
    split = write_split(tmp_path / "twice", TRUTHS, examples)
    lines(tmp_path / "a.jsonl", [{"id": "q", "text": "1"}, {"id": "other", "text": "2"}, {"id": "q", "text": "3"}])
    found = read_given(tmp_path / "a.jsonl", RecordStore(split))
    assert [(row.example, row.completion) for row in found] == [("q", "1"), ("other", "2"), ("q#2", "3")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "r9", "text": "x"}, "'r9' is no example of"),
        ({"id": "r0", "answers": "x"}, "no answer: give one of completion, text"),
        ({"text": "x"}, "names no example: give one of example, question_id, sample_id, id, or the records with"),
        ({"id": "r0", "prompt": "What is the QRS duration?", "text": "x"}, "answers another question than 'r0'"),
        ({"id": ["r0"], "text": {"a": 1}}, "names no example"),
    ],
)
def test_a_row_that_is_about_nothing_is_named(split_folder, tmp_path, row, said):
    lines(tmp_path / "a.jsonl", [{"id": "r1", "text": "normal ECG"}, row])
    with pytest.raises(RunError) as refused:
        read_given(tmp_path / "a.jsonl", RecordStore(split_folder))
    assert f"a.jsonl:2: {said}" in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", "[1]", "{", '[{"id": "r0", "text": "x"}] {"id": "r1"}', "\x00"])
def test_a_file_that_holds_something_else_is_one_line(split_folder, tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(RunError, match=r"a\.json"):
        read_given(tmp_path / "a.json", RecordStore(split_folder))


def test_a_file_stands_in_one_table_with_a_run(write_run, split_folder, tmp_path):
    run = write_run("sft", STOCK)
    path = tmp_path / "gem.jsonl"
    lines(path, rows_of("llava", RIGHT))
    found = compared([run, path], tmp_path / "out")
    assert found["models"]["gem"]["supported"] == 1.0
    assert found["paired"]["gem - sft"]["supported"]["difference"] > 0
    lines(path, rows_of("llava", STOCK))  # another file at the same path
    found = compared([run, path], tmp_path / "out")
    assert found["models"]["gem"]["supported"] == found["models"]["sft"]["supported"]


def test_a_file_that_lacks_an_answer_is_refused(split_folder, tmp_path):
    lines(tmp_path / "gem.jsonl", rows_of("llava", RIGHT)[:2])
    with pytest.raises(UserError, match=r"1 examples without an answer, e\.g\. r2"):
        compared([tmp_path / "gem.jsonl"], tmp_path / "out", corpus=str(split_folder))


def test_a_file_alone_needs_a_split(split_folder, tmp_path):
    lines(tmp_path / "gem.jsonl", rows_of("llava", RIGHT))
    with pytest.raises(UserError, match="name one with `corpus:`"):
        compared([tmp_path / "gem.jsonl"], tmp_path / "out")
