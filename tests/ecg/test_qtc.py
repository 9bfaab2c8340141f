"""The four formulae, in numbers worked out by hand at rates on either side of 60 bpm."""

import pytest

from ecg_r1.ecg.qtc import FORMULAE, qtc

# QT 400 ms at RR 640 ms (93.75 bpm; √0.64 = 0.8, ∛0.64 = 0.8618) and at RR 1440 ms (41.67 bpm; 1.2 and 1.1292)
WORKED = {
    "bazett": (400 / 0.8, 400 / 1.2),
    "fridericia": (400 / 0.8618, 400 / 1.1292),
    "framingham": (400 + 154 * 0.36, 400 - 154 * 0.44),
    "hodges": (400 + 1.75 * 33.75, 400 - 1.75 * 18.33),
}


@pytest.mark.parametrize("formula", WORKED)
def test_each_formula_corrects_as_its_paper_says(formula):
    assert [qtc(400, rr, formula) for rr in (640, 1440)] == pytest.approx(WORKED[formula], abs=0.1)


def test_these_are_all_there_are_and_bazett_is_meant_where_none_is_named():
    assert WORKED.keys() == FORMULAE.keys()
    assert qtc(400, 640) == pytest.approx(500)
