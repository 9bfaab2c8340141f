"""The recipe's rewards as TRL calls them."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("trl")

from splits import write_split

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.leads import LEADS
from ecg_r1.recipe import RewardWorkers
from ecg_r1.scoring import RewardFailure, load_reward
from ecg_r1.train.dropout import Shown, View
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


def call(rewards, shown, texts=None, ids=None):
    """What TRL does: each function in turn; the columns that were logged."""
    logged, metrics = {}, {}
    scores = [
        function(
            completions=texts or [TEXT] * len(shown), completion_ids=ids or [[1]] * len(shown), shown=shown,
            log_extra=logged.__setitem__,
            log_metric=metrics.__setitem__,
        )
        for function in rewards.functions()
    ]  # fmt: skip
    return scores, logged, metrics


@pytest.fixture
def asked(tmp_path):
    """Two records; two questions on the first, each with what is expected of it, and one on both records."""
    rows = [
        {"record": "r0", "diagnoses": ["normal ECG"], "measurements": {"heart_rate_bpm": 75, "pr_ms": 160}},
        {"record": "r1", "diagnoses": ["sinus bradycardia"], "measurements": {"heart_rate_bpm": 48, "pr_ms": 170}},
    ]
    examples = [
        Example("steps", ("r0",), "Read it.", expected={"1": ["rate 75 bpm"]}, extra={"key_steps": ["rate 75 bpm"]}),
        Example("where", ("r0",), "Where?", expected={"leads": ["V1", "V2"]}, extra={"answer": "B"}),
        Example("both", ("r0", "r1"), "Which is slower?"),
    ]
    return Media(RecordStore(write_split(tmp_path / "split", rows, examples, page_size=32)), None)


def shown(media, *names, leads=None):
    examples = [media.store.example(name) for name in names]
    return [Shown(e.id, tuple(View(record, leads) for record in e.records)) for e in examples]


def test_a_reward_without_weight_is_a_metric_and_gives_no_credit(file, split):
    media = Media(RecordStore(split), None)
    ids = list(media.store.example_ids[:2])
    both = [load_reward("intervals"), load_reward(f"{file}:another")]
    for weights, claims in (([0.5, 0.5], 2), ([0.5, 0.0], 1), (None, 2)):
        with RewardSet(both, RewardWorkers(workers=0), media, weights) as rewards:
            scores, logged, metrics = call(rewards, shown(media, *ids))
            assert scores[1] == [0.5, 0.5]
            assert [len(rows) for rows in rewards.claims()] == [claims] * 2
            assert logged["example"] == ids
            assert metrics["rewards/another/errors"] == 0
            assert "shown" not in logged


def test_claims_are_those_of_each_completion_in_order(asked):
    texts = [TEXT, "<think></think><answer>normal ECG</answer>", TEXT.replace("PR interval 160 ms", "Rate 75 bpm")]
    with RewardSet([load_reward("intervals")], RewardWorkers(workers=0), asked, [0.5]) as rewards:
        call(rewards, shown(asked, *["steps"] * 3), texts)
        quoted = [[claim.quantity for claim in claims] for claims in rewards.claims()]
    assert quoted == [["pr_ms"], [], ["heart_rate_bpm"]]


def test_a_case_has_the_question_and_the_leads_that_are_shown(file, asked):
    views = [*shown(asked, "steps", leads=("II", "V1")), *shown(asked, "where", leads=("I",))]
    with RewardSet([load_reward(f"{file}:another")], RewardWorkers(workers=0), asked) as rewards:
        _, logged, _ = call(rewards, views)
    assert logged["another/explanation"] == ["Read it. II V1", "Where? I"]
    (both,) = shown(asked, "both")
    case = asked.case(replace(both, views=(View("r0", ("II",)), View("r1"))))
    assert (case.leads, case.others[0].leads) == (("II",), LEADS)


def test_two_questions_on_one_record_are_two_groups(file, asked):
    views = shown(asked, *["steps"] * 2, *["where"] * 3, "both")
    with RewardSet([load_reward(f"{file}:rank")], RewardWorkers(workers=0), asked) as rewards:
        scores, _, _ = call(rewards, views)
    assert scores == [[2.0, 2.0, 3.0, 3.0, 3.0, 1.0]]


def test_what_an_example_expects_is_paid_for(asked):
    """`evidence`, `steps`, `localisation` and `choice` pay where the corpus carries what they ask for; else None."""
    texts = [
        "<think>**Step 1**: The rate is 75 bpm.</think><answer>normal ECG</answer>",
        "<think>B.</think><answer>B</answer>",
        "<think>It is in leads V1 and V2.</think><answer>leads V1, V2</answer>",
    ]
    names = ["evidence", "steps", "localisation", "choice"]
    with RewardSet([load_reward(name) for name in names], RewardWorkers(workers=0), asked) as rewards:
        scores, logged, _ = call(rewards, shown(asked, "steps", "where", "where"), texts)
    paid = dict(zip(names, scores, strict=True))
    assert paid["evidence"] == [1.0, None, None]
    assert paid["localisation"] == [None, 0.0, 1.0]
    assert paid["choice"] == [None, 1.0, 0.0]
    assert paid["steps"][0] == 1.1  # right, and its key step is said
    assert logged["example"] == ["steps", "where", "where"]


def test_tokens_are_counted_where_a_reward_counts_them(asked):
    length = load_reward("length", {"unit": "tokens", "limit": 20, "cache": 10})
    with RewardSet([length], RewardWorkers(workers=0), asked) as rewards:
        scores, _, _ = call(rewards, shown(asked, "steps", "where"), ids=[[7] * 8, [7] * 15])
    assert scores == [[0.0, -0.5]]


def test_what_was_judged_is_logged_of_each_completion(asked):
    with RewardSet([load_reward("intervals")], RewardWorkers(workers=0), asked) as rewards:
        _, logged, _ = call(rewards, shown(asked, "steps"))
    ((row,),) = map(json.loads, logged["evidence"])
    assert (row["quantity"], row["verdict"]) == ("pr_ms", "supported")


def test_deadline_and_share_of_errors_are_the_recipe_s(asked, tmp_path):
    (tmp_path / "raises.py").write_text(
        "from ecg_r1.scoring import reward\n@reward\ndef raises(completion, case): 1 / 0\n"
    )
    raises = load_reward(f"{tmp_path}/raises.py:raises")
    with RewardSet([raises], RewardWorkers(workers=0, max_error_share=1.0, timeout=77), asked) as rewards:
        assert call(rewards, shown(asked, "steps"))[0] == [[None]]
        assert rewards.pool.deadline == 77
    with (
        RewardSet([raises], RewardWorkers(workers=0, max_error_share=0.5), asked) as rewards,
        pytest.raises(RewardFailure, match="failed on 1 of the last 1 samples"),
    ):
        call(rewards, shown(asked, "steps"))


def test_workers_end_with_their_set(file, split):
    import psutil

    before = set(psutil.Process().children())
    media = Media(RecordStore(split), None)
    with RewardSet([load_reward("format")], RewardWorkers(workers=2), media):
        started = set(psutil.Process().children()) - before
        assert len(started) == 3  # a spare one is loaded before it is needed
    assert not any(child.is_running() for child in started)
