"""The walk-throughs of CONTRIBUTING.md, each done as it says."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from ecg_r1.datasets.card import drawn_fold
from ecg_r1.recipe import read_recipe
from ecg_r1.scoring.registry import library

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(file: str, holds: str = "") -> str:
    """What the walk-through writes into a file: the block that begins with its name, and holds this text."""
    blocks = [textwrap.dedent(found) for found in re.findall(r"^ *```\w+\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)]
    (found,) = (code for code in blocks if code.startswith(f"# {file}\n") and holds in code)
    return found


@pytest.fixture
def copy(tmp_path) -> Path:
    """The project's package, rewards, data and recipes, to be changed."""
    for name in ("ecg_r1", "rewards", "data", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def python(folder: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_reward(copy):
    (copy / "rewards" / "named_leads.py").write_text(block("rewards/named_leads.py"))
    (copy / "test_named_leads.py").write_text(block("tests/rewards/test_named_leads.py"))
    assert "5 passed" in python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_named_leads.py")
    assert "named_leads" in python(copy, "-m", "ecg_r1", "reward", "list")
    python(copy, "-m", "ecg_r1", "reward", "check", "named_leads")


LOOK = """
from ecg_r1.corpus.text.report import write_report
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.recipe import Corruption, Reports
from ecg_r1.scoring import Completion
import numpy as np

print(vocabulary().get("wellens sign").name)
said = Completion.parse("<think>No Wellens sign before.</think><answer>Wellens syndrome</answer>").statements
print([(mention.name, mention.polarity) for mention in said])
leads = {"V2": [-0.41, 0.31], "V3": [-0.52, 0.42]}
seen = Measurements.from_json({"findings": {"t_inversion": leads}})
print(write_report(Subject(seen, ("Wellens pattern",)), Reports(style="brief"), Corruption(), np.random.default_rng(0)))
"""


def test_a_diagnosis(copy):
    for file in ("data/vocabulary.yaml", "data/knowledge.yaml"):
        path = copy / file
        path.write_text(path.read_text(encoding="utf-8") + "\n" + block(file), encoding="utf-8")
    name, mentions, report = python(copy, "-c", LOOK).splitlines()
    assert name == "Wellens pattern"
    assert mentions == "[('Wellens pattern', 'negated'), ('Wellens pattern', 'asserted')]"
    entry = yaml.safe_load(block("data/knowledge.yaml"))["Wellens pattern"]
    assert entry["signs"] == ["t_inversion in V2 V3"]
    assert "in V2 and V3" in report
    assert report.endswith("<answer>Wellens pattern</answer>")


QUOTE = """
import json, sys
from ecg_r1.cli import app
from ecg_r1.ecg.batch import simulate_to
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.record import read_record
from ecg_r1.evaluation.report.wording import PER_QUANTITY
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.verify import verify

(path,) = simulate_to("simulated", 1, seed=0)
m = measure(read_record(path))
jt = m.value("jt_ms")
text = f"JT interval {jt:.0f} ms. The JT is {jt + 40:.0f} ms. JT interval not measurable."
case = Case("r", (), m)
print(json.dumps({
    "measured": [jt, m.value("qt_ms") - m.value("qrs_ms")],
    "judged": [[row.quantity, row.verdict, row.text] for row in verify(Completion.parse(text), case)],
    "metrics": [shown.title for shown in PER_QUANTITY],
}))
sys.argv = ["ecg-r1", "measure", str(path)]
app()
"""


def insert(path: Path, before: str, text: str, indent: str = "") -> None:
    """Put a text before the only place in a file where `before` stands."""
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, (path, before)
    path.write_text(content.replace(before, textwrap.indent(text, indent) + before), encoding="utf-8")


def test_a_quantity(copy):
    table, measurement, entity = (
        block(f"ecg_r1/{file}").partition("\n")[2]
        for file in ("ecg/quantities.py", "ecg/measure.py", "reading/quantities/lexicon.py")
    )
    assert '`"jt_ms": _jt`' in TEXT
    name = block("data/vocabulary.en.yaml", "jt:").partition("\n")[2]
    insert(copy / "ecg_r1/ecg/quantities.py", "    )\n}  # fmt: skip\n", table.rstrip() + ",\n", indent=" " * 8)
    insert(copy / "ecg_r1/ecg/measure.py", "# Each of `QUANTITIES`", measurement + "\n\n")
    insert(copy / "ecg_r1/ecg/measure.py", '    "axis_deg": _axis,\n', '"jt_ms": _jt,\n', indent=" " * 4)
    lexicon = copy / "ecg_r1/reading/quantities/lexicon.py"
    insert(lexicon, '    "qtc": {TIME: "qtc_ms"},\n', entity, indent=" " * 4)
    vocabulary = copy / "data/vocabulary.en.yaml"
    ignored = "        - 'jt(?: interval)?'\n"
    assert vocabulary.read_text(encoding="utf-8").count(ignored) == 1
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8").replace(ignored, ""), encoding="utf-8")
    insert(vocabulary, "  qt:\n    - patterns:\n", name, indent="  ")
    first, *printed = python(copy, "-c", QUOTE).splitlines()
    found = json.loads(first)
    jt, expected = found["measured"]
    assert jt == pytest.approx(expected, abs=5)
    assert found["judged"] == [
        ["jt_ms", "supported", f"JT interval {jt:.0f} ms"],
        ["jt_ms", "contradicted", f"JT is {jt + 40:.0f} ms"],
        ["jt_ms", "contradicted", "JT interval not measurable"],
    ]
    assert "JT interval within tolerance" in found["metrics"]
    assert "JT ms" in printed[0]
    assert f"{jt:.0f}" in printed[1].split()


SHOWS = """
import json
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.simulate import simulate
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.verify_findings import verify_findings

text = Completion.parse("There is a dominant R wave in V1.")
found = []
for one in simulate(6, seed=1, diagnoses=["normal ECG", "right bundle branch block"]):
    m = measure(one.record)
    true, measured = (findings["dominant_r_v1", None] for findings in (one.findings, m.findings))
    (row,) = verify_findings(text, Case("r", (), m))
    (hidden,) = verify_findings(text, Case("r", (), m, leads=("II", "V2")))
    found.append([true.value, measured.value, measured.state, row.verdict, row.claim, hidden.verdict, hidden.reason])
print(json.dumps(found))
"""
VERDICTS = {"present": "supported", "absent": "contradicted", "borderline": "unverifiable"}


def test_a_finding(copy):
    files = ("data/findings.yaml", "ecg_r1/ecg/record_findings.py", "ecg_r1/ecg/truth.py", "data/vocabulary.en.yaml")
    table, measurement, truth, words = (block(file, "dominant_r").partition("\n")[2] for file in files)
    insert(copy / "data/findings.yaml", "r_progression_poor:\n", table)
    insert(copy / "ecg_r1/ecg/record_findings.py", "@measures\ndef r_progression_poor", measurement + "\n\n")
    insert(copy / "ecg_r1/ecg/truth.py", '        "r_progression_poor": ', truth, indent=" " * 8)
    insert(copy / "data/vocabulary.en.yaml", "  progression:\n    called:\n", words, indent="  ")
    found = json.loads(python(copy, "-c", SHOWS))
    assert {row[2] for row in found} >= {"absent", "present"}
    for true, measured, state, verdict, claim, hidden, reason in found:
        assert measured == pytest.approx(true, abs=0.1)
        assert (verdict, claim) == (VERDICTS[state], "dominant_r_v1")
        assert (hidden, reason) == ("unverifiable", "needs lead V1, not shown")


def test_a_data_set(copy):
    (copy / "data/datasets/hospital.yaml").write_text(block("data/datasets/hospital.yaml"))
    python(copy, "-m", "ecg_r1", "simulate", "-n", "3", "--out", "records")
    names = sorted(path.stem for path in (copy / "records").glob("*.hea"))
    table = f"record,patient,diagnoses\n{names[0]},7,SR; left bundle branch block\n{names[1]},8,normal ECG\n"
    (copy / "records" / "hospital.csv").write_text(table)
    found = python(
        copy,
        "-c",
        "from ecg_r1.datasets.folder import record_entries\n"
        "for entry in record_entries('records').entries:\n"
        "    print(entry.path.name, entry.diagnoses, entry.patient, entry.fold, entry.fault)",
    ).splitlines()
    assert found == [
        f"{names[0]} ('sinus rhythm', 'left bundle branch block') hospital 7 {drawn_fold('hospital 7')} None",
        f"{names[1]} ('normal ECG',) hospital 8 {drawn_fold('hospital 8')} None",
        f"{names[2]} None None None records/{names[2]}: no row in hospital.csv",
    ]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    words = [sys.executable, "-m", "ecg_r1", "corpus", "check", "hospital", "records"]
    checked = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True)
    assert checked.returncode == 1  # a record has no row
    assert "  2 readable, with a label that is read" in checked.stdout
    assert "  3 label statements, 0 of them not read" in checked.stdout


def test_a_recipe(copy):
    path = copy / "recipes" / "tiny" / "grpo-dapo.yaml"
    path.write_text(block("recipes/tiny/grpo-dapo.yaml").partition("\n")[2])
    recipe = read_recipe(path)
    assert recipe.trainer["loss_type"] == "dapo"
    assert recipe.rewards == read_recipe(ROOT / "recipes" / "tiny" / "grpo.yaml").rewards
    assert "#   ecg-r1 train recipes/tiny/grpo-dapo.yaml " in path.read_text()  # as tests/test_shipped_recipes.py asks


def test_an_advantage(copy):
    pytest.importorskip("torch")
    path = copy / "ecg_r1" / "train" / "advantages.py"
    source = path.read_text(encoding="utf-8")
    table = source.index("Advantages = Callable")
    source = source[:table] + block("ecg_r1/train/advantages.py") + "\n\n" + source[table:]
    path.write_text(source.replace('"claim": claim,', '"claim": claim, "blend": blend,'), encoding="utf-8")
    (copy / "test_blend.py").write_text(block("tests/train/test_blend.py"))
    assert "1 passed" in python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_blend.py")
    accept = "from ecg_r1.recipe import read_recipe; from ecg_r1.train.options import check_options\n"
    accept += "check_options(read_recipe('recipes/tiny/grpo.yaml', ['credit=blend']), 'recipe')"
    python(copy, "-c", accept)


COUNT = """
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.metrics import judge, tallies
from ecg_r1.runs.predictions import Prediction
from ecg_r1.scoring import Case

class Cases:
    def case(self, example_id):
        return Case(example_id, ("sinus rhythm",), Measurements.from_json({}))

said = {"a": "sinus rhythm; left bundle branch block", "b": "sinus rhythm", "c": ""}
rows = [Prediction(name, "?", f"<think></think><answer>{text}</answer>", 1, False) for name, text in said.items()]
tally = tallies(judge(rows, Cases()))["diagnoses_per_answer"]
print(tally.counts.sum(axis=0).tolist())
"""


def test_a_metric(copy):
    path = copy / "ecg_r1" / "evaluation" / "metrics.py"
    source = path.read_text(encoding="utf-8")
    (line,) = block("ecg_r1/evaluation/metrics.py").splitlines()[1:]
    start = source.index("    for quantity in QUANTITIES:\n        table |=")
    path.write_text(source[:start] + f"    {line}\n" + source[start:], encoding="utf-8")
    assert python(copy, "-c", COUNT).strip() == "[3.0, 3.0]"


def test_every_reward_of_the_library_is_in_the_documentation():
    pages = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("rewards.md", "api.rst")}
    for name in library():
        assert f"`{name}`" in pages["rewards.md"]
        assert f"ecg_r1.rewards.{name}.{name}" in pages["api.rst"]
