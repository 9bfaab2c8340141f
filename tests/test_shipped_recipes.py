"""Every recipe that ships is one that can be run: its keys are known, to us and to the trainers."""

from pathlib import Path

import pytest

pytest.importorskip("trl")

from ecg_r1.recipe import CorpusRecipe, EvaluateRecipe, ProbeRecipe, read_recipe
from ecg_r1.train.arguments import training_arguments

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*/*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_is_valid_and_begins_with_the_line_that_runs_it(path):
    for_gpus = "bf16: true" in path.read_text()  # transformers refuses that where there is none
    recipe = read_recipe(path, ["processes=1", "trainer.bf16=false"] if for_gpus else [])
    commands = {CorpusRecipe: "corpus", EvaluateRecipe: "evaluate", ProbeRecipe: "evaluate"}
    command = commands.get(type(recipe), "train")
    assert f"#   ecg-r1 {command} {path.relative_to(ROOT)} " in path.read_text()
    if command == "train":
        arguments = training_arguments(recipe, str(path))
        assert arguments.learning_rate == recipe.trainer["learning_rate"]
