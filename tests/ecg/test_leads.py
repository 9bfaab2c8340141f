"""The names of the leads, and those that follow from I and II."""

import numpy as np
import pytest

from ecg_r1.ecg.leads import LEADS, canonical_lead, derive_limb_leads


def test_the_limb_leads_follow_from_i_and_ii():
    signal, present = np.zeros((12, 3)), np.array([lead in ("I", "II", "V1") for lead in LEADS])
    signal[0], signal[1], signal[6] = (1.0, 0.5, -0.2), (2.0, 0.1, 0.4), (9.0, 9.0, 9.0)
    assert derive_limb_leads(signal, present) == ["III", "aVR", "aVL", "aVF"]
    leads = dict(zip(LEADS, signal, strict=True))
    assert leads["III"] == pytest.approx([1.0, -0.4, 0.6])  # II - I
    assert leads["aVR"] == pytest.approx([-1.5, -0.3, -0.1])  # -(I + II) / 2
    assert leads["aVL"] == pytest.approx([0.0, 0.45, -0.4])  # I - II / 2
    assert leads["aVF"] == pytest.approx([1.5, -0.15, 0.5])  # II - I / 2
    assert not signal[7:].any()
    assert leads["V1"].tolist() == [9.0] * 3


def test_a_recorded_lead_is_kept_and_without_i_and_ii_nothing_follows():
    signal = np.ones((12, 3))
    assert derive_limb_leads(signal, np.array([lead != "aVL" for lead in LEADS])) == ["aVL"]
    assert (signal[4] == 0.5).all()
    assert (np.delete(signal, 4, axis=0) == 1.0).all()
    assert derive_limb_leads(signal, np.array([lead != "II" for lead in LEADS])) == []


@pytest.mark.parametrize(
    ("written", "lead"),
    [("avr", "aVR"), ("AVL", "aVL"), ("Lead II", "II"), ("ecg_v1", "V1"), ("MLII", "II"), ("MLI", "I"),
     ("MLIII", "III"), ("-aVR", None), ("V7", None), ("resp", None), ("", None),
     ("MDC_ECG_LEAD_AVF", "aVF"), ("MDC_ECG_ELEC_POTL_AVR", "aVR"), ("D-II", "II"), ("D I", "I"), ("V-1", "V1"),
     ("aV-R", "aVR"), ("V01", "V1"), ("I mV", "I"), ("V1 (millivolts)", "V1"), ("ECG Lead II [microvolt]", "II"),
     ("V1 lead", "V1"), ("Lead II (MDC_ECG_LEAD_II)", "II"), ("Std II", "II"), ("Wilson V1", "V1"), ("Lead=I", "I"),
     ("Derivazione I", "I"), ("Derivação DII", "II"), ("Отведение I", "I"), ("I導聯", "I"), ("誘導 II", "II"),
     ("I-II", None), ("I II", None), ("V1-REF", None), ("C3-A2", None), ("L1", None), ("I" + " " * 100 + "junk", None)],
)  # fmt: skip
def test_a_lead_is_known_by_any_usual_spelling(written, lead):
    assert canonical_lead(written) == lead


@pytest.mark.parametrize("part", [" ", "(", ".", "(mv) ", "lead ", "(mdc_"])
def test_a_name_of_any_length_is_told_at_once(part):
    assert canonical_lead(part * 200_000 + "x") is None
