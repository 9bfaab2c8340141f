import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import splits

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.ecg_reasoning import questions
from ecg_r1.datasets.formats import FORMATS
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.evaluation.benchmarks.reasoning import is_right, score, walk

SHARED = Path(__file__).parents[4] / "shared/lang/ecg-reasoning-benchmark/ptbxl_first1.jsonl"
FURTHER = "Further findings are required to confirm the diagnosis"


def question(kind, answer, options, said):
    return {"question": "?", "question_type": kind, "answer": answer, "options": options, "model_response": said}


def item(*loops, initial="Yes"):
    """loops: (criterion, finding, [groundings], decision), each the response; the right ones are those of RIGHT."""
    reasoning = []
    for criterion, finding, groundings, decision in loops:
        reasoning.append({
            "criterion_selection": question("criterion_selection", "Long PR", ["Long PR", "Short PR"], criterion),
            "finding_identification": question("finding_identification", "Yes", ["Yes", "No"], finding),
            "ecg_grounding": [
                question("lead_grounding", ["lead I", "lead II"], ["lead I", "lead II", "lead III"], said)
                for said in groundings
            ],
            "diagnostic_decision": question("diagnostic_decision", "Yes", ["Yes", "No", FURTHER], decision),
        })  # fmt: skip
    first = question("initial_diagnostic_question", "Yes", ["Yes", "No"], initial)
    return {
        "metadata": {"id": 7, "target_dx": "first_degree_av_block", "dx_label": True},
        "data": {"initial_diagnostic_question": first, "reasoning": reasoning},
    }


LEADS = "leads I and II"


def test_completion_and_depth_worked_by_hand():
    whole = item(("Long PR", "Yes", [LEADS], "Yes"))
    assert walk(whole).depths == [4]
    assert walk(whole).completed
    wrong_lead = item(("Long PR", "Yes", [LEADS, "lead III"], "Yes"))
    assert walk(wrong_lead).depths == [2]
    assert not walk(wrong_lead).completed
    assert walk(wrong_lead).decision  # with the right history
    late = item(("Long PR", "No", [], FURTHER), ("Long PR", "Yes", [LEADS], "Yes"))
    assert walk(late).depths == [0]  # it stopped in the first criterion, which is not grounded
    early = item(("Long PR", "Yes", [LEADS], "No"), ("Short PR", "Yes", [LEADS], "Yes"))
    assert walk(early).depths == [3, 0]


def test_figures_worked_by_hand():
    found = score([
        item(("Long PR", "Yes", [LEADS], "Yes")),
        item(("Long PR", "Yes", ["lead III"], "Yes"), initial="No"),
        item(("Short PR", "Yes", [LEADS], "No")),
    ])  # fmt: skip
    assert found["items"] == 3
    assert found["initial_accuracy"] == pytest.approx(2 / 3)
    assert found["completion"] == pytest.approx(1 / 3)
    assert found["alignment"] == pytest.approx(1 / 3)
    assert found["depth"] == pytest.approx((4 + 2 + 0) / 3)
    assert found["decision_accuracy"] == pytest.approx(2 / 3)
    assert found["steps"] == pytest.approx(
        {
            "criterion_selection": 2 / 3,
            "finding_identification": 1,
            "lead_grounding": 2 / 3,
            "diagnostic_decision": 2 / 3,
        }
    )
    assert found["by_diagnosis"]["first_degree_av_block"]["items"] == 3


@pytest.mark.parametrize(
    ("gold", "said", "options", "right"),
    [
        (["Yes"], "**Yes**, it does.", ["Yes", "No"], True),
        (["No"], "Not sure", ["Yes", "No"], False),
        (["No"], "No.", ["Yes", "No"], True),
        (["Yes"], "Yes or no", ["Yes", "No"], False),
        (["Yes"], f"{FURTHER}, yes", ["Yes", "No", FURTHER], False),
        ([FURTHER], FURTHER.upper(), ["Yes", "No", FURTHER], True),
        (["Prolongation of the PR interval"], "The right criterion is prolongation of the PR interval.",
         ["Prolongation of the PR interval", "Shortened PR intervals"], True),
        (["Prolongation of the PR interval"], "Prolongation of the PR interval or shortened PR intervals",
         ["Prolongation of the PR interval", "Shortened PR intervals"], False),
        (["[5.62s - 5.81s]"], "<answer>[5.62s - 5.81s]</answer>", ["[1.48s - 1.69s]", "[5.62s - 5.81s]"], True),
        (["[5.62s - 5.81s]"], "[1.48s - 1.69s], [5.62s - 5.81s]", ["[1.48s - 1.69s]", "[5.62s - 5.81s]"], False),
        (["[230ms - 240ms]"], "Above 240ms", ["[230ms - 240ms]", "Above 240ms"], False),
        (["lead II"], "Lead II", ["lead I", "lead II"], True),
        (["lead II"], "III", ["lead II", "lead III"], False),
        (["lead II", "lead aVF"], "aVF, II", ["lead II", "lead III", "lead aVF"], True),
    ],
)  # fmt: skip
def test_responses(gold, said, options, right):
    assert is_right(gold, said, options) is right


@pytest.mark.skipif(not SHARED.is_file(), reason="../shared holds no item of ECG-Reasoning-Benchmark")
def test_the_real_item():
    real = json.loads(SHARED.read_text().splitlines()[0])

    def answered(node, wrong=None):
        if isinstance(node, list):
            return [answered(one, wrong) for one in node]
        if not isinstance(node, dict):
            return node
        node = {key: answered(value, wrong) for key, value in node.items()}
        if "answer" in node and "options" in node:
            gold = node["answer"] if isinstance(node["answer"], list) else [node["answer"]]
            other = next(one for one in node["options"] if one not in gold)
            node["model_response"] = other if node["question_type"] == wrong else ", ".join(gold)
        return node

    assert score([answered(real)])["completion"] == 1.0
    # grounded in its second criterion only: criterion, finding, then the measurement is wrong
    wrong = score([answered(copy.deepcopy(real), "measurement_grounding")])
    assert (wrong["completion"], wrong["depth"], wrong["decision_accuracy"]) == (0.0, 2.0, 1.0)


def test_what_is_missing_is_named():
    lacking = item(("Long PR", "Yes", [LEADS], "Yes"))
    del lacking["data"]["reasoning"][0]["diagnostic_decision"]["model_response"]
    with pytest.raises(BenchmarkError, match="item 7: a question without `model_response`"):
        score([lacking])


def test_the_steps_are_asked_one_by_one_and_put_together_again(tmp_path, ecg_r1):
    rows = [
        item(("Long PR", "Yes", ["x"], "Yes"), ("Short PR", "Yes", [], "Yes")),
        item(("Long PR", "Yes", [], "Yes"), initial="No"),
    ]
    examples = []
    for number, row in enumerate(rows):
        for question in questions(row["data"], "item"):
            del question["model_response"]
        row["metadata"] |= {"data_source": "ptbxl", "ecg_id": f"r{number}"}
        read = FORMATS["ecg-reasoning"].read(row, "items.jsonl:1", f"item-{number}").example
        examples.append(replace(read, id=f"item-{number}", records=(f"r{number}",)))
    records = [{"record": f"r{number}", "diagnoses": [], "measurements": {}} for number in range(2)]
    source = splits.write_split(tmp_path / "items", records, examples, page_size=32, seed=0, sources=[])
    assert ecg_r1("benchmark", "reasoning-set", source, tmp_path / "steps").code == 0
    store = RecordStore(tmp_path / "steps")
    assert list(store.example_ids) == [*(f"item-0#{k}" for k in range(8)), *(f"item-1#{k}" for k in range(4))]
    second = store.example("item-0#2")
    assert [answer for _, answer in second.turns] == ["Yes", "Long PR"]
    assert second.response is None
    gold = {f"item-{n}#{k}": turn for n, one in enumerate(examples)
            for k, (_, turn) in enumerate([*one.turns, ("", one.response)])}  # fmt: skip
    said = tmp_path / "said.jsonl"
    wrong = gold | {"item-0#5": "No idea", "item-1#0": "No"}  # the second criterion; the initial question
    said.write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in wrong.items()))
    found = json.loads(ecg_r1("benchmark", "reasoning", tmp_path / "steps", said).out)
    assert (found["items"], found["initial_accuracy"], found["completion"]) == (2, 0.5, 0.5)
    assert found["steps"]["criterion_selection"] == pytest.approx(2 / 3)
    assert found["depth"] == 4  # the only grounded criterion is right to its end
    said.write_text(json.dumps({"id": "item-0#0", "text": "Yes"}) + "\n")
    assert "no answer to item-0#1" in ecg_r1("benchmark", "reasoning", tmp_path / "steps", said).err
