import csv

import pytest
from sympy import Symbol
from sympy.logic.boolalg import Boolean

from ecg_r1.ecg.criteria import holds, parse
from ecg_r1.ecg.diagnosis import Statement, UnknownDiagnosis, Vocabulary, vocabulary
from ecg_r1.ecg.measure import Measurements


def test_every_code_and_wording_leads_back_to_its_statement():
    for statement in vocabulary():
        for key in statement.keys:
            assert vocabulary().get(key) is statement
        for wording in statement.wordings:
            assert vocabulary().search(f"There is {wording.upper()}, I think.")[0][0] is statement


def test_the_archives_codes_are_all_there(real_records):
    tables = real_records / "tables"
    with (tables / "scp_statements.csv").open() as file:
        for row in csv.DictReader(file):
            assert (vocabulary().get(row[""]).superclass or "") == row["diagnostic_class"]
    for table in ("challenge2021_dx_mapping_scored.csv", "challenge2021_dx_mapping_unscored.csv", "Dx_map_2020.csv"):
        with (tables / table).open() as file:
            for row in csv.DictReader(file):
                code = row.get("SNOMEDCTCode") or row["SNOMED CT Code"]
                assert code in vocabulary().get(code).snomed


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
            ["ischemic ST-T changes in inferior leads"],
        ),
        ("Late precordial R/S transition", ["clockwise rotation"]),
        ("Electronic ventricular pacemaker", ["ventricular pacing"]),
        ("Left ventricular hypertrophy by voltage only", ["voltage criteria for left ventricular hypertrophy"]),
        ("ST elev, probable normal early repol pattern", ["early repolarization"]),
        ("Warning: Data quality may affect interpretation", ["poor recording"]),
        ("the PR interval, the SA node and an AMI", []),
    ],
)
def test_machine_statements_are_found_in_free_text(text, names):
    assert [statement.name for statement, _, _ in vocabulary().search(text)] == names


def test_spans_are_those_of_the_mention():
    text = "no atrial fibrillation here"
    ((_, start, end),) = vocabulary().search(text)
    assert text[start:end] == "atrial fibrillation"


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownDiagnosis, match="did you mean 'sinus bradycardia'"):
        vocabulary().get("sinus bradicardia")
    assert vocabulary().find("gout") is None


def test_a_wording_belongs_to_one_statement():
    with pytest.raises(ValueError, match="belongs to both 'a' and 'b'"):
        Vocabulary([Statement("a", synonyms=("x",)), Statement("b", scp=("X",))])


def test_waves_that_are_not_there():
    assert vocabulary().get("AFIB").absent_waves == ("P",)
    assert vocabulary().get("SR").absent_waves == ()


def test_criteria_are_relations_with_a_guideline():
    criteria = [s for s in vocabulary() if s.criterion]
    assert len(criteria) >= 20
    for statement in criteria:
        relational = parse(statement.criterion).relational
        assert isinstance(relational, Boolean), statement.name
        assert relational.free_symbols == {Symbol(parse(statement.criterion).quantity, real=True)}
        assert statement.guideline, statement.name


def test_criteria_are_met_by_measurements():
    values = Measurements.from_json({"pr_ms": 201, "qrs_ms": 120})
    assert holds(vocabulary().get("1AVB").criterion, values) is True
    assert holds("qrs_ms >= 120", values) is True
    assert holds("qrs_ms > 120", values) is False
    assert holds("qtc_ms >= 460", values) is None


def test_a_criterion_may_have_two_limits():
    incomplete = parse(vocabulary().get("IRBBB").criterion)
    assert [incomplete.holds(value) for value in (109.9, 110, 119.9, 120, float("nan"))] == [0, 1, 1, 0, 0]
    assert str(incomplete) == "qrs_ms >= 110 and qrs_ms < 120"


@pytest.mark.parametrize(
    "text", ["__import__('os')", "pr_ms > 200 and 1", "age > 3", "pr_ms == 200", "pr_ms > x", "1 > pr_ms < 2"]
)
def test_other_text_is_no_criterion(text):
    with pytest.raises(ValueError, match="is not a relation"):
        parse(text)
