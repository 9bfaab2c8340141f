"""Every wording of the vocabulary is found where a text mentions it."""

from importlib.resources import files

import pytest
import yaml

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.diagnoses.mentions import mentions
from ecg_r1.reading.text.characters import readable
from ecg_r1.scoring import Completion


def test_every_wording_is_found_in_a_text():
    for statement in vocabulary():
        for wording in statement.wordings:
            found = list(mentions(readable(f"There is {wording.upper()}, I think.")[0]))
            assert found[0][0] == statement.name, wording


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Sinus rhythm", ["sinus rhythm"]),
        ("Inferior infarct - age undetermined", ["inferior myocardial infarction"]),
        ("RBBB with left anterior fascicular block", ["right bundle branch block", "left anterior fascicular block"]),
        ("Atrial fibrillation with rapid ventricular response", ["atrial fibrillation"]),
        ("Possible right atrial abnormality", ["right atrial enlargement"]),
        ("Sinus tachycardia with 1st degree A-V block", ["sinus tachycardia", "first-degree AV block"]),
        ("Incomplete RBBB", ["incomplete right bundle branch block"]),
        ("Prolonged QT interval", ["long QT interval"]),
        (
            "Left ventricular hypertrophy with ST-T changes",
            ["left ventricular hypertrophy", "non-specific ST-T abnormality"],
        ),
        ("Low QRS voltages in precordial leads", ["low QRS voltages"]),
        ("Poor R wave progression - probable normal variant", ["poor R-wave progression"]),
        ("SINUS-BRADYCARDIA", ["sinus bradycardia"]),
        ("2nd degree A-V block, Mobitz I", ["second-degree AV block", "Mobitz type I AV block"]),
        (
            "Inferior ST-T changes may be due to myocardial ischemia",
            ["non-specific ST-T abnormality", "myocardial ischemia"],
        ),
        ("Late precordial R/S transition", ["clockwise rotation"]),
        ("Electronic ventricular pacemaker", ["ventricular pacing"]),
        ("Left ventricular hypertrophy by voltage only", ["voltage criteria for left ventricular hypertrophy"]),
        ("ST elev, probable normal early repol pattern", ["non-specific ST elevation", "early repolarization"]),
        ("Warning: Data quality may affect interpretation", ["poor recording"]),
        ("the PR interval, the SA node and an AMI", []),
    ],
)
def test_machine_statements_are_found_in_free_text(text, names):
    assert [name for name, _, _ in mentions(readable(text)[0])] == names


def test_spans_are_those_of_the_mention():
    text = "no atrial fibrillation here"
    ((_, start, end),) = mentions(text)
    assert text[start:end] == "atrial fibrillation"


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_each_name_of_the_knowledge_is_read_as_its_diagnosis(language: str) -> None:
    rows = yaml.safe_load(files("ecg_r1").joinpath("data", "knowledge.yaml").read_text(encoding="utf-8"))
    unread = [
        (name, wording)
        for name, row in rows.items()
        for wording in row.get(language, ())
        if (name, "asserted") not in {(m.name, m.polarity) for m in Completion.parse(wording).statements}
    ]
    assert unread == []
