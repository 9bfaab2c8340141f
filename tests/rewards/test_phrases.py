"""Whether a step says a phrase: in other words, claimed of this ECG, and beside nothing that excludes it."""

import pytest
from counted import MOST, growth

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.scoring.contraries import NAMED, worded
from ecg_r1.scoring.phrases import says
from ecg_r1.scoring.unclaimed import claimed

SAID = """
regular rhythm | The rhythm is regular with no premature beats
regular rhythm | Rhythm: regular, rate 72 bpm
regular rhythm | The rhythm is regular; the baseline is irregular
irregularly irregular rhythm | The rhythm is irregularly irregular with no discernible P waves
absent P waves | There are no P waves; the baseline is fibrillatory
absent P waves | P waves are absent and replaced by f waves
P wave before each QRS | There is an upright P wave before each QRS complex
narrow QRS complex | The QRS complex is narrow at 92 ms, with no evidence of bundle branch block
narrow QRS complex | The QRS duration of 92 ms is narrow
prolonged PR interval | The PR interval of 224 ms is clearly prolonged
narrow QRS complex | QRS narrow without bundle branch block
wide QRS complex | The QRS is markedly widened at 152 ms
normal axis | The axis is normal at 45 degrees, no left axis deviation
normal axis | normal axis without left or right axis deviation
left axis deviation | There is left axis deviation with right bundle branch block
left axis deviation | The axis is deviated to the left, R progression is normal
no ST elevation | No ST elevation, ST depression or T wave inversion
no ST depression | No ST elevation, ST depression or T wave inversion
no T wave inversion | No ST elevation, ST depression or T wave inversion
upright T waves | No ST elevation or depression, upright T waves, no U wave or delta wave
ST elevation in II, III, aVF | ST elevation is seen in leads II, III and aVF, with reciprocal depression in I and aVL
reciprocal ST depression in aVL | There is ST elevation in II, III, aVF and reciprocal ST depression in I and aVL
poor R wave progression | R wave progression is poor in V1-V4 with a normal axis
good signal quality | Signal quality is good without artefact
no pathological Q waves | There are no pathological Q waves in the inferior leads
T wave inversion in V1-V3 | T wave inversion in V1-V3, upright T waves in V5 and V6
T wave inversion | T wave inversion in V1-V3, upright T waves elsewhere
isoelectric ST segments | ST segments are isoelectric in all leads
normal PR interval | The PR interval is normal at 160 ms
normal PR interval | The PR interval is normal. If the PR were 240 ms it would be prolonged
prolonged PR interval | The PR interval is prolonged at 240 ms (normal 120-200 ms)
sinus rhythm | Sinus rhythm with a rate of 72 bpm, no atrial fibrillation
sinus rhythm | Let me check for P waves: they are upright before each QRS, so sinus rhythm
no left ventricular hypertrophy | LVH criteria are not met
left bundle branch block | The QRS is wide with LBBB, and discordant T waves
heart rate 72 bpm | The ventricular rate, from the previous RR intervals, is 72 bpm
pathological Q waves | It should be noted that there are pathological Q waves in III
P wave before each QRS | Normally conducted, with a P wave before each QRS
sinus rhythm | The P waves are usually upright in II and so this is sinus rhythm
normal axis | The axis is normal and there is left atrial enlargement
narrow QRS complex | narrow QRS complex of 104 ms, with incomplete RBBB
ST elevation | Compared with the previous ECG, ST elevation is new
"""
UNSAID = """
normal axis | left axis deviation, right axis deviation, normal axis
normal axis | left axis deviation and normal axis
narrow QRS complex | wide QRS, narrow QRS complex
narrow QRS complex | narrow QRS complex. The QRS is broad
regular rhythm | regular rhythm, irregular rhythm
sinus rhythm | sinus rhythm, atrial fibrillation, atrial flutter
left bundle branch block | LBBB, RBBB
first-degree AV block | normal ECG, first-degree AV block
normal PR interval | PR normal, PR prolonged
P wave before each QRS | P wave before each QRS, absent P waves
absent P waves | P wave before each QRS, absent P waves
ST elevation in II, III, aVF | ST elevation in II, III, aVF. No ST elevation
good signal quality | good signal quality, poor signal quality
upright T waves | upright T waves, inverted T waves
normal axis | axis: normal/left/right
normal axis | axis [normal|left|right]
normal axis | axis is normal to leftward
normal axis | normal axis, leftward deviation of the axis
normal axis | normal axis, axis -60 degrees
normal axis | normal axis, left anterior fascicular block
normal axis | normal axis; 电轴左偏
narrow QRS complex | narrow QRS complex, QRS 160 ms
narrow QRS complex | narrow QRS complex, LBBB
prolonged PR interval | PR interval 160 ms, prolonged PR interval
heart rate 72 bpm | heart rate 72 bpm, tachycardia, bradycardia
upright T waves | upright T waves, flat T waves, biphasic T waves
low voltage | low voltage in the limb leads and normal voltage in V1-V6
wide QRS complex | Look for a wide QRS complex
wide QRS complex | I check whether there is a wide QRS complex
wide QRS complex | One would expect a wide QRS complex
wide QRS complex | Criteria: wide QRS complex, notched R
wide QRS complex | Criteria for LBBB are: wide QRS complex
wide QRS complex | The textbook says "wide QRS complex"
wide QRS complex | On the previous ECG, wide QRS complex
wide QRS complex | wide QRS complex on the previous ECG
wide QRS complex | ~~wide QRS complex~~
wide QRS complex | Excluded: narrow R, wide QRS complex
wide QRS complex | Is there a wide QRS complex?
wide QRS complex | If there were a wide QRS complex, it would matter
wide QRS complex | It is not true that there is a wide QRS complex
wide QRS complex | wide QRS complex, or else none of these
wide QRS complex | wide QRS complex, notched R: all absent
wide QRS complex | wide QRS complex (yes/no)
wide QRS complex | Usually a wide QRS complex
wide QRS complex | Expected: wide QRS complex
wide QRS complex | A wide QRS complex would be typical
wide QRS complex | Students should remember a wide QRS complex
wide QRS complex | In theory, a wide QRS complex
wide QRS complex | A healthy control has a wide QRS complex
wide QRS complex | unlike a wide QRS complex
wide QRS complex | hardly a wide QRS complex
wide QRS complex | wide QRS complex (not)
wide QRS complex | wide QRS complex - false
wide QRS complex | possible wide QRS complex
wide QRS complex | The ECG lacks notched R waves, a wide QRS complex
heart rate 72 bpm | One would expect a heart rate of 72 bpm
"""


def rows(table: str) -> list[tuple[str, str]]:
    return [tuple(part.strip() for part in line.split(" | ")) for line in table.strip().splitlines()]  # type: ignore[misc]


@pytest.mark.parametrize(("phrase", "text"), rows(SAID))
def test_said(phrase: str, text: str) -> None:
    assert says(claimed(text), phrase)


@pytest.mark.parametrize(("phrase", "text"), rows(UNSAID))
def test_unsaid(phrase: str, text: str) -> None:
    assert not says(claimed(text), phrase)


def test_a_list_of_diagnoses_says_none() -> None:
    names = [s.name for s in vocabulary().statements if s.name.endswith(("infarction", "ischemia", "hypertrophy"))]
    assert says(claimed("; ".join(names[:10])), names[0])
    assert not says(claimed("; ".join(names[:11])), names[0])


def test_the_groups_name_statements_of_the_vocabulary() -> None:
    for alternatives in NAMED.values():
        for names in alternatives.values():
            assert all(vocabulary().get(name).name == name for name in names)


@pytest.mark.parametrize("piece", ["9", "9 ", "deviat", "left or ", "x/", "to", "is ", "complexes "])
@pytest.mark.parametrize("subject", ["pr ", "axis ", "qrs is "])
def test_the_time_to_read_a_clause_grows_with_its_length_and_no_faster(subject: str, piece: str) -> None:
    assert growth(worded, lambda length: subject + (piece * length)[:length], 5_000) < MOST
