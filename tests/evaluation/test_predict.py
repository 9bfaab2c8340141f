"""Answers: what is asked of the engine, what is kept of it, and when it is asked again."""

import json
import shutil

import pytest
import yaml

torch = pytest.importorskip("torch")

from ecg_r1.corpus.store import RecordStore
from ecg_r1.engine import Rollout
from ecg_r1.evaluation import predict
from ecg_r1.evaluation.evaluate import evaluate
from ecg_r1.evaluation.headroom import headroom
from ecg_r1.evaluation.preparation import make_plan
from ecg_r1.model.checkpoint import load_model, load_processor, save
from ecg_r1.model.presets import PRESETS
from ecg_r1.recipe import EvaluateRecipe
from ecg_r1.runs.predictions import read_predictions
from ecg_r1.runs.read import RunError

from .conftest import RIGHT, TRUTHS, write_split

TEXTS = ["Interpret this ECG.", "What is the rate?", *RIGHT.values()]


class Scripted:
    """An engine whose answers are known. It keeps what it was opened with, given and asked."""

    opened: list["Scripted"] = []  # noqa: RUF012

    def __init__(self, kind, folder, **options):
        self.kind, self.folder, self.options = kind, folder, options
        self.tokenizer = load_processor(folder).tokenizer
        self.weights, self.asked, self.closed = [], [], False
        Scripted.opened.append(self)

    def generate(self, prompts, n=1, **sampling):
        self.asked.append((prompts, n, sampling))
        ids = [*self.tokenizer(RIGHT["r0"])["input_ids"], self.tokenizer.eos_token_id][: sampling["max_tokens"]]
        return [[Rollout(ids, [0.0] * len(ids)) for _ in range(n)] for _ in prompts]

    def load_weights(self, named_parameters):
        self.weights.append(len(list(named_parameters)))

    def close(self):
        self.closed = True


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(Scripted, "opened", [])
    monkeypatch.setattr(predict, "open_engine", Scripted)
    return Scripted.opened


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny GEM's checkpoint."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save(*load_model("tiny", texts=TEXTS), folder)
    return folder


@pytest.fixture
def trained(write_run, tiny):
    """A finished run with weights and without answers."""

    def make(name, **trainer):
        run = write_run(name, RIGHT)
        shutil.rmtree(run / "predictions")
        shutil.copytree(tiny, run / "model")
        recipe = yaml.safe_load((run / "recipe.yaml").read_text())
        (run / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"trainer": trainer}))
        return run

    return make


def recipe_of(runs, tmp_path, **keys):
    values = {"stage": "evaluate", "models": [str(run) for run in runs], "out": str(tmp_path / "out")}
    return EvaluateRecipe.model_validate(values | keys)


def answer(runs, tmp_path, **keys):
    plan = make_plan(recipe_of(runs, tmp_path, **keys))
    tasks = predict.missing(plan)
    predict.predict(plan, tasks)
    return plan, tasks


def test_models_of_one_shape_share_an_engine_and_another_shape_gets_its_own(trained, scripted, tmp_path, monkeypatch):
    runs = [trained(name) for name in ("a", "b", "c")]
    smaller = {**PRESETS["tiny"], "text_config": {**PRESETS["tiny"]["text_config"], "num_hidden_layers": 1}}
    monkeypatch.setitem(PRESETS, "tiny", smaller)
    save(*load_model("tiny", texts=TEXTS), runs[2] / "model")
    answer(runs, tmp_path, decoding={"engine": "hf", "max_tokens": 80})
    first, second = scripted
    assert (first.folder, second.folder) == (runs[0] / "model", runs[2] / "model")
    assert (len(first.weights), len(first.asked)) == (1, 12)  # b's, once; six conditions of a and of b
    assert (len(second.weights), len(second.asked)) == (0, 6)
    assert (first.closed, second.closed) == (True, True)


def test_greedy_answers_are_asked_for_without_sampling(trained, scripted, tmp_path):
    plan, _ = answer([trained("a")], tmp_path, decoding={"engine": "hf", "max_tokens": 80})
    (engine,) = scripted
    prompts, n, sampling = engine.asked[0]
    assert (engine.kind, n, sampling) == ("hf", 1, {"temperature": 0.0, "max_tokens": 80})
    assert engine.options == {"max_model_len": len(prompts[0].token_ids) + 80}
    (row,) = read_predictions(plan.path(plan.runs[0]))["r1"]
    assert (row.completion, row.prompt, row.cut) == (RIGHT["r0"], "Interpret this ECG.", False)


def test_an_answer_that_ends_at_the_limit_is_whole_and_one_token_less_cuts_it(trained, scripted, tmp_path):
    run = trained("a")
    whole = len(load_processor(run / "model").tokenizer(RIGHT["r0"])["input_ids"]) + 1  # with the end of text
    for limit, cut in ((whole, False), (whole - 1, True)):
        plan, _ = answer([run], tmp_path, decoding={"engine": "hf", "max_tokens": limit})
        (row,) = read_predictions(plan.path(plan.runs[0]))["r0"]
        assert (row.tokens, row.cut) == (limit, cut)


def test_every_option_of_sampling_reaches_the_engine(trained, scripted, tmp_path):
    decoding = {"engine": "hf", "temperature": 0.7, "top_p": 0.9, "n": 3, "max_tokens": 80}
    plan, _ = answer([trained("a")], tmp_path, decoding=decoding, seed=5)
    _, n, sampling = scripted[0].asked[0]
    assert (n, sampling) == (3, {"temperature": 0.7, "top_p": 0.9, "max_tokens": 80, "seed": 5})
    assert [len(rows) for rows in read_predictions(plan.path(plan.runs[0])).values()] == [3, 3, 3]


def test_each_batch_is_drawn_with_seeds_of_its_own(trained, scripted, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    answer([trained("a")], tmp_path, decoding={"engine": "hf", "temperature": 1.0, "n": 2, "max_tokens": 80}, seed=1)
    assert [sampling["seed"] for _, _, sampling in scripted[0].asked[:2]] == [1, 5]


def test_every_record_of_an_example_is_shown(trained, scripted, tmp_path):
    run = trained("a")
    examples = [
        {"id": "q0", "records": ["r0"], "question": "What is the rate?"},
        {"id": "q1", "records": ["r2", "r1"], "question": "Interpret this ECG."},
    ]
    write_split(tmp_path / "corpus" / "held-out", TRUTHS, examples)
    answer([run], tmp_path, decoding={"engine": "hf", "max_tokens": 80})
    prompts, shuffled, page_alone, signal_alone, nothing, other_page = (asked for asked, _, _ in scripted[0].asked)
    assert [(len(prompt.ecgs), len(prompt.pages)) for prompt in prompts] == [(1, 1), (2, 2)]
    assert [len(prompt.ecgs) for prompt in shuffled] == [1, 2]
    for shown, ecgs, pages in ((page_alone, 0, 1), (signal_alone, 1, 0), (nothing, 0, 0), (other_page, 1, 1)):
        assert [(len(prompt.ecgs), len(prompt.pages)) for prompt in shown] == [(ecgs, pages), (2 * ecgs, 2 * pages)]
    assert prompts[0].token_ids != prompts[1].token_ids


def test_shuffled_answers_read_each_record_with_one_other_records_ecg(trained, scripted, tmp_path):
    run = trained("a")
    split = write_split(tmp_path / "corpus" / "held-out", [TRUTHS[0] | {"record": f"r{i}"} for i in range(20)])
    signals = torch.arange(20, dtype=torch.int16).repeat_interleave(12 * 5000).numpy()
    signals.tofile(split / "signals.i16")
    pages = (split / "pages.u8").stat().st_size // 20
    torch.arange(20, dtype=torch.uint8).repeat_interleave(pages).numpy().tofile(split / "pages.u8")
    answer([run], tmp_path, decoding={"engine": "hf", "max_tokens": 80})
    own, other = ([round(1000 * float(p.ecgs[0][0, 0])) for p in prompts] for prompts, _, _ in scripted[0].asked[:2])
    assert other == [int(prompt.pages[0][0, 0, 0]) for prompt in scripted[0].asked[1][0]]  # its page goes with it
    assert own == list(range(20))
    assert sorted(other) == own
    assert sum(a == b for a, b in zip(own, other, strict=True)) < 5


@pytest.mark.parametrize(
    ("trainer", "longest"),
    [({"max_completion_length": 200}, 200), ({}, 64), ({"max_completion_length": 50}, 64)],
)
def test_answers_may_be_as_long_as_the_longest_that_a_model_needs(trained, tmp_path, trainer, longest):
    split = tmp_path / "corpus" / "held-out"
    runs = [trained("sft"), trained("grpo", **trainer)]
    examples = [{"id": "q", "records": ["r0"], "question": "What is the rate?", "response": "Rate 75 bpm."}]
    write_split(split, TRUTHS, examples)
    recipe = make_plan(recipe_of(runs, tmp_path, decoding={"engine": "hf"})).recipe
    assert recipe.decoding.max_tokens == longest
    response = "Rate 75 bpm. " * 30
    tokens = len(load_processor(runs[0] / "model").tokenizer(response)["input_ids"])
    write_split(split, TRUTHS, [examples[0] | {"response": response}])
    recipe = make_plan(recipe_of(runs[:1], tmp_path, decoding={"engine": "hf"})).recipe
    assert 1.5 * tokens < recipe.decoding.max_tokens <= 1.5 * (tokens + 1) + 64


def test_it_is_said_that_no_length_is_known_and_that_answers_do_not_fit(trained, tmp_path):
    run = trained("a")
    with pytest.raises(RunError, match=r"says how long an answer is; set `decoding\.max_tokens`"):
        make_plan(recipe_of([run], tmp_path, decoding={"engine": "hf"}))
    with pytest.raises(RunError, match=r"an answer of 500 are more than the 512 that the model reads; lower `decoding"):
        make_plan(recipe_of([run], tmp_path, decoding={"engine": "hf", "max_tokens": 500}))


def test_answers_are_kept_until_the_model_the_corpus_or_the_decoding_is_another(trained, scripted, tmp_path, capsys):
    run, keys = trained("a"), {"decoding": {"engine": "hf", "max_tokens": 80}}

    def made_again(**keys):
        capsys.readouterr()
        _, tasks = answer([run], tmp_path, **keys)
        return {task.path.name for task in tasks}, capsys.readouterr().err

    less = ("no-signal", "no-page", "nothing", "other-page")
    both = {"held-out.jsonl", "held-out-shuffled.jsonl", *(f"held-out-{name}.jsonl" for name in less)}
    assert made_again(**keys) == (both, "")
    assert made_again(**keys, seed=9, resamples=7) == (set(), "")  # greedy answers do not depend on them
    assert made_again(decoding={"engine": "hf", "max_tokens": 81})[0] == both
    path = run / "predictions" / "held-out.jsonl"
    assert f"{path}: made with max_tokens 81, not 80; made again\n" in made_again(**keys)[1]
    torch.manual_seed(1)
    save(*load_model("tiny", texts=TEXTS), run / "model")  # the same files, other weights
    names, said = made_again(**keys)
    assert (names, f"{path}: made with another model; made again\n" in said) == (both, True)
    write_split(tmp_path / "corpus" / "held-out", [TRUTHS[1] | {"record": "r0"}, *TRUTHS[1:]])
    names, said = made_again(**keys)
    assert (names, f"{path}: made with another corpus; made again\n" in said) == (both, True)
    path.with_suffix(".json").write_text(json.dumps({"temperature": 0.0, "max_tokens": 80, "corpus": "c"}))
    assert made_again(**keys)[1] == f"{path}: made with an older version; made again\n"


def test_a_checkpoint_by_itself_answers_beside_the_comparison(trained, tiny, scripted, tmp_path):
    corpus = str(tmp_path / "corpus" / "held-out")
    run = trained("a")
    before = sorted(tiny.iterdir())
    plan, _ = answer([tiny, run], tmp_path, corpus=corpus, decoding={"engine": "hf", "max_tokens": 80})
    assert plan.path(plan.runs[0]) == tmp_path / "out" / "predictions" / "model" / "held-out.jsonl"
    assert len(read_predictions(plan.path(plan.runs[0]))) == len(RecordStore(corpus).examples)
    assert sorted(tiny.iterdir()) == before
    evaluate(plan.recipe)
    assert (tmp_path / "out" / "report.html").is_file()
    with pytest.raises(RunError, match=r"no `corpus\.evaluate`; name the split"):
        make_plan(recipe_of([tiny], tmp_path, decoding={"engine": "hf", "max_tokens": 80}))


def test_an_untrained_model_goes_on_and_its_answers_are_no_comparison(ecg_r1, trained, tmp_path):
    run = trained("a")
    said = ecg_r1("compare", run, "--engine", "hf", "--max-tokens", 6, "--out", tmp_path / "out")
    assert said.code == 2
    assert f"{run}/predictions/held-out.jsonl: 3 of 3 answers (100.0%) were cut off at 6 tokens" in said.err
    rows = read_predictions(run / "predictions" / "held-out.jsonl")
    assert [(row.tokens, row.cut) for (row,) in rows.values()] == [(6, True)] * 3
    assert not (tmp_path / "out").exists()


def test_the_splits_system_prompt_stands_before_every_question(trained, scripted, tmp_path):
    run = trained("a")
    said = "You are a cardiologist."
    answer([run], tmp_path, decoding={"engine": "hf", "max_tokens": 80})
    facts = tmp_path / "corpus" / "held-out" / "split.json"
    values = json.loads(facts.read_text())
    facts.write_text(json.dumps(values | {"prompts": values["prompts"] | {"system": said}}))
    plan, _ = answer([run], tmp_path, decoding={"engine": "hf", "max_tokens": 80})
    (without,), (with_it,) = ({tuple(p.token_ids) for p in engine.asked[0][0]} for engine in scripted)
    texts = [load_processor(run / "model").tokenizer.decode(ids) for ids in (without, with_it)]
    assert [said in text for text in texts] == [False, True]
    assert plan.max_model_len == len(with_it) + 80


def test_headroom_samples_a_group_of_each_question_and_keeps_greedy_answers(trained, scripted, tmp_path, capsys):
    run = trained("a")
    greedy, _ = answer([run], tmp_path, decoding={"engine": "hf", "max_tokens": 80})
    before = greedy.path(greedy.runs[0]).read_text()
    plan = headroom(recipe_of([run], tmp_path, decoding={"engine": "hf", "max_tokens": 80}))
    _, n, sampling = scripted[-1].asked[0]
    assert (n, sampling["temperature"]) == (8, 1.0)
    assert plan.path(plan.runs[0]) != greedy.path(greedy.runs[0])
    assert greedy.path(greedy.runs[0]).read_text() == before
    figures = json.loads((tmp_path / "out" / "headroom.json").read_text())["models"]["a"]
    assert figures["diagnosis"]["acc_1"] == pytest.approx(1 / 3)  # it answers as for r0, whatever it is asked
    assert "little to sharpen" in capsys.readouterr().out


def test_headroom_uses_the_recipes_own_sampling(trained, scripted, tmp_path):
    decoding = {"engine": "hf", "max_tokens": 80, "temperature": 0.7, "n": 3}
    headroom(recipe_of([trained("a")], tmp_path, decoding=decoding))
    assert scripted[-1].asked[0][1:] == (3, {"temperature": 0.7, "top_p": 1.0, "max_tokens": 80, "seed": 0})
