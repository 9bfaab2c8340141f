"""Claim-level credit: each value's tokens carry that value's own advantage."""

import pytest

torch = pytest.importorskip("torch")

from ecg_r1.model.tokenizer import train_tokenizer
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.train.advantages import Batch, claim, token_spans

NAN = float("nan")


def claim_advantages(totals, evidence, spans, length, group, scale):
    batch = Batch(totals, [], evidence, length, group, scale, None)
    batch.__dict__["token_spans"] = spans  # else read from a tokenizer
    return claim(batch)


def row(quantity, score, span):
    return Judgement(quantity, "supported", score, tuple(span), quantity=quantity)


def test_each_claim_gets_its_own_group_advantage_and_the_rest_the_total():
    spans = [[(0, 5), (5, 8), (8, 12), (12, 15)]] * 2
    evidence = [
        [row("pr_ms", 1.0, [5, 8]), row("qt_ms", 0.0, [12, 15])],
        [row("pr_ms", 0.0, [5, 8]), row("qt_ms", 1.0, [12, 15])],
    ]
    total = torch.tensor([0.3, -0.3])
    spread = claim_advantages(total, evidence, spans, length=4, group=2, scale="none")
    assert torch.allclose(spread, torch.tensor([[0.3, 0.5, 0.3, -0.5], [-0.3, -0.5, -0.3, 0.5]]))


def test_a_claim_nobody_else_in_the_group_makes_carries_no_advantage_of_its_own():
    evidence = [[row("pr_ms", 0.7, [0, 3])], []]
    spread = claim_advantages(
        torch.tensor([1.0, -1.0]), evidence, [[(0, 3)], [(0, 3)]], length=1, group=2, scale="group"
    )
    assert spread.tolist() == [[0.0], [-1.0]]


def test_unverifiable_claims_keep_the_total():
    evidence = [[row("pr_ms", None, [0, 3])], [row("pr_ms", 0.5, [0, 3])]]
    spread = claim_advantages(
        torch.tensor([1.0, -1.0]), evidence, [[(0, 3)], [(0, 3)]], length=1, group=2, scale="none"
    )
    assert spread.tolist() == [[1.0], [0.0]]


def test_contradicting_quotes_share_the_worse_score():
    evidence = [[row("pr_ms", 1.0, [0, 3]), row("pr_ms", 0.0, [3, 6])], [row("pr_ms", 0.5, [0, 3])]]
    spans = [[(0, 3), (3, 6)], [(0, 3), (3, 6)]]
    spread = claim_advantages(torch.zeros(2), evidence, spans, length=2, group=2, scale="none")
    assert spread.tolist() == [[-0.25, -0.25], [0.25, 0.0]]


def test_group_and_batch_scales_follow_trl():
    evidence = [[row("pr_ms", s, [0, 1])] for s in (1.0, 0.0, 0.5, 0.5)]
    spans = [[(0, 1)]] * 4
    by_group = claim_advantages(torch.zeros(4), evidence, spans, length=1, group=2, scale="group").flatten()
    std = torch.tensor([1.0, 0.0]).std()
    assert by_group[0] == pytest.approx(float(0.5 / (std + 1e-4)))
    assert by_group[2:].tolist() == [0.0, 0.0]
    by_batch = claim_advantages(torch.zeros(4), evidence, spans, length=1, group=2, scale="batch").flatten()
    assert by_batch[0] == pytest.approx(float(0.5 / (torch.tensor([1.0, 0.0, 0.5, 0.5]).std() + 1e-4)))


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["<think>PR interval 160 ms.</think><answer>normal ECG</answer>"] * 4)


def test_token_spans_cover_the_text_in_order(tokenizer):
    text = "<think>PR interval 172 ms.</think>"
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    (spans,) = token_spans([ids], [text], tokenizer)
    assert "".join(text[a:b] for a, b in spans) == text
    assert spans[-1] == (0, 0)  # the end token covers no character


def test_token_spans_of_an_unusual_split_fall_back_to_prefixes(tokenizer):
    usual = tokenizer("interval", add_special_tokens=False)["input_ids"]
    letters = [tokenizer.convert_tokens_to_ids(c) for c in "interval"]
    assert letters != usual
    (spans,) = token_spans([letters], ["interval"], tokenizer)
    assert spans == [(i, i + 1) for i in range(8)]
