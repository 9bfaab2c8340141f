import json

import pytest

pytest.importorskip("sklearn")


def test_a_subset_is_scored_strictly_and_as_published(ecg_r1, tmp_path):
    items, answers = tmp_path / "items", tmp_path / "answers"
    items.mkdir()
    answers.mkdir()
    turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": "NORM"}]
    rows = [{"id": "a", "conversations": turns}, {"id": "b", "conversations": [turns[0], turns[1] | {"value": "MI"}]}]
    (items / "ptb-test.json").write_text(json.dumps(rows))
    said = [{"question_id": "a", "text": "ABNORMAL"}, {"question_id": "b", "text": "MI"}]
    (answers / "ptb-test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    strict = ecg_r1("benchmark", "ecgbench", items, answers)
    compat = ecg_r1("benchmark", "ecgbench", items, answers, "--compat")
    assert strict.code == compat.code == 0, strict.err + compat.err
    assert json.loads(strict.out)["ptb-test"]["f1"] == 0.5
    assert json.loads(compat.out)["ptb-test"]["f1"] == 1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no items"),
        ("[1]", "an object for each row, not int"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested too"),
    ],
)
def test_a_bad_file_is_one_line(ecg_r1, tmp_path, content, message):
    (tmp_path / "items.json").write_text(content)
    said = ecg_r1("benchmark", "reasoning", tmp_path / "items.json")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert message in said.err
    assert "items.json" in said.err


def test_folders_without_a_common_subset_name_the_subsets(ecg_r1, tmp_path):
    said = ecg_r1("benchmark", "ecgbench", tmp_path, tmp_path)
    assert said.code == 2
    assert "ptb-test" in said.err
