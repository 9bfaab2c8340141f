import csv

import pytest
from sympy import Symbol
from sympy.logic.boolalg import Boolean

from ecg_r1.ecg.criteria import parse
from ecg_r1.ecg.vocabulary import Statement, UnknownDiagnosis, Vocabulary, vocabulary


def test_every_code_and_wording_leads_back_to_its_statement():
    for statement in vocabulary():
        for key in statement.keys:
            assert vocabulary().get(key) is statement


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


def test_criteria_are_met_by_values():
    assert parse(vocabulary().get("1AVB").criterion).holds(201)
    assert parse("qrs_ms >= 120").holds(120)
    assert not parse("qrs_ms > 120").holds(120)


def test_a_criterion_may_have_two_limits():
    incomplete = parse(vocabulary().get("ILBBB").criterion)
    assert [incomplete.holds(value) for value in (109.9, 110, 119.9, 120, float("nan"))] == [0, 1, 1, 0, 0]
    assert str(incomplete) == "qrs_ms >= 110 and qrs_ms < 120"


@pytest.mark.parametrize(
    "text", ["__import__('os')", "pr_ms > 200 and 1", "age > 3", "pr_ms == 200", "pr_ms > x", "1 > pr_ms < 2"]
)
def test_other_text_is_no_criterion(text):
    with pytest.raises(ValueError, match="is not a relation"):
        parse(text)
