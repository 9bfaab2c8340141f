"""What the README tells a newcomer to write works; the shares on the demo's page are those of the recipe."""

import re
from pathlib import Path

import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.recipe import GRPORecipe, read_recipe
from ecg_r1.scoring import RewardPool, load_reward

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_shares_of_the_reports_are_those_of_the_recipe():
    corruption = read_recipe(ROOT / "recipes" / "tiny" / "corpus.yaml").corruption
    stated = [int(share) / 100 for share in re.findall(r"^\| (\d+)% \|", DEMO, re.MULTILINE)]
    assert stated == pytest.approx([corruption.boilerplate, corruption.rounded, corruption.qt_from_qrs_end])


def test_the_reward_of_ten_lines(tmp_path, split):
    (code,) = blocks("python")
    (tmp_path / "my_rewards.py").write_text(code)
    case = RecordStore(split).case(RecordStore(split).ids[0])
    texts = [f"<think>{'word ' * n}</think><answer>normal ECG</answer>" for n in (100, 180, 300)]
    with RewardPool([load_reward(f"{tmp_path / 'my_rewards.py'}:brevity", {"words": 120})]) as pool:
        (scores,) = pool.score(texts, [case] * 3)
    assert [score.value for score in scores] == pytest.approx([1.0, 0.5, 0.0])


def test_the_recipe_that_inherits(tmp_path):
    (text,) = (block for block in blocks("yaml") if block.startswith("# my.yaml"))
    (tmp_path / "my.yaml").write_text(text)
    (line,) = re.findall(r"^ecg-r1 train my\.yaml (.*)$", README, re.MULTILINE)
    overrides = [quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', line)]
    recipe = read_recipe(tmp_path / "my.yaml", overrides)
    assert isinstance(recipe, GRPORecipe)
    assert (recipe.credit, recipe.seed, recipe.trainer["num_generations"]) == ("sequence", 3, 16)
    assert recipe.trainer["learning_rate"] == 1e-4
    assert [reward.name for reward in recipe.rewards] == ["intervals", "my_rewards.py:brevity"]
    assert recipe.lora is not None
    assert recipe.lora.options["r"] == 8


def test_the_corpus_of_own_records(tmp_path):
    (text,) = (block for block in blocks("yaml") if block.startswith("stage: corpus"))
    (tmp_path / "corpus.yaml").write_text(text)
    assert set(read_recipe(tmp_path / "corpus.yaml").splits) == {"sft", "rl", "held-out"}


def test_every_file_it_names_is_there():
    named = re.findall(r"`((?:recipes|docs|ecg_r1|rewards|data)/[\w./-]*|[A-Z]+\.md)`", README)
    named += re.findall(r"(?:\]\(|src=\")((?!http)[^)\"]+)[)\"]", README)
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists()] == []
