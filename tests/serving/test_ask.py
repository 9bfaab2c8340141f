"""A question about a record: the model's own answer, streamed, and each quoted value beside the measured one."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rich.console import Console

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import read_record, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.engine.hf import HFEngine
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case
from ecg_r1.serving.ask import prompt_of
from ecg_r1.serving.checked import checked, contradictions
from ecg_r1.terminal import visible

QUESTION = "Read this ECG."


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=[QUESTION, "<think>PR interval 160 ms.</think>"])
    folder = tmp_path_factory.mktemp("tiny")
    save(model, processor, folder)
    return folder, model.eval(), processor


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return [write_record(simulated.record, folder) for simulated in simulate(2, seed=3)]


@pytest.mark.parametrize("count", [1, 2])
def test_the_answer_is_the_models_own(ecg_r1, model, records, count):
    folder, hf, processor = model
    prompt = prompt_of(processor, [read_record(path) for path in records[:count]], QUESTION)
    ((rollout,),) = HFEngine(hf, processor).generate([prompt], temperature=0.0, max_tokens=20)
    said = ecg_r1("ask", folder, *records[:count], QUESTION, "--engine", "hf", "--max-tokens", 20)
    assert said.code == 0
    wanted = processor.tokenizer.decode(rollout.token_ids, skip_special_tokens=True)
    # what is shown leaves out a character that the last token begins
    assert visible(wanted.rstrip("\ufffd"), lines=True).strip("\n") in said.out


def test_what_was_noticed_about_a_record_is_said(ecg_r1, model, records, tmp_path):
    record = read_record(records[0])
    without_v3 = write_record(replace(record, lead_mask=np.arange(12) != 8), tmp_path)
    said = ecg_r1("ask", model[0], without_v3, QUESTION, "--engine", "hf", "--max-tokens", 2)
    assert f"{record.record_id}: missing leads: V3" in said.out


def shown(text, records):
    console = Console(file=io.StringIO(), width=160)
    console.print(checked(Completion.parse(text), records))
    return console.file.getvalue()


def test_each_claimed_finding_stands_beside_the_measured_one(records):
    one = read_record(records[0])
    found = measure(one).findings
    width = found["qrs_narrow", None]
    text = "<think>The QRS is narrow. Giant Q waves V1-V6. Cornell voltage 4 mV. The QRS is narrow.</think>"
    said = shown(text + "<answer>normal ECG</answer>", [one])
    assert "finding" in said
    assert said.count("QRS is narrow") == 1  # what is repeated is one line
    assert f"✓ qrs broad: measured {width.value:.3g} ms, {abs(120 - width.value):.3g} ms short of the threshold" in said
    assert "✗ q pathological: measured" in said
    assert f"✗ measured {found['lvh_cornell', None].value:.3g} mV" in said


def test_a_finding_of_a_lead_that_was_not_recorded_is_open_with_the_reason(records):
    without = replace(read_record(records[0]), lead_mask=np.arange(12) != LEADS.index("V3"))
    text = "<think>Poor R-wave progression. ST elevation in V3. The QRS is narrow.</think><answer>normal ECG</answer>"
    said = shown(text, [without])
    assert "? needs lead V3" in said
    assert "? V3 not shown" in said
    assert "✓ qrs broad: measured" in said


def test_each_value_stands_beside_the_measured_one(records):
    record = read_record(records[0])
    rate = measure(record).value("heart_rate_bpm")
    text = f"<think>Rate {rate:.0f} bpm. QT interval 900 ms. Rate {rate:.0f} bpm.</think><answer>normal ECG</answer>"
    console = Console(file=io.StringIO(), width=120)
    console.print(checked(Completion.parse(text), [record]))
    shown = console.file.getvalue()
    assert shown.count(f"Rate {rate:.0f} bpm") == 1  # a repeated quote is one line
    assert f"✓ {rate:.0f} bpm" in shown
    assert f"✗ {measure(record).value('qt_ms'):.0f} ms" in shown


def test_a_record_without_p_waves_has_no_pr_as_in_training():
    (simulated,) = simulate(1, seed=3, diagnoses=["atrial fibrillation"])
    console = Console(file=io.StringIO(), width=120)
    said = "<think>PR interval 142 ms.</think><answer>atrial fibrillation</answer>"
    console.print(checked(Completion.parse(said), [simulated.record]))
    assert "✗ no P waves (atrial fibrillation)" in console.file.getvalue()


def test_with_several_records_each_has_a_column(records):
    read = [read_record(path) for path in records]
    console = Console(file=io.StringIO(), width=120)
    console.print(checked(Completion.parse("<think>QT interval 400 ms.</think><answer>?</answer>"), read))
    shown = console.file.getvalue()
    for record in read:
        assert f"measured, {record.record_id}" in shown
        assert f"{measure(record).value('qt_ms'):.0f} ms" in shown


def test_an_answer_without_values_says_so(records):
    assert "The answer quotes no value" in shown("normal ECG", [read_record(records[0])])


def labelled(*diagnoses):
    """A simulated normal ECG with these labels, whatever it shows."""
    (simulated,) = simulate(1, seed=3, diagnoses=["normal ECG"])
    return replace(simulated.record, record_id="r", diagnoses=diagnoses)


PR_160 = "PR interval 160 ms."
BLOCK = "first-degree AV block"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"<think>{PR_160}</think><answer>{BLOCK}</answer>", ["pr_ms > 200, quoted PR interval 160 ms"]),
        (f"{PR_160} {BLOCK}.", ["pr_ms > 200, quoted PR interval 160 ms"]),
        (f"<think>PR interval 240 ms.</think><answer>{BLOCK}</answer>", ["pr_ms > 200, measured PR interval "]),
        ("<answer>sinus bradycardia; sinus tachycardia</answer>", ["sinus bradycardia and sinus tachycardia allow no"]),
        (f"<think>There is no {BLOCK}.</think><answer>{BLOCK}</answer>", [f"{BLOCK} is negated here"]),
        (f"<think>{PR_160}</think><answer>normal ECG</answer>", []),
    ],
)
def test_contradictions_are_said_beside_a_table_of_ticks(text, lines):
    said = shown(text, [labelled()]).splitlines()
    found = [line for line in said if line.startswith("✗")]
    for wanted in lines:
        assert any(wanted in line for line in found), found
    assert bool(found) == bool(lines)


@pytest.mark.parametrize(
    ("answer", "pr", "contradicted"),
    [
        (BLOCK, 175, True),
        (BLOCK, 185, False),
        ("normal ECG", 215, False),
        ("normal ECG", 225, True),
        (BLOCK, None, False),
    ],
)
# the limit is 200 ms, the tolerance 20
def test_a_measurement_within_its_tolerance_of_a_limit_contradicts_nothing(answer, pr, contradicted):
    case = Case("r", (), Measurements.from_json({"pr_ms": pr}))
    assert bool(contradictions(Completion.parse(f"<answer>{answer}</answer>"), [case])) == contradicted


def slow():
    (simulated,) = simulate(1, seed=3, diagnoses=["sinus bradycardia"])
    return simulated.record


def test_of_several_records_only_what_all_contradict_is_said(records):
    one, other = labelled(), slow()
    assert "measured Heart rate" in shown("<answer>sinus bradycardia</answer>", [one])
    assert "measured Heart rate" not in shown("<answer>sinus bradycardia</answer>", [one, other])


def test_the_diagnoses_of_the_answer_stand_beside_the_labels():
    text = "<answer>first-degree AV block; possible atrial fibrillation; normal axis</answer>"
    rows = {
        line.split("  ")[0].strip(): line.split()[-2:]
        for line in shown(text, [labelled(BLOCK, "left bundle branch block")]).splitlines()
        if line.strip() and line.split()[-1] in ("yes", "no")
    }
    assert rows == {BLOCK: ["✓", "yes"], "atrial fibrillation": ["✗", "no"], "left bundle branch block": ["–", "yes"]}
    assert "diagnosis" not in shown(text, [labelled()])  # a record without labels says nothing of diagnoses


def test_each_labelled_record_has_a_column_of_labels():
    other = replace(labelled("normal ECG"), record_id="other")
    said = shown("<answer>normal ECG</answer>", [labelled("normal ECG"), other, replace(other, diagnoses=())])
    assert "label, r " in said
    assert "label, other" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{record}", " "], "the question is empty"),
        (["only a question"], "a record and a question are needed"),
        (["nowhere", "Rate?"], "nowhere"),
        (["Read this ECG.", "{record}"], '"Read this ECG." is not a file: did you swap RECORD and QUESTION?'),
        (["{record}", "{record}"], "the question is missing: ecg-r1 ask MODEL"),
        (["{silent}", "Rate?"], "silent: no signal: every lead is flat"),
        (["{record}", "what <ecg> is this"], "the text holds '<ecg>'"),
        (["{record}"] * 13 + ["Rate?"], "tokens; "),
    ],
)
def test_what_cannot_be_asked_is_one_line(ecg_r1, model, records, words, said):
    silent = records[0].with_name("silent.npy")
    np.save(silent, np.full((12, 5000), np.nan))
    words = [word.format(record=records[0], silent=silent) for word in words]
    answer = ecg_r1("ask", model[0], *words, "--engine", "hf")
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err


WITHOUT_VLLM = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "vllm":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from ecg_r1.cli import main
sys.argv = ["ecg-r1", *sys.argv[1:]]
main()
"""


def test_without_vllm_ask_answers_and_serve_says_what_to_install(model, records):
    def run(*words):
        command = [sys.executable, "-c", WITHOUT_VLLM, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    asked = run("ask", model[0], records[0], QUESTION, "--max-tokens", 4)
    assert asked.returncode == 0, asked.stderr
    asked_of_vllm = ["ask", model[0], records[0], QUESTION, "--engine", "vllm"]
    for words, instead in ((["serve", model[0]], "`ecg-r1 ask`"), (asked_of_vllm, "`--engine hf`")):
        refused = run(*words)
        assert refused.returncode == 2
        (line,) = [line for line in refused.stderr.splitlines() if "vLLM" in line]
        assert "vLLM is not installed: pip install" in line
        assert instead in line
        assert "Traceback" not in refused.stderr


def test_serve_refuses_an_option_vllm_does_not_have(ecg_r1, model):
    pytest.importorskip("vllm")
    said = ecg_r1("serve", model[0], "--max-model-length-of-all", 3)
    assert (said.code, "--max-model-length-of-all" in said.err) == (2, True)
    assert "Traceback" not in said.err
