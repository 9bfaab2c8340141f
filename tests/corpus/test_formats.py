"""Each format of examples: recognised, read, and written again as it was; what is made here is written in each."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecg_r1.datasets.card import find_card
from ecg_r1.datasets.entry import Entry
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.formats import FORMATS, as_row, format_named, read_examples, read_items
from ecg_r1.datasets.item import FormatError, Media
from ecg_r1.datasets.references import References
from ecg_r1.datasets.rows import read_rows, write_rows

LANG = Path(os.environ.get("ECG_R1_LANG", Path(__file__).parents[2] / "../shared/lang"))
GROUNDING = {
    "id": "mimic-40689238",
    "ecg": "mimic-iv/files/p1000/p10000032/s40689238/40689238",
    "image": "gen_images/mimic_gen/40689238-0.png",
    "machine_measurements": {"Heart Rate (bpm)": 91, "Lead I": {"P Amplitude (mV)": "[0.1, 0.11]"}},
    "report": "Sinus rhythm; Borderline ECG.",
    "conversations": [
        {"from": "human", "value": "<image>\nInterpret this ECG."},
        {"from": "gpt", "value": "Sinus rhythm at 91 bpm."},
    ],
}
INSTRUCT = {
    "id": "ptb-xl-05742",
    "image": "ptb-xl/05742_hr-0.png",
    "conversations": [
        {"from": "human", "value": "<image>\nIs the rhythm regular?"},
        {"from": "gpt", "value": "Yes."},
        {"from": "human", "value": "And the axis?"},
        {"from": "gpt", "value": "Normal."},
    ],
    "metadata": {"subtask": "rhythm", "type": "close-ended"},
    "source": "ptb-xl",
}
CHOICE = {
    "id": "JS10001-0",
    "image": "test_images/csn_v4/JS10001-0.png",
    "conversations": [
        {"from": "human", "value": "<image>\nWhich one?\nA. Normal\nB. Atrial fibrillation\nC. Pacing"},
        {"from": "gpt", "value": "B. Atrial fibrillation"},
    ],
}
MMMU = {
    "No": 7,
    "image": "test_images/mmmu/7.png",
    "conversations": [{"from": "human", "value": "<image>\nA. x\nB. y"}, {"from": "gpt", "value": "A"}],
}
ARENA = {
    "id": "arena-1",
    "image": "test_images/arena/00012_hr-0.png",
    "conversations": [{"question": "<image>\nRate?", "answer": "75"}, {"question": "Normal?", "answer": "Yes."}],
}
REPORT = {
    "id": "ptb-report-07190_hr-0",
    "image": "test_images/ptb_test_v4/07190_hr-0.png",
    "conversation": [
        {"from": "user", "value": "Please write a report."},
        {"from": "assistant", "value": "Normal ECG."},
    ],
}
SOLUTION = (
    "<|answer|>sinus rhythm; first-degree AV block<|/answer|><|key_diagnostic_evidence|>"
    "step_1_technical_rate_rhythm: regular; 75 bpm\nstep_2_conduction_axis_intervals: PR prolonged\n"
    "step_3_chamber_hypertrophy_voltage: <|\\key_diagnostic_evidence|>"
)
PROTOCOL = {
    "id": "r-1",
    "messages": [
        {"role": "system", "content": "You are a clinical ECG assistant."},
        {"role": "user", "content": "<ecg><image>\nInterpret this ECG."},
        {"role": "assistant", "content": "<think>**Step 1: …**</think><answer>sinus rhythm</answer>"},
    ],
    "images": ["mimic_gen/40689238-0.png"],
    "objects": {"ecg": ["mimic-iv/files/p1000/p10000032/s40689238/40689238"]},
    "solution": SOLUTION,
}
QA = {
    "template_id": 69,
    "question_id": 2471,
    "sample_id": 80009,
    "question_type": "comparison_irrelevant-query",
    "attribute_type": "numeric_feature",
    "question": "What is new in the second ECG?",
    "answer": ["pr interval", "qt interval"],
    "ecg_id": [46, 81],
    "attribute": None,
}
QA_PATHS = QA | {"ecg_path": ["records500/00000/00046_hr", "records500/00000/00081_hr"]}
STEP = {"question": "Is it long?", "options": ["Yes", "No"], "answer": "Yes", "answer_idx": 0, "question_type": "x"}
REASONING = {
    "metadata": {
        "id": 0,
        "data_source": "ptbxl",
        "ecg_id": "13665",
        "target_dx": "first_degree_av_block",
        "path_idx": 0,
    },
    "data": {
        "initial_diagnostic_question": {"question": "AV block?", "options": ["Yes", "No"], "answer": "Yes"},
        "reasoning": [
            {
                "criterion_selection": STEP,
                "finding_identification": STEP,
                "ecg_grounding": [STEP | {"answer": ["Above 240ms"], "answer_idx": [2]}],
                "diagnostic_decision": STEP | {"question": "So?"},
            }
        ],
    },
}
SWIFT = {
    "messages": [{"role": "user", "content": "<image>Rate?"}, {"role": "assistant", "content": "75 bpm"}],
    "images": [{"path": "pages/00001_hr.png"}],
}
TRL = {
    "prompt": [{"role": "user", "content": "Rate?"}],
    "completion": [{"role": "assistant", "content": "75 bpm"}],
    "ecg": "00001_hr",
}
OWN = {"id": "q1", "records": ["00001_hr"], "question": "Rate?", "response": "75", "turns": [["Normal?", "Yes."]]}
# Format, a row of it, the keys of its records as the data set's card reads them, turns before the question.
ROWS = {
    "gem": ("gem", GROUNDING, "mimic-iv-ecg", ["40689238"], 0),
    "ecginstruct": ("ecginstruct", INSTRUCT, "ptb-xl", ["5742"], 1),
    "ecgbench-choice": ("ecgbench", CHOICE, "chapman-shaoxing-ningbo", ["js10001"], 0),
    "ecgbench-mmmu": ("ecgbench", MMMU, "table", ["7"], 0),
    "ecgbench-arena": ("ecgbench", ARENA, "ptb-xl", ["12"], 1),
    "ecgbench-report": ("ecgbench", REPORT, "ptb-xl", ["7190"], 0),
    "ecg-r1": ("ecg-r1", PROTOCOL, "mimic-iv-ecg", ["40689238"], 0),
    "ecg-qa": ("ecg-qa", QA, "ptb-xl", ["46", "81"], 0),
    "ecg-qa-paths": ("ecg-qa", QA_PATHS, "ptb-xl", ["46", "81"], 0),
    "ecg-reasoning": ("ecg-reasoning", REASONING, "ptb-xl", ["13665"], 4),
    "messages": ("messages", SWIFT, "ptb-xl", ["1"], 0),
    "trl": ("messages", TRL, "ptb-xl", ["1"], 0),
    "jsonl": ("jsonl", OWN, "ptb-xl", ["1"], 1),
}
MEDIA = Media(("ecg/a",), ("images/a.png",))


@pytest.fixture(params=ROWS)
def case(request):
    return ROWS[request.param]


def written(path: Path, rows: list[dict]) -> Path:
    lines = path.suffix == ".jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows, indent=1), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_a_row_is_recognised_read_and_written_as_it_was(case, ending, tmp_path):
    name, row, card, keys, turns = case
    ((where, found, item),) = read_items(written(tmp_path / f"rows{ending}", [row]))
    assert found is format_named(name), where
    assert [find_card(card).key(slot[0]) for slot in item.slots] == keys
    assert len(item.example.turns) == turns
    assert "<image>" not in item.example.question + "".join(question for question, _ in item.example.turns)
    example = dataclasses.replace(item.example, records=tuple(slot[0] for slot in item.slots))
    assert found.write(example, MEDIA) == row


def test_parquet_and_a_folder_of_datasets_hold_the_same_rows(case, tmp_path):
    name, row, *_ = case
    if "machine_measurements" in row:
        row = row | {"machine_measurements": {"Heart Rate (bpm)": 91}}
    datasets = pytest.importorskip("datasets")
    rows = [row, row | {"id": "another"} if "id" in row else row]
    write_rows(tmp_path / "rows.parquet", rows, lines=False)
    datasets.Dataset.from_parquet(str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path / "cache")).save_to_disk(
        str(tmp_path / "folder")
    )
    for path in (tmp_path / "rows.parquet", tmp_path / "folder"):
        found = [row for _, row in read_rows(path)]
        assert found[0] == {key: value for key, value in row.items() if value is not None}
        assert [made.name for _, made, _ in read_items(path)] == [name, name]


def test_a_picture_in_a_parquet_row_is_its_path(tmp_path):
    row = CHOICE | {"image": {"bytes": b"\x89PNG", "path": "JS10001-0.png"}}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "csn-test-no-cot.parquet")
    ((_, found, item),) = read_items(tmp_path / "csn-test-no-cot.parquet")
    assert (found.name, item.slots) == ("ecgbench", (("JS10001-0.png", "JS10001-0"),))


def test_a_choice_gives_the_letter_that_the_reward_asks_for(tmp_path):
    items = read_items(written(tmp_path / "x.json", [CHOICE, MMMU, INSTRUCT]))
    assert [item.example.extra.get("answer") for _, _, item in items] == ["B", "A", None]


def test_a_solution_becomes_what_is_expected(tmp_path):
    ((_, _, item),) = read_items(written(tmp_path / "x.jsonl", [PROTOCOL]))
    assert item.example.expected == {
        "diagnoses": ["sinus rhythm", "first-degree AV block"],
        "step_1_technical_rate_rhythm": ["regular", "75 bpm"],
        "step_2_conduction_axis_intervals": ["PR prolonged"],
    }
    assert item.example.extra["system"] == "You are a clinical ECG assistant."


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "ecg-reasoning"])
def test_what_is_made_here_is_read_back_by_the_format_that_it_is_written_in(name, tmp_path):
    made = Example("a", ("a",), "Read this ECG.", "PR 164 ms.", {"diagnoses": ["sinus rhythm"]})
    path = written(tmp_path / "made.json", [FORMATS[name].write(made, MEDIA)])
    ((_, found, item),) = read_items(path)
    assert found.name == name or (name, found.name) == ("ecgbench", "llava")
    assert (item.example.question, item.example.response) == (made.question, made.response)
    assert item.slots[0][0] in ("ecg/a", "images/a.png", "a")


def test_a_conversation_made_here_keeps_its_turns(tmp_path):
    made = Example("a", ("a",), "And the axis?", "Normal.", turns=(("Rate?", "75."), ("PR?", "164 ms.")))
    for name in ("gem", "llava", "ecginstruct", "messages", "ecg-r1", "jsonl"):
        ((_, _, item),) = read_items(written(tmp_path / "made.json", [FORMATS[name].write(made, MEDIA)]))
        assert (item.example.turns, item.example.question) == (made.turns, made.question), name


def test_a_row_of_one_project_is_written_for_another(tmp_path):
    ((_, _, item),) = read_items(written(tmp_path / "gem.json", [GROUNDING]))
    example = dataclasses.replace(item.example, records=("a",))
    assert as_row(example, FORMATS["ecginstruct"], MEDIA)["report"] == GROUNDING["report"]  # both are LLaVA's
    row = as_row(example, FORMATS["ecg-r1"], MEDIA)
    assert row["objects"] == {"ecg": ["ecg/a"]}
    assert [message["content"] for message in row["messages"]] == [
        "<ecg><image>\nInterpret this ECG.",
        "Sinus rhythm at 91 bpm.",
    ]
    assert row.keys() == {"id", "objects", "images", "messages"}


@pytest.mark.parametrize("name", ["ecg-qa", "ecg-reasoning"])
def test_what_a_format_cannot_hold_is_refused(name):
    made = Example("a", ("a",), "Rate?", "75", turns=(("PR?", "164"),))
    with pytest.raises(FormatError, match="a: "):
        FORMATS[name].write(made, MEDIA)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "x"}], r"rows\.json:1: a row with the keys 'text' is of no format that is read: .*GEM"),
        ([GROUNDING, {"id": "x"}], r'rows\.json:2: "conversation" is a list of turns, not None'),
        ([GROUNDING | {"conversations": [{"from": "gpt", "value": "x"}]}], "turn 1 is the assistant's; .* alternate"),
        ([GROUNDING | {"conversations": [{"from": "nurse", "value": "x"}]}], "turn 1 is of 'nurse'; known roles"),
        ([GROUNDING | {"conversations": [{"from": "human", "value": 7}]}], "turn 1 is a text, not 7"),
        ([GROUNDING | {"ecg": 7}], '"ecg" is a text, not 7'),
        ([QA | {"answer": "no"}], "\"answer\" is a list of texts, not 'no'"),
        ([QA | {"ecg_id": []}], "names no ECG"),
        ([REASONING | {"data": {"reasoning": "x"}}], '"data.reasoning" is a list of steps'),
        ([["not", "an", "object"]], "an object for each row, not list"),
    ],
)
def test_a_wrong_row_is_named_with_its_place(rows, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        list(read_items(written(tmp_path / "rows.json", rows)))


@pytest.mark.parametrize("content", ['[{"a": 1}', '[{"a": ', "[", '[{"a": NaN}]'])
def test_a_list_that_is_cut_short_is_an_error(content, tmp_path):
    (tmp_path / "cut.json").write_text(content)
    with pytest.raises(FormatError, match=r"cut\.json:\d: not JSON, or cut short"):
        list(read_rows(tmp_path / "cut.json"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"a": 1}] {"a": 2}', "text follows the list, behind row 1"),
        ('[{"a": 1}]\n[]', "text follows the list, behind row 1"),
        ("[] x", "text follows the list, behind row 0"),
        ('[{"a": 1} {"a": 2}]', '"," or "]" must follow the row'),
        ('[{"a": 1},]', "not JSON, or cut short"),
    ],
)
def test_what_follows_a_list_or_parts_its_rows_wrongly_is_an_error(content, said, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(FormatError, match=re.escape(said)):
        list(read_rows(tmp_path / "x.json"))


@pytest.mark.parametrize("content", [" [ ] \n", '\ufeff[{"a": 1}\n,\n{"a": 2}]\n\n', '[{"a": 1}]'])
def test_white_space_round_a_list_is_nothing(content, tmp_path):
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    assert len(list(read_rows(tmp_path / "x.json"))) == content.count("a")


def test_a_dataset_dict_asks_for_a_split(tmp_path):
    datasets = pytest.importorskip("datasets")
    held = datasets.Dataset.from_list([OWN])
    datasets.DatasetDict({"train": held}).save_to_disk(str(tmp_path / "dict"))
    with pytest.raises(FormatError, match=r"holds the splits train; name one of them, .*dict/train"):
        list(read_rows(tmp_path / "dict"))
    assert [row["id"] for _, row in read_rows(tmp_path / "dict" / "train")] == ["q1"]


def test_an_id_that_occurs_twice_in_a_published_file_is_numbered_and_written_as_it_was(tmp_path):
    path = written(tmp_path / "rows.json", [GROUNDING, GROUNDING])
    items = [(found, item.example) for _, found, item in read_items(path)]
    assert [example.id for _, example in items] == ["mimic-40689238", "mimic-40689238#2"]
    assert [found.write(example, MEDIA)["id"] for found, example in items] == ["mimic-40689238"] * 2


def test_records_are_found_by_path_page_and_id_and_not_by_the_number_of_another_data_set():
    known = References(find_card("ptb-xl"), [Entry(Path("records500/00000/00046_hr"), "46")])
    for names in (["46"], ["records500/00000/00046_hr"], ["test_images/ptb_test_v4/00046_hr-0.png"], ["ptbxl/46"]):
        assert known.find(names) == "00046_hr"
    for names in (["code15/46-0.png"], ["47"], ["mimic-iv/46"], ["46_x"]):
        assert known.find(names) is None


def test_a_large_list_is_read_row_by_row(tmp_path):
    """Memory: the rows of a list of 40 MB, one at a time."""
    import tracemalloc

    row = json.dumps(GROUNDING | {"report": "x" * 20_000})
    with (tmp_path / "large.json").open("w") as file:
        file.write("[" + ",\n".join([row] * 2000) + "]")
    tracemalloc.start()
    count = sum(1 for _ in read_rows(tmp_path / "large.json"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 2000
    assert peak < 12e6


SHARED = sorted(LANG.glob("*/*.json*")) if LANG.is_dir() else []


@pytest.mark.skipif(not SHARED, reason=f"no published question-answer files in {LANG}; set ECG_R1_LANG")
def test_published_files_are_written_as_they_were(tmp_path):
    for path in SHARED:
        rows = [row for _, row in read_rows(path)]
        items = list(read_items(path))
        assert len(items) == len(rows) > 0
        for row, (where, found, item) in zip(rows, items, strict=True):
            assert found.write(item.example, MEDIA) == row, where


@pytest.mark.skipif(not SHARED, reason=f"no published question-answer files in {LANG}; set ECG_R1_LANG")
def test_published_questions_find_their_records():
    entries = [Entry(Path(f"{number:05d}_hr"), str(number)) for number in range(1, 21838)]
    known = References(find_card("ptb-xl"), entries)
    for path in SHARED:
        examples = list(read_examples(path, known, set()))
        there = sum(all(record in known for record in example.records) for example in examples)
        assert there == (0 if "mimic" in path.name else len(examples)), path
