"""Records with one thing moved by warping time: it moves as it says, nothing else does, and what fails is refused."""

from pathlib import Path

import numpy as np
import pytest

from ecg_r1.ecg.edits import HOLDS, Refused, check, fiducials, retime, scale, shift_p, stretch_qt, without_lead
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.record import find_records, read_record
from ecg_r1.ecg.simulate import simulate

PTB_XL = Path(__file__).parents[2].parent / "shared" / "ecg" / "ptb-xl" / "records500"
TIMED = {"pr_ms": (shift_p, (-20, 40, 80)), "qt_ms": (stretch_qt, (-40, 40)), "heart_rate_bpm": (retime, (-100, 200))}


@pytest.fixture(scope="module")
def normal():
    record = next(simulate(1, seed=11, diagnoses=["normal ECG"])).record
    return record, measure(record), fiducials(record)


@pytest.mark.parametrize(("what", "by"), [(what, by) for what, (_, steps) in TIMED.items() for by in steps])
def test_an_edit_moves_one_thing_by_what_it_says(normal, what, by):
    record, before, at = normal
    edited, made = TIMED[what][0](record, by, at)
    assert made == pytest.approx(by, abs=12 if what == "heart_rate_bpm" else 1)  # the mean over the beats that are left
    check(before, measure(edited), what, made)
    assert edited.signal.shape == record.signal.shape


def test_what_is_shifted_keeps_its_shape(normal):
    record, _, at = normal
    edited, _ = shift_p(record, 40, at)
    peak = int(at.peaks[3])
    p = slice(peak + at.p[0], peak + at.p[1])
    assert np.array_equal(edited.signal[:, p.start - 20 : p.stop - 20], record.signal[:, p])
    qrs = slice(peak + at.qrs[0], peak + at.t_end)
    assert np.array_equal(edited.signal[:, qrs], record.signal[:, qrs])


def test_an_edit_that_finds_no_room_is_refused(normal):
    record, _, at = normal
    for edit, by, why in (
        (shift_p, 2000, "no room between T wave and P wave"),
        (shift_p, -200, "no room between P wave and QRS"),
        (stretch_qt, 2000, "no room between T wave and the next beat"),
        (stretch_qt, -400, "no room between QRS and the peak of T"),
        (retime, -700, "no room between T wave and the next beat"),
        (retime, 9000, "fewer than 3 beats are left"),
    ):
        with pytest.raises(Refused, match=why):
            edit(record, by, at)


def test_no_p_waves_are_shifted_in_fibrillation():
    record = next(simulate(1, seed=5, diagnoses=["atrial fibrillation"])).record
    with pytest.raises(Refused, match="no P waves"):
        shift_p(record, 20, fiducials(record))


def test_a_record_without_beats_is_refused(normal):
    record, _, _ = normal
    with pytest.raises(Refused, match="no signal"):
        fiducials(scale(record, 0.0))


def test_ectopic_beats_are_not_retimed():
    record = next(simulate(1, seed=5, diagnoses=["ventricular premature complex"])).record
    with pytest.raises(Refused, match="beats of several kinds"):
        retime(record, 100, fiducials(record))


def test_the_check_can_fail(normal):
    record, before, at = normal
    edited, made = shift_p(record, 40, at)
    with pytest.raises(Refused, match=r"PR interval moved by \d+ ms, not 0 ms"):
        check(before, measure(edited), "gain", 0.0)
    with pytest.raises(Refused, match=r"PR interval moved by \d+ ms, not 22 ms"):
        check(before, measure(edited), "pr_ms", made - 3 * HOLDS)


def test_amplitude_and_leads(normal):
    record, before, _ = normal
    check(before, measure(scale(record, 1.5)), "gain", 0.0)
    assert measure(scale(record, 2)).in_lead("r_mv", "V5").value == pytest.approx(
        2 * before.in_lead("r_mv", "V5").value, rel=0.02
    )
    fewer = without_lead(record, "V2")
    assert not fewer.lead_mask[LEADS.index("V2")]
    assert not fewer.signal[LEADS.index("V2")].any()
    check(before, measure(fewer), "lead", 0.0)
    with pytest.raises(Refused, match="no lead V2"):
        without_lead(fewer, "V2")


def test_edits_of_real_records_hold_or_are_refused():
    if not PTB_XL.is_dir():
        pytest.skip("needs ../shared/ecg/ptb-xl")
    made = {what: [0, 0] for what in TIMED}
    for path in find_records(PTB_XL)[40:400:36]:
        record = read_record(path)
        before, at = measure(record), fiducials(record)
        for what, (edit, steps) in TIMED.items():
            try:
                edited, by = edit(record, steps[-1] / 2, at)
            except Refused:
                continue
            made[what][0] += 1
            try:
                check(before, measure(edited), what, by)
            except Refused:
                continue
            made[what][1] += 1
    for what, (count, held) in made.items():
        assert count >= 4, what
        assert held / count > 0.3, what  # of 60 records 0.63 (PR), 0.71 (QT), 0.46 (RR); the others are refused
