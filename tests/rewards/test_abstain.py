"""Saying that there is no ECG: read as such in three languages, paid where none is shown and nowhere else."""

import dataclasses

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.abstention import NOTHING_SHOWN, reads_anyway, says_no_ecg

SHOWN = Case("r", ("normal ECG",), Measurements.from_json({"pr_ms": 160}))
HIDDEN = Case("r", (), Measurements.from_json({}), leads=())
SAYS = ("""
No ECG is shown.
no ECG
There is no ECG to interpret.
I cannot see an ECG.
I don't see any image or ECG attached.
No image or ECG was provided, so I cannot give an interpretation.
I'm sorry, but I can't see the ECG image.
The ECG is missing.
The image is blank.
Please upload the ECG so that I can read it.
Without an ECG I cannot determine the rhythm.
I am sorry. Without an ECG, nothing can be said.
As no ECG is attached, I can't comment.
An ECG was not provided.
Mir liegt kein EKG vor.
没有心电图，无法给出结论。
No ECG tracing was attached to your message.
I was not given an ECG.
There was no electrocardiogram provided.
Es liegt kein EKG vor.
Es wurde kein EKG übermittelt.
Ich sehe kein EKG.
Kein EKG vorhanden.
Ohne EKG kann ich keine Aussage machen.
没有提供心电图，无法判断。
未看到任何心电图图像。
心电图缺失。
无心电图可供分析。
I have not been given an ECG.
It appears that no ECG has been uploaded.
No 12-lead ECG was available.
I am unable to view the ECG.
The ECG image did not load.
我无法看到心电图。
您没有上传心电图。
""").strip().splitlines()  # fmt: skip
READS = ("""
There is no ECG evidence of ischemia.
No ECG changes were seen.
No previous ECG is available for comparison.
No prior ECG was provided for comparison.
If no ECG was provided, I could not read it.
There is no trace of ischemia.
No P waves are seen.
normal ECG
The ECG is normal, no abnormality is visible.
No ECG abnormality is present.
No old ECG available.
PR interval not measurable.
未见心电图异常。
没有心电图改变。
未显示心电图异常
Kein EKG-Zeichen einer Ischämie.
Es gibt keine EKG-Veränderungen.
Kein vorheriges EKG vorhanden.
There is no ECG sign of hypertrophy.
No image artefact.
No ECG criteria for LVH are present.
There are no ECG criteria for LVH here.
When an ECG is missing, the rhythm cannot be read.
If the image is blank, no reading is possible.
In patients without an ECG, no diagnosis can be made.
Had no ECG been provided, I could not tell.
Suppose that no ECG was provided.
Serial ECGs are needed; without an ECG no one should be discharged.
The P wave is missing.
The tracing is not available in lead V2.
The signal is missing in V1.
No ECG signs of infarction; the recording is clean.
The recording is absent of artefact.
a blank ECG strip separates the rows
There is no ECG lead reversal.
the ECG shows no ST elevation
The ECG is not available for comparison.
no electrocardiographic evidence of LVH
No comparison ECG was available.
""").strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("text", SAYS)
def test_that_there_is_no_ecg_is_read(text):
    assert says_no_ecg(Completion.parse(text))
    assert says_no_ecg(Completion.parse(f"<think>Let me look.\n{text}</think><answer>none</answer>"))


@pytest.mark.parametrize("text", READS)
def test_a_reading_is_not_taken_for_it(text):
    assert not says_no_ecg(Completion.parse(text))


def test_a_text_of_nothing_but_suppositions_is_read_in_linear_time():
    assert not says_no_ecg(Completion.parse("Suppose that no ECG was provided. " * 3000))


def paid(text, case):
    return load_reward("abstain")(Completion.parse(text), case).value


READING = "<think>Rate 75 bpm. PR interval 160 ms.</think><answer>normal ECG</answer>"


@pytest.mark.parametrize(
    ("text", "hidden", "shown"),
    [
        (NOTHING_SHOWN, 1, -1),
        ("I cannot see an ECG, so I cannot answer.", 1, -1),
        (READING, 0, 0),
        ("", 0, 0),
        ("No ECG is shown. PR interval 160 ms.", 0, -1),  # to say both wins nothing
        ("<think>No ECG was provided.</think><answer>atrial fibrillation</answer>", 0, -1),
        ("No ECG is shown. There is ST elevation in V2.", 0, -1),
        ("No ECG. " * 500, 1, -1),
        ("No previous ECG is available for comparison.", 0, 0),
        ("If no ECG was shown, I would say so.", 0, 0),
    ],
)
def test_abstain(text, hidden, shown):
    assert (paid(text, HIDDEN), paid(text, SHOWN)) == (hidden, shown)


def test_a_part_of_an_ecg_is_an_ecg():
    assert paid(NOTHING_SHOWN, dataclasses.replace(SHOWN, leads=("II",))) == -1
    assert paid(NOTHING_SHOWN, dataclasses.replace(HIDDEN, others=(SHOWN,))) == -1
    assert paid(NOTHING_SHOWN, dataclasses.replace(HIDDEN, others=(HIDDEN,))) == 1


def test_the_target_says_so_and_reads_nothing():
    target = Completion.parse(NOTHING_SHOWN)
    assert says_no_ecg(target)
    assert not reads_anyway(target)
    assert load_reward("format")(target, HIDDEN).value == 1


def test_no_other_reward_pays_for_a_guess_of_what_is_not_shown():
    for name in ("intervals", "diagnosis", "findings", "consistency"):
        score = load_reward(name)(Completion.parse(READING), HIDDEN)
        assert score is None or score.value is None or score.value == 0, name
