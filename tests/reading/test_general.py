"""What is said of ECGs in general, of another one, or of nothing that was measured, claims nothing of this ECG.

Each row is a kind of sentence in words of our own: "reading | text", as in `phrasings/` and `mentions/`. The kinds were
met in 160 passages of clinicians, textbooks, printouts and models (docs/rewards.md has the figures at first sight).
"""

import pytest
from test_quotes import written
from test_statements import SIGNS

from ecg_r1.reading.claims import stance
from ecg_r1.scoring import Completion

QUANTITIES = [
    # measured ranges, and the limits beside them
    ("pr=134..147 pr~", "PR interval of 134-147 ms is normal (normal range: 120-200 ms)"),
    ("pr~", "A PR interval of 120-200 ms is normal."),
    ("qrs~", "QRS should be below 120 ms (3 boxes)."),
    ("axis=-18..-12", "This degree of deviation (axis -18° to -12°) is classified as mild."),
    ("qtc~ qtc~", "QTc > 460 ms in men and > 470 ms in women is prolonged."),
    ("rate~", "Bradycardia (<60 bpm) occurs in trained athletes."),
    ("axis~", "Right axis deviation (more than 90°) is common in thin people."),
    ("rate~", "The junctional focus fires often ~40-60 bpm."),
    ("qtc~", "Patients with a QTc above 500 ms should be monitored."),
    ("qrs~", "If the QRS is equal to 0.12 seconds, measure it again."),
    ("rate~", "The heart rate may fall to as low as 32 bpm during sleep."),
    ("qrs~", "LBBB requires rS in V1 (see above) and a QRS of more than 120 ms."),
    # what a finding is or does, told with nothing but bounds and ranges
    ("axis~ qrs~", "LPFB shows an axis of more than +90° and a QRS under 120 ms."),
    ("pr~ qrs~", "In Wolff-Parkinson-White the PR interval falls below 0.12 s and the QRS exceeds 0.11 s."),
    ("rate~ qrs~", "Ventricular tachycardia is three or more beats at over 100 bpm with a QRS of 120 ms or more."),
    ("rate~", "Atrial fibrillation is irregular, mostly at 100 to 160 bpm when untreated."),
    ("axis~", "An axis more negative than -45 degrees supports left anterior fascicular block."),
    ("qtc~ qtc~", "The QTc is prolonged above 450 ms in men and 460 ms in women."),
    ("pr~", "A PR interval that exceeds 200 ms is first-degree AV block."),
    ("qrs~", "When the QRS is wider than 120 ms, think of bundle branch block."),
    ("qrs~", "Bei einem Linksschenkelblock ist der QRS-Komplex breiter als 120 ms."),
    ("pr=194 pr~", "The PR interval of 194 ms stays under the 200 ms that first-degree AV block demands."),
    ("pr=202 pr~", "The PR interval is 202 ms, marginally above 200 ms."),
    ("rate~", "If the rate had been closer to 190 bpm, we would have thought of AVRT."),
    ("pr<200", "Sinus rhythm dominates; the PR interval stays below 200 ms."),
    ("rate=110..150", "Atrial fibrillation with a ventricular response that varies from 110 to 150 bpm."),
    ("rate=97 qrs=94", "Ectopic atrial rhythm versus sinus tachycardia at 97 bpm, QRS 94 ms."),
    ("p_axis=52 axis=-28 t_axis=9", "--AXIS--\nP      52\nQRS    -28\nT      9"),
    ("pr=138 qrs=112", "PQ     138    120 - 200\nQRS    112    70 - 110"),
    ("qtc=492 qt=456", "The corrected QT comes to 492 ms (uncorrected 456 ms)."),
    ("rate=92", "呼吸20次/分，心率92次/分"),
    ("rate=72", "HF 72/min, AF 16/min, SpO2 97 %"),
    ("rate=72 qrs<120", "Sinus rhythm is present at 72 bpm with a QRS below 120 ms."),
    ("qrs>120", "LBBB is present with a QRS above 120 ms."),
    # aims, differences, other ECGs behind an apposition
    ("rate~", "She received isoprenaline to increase the ventricular rate to 50 bpm."),
    ("qtc=485 qtc~", "The QTc is 485 ms. Her previous ECG, recorded 3 months earlier, showed a QTc of 430 ms."),
    ("", "The QRS is 40 ms wider than usual."),
    # brackets, notes, signs, names far away
    ("pr=240", "The first PR interval (after each long RR) is 240 ms."),
    ("qtc=598", "The QTc (Framingham: QTc = QT + 0.154 (1 - RR)) is 598 ms."),
    ("", "Left axis deviation is present, i.e. a bifascicular block (1)"),
    ("axis=-90", "A nearly vertical axis at around – 90 degrees"),
    ("rate=110", "P waves come at a rate of 110 particularly in lead II"),
    ("axis=30", "Axis\n• Normal (30 deg)"),
    ("atrial_rate=82 rate=33", "There are more P waves (atrial = 82/min, ventricular = 33/min)."),
    # German
    ("atrial_rate=75..80", "Die Frequenz der Vorhofaktionen beträgt etwa 75 bis 80/min"),
    ("rate=35..40", "Herzfrequenz von 35 bis 40 Schlägen pro Minute"),
    ("p~", "Ein Zeichen für eine Belastung des Vorhofs ist eine P-Welle über 120 ms."),
    ("qrs~", "Im Normalfall liegt die QRS-Zeit unter 110 ms."),
]
DIAGNOSES = [
    ("first-degree_AV_block?", "A first-degree AV block is diagnosed based on a PR interval > 200 ms."),
    ("bundle_branch_block?", "A QRS > 120 ms indicates bundle branch block."),
    ("sinus_rhythm?", "Sinus rhythm is present if each P wave is followed by a QRS."),
    ("first-degree_AV_block?", "First-degree AV block does not cause symptoms."),
    ("Mobitz_type_I_AV_block?", "Mobitz I heart block often occurs during sleep."),
    ("left_bundle_branch_block?", "The criteria for LBBB are: a wide QRS and a broad R in V6."),
    ("left_bundle_branch_block?", "In patients with LBBB the T waves are discordant."),
    ("left_bundle_branch_block?", "In LBBB, conduction is blocked in the left bundle."),
    ("right_bundle_branch_block?", "The QRS is wider than usually seen with RBBB."),
    ("left_ventricular_hypertrophy?", "An ECG has a poor sensitivity for detecting LVH."),
    ("first-degree_AV_block?", "When prolonged, a first-degree AV block is present."),
    ("third-degree_AV_block?", "Should the last fascicle fail, the patient will have complete heart block."),
    ("atrial_flutter? sinus_tachycardia?", "The differential includes:\n1. sinus tachycardia\n2. atrial flutter"),
    ("left_bundle_branch_block?", "The computer called this LBBB. However, pacing spikes are seen."),
    ("fusion_beats? ventricular_tachycardia?", "A fusion beat would secure the diagnosis of ventricular tachycardia."),
    ("sinus_tachycardia? sinus_bradycardia?", "- Sinus tachycardia: above 100 bpm\n- Sinus bradycardia: below 60 bpm"),
    ("acute_pericarditis?", "ECG features of acute pericarditis\nwidespread concave ST segments"),
    ("right_ventricular_hypertrophy-", "This makes pure RVH less convincing."),
    ("T-wave_abnormality+ myocardial_ischemia?", "Anterior T wave changes may be due to myocardial ischemia"),
    ("inverted_T-waves+ left_ventricular_hypertrophy?", "T wave inversion, probably due to LVH"),
    ("AV_block?", "Bei einer PQ-Zeit über 0,2 s besteht ein AV-Block."),
    ("left_bundle_branch_block?", "Typisch für den kompletten LSB sind breite Komplexe."),
    ("acute_myocardial_ischemia-", "Eine akute Ischämie liegt bei diesem Verlauf nicht vor."),
    ("sinus_rhythm+", "Es handelt sich um einen Sinusrhythmus."),
    ("Mobitz_type_II_AV_block?", "Mobitz II has a constant PR interval before the dropped beat."),
    ("right_bundle_branch_block?", "Right bundle branch block can be a normal variant."),
    ("atrial_fibrillation?", "Atrial fibrillation is the most frequent sustained arrhythmia."),
    ("inferior_myocardial_infarction? non-specific_ST_elevation?", "An inferior infarct shows ST elevation."),
    ("ventricular_tachycardia? fusion_beats?", "What defines VT is fusion beats."),
    ("low_QRS_voltages?", "Low voltage is a QRS under 5 mm in all limb leads."),
    ("first-degree_AV_block?", "一度房室传导阻滞是指PR间期大于0.20秒。"),
    ("atrial_fibrillation- junctional_rhythm-", "Atrial fibrillation and junctional rhythm are set aside."),
    ("anterior_myocardial_infarction-", "A finding more typical of a young heart than of an anterior infarction."),
    ("sinus_rhythm+ acute_myocardial_ischemia?", "Sinus rhythm makes acute ischemia hard to assess."),
    ("acute_myocardial_ischemia?", "**Step 4: Ischemia** Noise makes acute ischemia hard to assess."),
    ("incomplete_right_bundle_branch_block+", "unvollst. rsb"),
    # … and what is of this ECG all the same
    ("T-wave_abnormality+ myocardial_ischemia?", "These T wave changes could be related to ischemia."),
    ("left_ventricular_hypertrophy+", "The deep S waves in V1 suggest left ventricular hypertrophy."),
    ("ventricular_premature_complex+ bigeminal_pattern+", "Frequent PVCs occur in a bigeminal pattern."),
    ("sinus_tachycardia+ right_ventricular_hypertrophy?", "I agree with sinus tachycardia, but where do you see RVH?"),
    ("left_bundle_branch_block+", "The QRS is > 120 ms, indicating LBBB."),
    ("atrial_fibrillation+", "Atrial fibrillation causes the irregular rhythm in this ECG."),
    ("atrial_fibrillation+", "P waves are missing, as expected in atrial fibrillation."),
    ("right_bundle_branch_block+", "The RSR' is a feature of RBBB here."),
    ("left_bundle_branch_block+", "LBBB is a new finding."),
]  # fmt: skip


@pytest.mark.parametrize(("reading", "text"), QUANTITIES)
def test_quantities(reading: str, text: str) -> None:
    assert " ".join(written(q) for q in Completion.parse(text).quantities) == reading


@pytest.mark.parametrize(("reading", "text"), DIAGNOSES)
def test_diagnoses(reading: str, text: str) -> None:
    expected = {(each[:-1].replace("_", " "), SIGNS[each[-1]]) for each in reading.split()}
    assert {(m.name, m.polarity) for m in Completion.parse(text).statements} == expected


def test_the_one_answer_knows_them_too() -> None:
    text = "First-degree AV block does not cause symptoms."
    assert stance(text, 0, 21) == "general"
