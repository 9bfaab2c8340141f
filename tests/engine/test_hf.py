"""transformers' engine: each completion is its own prompt's, with the log-probabilities with which it was sampled."""

import copy

import pytest

torch = pytest.importorskip("torch")

from ecg_r1.ecg.simulate import simulate
from ecg_r1.engine import Prompt
from ecg_r1.engine.hf import HFEngine
from ecg_r1.model.checkpoint import load_model

QUESTIONS = ["Read.", "What are the rate, the intervals and the rhythm of this ECG?"]  # the shorter one is padded


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=[*QUESTIONS, "normal ECG"])
    return model.eval(), processor


@pytest.fixture(scope="module")
def engine(model):
    return HFEngine(*model)


@pytest.fixture(scope="module")
def prompts(model):
    _, processor = model
    ecgs = [simulated.record.signal for simulated in simulate(2, seed=1)]
    texts = [processor.expand(processor.prompt(question)) for question in QUESTIONS]
    ids = processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
    size = processor.page_size
    pages = [torch.full((size, size, 3), shade, dtype=torch.uint8).numpy() for shade in (40, 200)]
    return [Prompt(i, [ecg], [page]) for i, ecg, page in zip(ids, ecgs, pages, strict=True)]


def test_together_each_prompt_is_answered_as_it_is_alone(engine, prompts):
    alone = [engine.generate([prompt], temperature=0.0, max_tokens=6)[0][0] for prompt in prompts]
    together = engine.generate(prompts, n=2, temperature=0.0, max_tokens=6)
    assert alone[0].token_ids != alone[1].token_ids
    for own, rollouts in zip(alone, together, strict=True):
        assert [rollout.token_ids for rollout in rollouts] == [own.token_ids] * 2
        assert rollouts[1].logprobs == pytest.approx(own.logprobs, abs=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_log_probabilities_are_those_of_sampling(engine, model, prompts, temperature):
    gem, processor = model
    prompt = prompts[1]
    ((rollout,),) = engine.generate([prompt], temperature=temperature, max_tokens=6, seed=3)
    media = processor(ecgs=prompt.ecgs, images=prompt.pages)
    with torch.no_grad():
        logits = gem(input_ids=torch.tensor([prompt.token_ids + rollout.token_ids]), **media).logits[0]
    scored = (logits[len(prompt.token_ids) - 1 : -1] / (temperature or 1.0)).log_softmax(-1)  # greedy: the model's own
    expected = scored.gather(-1, torch.tensor(rollout.token_ids).unsqueeze(-1)).squeeze(-1)
    assert rollout.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_seed_repeats_the_draws_and_another_makes_others(engine, prompts):
    def drawn(seed):
        return [r.token_ids for r in engine.generate(prompts[:1], n=4, temperature=1.0, max_tokens=8, seed=seed)[0]]

    first = drawn(1)
    assert drawn(1) == first
    assert drawn(2) != first
    assert len({tuple(ids) for ids in first}) > 1


def test_a_completion_ends_with_the_end_of_text_and_keeps_it(engine, model, prompts):
    gem, processor = model[0], copy.deepcopy(model[1])
    ((whole,),) = engine.generate(prompts[:1], temperature=0.0, max_tokens=6)
    processor.tokenizer.eos_token = processor.tokenizer.convert_ids_to_tokens(whole.token_ids[2])
    ((cut,),) = HFEngine(gem, processor).generate(prompts[:1], temperature=0.0, max_tokens=6)
    end = whole.token_ids.index(whole.token_ids[2]) + 1
    assert cut.token_ids == whole.token_ids[:end]
    assert len(cut.logprobs) == end


@pytest.mark.parametrize("option", [{"top_p": 1e-6}, {"top_k": 1}])
def test_of_the_likeliest_token_alone_is_drawn_what_is_greedy(engine, prompts, option):
    ((greedy,),) = engine.generate(prompts[:1], temperature=0.0, max_tokens=8)
    ((drawn,),) = engine.generate(prompts[:1], temperature=1.0, max_tokens=8, seed=5, **option)
    assert drawn.token_ids == greedy.token_ids


def test_weights_that_are_given_are_those_that_answer(engine, model, prompts):
    gem, processor = copy.deepcopy(model[0]), model[1]
    ((before,),) = engine.generate(prompts[:1], temperature=0.0, max_tokens=6)
    other = HFEngine(gem, processor)
    name, value = next((name, value) for name, value in gem.named_parameters() if name.endswith("embed_tokens.weight"))
    other.load_weights([(name, value.detach().flip(0))])
    ((after,),) = other.generate(prompts[:1], temperature=0.0, max_tokens=6)
    assert after.logprobs != pytest.approx(before.logprobs, abs=1e-3)
    other.load_weights([(name, dict(model[0].named_parameters())[name])])
    ((again,),) = other.generate(prompts[:1], temperature=0.0, max_tokens=6)
    assert (again.token_ids, again.logprobs) == (before.token_ids, pytest.approx(before.logprobs, abs=1e-5))
    with pytest.raises(ValueError, match="no parameter nowhere"):
        other.load_weights([("nowhere", value)])
