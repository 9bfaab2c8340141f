"""Claim-level credit: each value's tokens carry that value's own advantage; and how an advantage is added."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.model.tokenizer import train_tokenizer
from ecg_r1.recipe import RecipeError, read_recipe
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.train.advantages import (
    ADVANTAGES,
    Batch,
    claim,
    claim_alone,
    claim_normalised,
    drpo,
    max_rl,
    rloo,
    token_spans,
)
from ecg_r1.train.domains import domain_of, scales
from ecg_r1.train.options import check_options

NAN = float("nan")


def claim_advantages(totals, evidence, spans, length, group, scale, credit=claim):
    batch = Batch(totals, [], evidence, length, group, scale, None, totals)
    batch.__dict__["token_spans"] = spans  # else read from a tokenizer
    return credit(batch)


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


def test_claims_alone_leave_the_rest_as_it_is():
    spans = [[(0, 5), (5, 8), (8, 12)]] * 2
    evidence = [[row("pr_ms", 1.0, [5, 8])], [row("pr_ms", 0.0, [5, 8])]]
    total = torch.tensor([0.3, -0.3])
    spread = claim_advantages(total, evidence, spans, 3, 2, "none", credit=claim_alone)
    assert spread.tolist() == [[0.0, 0.5, 0.0], [0.0, -0.5, 0.0]]


def test_a_normalised_claim_weighs_the_same_whatever_its_tokens():
    """A PR of three tokens, a QT of one; the token between them keeps the total's advantage."""
    spans = [[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]] * 2
    judged = [[row("pr_ms", score, [0, 3]), row("qt_ms", score, [4, 5])] for score in (1.0, 0.0)]
    total = torch.tensor([0.2, -0.2])
    given = (total, judged, spans, 5, 2, "none")
    plain, same = claim_advantages(*given), claim_advantages(*given, credit=claim_normalised)
    assert plain[0].tolist() == pytest.approx([0.5, 0.5, 0.5, 0.2, 0.5])
    assert same[0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.2, 1.0])  # two tokens on average
    assert same[0, :3].sum() == pytest.approx(same[0, 4])
    assert same[1].tolist() == pytest.approx((-same[0]).tolist())
    nothing = claim_advantages(total, [[], []], spans, 5, 2, "none", credit=claim_normalised)
    assert nothing[:, 0].tolist() == total.tolist()


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


def test_a_claim_is_compared_within_its_group_and_scaled_by_the_whole_batch():
    """Groups of means 0.75 and 0.25; of all four scores the deviation is √((0.5² + 0 + 0 + 0.5²) / 3) = 0.408."""
    claims = [[row("pr_ms", score, [0, 1])] for score in (1.0, 0.5, 0.5, 0.0)]
    spans, totals = [[(0, 1)]] * 4, torch.zeros(4)
    plain = claim_advantages(totals, claims, spans, length=1, group=2, scale="none").flatten()
    assert plain.tolist() == [0.25, -0.25, 0.25, -0.25]
    scaled = claim_advantages(totals, claims, spans, length=1, group=2, scale="batch").flatten()
    assert scaled.tolist() == pytest.approx([0.612, -0.612, 0.612, -0.612], abs=1e-3)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["<think>PR interval 160 ms.</think><answer>normal ECG</answer>"] * 4)


def test_token_spans_cover_the_text_in_order(tokenizer):
    text = "<think>PR interval 172 ms.</think>"
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    (spans,) = token_spans([ids], [text], tokenizer)
    assert "".join(text[a:b] for a, b in spans) == text
    assert spans[-1] == (0, 0)  # the end token covers no character


def test_a_special_token_amid_a_completion_shifts_no_other(tokenizer):
    text = "<think>PR interval 172 ms.</think>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    (plain,) = token_spans([ids], [text], tokenizer)
    (spans,) = token_spans([[*ids[:3], tokenizer.eos_token_id, *ids[3:]]], [text], tokenizer)
    assert spans == [*plain[:3], (0, 0), *plain[3:]]


def test_token_spans_of_an_unusual_split_fall_back_to_prefixes(tokenizer):
    usual = tokenizer("interval", add_special_tokens=False)["input_ids"]
    letters = [tokenizer.convert_tokens_to_ids(c) for c in "interval"]
    assert letters != usual
    (spans,) = token_spans([letters], ["interval"], tokenizer)
    assert spans == [(i, i + 1) for i in range(8)]


TEXTS = ["PR 160 ms. QT 400 ms.", "PR 172 ms. QT 380 ms."]


@pytest.fixture
def credited(tokenizer, monkeypatch):
    """What ECGGRPOTrainer makes of a batch of two completions: a trainer without a model, and TRL's part faked."""
    pytest.importorskip("trl")
    from trl import GRPOTrainer

    from ecg_r1.train.grpo import ECGGRPOTrainer

    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    length = max(map(len, ids)) + 1
    output = {
        "completion_ids": torch.tensor([row + [tokenizer.pad_token_id] * (length - len(row)) for row in ids]),
        "completion_mask": torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in ids]),
        "advantages": torch.tensor([0.25, -0.25]),
    }
    monkeypatch.setattr(GRPOTrainer, "_generate_and_score_completions", lambda self, inputs: dict(output))
    pr, qt = TEXTS[0].index("160"), TEXTS[0].index("400")
    claims = [
        [row("pr_ms", 1.0, [pr, pr + 3]), row("qt_ms", 0.0, [qt, qt + 3])],
        [row("pr_ms", 0.0, [pr, pr + 3]), row("qt_ms", 1.0, [qt, qt + 3])],
    ]

    def run(credit):
        trainer = object.__new__(ECGGRPOTrainer)
        store = SimpleNamespace(example=lambda name: SimpleNamespace(id=name), example_index=lambda name: 0)
        trainer.media = SimpleNamespace(
            store=store, shown=lambda example, moment: None, prompt=lambda example, shown: ""
        )
        trainer.model, trainer.state = SimpleNamespace(training=True), SimpleNamespace(global_step=0)
        rewards = SimpleNamespace(claims=lambda: claims, totals=lambda: [1.0, 0.5], domains=lambda: ["CD"] * 2)
        trainer.reward_set, trainer.credit = rewards, credit
        trainer.processing_class, trainer.accelerator = tokenizer, SimpleNamespace(device="cpu")
        trainer.args = SimpleNamespace(steps_per_generation=1, gradient_accumulation_steps=1)
        trainer.num_iterations, trainer.vllm_importance_sampling_correction = 1, False
        trainer.num_generations, trainer.scale_rewards, trainer.log_pages = 2, "none", False
        trainer.groups = None
        return trainer._generate_and_score_completions([{"example": "e"}] * 2)["advantages"]

    return ids, run


def test_the_trainer_credits_each_value_of_each_completion_with_its_own_score(credited, tokenizer):
    ids, run = credited
    advantages = run("claim")
    for i, (pr, qt) in enumerate([(0.5, -0.5), (-0.5, 0.5)]):
        (spans,) = token_spans([ids[i]], [TEXTS[i]], tokenizer)
        place = {TEXTS[i].index("PR") + 3: pr, TEXTS[i].index("QT") + 3: qt, 0: 0.25 if i == 0 else -0.25}
        for start, expected in place.items():
            tokens = [t for t, (left, right) in enumerate(spans) if left <= start < right]
            assert advantages[i, tokens].tolist() == [expected]


def test_an_advantage_is_one_function_and_one_entry(credited, monkeypatch):
    _, run = credited
    monkeypatch.setitem(ADVANTAGES, "halved", lambda batch: batch.totals / 2)
    recipe = Path(__file__).parents[2] / "recipes" / "tiny" / "grpo.yaml"
    check_options(read_recipe(recipe, ["credit=halved"]), str(recipe))
    assert run("halved").tolist() == [0.125, -0.125]
    assert run("sequence").tolist() == [0.25, -0.25]


def of_rewards(*rewards, group=4):
    return Batch(torch.zeros(len(rewards)), [], [], 2, group, "none", None, torch.tensor(rewards))


def test_rloo_subtracts_the_mean_of_the_others():
    assert rloo(of_rewards(1.0, 0.0, 0.5, 0.5)).tolist() == pytest.approx([2 / 3, -2 / 3, 0.0, 0.0])
    nan = float("nan")
    assert rloo(of_rewards(1.0, 0.0, nan, nan, nan, nan, nan, 3.0)).tolist() == [1.0, -1.0, 0, 0, 0, 0, 0, 0]


def test_drpo_divides_by_domain_and_cluster():
    # Questions of 2 completions. Domain A: [0, 1] twice and [1, 3] once: clusters of 2 (mean 0.5) and 1 (mean 2);
    # mu_A = (0.5 / 2 + 2 / 1) / (1 / 2 + 1 / 1) = 1.5. Domain B: [0, 1] once, cluster of 1 (mean 0.5), mu_B = 0.5.
    rewards = torch.tensor([0.0, 1, 1, 0, 1, 3, 0, 1])
    batch = Batch(torch.zeros(8), [], [], 1, 2, "none", None, rewards, ["A"] * 6 + ["B"] * 2)
    three, factors = 3**0.5, scales(np.array([[0.0, 1], [0, 1], [1, 3], [0, 1]]), "AAAB")
    assert factors.tolist() == pytest.approx([three * 1.5 * 2**0.5 * 0.5] * 2 + [three * 1.5 * 2, 0.5 * 0.5])
    z = torch.tensor([-1.0, 1, 1, -1, -1, 1, -1, 1]) / 2**0.5 / torch.tensor(factors).repeat_interleave(2)
    assert drpo(batch).tolist() == pytest.approx((z / z.std()).tolist(), rel=1e-4)


def test_drpo_learns_nothing_of_a_question_without_reward():
    batch = Batch(torch.zeros(4), [], [], 1, 2, "none", None, torch.tensor([0.0, 0, NAN, 1]), "AAAA")
    assert drpo(batch).tolist() == [0] * 4


def test_a_domain_is_the_superclasses_of_a_case():
    nothing = Measurements.from_json({})
    cases = [Case("a", names, nothing) for names in [("LBBB", "IMI"), ("SR", "possible LVH"), ("AFIB",)]]
    assert list(map(domain_of, cases)) == ["CD+MI", "HYP", "rhythm"]


def test_max_rl_divides_by_the_mean_so_that_a_rare_success_counts_most():
    batch = of_rewards(1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, float("nan"), -1.0, 1.0, 0.0)
    assert max_rl(batch).tolist() == pytest.approx([3, -1, -1, -1, 1 / 3, 1 / 3, 1 / 3, -1, *[0] * 8])


def test_the_trainer_hands_the_rewards_themselves_to_an_advantage(credited):
    _, run = credited
    assert run("rloo").tolist() == [0.5, -0.5]


@pytest.mark.parametrize("key", ["scale_rewards=group", "multi_objective_aggregation=normalize_then_sum"])
def test_options_that_shape_trls_own_advantage_are_refused_beside_one_of_rewards(key):
    recipe = Path(__file__).parents[2] / "recipes" / "tiny" / "grpo.yaml"
    with pytest.raises(RecipeError, match=r"has no effect with `credit: rloo`; set it to null"):
        check_options(read_recipe(recipe, ["trainer.scale_rewards=null", "credit=rloo", f"trainer.{key}"]), "r")
