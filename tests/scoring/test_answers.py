"""What is read from an answer, and from a completion's blocks, without any reward's weights."""

import pytest

from ecg_r1.scoring import Completion
from ecg_r1.scoring.answers import UNREAD, Answer, read_answer
from ecg_r1.scoring.blocks import malformed
from ecg_r1.scoring.labels import read_labels


def answer(text):
    return read_answer(Completion.parse(f"<think>x</think><answer>{text}</answer>"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("normal ECG", Answer(("normal ECG",))),
        ("Possible AF.", Answer(doubted=("atrial fibrillation",))),
        ("normal ECG; possible AF", Answer(("normal ECG",), ("atrial fibrillation",))),
        ("no atrial fibrillation", Answer()),
        ("normal ECG; AF; no AF", Answer(("normal ECG",), contradicted=("atrial fibrillation (contradicted)",))),
        ("atrial fibrillation; possible AF", Answer(doubted=("atrial fibrillation",))),
        ("Moonstruck Heart; normal ECG", Answer(("normal ECG", "moonstruck heart"))),
        ("", Answer()),
    ],
)  # fmt: skip
def test_each_diagnosis_stands_in_one_place(text, read):
    assert answer(text) == read


def test_a_completion_with_more_mentions_than_are_read_answers_nothing():
    assert answer("normal ECG; " * 20_000) == Answer((UNREAD,))


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("normal ECG; LBBB", True),
        ("left bundle branch block; normal ECG", True),
        ("normal ECG", False),
        ("normal ECG; LBBB; possible AF", False),
        ("normal ECG; LBBB; AF; no AF", False),
    ],
)
def test_an_exact_answer_gives_these_and_no_other(text, exact):
    assert answer(text).is_exactly(read_labels(("LBBB", "normal ECG"))) is exact


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<think>x</think><answer>y</answer>", None),
        ("<answer>y</answer>", "tags ['answer', '/answer'], wanted ['think', '/think', 'answer', '/answer']"),
        ("<think></think><answer>y</answer>", "an empty block"),
        ("<think>x</think><answer>y</answer> And more.", "text outside the blocks: 'And more.'"),
        ("<think>x</think><answer/><answer>y</answer>", "something that looks like a tag and is not one"),
    ],
)
def test_what_is_wrong_with_the_form_is_said(text, fault):
    assert malformed(Completion.parse(text)) == fault
