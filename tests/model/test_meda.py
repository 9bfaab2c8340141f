"""MEDA: entropies, budgets, eviction and merging on numbers that can be checked by hand; the cache in `generate`."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from ecg_r1.model.checkpoint import load_model
from ecg_r1.model.meda import MEDACache, attention_of_text, budgets, kept_places, mean_entropy, merge


def test_entropy_of_attention_by_hand():
    query = torch.zeros(1, 3, 4)
    key = torch.randn(1, 3, 4)
    rows, columns = torch.tensor([False, False, True]), torch.tensor([True, True, False])
    uniform = attention_of_text(query, key, rows, columns)
    assert uniform.tolist() == [[[0.5, 0.5]]]
    assert mean_entropy(uniform) == pytest.approx(math.log(2))
    query[0, 2] = key[0, 0] = torch.tensor([2.0, 0, 0, 0])
    key[0, 1] = 0
    weight = 1 / (1 + math.exp(-2))  # q k = 4, over the root of the width 4
    assert attention_of_text(query, key, rows, columns)[0, 0].tolist() == pytest.approx([weight, 1 - weight])
    two = torch.tensor([[[weight, 1 - weight], [1.0, 0.0]]])  # the entropy of (1, 0) is 0
    wanted = -(weight * math.log(weight) + (1 - weight) * math.log(1 - weight)) / 2
    assert mean_entropy(two) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("entropies", "budget", "shares"),
    [
        ([2.0, 1.0, 0.0], 0.3, [0.5987, 0.2203, 0.0810]),
        ([1.0, 1.0], 0.5, [0.5, 0.5]),
        ([9.0, 0.0], 0.7, [1.0, 0.01]),  # a layer keeps at most all, and at least 1%
    ],
)
def test_budgets_of_layers(entropies, budget, shares):
    assert budgets(torch.tensor(entropies), budget).tolist() == pytest.approx(shares, abs=1e-4)


def test_half_of_what_stays_is_the_latest():
    attended = torch.tensor([[0.1, 0.9, 0.2, 0.8, 0.0, 0.7], [0.5, 0.1, 0.4, 0.2, 0.9, 0.0]])
    assert kept_places(attended, 4).tolist() == [[1, 3, 4, 5], [0, 2, 4, 5]]
    assert kept_places(attended, 1).tolist() == [[1], [4]]
    assert kept_places(attended, 6).tolist() == [[0, 1, 2, 3, 4, 5]] * 2


def test_what_is_evicted_is_averaged_into_the_most_similar_key():
    keys = torch.tensor([[[1.0, 0.0], [3.0, 0.1], [0.0, 2.0], [0.0, 1.0], [0.0, 4.0]]])
    values = torch.tensor([[[1.0], [3.0], [10.0], [20.0], [60.0]]])
    merged_keys, merged_values = merge(keys, values, torch.tensor([[0, 2]]))
    assert merged_keys[0].tolist() == [pytest.approx([2.0, 0.05]), pytest.approx([0.0, 7 / 3])]
    assert merged_values.flatten().tolist() == pytest.approx([2.0, 30.0])
    same = torch.ones(1, 3, 2)  # a kept token is never given to another with the same key
    _, unchanged = merge(same, torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([[0, 1, 2]]))
    assert unchanged.flatten().tolist() == [1, 2, 3]


@pytest.fixture(scope="module")
def asked():
    """A tiny GEM with random weights, and a padded batch of a question on two ECGs and one on one."""
    torch.manual_seed(1)
    model, processor = load_model("tiny", texts=["Read this ECG. Which is faster? normal"])
    texts = [processor.prompt("Which is faster?", ecgs=2), processor.prompt("Read this ECG.")]
    inputs = processor(
        text=texts,
        ecgs=torch.randn(3, 12, 5000).numpy(),
        images=list(torch.randint(0, 255, (3, 112, 112, 3), dtype=torch.uint8).numpy()),
        padding=True,
        return_tensors="pt",
    )
    inputs.pop("token_type_ids", None)
    return model.eval(), processor, inputs


def answered(model, processor, inputs, budget):
    ids = inputs["input_ids"]
    media = (ids == processor.ecg_token_id) | (ids == processor.image_token_id)
    layers = model.config.text_config.num_hidden_layers
    cache = MEDACache(layers, media, inputs["attention_mask"], budget)
    with cache.attending(model.model.language_model):
        found = model.generate(
            **inputs, past_key_values=cache, max_new_tokens=12, do_sample=False, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip
    return cache, torch.stack(found.logits, dim=1)


def test_a_cache_that_evicts_nothing_answers_as_any_other(asked):
    model, processor, inputs = asked
    usual = model.generate(
        **inputs, max_new_tokens=12, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    cache, logits = answered(model, processor, inputs, budget=1000.0)
    assert (cache.shares == 1).all()
    torch.testing.assert_close(logits, torch.stack(usual.logits, dim=1), atol=1e-4, rtol=1e-4)
    assert model.model.language_model.config._attn_implementation != "ecg_r1_meda"


@pytest.mark.parametrize("budget", [0.3, 0.5, 0.7])
def test_a_budget_is_kept_in_each_layer_and_text_stays(asked, budget):
    model, processor, inputs = asked
    cache, logits = answered(model, processor, inputs, budget)
    one = processor.num_ecg_tokens + processor.num_image_tokens
    for layer, shares, entropies in zip(cache.layers, cache.shares, cache.entropies, strict=True):
        assert (entropies > 0).all()
        new = logits.shape[1] - 1  # the last token is not read any more
        for row, ecgs in enumerate((2, 1)):
            text = int(inputs["attention_mask"][row].sum()) - ecgs * one
            assert int(layer.valid[row].sum()) == text + max(1, round(float(shares[row]) * ecgs * one)) + new
    assert cache.shares.mean(dim=0).tolist() == pytest.approx([budget] * 2, abs=0.02)
    whole, _ = answered(model, processor, inputs, budget=1000.0)
    assert cache.nbytes < whole.nbytes


def test_a_prompt_without_media_keeps_everything(asked):
    model, processor, _ = asked
    inputs = processor.tokenizer(["Read this"], return_tensors="pt")
    inputs.pop("token_type_ids", None)
    usual = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    cache = MEDACache(3, inputs["input_ids"] < 0, inputs["attention_mask"], 0.5)
    with cache.attending(model.model.language_model):
        assert torch.equal(model.generate(**inputs, past_key_values=cache, max_new_tokens=6, do_sample=False), usual)
