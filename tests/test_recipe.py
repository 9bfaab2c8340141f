"""Recipes: inheritance, overrides, and errors that name the key and the nearest known one."""

from pathlib import Path

import pytest
import yaml

from ecg_r1.recipe import CorpusRecipe, GRPORecipe, RecipeError, SFTRecipe, read_recipe, to_yaml

RECIPES = Path(__file__).parents[1] / "recipes"

SFT = """
stage: sft
run: runs/a
model: tiny
corpus: {train: c/train}
trainer: {max_steps: 5, learning_rate: 1e-4}
"""
GRPO = """
stage: grpo
run: runs/b
model: runs/a
corpus: {train: c/train}
rewards:
  - {name: format, weight: 0.5}
  - {name: my.py:brevity, words: 120}
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def complaint(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as error:
        read_recipe(path, overrides)
    return str(error.value)


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda p: str(p.relative_to(RECIPES)))
def test_shipped_recipes_are_valid(path):
    read_recipe(path)


def test_a_base_is_merged_deeply_and_what_stands_above_it_wins(tmp_path):
    write(tmp_path / "base.yaml", SFT)
    child = write(tmp_path / "more" / "child.yaml", "base: ../base.yaml\nrun: runs/c\ntrainer: {max_steps: 9}\n")
    recipe = read_recipe(child)
    assert isinstance(recipe, SFTRecipe)
    assert (recipe.run, recipe.model) == ("runs/c", "tiny")
    assert recipe.trainer == {"max_steps": 9, "learning_rate": 1e-4}


def test_a_base_of_a_base(tmp_path):
    write(tmp_path / "a.yaml", SFT)
    write(tmp_path / "b.yaml", "base: a.yaml\nseed: 3\n")
    recipe = read_recipe(write(tmp_path / "c.yaml", "base: b.yaml\nrun: runs/c\n"))
    assert (recipe.seed, recipe.run) == (3, "runs/c")


def test_bases_in_a_circle(tmp_path):
    write(tmp_path / "a.yaml", "base: b.yaml\n")
    write(tmp_path / "b.yaml", "base: a.yaml\n")
    assert "circle" in complaint(tmp_path / "a.yaml")


def test_a_missing_recipe_names_the_nearest_one(tmp_path):
    write(tmp_path / "grpo.yaml", GRPO)
    assert 'no such recipe — did you mean "grpo.yaml"?' in complaint(tmp_path / "gpro.yaml")


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "", "a: [1, 2"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    path = write(tmp_path / "r.yaml", text)
    assert str(path) in complaint(path)


def test_tags_are_not_executed(tmp_path):
    path = write(tmp_path / "r.yaml", "stage: !!python/object/apply:os.getcwd []\n")
    assert "cannot be read as YAML" in complaint(path)


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "+1e-4", "1.0e-4", "0.0001"])
def test_a_learning_rate_is_a_number_however_it_is_written(tmp_path, text):
    path = write(tmp_path / "r.yaml", SFT.replace("1e-4", text))
    assert read_recipe(path).trainer["learning_rate"] == 1e-4
    assert read_recipe(path, [f"trainer.learning_rate={text}"]).trainer["learning_rate"] == 1e-4


def test_no_is_a_word_and_false_is_not(tmp_path):
    recipe = read_recipe(write(tmp_path / "r.yaml", SFT), ["trainer={save_strategy: no, log_completions: false}"])
    assert recipe.trainer == {"save_strategy": "no", "log_completions": False}
    assert read_recipe(write(tmp_path / "resolved.yaml", to_yaml(recipe))) == recipe


def test_overrides_reach_into_sections_and_are_read_as_yaml(tmp_path):
    recipe = read_recipe(
        write(tmp_path / "r.yaml", GRPO),
        ["seed=7", "trainer.max_steps=3", "corpus={train: elsewhere}", "freeze=[ecg_tower]", "deepspeed=null"],
    )
    assert isinstance(recipe, GRPORecipe)
    assert (recipe.seed, recipe.trainer, recipe.corpus.train) == (7, {"max_steps": 3}, "elsewhere")
    assert (recipe.freeze, recipe.deepspeed) == (["ecg_tower"], None)


def test_an_override_may_hold_an_equals_sign(tmp_path):
    assert read_recipe(write(tmp_path / "r.yaml", SFT), ["run=runs/lr=1"]).run == "runs/lr=1"


@pytest.mark.parametrize("override", ["seed", "=3"])
def test_an_override_without_key_or_value(tmp_path, override):
    assert "write it key=value" in complaint(write(tmp_path / "r.yaml", SFT), override)


def test_an_override_that_is_no_yaml(tmp_path):
    assert "freeze=[a" in complaint(write(tmp_path / "r.yaml", SFT), "freeze=[a")


def test_an_override_below_a_plain_value(tmp_path):
    assert "'run' holds no keys" in complaint(write(tmp_path / "r.yaml", SFT), "run.name=x")


@pytest.mark.parametrize(
    ("text", "override", "expected"),
    [
        (SFT, "modle=tiny", 'unknown key "modle" — did you mean "model"?'),
        (SFT, "corpus.trian=x", 'unknown key "corpus.trian" — did you mean "train"?'),
        (GRPO, "rollout.engin=hf", 'unknown key "rollout.engin" — did you mean "engine"?'),
        (GRPO, "reward_workers.time_out=3", 'unknown key "reward_workers.time_out" — did you mean "timeout"?'),
        (SFT, "credit=claim", 'unknown key "credit"'),
    ],
)
def test_unknown_keys_name_the_nearest_known_one(tmp_path, text, override, expected):
    assert expected in complaint(write(tmp_path / "r.yaml", text), override)


def test_an_unknown_key_in_an_item_of_a_list(tmp_path):
    path = write(tmp_path / "r.yaml", "stage: corpus\nout: c\nsplits:\n  train:\n    - {simulat: 4}\n")
    message = complaint(path)
    assert str(path) in message
    assert "simulat" in message
    assert 'did you mean "simulate"?' in message


def test_every_wrong_key_is_named_at_once(tmp_path):
    message = complaint(write(tmp_path / "r.yaml", SFT), "modle=tiny", "sed=1")
    assert '"modle"' in message
    assert '"sed"' in message


def test_a_missing_key_and_a_wrong_value(tmp_path):
    path = write(tmp_path / "r.yaml", SFT.replace("model: tiny\n", ""))
    assert 'key "model" is missing' in complaint(path)
    assert '"seed": Input should be a valid integer' in complaint(path, "model=tiny", "seed=often")


def test_an_unknown_stage_lists_the_stages(tmp_path):
    assert "corpus, pretrain, sft, grpo" in complaint(write(tmp_path / "r.yaml", SFT), "stage=rlhf")


@pytest.mark.parametrize(
    ("text", "override", "expected"),
    [(GRPO, "stage=grop", 'did you mean "grpo"?'), (GRPO, "rollout.engine=vlm", 'did you mean "vllm"?')],
)
def test_a_wrong_choice_names_the_nearest_one(tmp_path, text, override, expected):
    assert complaint(write(tmp_path / "r.yaml", text), override).endswith(expected)


@pytest.mark.parametrize(
    ("recipe", "override", "expected"),
    [
        ("corpus", "limt=5", 'unknown key "limt" — did you mean "splits.<name>.limit"?'),
        ("corpus", "limit=5", 'unknown key "limit" — did you mean "splits.<name>.limit"?'),
        ("corpus", "splits={a: [{simulate: 2, limt: 5}]}", 'unknown key "splits.a.0.limt" — did you mean "limit"?'),
        ("corpus", "split={}", 'unknown key "split" — did you mean "splits"?'),
        ("corpus", "reports.pagesize=3", 'unknown key "reports.pagesize" — did you mean "page_size"?'),
        ("grpo", "modle=x", 'unknown key "modle" — did you mean "model"?'),
        ("grpo", "enigne=hf", 'unknown key "enigne" — did you mean "rollout.engine"?'),
        (
            "grpo",
            "max_error_shares=1",
            'unknown key "max_error_shares" — did you mean "reward_workers.max_error_share"?',
        ),
        ("grpo", "corpus.parts=1", 'unknown key "corpus.parts" — did you mean "lora.parts"?'),
        ("sft", "evaluat=x", 'unknown key "evaluat" — did you mean "corpus.evaluate"?'),
        ("sft", "zzz=x", 'unknown key "zzz"'),
    ],
)
def test_a_key_of_another_level_is_met_where_it_stands(recipe, override, expected):
    path = RECIPES / "tiny" / f"{recipe}.yaml"
    assert complaint(path, override) == f"{path}, on the command line: {expected}"


def test_an_overrides_mistake_is_not_blamed_on_the_file(tmp_path):
    path = write(tmp_path / "r.yaml", SFT + "sed: 1\n")
    said = complaint(path, "corpus={trian: x, train: y}", "seed=often", "stage=sft").splitlines()
    assert sorted(line.split(": ")[0] for line in said) == [str(path), *[f"{path}, on the command line"] * 2]
    assert complaint(path, "stage=rlhf").startswith(f"{path}, on the command line: `stage` must be one of")


def test_a_source_is_either_simulated_or_recorded(tmp_path):
    path = write(tmp_path / "r.yaml", "stage: corpus\nout: c\nsplits: {train: [{simulate: 4, records: x}]}\n")
    assert "either `simulate: N` or `records: FOLDER`" in complaint(path)


def test_shares_of_corruption_that_do_not_fit_together():
    message = complaint(RECIPES / "tiny" / "corpus.yaml", "corruption={boilerplate: 0.7, rounded: 0.4}")
    assert '"corruption": Value error, boilerplate + rounded is over 1' in message


def test_options_of_a_reward_are_what_stands_beside_its_name(tmp_path):
    recipe = read_recipe(write(tmp_path / "r.yaml", GRPO))
    assert [(r.name, r.weight, r.options) for r in recipe.rewards] == [
        ("format", 0.5, {}),
        ("my.py:brevity", 1.0, {"words": 120}),
    ]


@pytest.mark.parametrize("text", [SFT, GRPO])
def test_a_resolved_recipe_reads_back_as_itself(tmp_path, text):
    recipe = read_recipe(write(tmp_path / "r.yaml", text))
    resolved = write(tmp_path / "resolved.yaml", to_yaml(recipe))
    assert read_recipe(resolved) == recipe
    assert to_yaml(read_recipe(resolved)) == resolved.read_text()


def test_a_resolved_corpus_reads_back_as_itself(tmp_path):
    recipe = read_recipe(RECIPES / "tiny" / "corpus.yaml")
    assert isinstance(recipe, CorpusRecipe)
    assert read_recipe(write(tmp_path / "r.yaml", to_yaml(recipe))) == recipe
    assert yaml.safe_load(to_yaml(recipe))["corruption"] == recipe.corruption.model_dump()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("dropout.lead=0.1", 'unknown key "dropout.lead" — did you mean "leads"?'),
        ("dropout.leads=1.5", '"dropout.leads": Input should be less than or equal to 1 (found 1.5)'),
        ("dropout={ecg: 0.6, page: 0.5}", '"dropout": Value error, ecg + page + nothing is over 1'),
    ],
)
def test_dropout_of_more_than_there_is(tmp_path, override, expected):
    assert expected in complaint(write(tmp_path / "r.yaml", SFT), override)


def test_towers_that_are_trained_apart_can_only_miss_leads():
    pretrain = RECIPES / "tiny" / "pretrain.yaml"
    assert read_recipe(pretrain, ["dropout.leads=0.5"]).dropout.leads == 0.5
    assert "`dropout` can only hide `leads`" in complaint(pretrain, "dropout.page=0.5")


def test_nothing_is_dropped_and_adapters_stay_in_the_language_model_unless_said(tmp_path):
    recipe = read_recipe(write(tmp_path / "r.yaml", SFT), ["lora={r: 4}"])
    assert not any(recipe.dropout.model_dump().values())
    assert (recipe.lora.parts, recipe.lora.options) == (["language_model"], {"r": 4})
