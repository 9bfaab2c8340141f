"""The recipe's rewards as TRL calls them."""

import pytest

pytest.importorskip("trl")

from ecg_r1.corpus.store import RecordStore
from ecg_r1.recipe import RewardWorkers
from ecg_r1.scoring import load_reward
from ecg_r1.train.dropout import View
from ecg_r1.train.media import Media
from ecg_r1.train.rewards import RewardSet

TEXT = "<think>PR interval 160 ms.</think><answer>normal ECG</answer>"
FILE = """
from ecg_r1.scoring import Score, reward

@reward
def another(completion, case):
    row = {"quantity": "pr_ms", "score": 0.0, "span": [0, 3]}
    return Score(0.5, explanation=case.question + " " + " ".join(case.leads), evidence=(row,))

@reward(scope="group")
def rank(completions, case):
    return [float(len(completions))] * len(completions)
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path / "mine.py"


def call(rewards, views, questions):
    """What TRL does: each function in turn; the columns that were logged."""
    logged, metrics = {}, {}
    scores = [
        function(
            completions=[TEXT] * len(views), completion_ids=[[1]] * len(views), view=views, question=questions,
            log_extra=logged.__setitem__,
            log_metric=metrics.__setitem__,
        )
        for function in rewards.functions()
    ]  # fmt: skip
    return scores, logged, metrics


def test_a_reward_without_weight_is_a_metric_and_gives_no_credit(file, split):
    media = Media(RecordStore(split), None)
    views = [View(record) for record in media.store.ids[:2]]
    both = [load_reward("intervals"), load_reward(f"{file}:another")]
    for weights, claims in (([0.5, 0.5], 2), ([0.5, 0.0], 1), (None, 2)):
        with RewardSet(both, RewardWorkers(workers=0), media, weights) as rewards:
            scores, logged, metrics = call(rewards, views, ["Report."] * 2)
            assert scores[1] == [0.5, 0.5]
            assert [len(rows) for rows in rewards.claims()] == [claims] * 2
            assert logged["record"] == media.store.ids[:2]
            assert metrics["rewards/another/errors"] == 0
            assert "shown" not in logged


def test_claims_are_those_of_each_completion_in_order(split):
    media = Media(RecordStore(split), None)
    texts = [TEXT, "<think></think><answer>normal ECG</answer>", TEXT.replace("PR", "QT")]
    with RewardSet([load_reward("intervals")], RewardWorkers(workers=0), media, [0.5]) as rewards:
        (function,) = rewards.functions()
        function(
            completions=texts, completion_ids=[[1]] * 3, view=[View(media.store.ids[0])] * 3, question=["Report."] * 3,
            log_extra=lambda name, values: None, log_metric=lambda name, value: None,
        )  # fmt: skip
        assert [[row["quantity"] for row in rows] for rows in rewards.claims()] == [["pr_ms"], [], ["qt_ms"]]


def test_a_case_has_the_question_and_the_leads_that_are_shown(file, split):
    media = Media(RecordStore(split), None)
    views = [View(media.store.ids[0], leads=("II", "V1")), View(media.store.ids[1], leads=("I",))]
    with RewardSet([load_reward(f"{file}:another")], RewardWorkers(workers=0), media) as rewards:
        _, logged, _ = call(rewards, views, ["Rate?", "Rhythm?"])
    assert logged["another/explanation"] == ["Rate? II V1", "Rhythm? I"]


def test_two_questions_on_one_record_are_two_groups(file, split):
    media = Media(RecordStore(split), None)
    views = [View(media.store.ids[0])] * 5
    with RewardSet([load_reward(f"{file}:rank")], RewardWorkers(workers=0), media) as rewards:
        scores, _, _ = call(rewards, views, ["Rate?"] * 2 + ["Rhythm?"] * 3)
    assert scores == [[2.0, 2.0, 3.0, 3.0, 3.0]]


def test_workers_end_with_their_set(file, split):
    import psutil

    before = set(psutil.Process().children())
    media = Media(RecordStore(split), None)
    with RewardSet([load_reward("format")], RewardWorkers(workers=2), media):
        started = set(psutil.Process().children()) - before
        assert len(started) == 3  # a spare one is loaded before it is needed
    assert not any(child.is_running() for child in started)
