"""Held-out answers amid a training: measured apart from it, the best checkpoint kept, the run stopped, alarms said."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file

from ecg_r1.corpus.store import RecordStore
from ecg_r1.evaluation.watched import HeldOutMetrics
from ecg_r1.model.checkpoint import check_checkpoint
from ecg_r1.recipe import RecipeError, read_recipe
from ecg_r1.runs.held_out import Measured
from ecg_r1.runs.predictions import Prediction
from ecg_r1.train.fit import fit
from ecg_r1.train.held_out import _reward
from ecg_r1.train.preflight import check

TINY = Path(__file__).parents[2] / "recipes" / "tiny"
RISING = """
from ecg_r1.scoring import Score, reward
calls = []

@reward
def rising(completion, case):
    calls.append(1)
    return Score(float(len(calls)))
"""


class Scripted:
    """Gives the values that it is told to, one after the other, and keeps the answers."""

    higher_is_better = {"supported": True, "pr_ms.mae": False}  # noqa: RUF012

    def __init__(self, *values, metric="supported", signs=()):
        self.values, self.metric, self.signs, self.answers = list(values), metric, signs, []

    def __call__(self, answers, store):
        self.answers.append(answers)
        value = self.values.pop(0)
        if value is KeyboardInterrupt:
            raise KeyboardInterrupt
        return Measured({self.metric: value}, {self.metric: 0.01}, self.signs)


def recipe_of(stage, split, folder, *overrides):
    steps = [
        f"run={folder}", "model=tiny", f"corpus={{train: {split}, evaluate: {split}}}", "freeze=[]", "deepspeed=null",
        "trainer.max_steps=4", "trainer.save_steps=2", "trainer.save_total_limit=null", "trainer.logging_steps=1",
    ]  # fmt: skip
    own = {
        "sft": ["trainer.per_device_train_batch_size=2", "trainer.warmup_steps=0"],
        "grpo": [
            "trainer.per_device_train_batch_size=4", "trainer.num_generations=2", "rollout={engine: hf}",
            "trainer.max_completion_length=6", "shared_prefix=false", "credit=sequence",
            "reward_workers={workers: 0}", "rewards=[{name: length, limit: 24, cache: 24}]",
        ],
    }[stage]  # fmt: skip
    return read_recipe(TINY / f"{stage}.yaml", [*steps, *own, *overrides])


def train(recipe, measure=None):
    torch.manual_seed(0)
    fit(recipe, check(recipe, "recipe.yaml", measure=measure))
    return load_file(Path(recipe.run) / "model" / "model.safetensors")


def curve(folder):
    return [json.loads(line) for line in (folder / "held_out.jsonl").read_text().splitlines()]


def best(folder):
    return json.loads((folder / "best" / "best.json").read_text())


@pytest.mark.parametrize("stage", ["sft", pytest.param("grpo", marks=pytest.mark.slow)])
def test_a_run_trains_as_one_without_and_its_answers_are_measured(split, tmp_path, stage):
    plain = train(recipe_of(stage, split, tmp_path / "plain"))
    settings = "held_out={every: 2, examples: 3, max_tokens: 6, metric: unverifiable}"
    watched = train(recipe_of(stage, split, tmp_path / "watched", settings), HeldOutMetrics())
    assert [name for name in plain if not torch.equal(plain[name], watched[name])] == []
    for run in ("plain", "watched"):  # two runs of one process: each has its own events of TensorBoard
        assert len(list((tmp_path / run / "tensorboard").iterdir())) == 1
    assert [row["step"] for row in curve(tmp_path / "watched")] == [0, 2, 4]
    assert all(row["values"]["cut"] is not None for row in curve(tmp_path / "watched"))
    logged = [json.loads(line) for line in (tmp_path / "watched" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in logged if "held_out/cut" in row] == [0, 2, 4]
    assert [row["step"] for row in logged if "loss" in row] == [1, 2, 3, 4]  # what the trainer logs is as it was


def test_the_same_examples_are_answered_each_time(split, tmp_path):
    measure = Scripted(1.0, 1.0, 1.0)
    train(recipe_of("sft", split, tmp_path / "run", "held_out={every: 2, examples: 3, max_tokens: 5}"), measure)
    asked = [[answer.example for answer in answers] for answers in measure.answers]
    assert asked[0] == asked[1] == asked[2]
    assert len(set(asked[0])) == 3
    assert set(asked[0]) < set(RecordStore(split).example_ids)
    assert all(answer.tokens <= 5 for answers in measure.answers for answer in answers)


@pytest.mark.parametrize(("metric", "values"), [("supported", (1.0, 3.0, 2.0)), ("pr_ms.mae", (9.0, 3.0, 5.0))])
def test_the_best_checkpoint_is_kept(split, tmp_path, metric, values):
    run = tmp_path / "run"
    settings = f"held_out={{every: 2, examples: 2, max_tokens: 4, metric: {metric}}}"
    last = train(recipe_of("sft", split, run, settings), Scripted(*values, metric=metric))
    assert best(run) == {"step": 2, "metric": metric, "value": 3.0}
    kept = load_file(check_checkpoint(run / "best") / "model.safetensors")
    saved = load_file(run / "checkpoints" / "checkpoint-2" / "model.safetensors")
    assert all(torch.equal(kept[name], saved[name]) for name in saved)
    assert not all(torch.equal(kept[name], last[name]) for name in last)


def test_a_run_without_a_better_result_stops_and_stays_stopped(split, tmp_path, capfd):
    run = tmp_path / "run"
    settings = "held_out={every: 1, examples: 2, max_tokens: 4, patience: 2}"
    recipe = recipe_of("sft", split, run, settings, "trainer.max_steps=9")
    train(recipe, Scripted(1.0, 3.0, 2.0, 2.5))
    assert json.loads((run / "finished.json").read_text())["steps"] == 3
    assert "stopped: 2 evaluations without a better supported than 3.0 at step 1" in capfd.readouterr().err
    (run / "finished.json").unlink()  # killed while it saved the model
    train(recipe, Scripted())
    assert json.loads((run / "finished.json").read_text())["steps"] == 3
    assert best(run)["step"] == 1


@pytest.mark.parametrize("stage", ["sft", pytest.param("grpo", marks=pytest.mark.slow)])
def test_a_resumed_run_keeps_the_best_checkpoint(split, tmp_path, stage):
    run = tmp_path / "run"
    recipe = recipe_of(stage, split, run, "held_out={every: 1, examples: 2, max_tokens: 4}")
    with pytest.raises(KeyboardInterrupt):  # amid step 4; the last checkpoint is of step 2
        train(recipe, Scripted(1.0, 2.0, 5.0, 9.0, KeyboardInterrupt))
    kept = load_file(run / "best" / "model.safetensors")
    assert (best(run)["step"], [row["step"] for row in curve(run)]) == (3, [0, 1, 2, 3])
    train(recipe, Scripted(4.0, 8.0))
    assert [(row["step"], row["values"]["supported"]) for row in curve(run)] == [
        (0, 1.0), (1, 2.0), (2, 5.0), (3, 4.0), (4, 8.0),
    ]  # fmt: skip
    assert best(run) == {"step": 3, "metric": "supported", "value": 9.0}
    assert all(torch.equal(kept[name], value) for name, value in load_file(run / "best" / "model.safetensors").items())


def test_a_run_that_begins_again_forgets_the_best_of_one_that_left_no_checkpoint(split, tmp_path):
    run = tmp_path / "run"
    recipe = recipe_of("sft", split, run, "held_out={every: 2, examples: 2, max_tokens: 4}")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, Scripted(9.0, KeyboardInterrupt))
    train(recipe, Scripted(1.0, 2.0, 1.0))
    assert best(run)["value"] == 2.0
    assert [row["step"] for row in curve(run)] == [0, 2, 4]


@pytest.mark.slow
def test_a_reward_that_rises_while_the_metric_falls_is_an_alarm(split, tmp_path, capfd):
    (tmp_path / "rising.py").write_text(RISING)
    run = tmp_path / "run"
    settings = "held_out={every: 1, examples: 2, max_tokens: 4}"
    rewards = f"rewards=[{{name: '{tmp_path}/rising.py:rising'}}]"
    train(recipe_of("grpo", split, run, settings, rewards), Scripted(0.9, 0.9, 0.89, 0.6, 0.5, signs=["one sign"]))
    alarms = [row["alarms"] for row in curve(run)]
    assert [any("the reward rose" in alarm for alarm in row) for row in alarms] == [False, False, False, True, True]
    assert "supported went from 0.9 to 0.6" in alarms[3][-1]
    assert alarms[0] == ["one sign"]
    assert any("of the rollouts are cut off" in alarm for alarm in alarms[2])  # an untrained model's
    rewards = [row["reward"] for row in curve(run)]
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rewards == [None, None, *(row["reward"] for row in logged if "reward" in row)][:5]  # each of the step before
    said = capfd.readouterr().err
    assert said.count("alarm: one sign") == 1  # and not at each evaluation
    assert said.count("alarm: the reward rose") == 2  # with other numbers


def test_the_reward_since_an_evaluation_has_the_step_that_was_logged_after_it():
    state = SimpleNamespace(log_history=[{"step": 1, "reward": 1.0}, {"step": 2, "reward": 2.0},
                                         {"step": 2, "held_out/cut": 0.0}, {"step": 3, "reward": 4.0}])  # fmt: skip
    assert [_reward(state, since) for since in (0, 2, 3, 4)] == [7 / 3, 3.0, 4.0, None]


def test_signs_of_a_reward_that_is_played(split):
    store = RecordStore(split)
    texts = ["<think>PR interval 160 ms.</think><answer>normal ECG</answer>"] * 10
    answers = [Prediction(store.example_ids[i % 4], "", text, 9, cut=i < 2) for i, text in enumerate(texts)]
    measured = HeldOutMetrics()(answers, store)
    assert measured.signs == (
        "100% of the answers are word for word another record's",
        "PR interval is 160 ms in 100% of the answers that give it",
        "20% of the answers are cut off at the limit of tokens",
    )
    assert measured.values["cut"] == 0.2
    assert measured.values["supported"] + measured.values["contradicted"] == pytest.approx(1)
    assert set(measured.values) == set(measured.errors)
    varied = [Prediction(store.example_ids[i % 4], "", f"PR interval {150 + i} ms.", 9, cut=False) for i in range(10)]
    assert HeldOutMetrics()(varied, store).signs == ()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["held_out={every: 2, metric: suported}"], 'did you mean "supported"'),
        (
            ["held_out={every: 2, metric: quoted_per_answer}"],
            "no metric 'quoted_per_answer' by which models are compared",
        ),
        (["held_out={every: 0}"], "held_out.every"),
        (["held_out={every: 2}", "corpus.evaluate=null"], "held_out needs `corpus.evaluate`"),
        (["held_out={every: 2}", "corpus.evaluate=nowhere"], "corpus.evaluate"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(split, tmp_path, overrides, said):
    with pytest.raises(RecipeError, match=r"held_out|corpus") as refused:
        check(recipe_of("sft", split, tmp_path / "run", *overrides), "recipe.yaml", measure=HeldOutMetrics())
    assert said in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_the_towers_alone_answer_nothing(split, tmp_path):
    with pytest.raises(RecipeError, match='unknown key "held_out"'):
        read_recipe(TINY / "pretrain.yaml", ["held_out={every: 2}"])
