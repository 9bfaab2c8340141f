"""The table of ideas: its interval over seeds, its chains of stages, and the page that it is written into."""

import argparse
import json
import math
import sys
from pathlib import Path

import ood
import papers
import pytest

from ecg_r1.recipe import read_recipe


def test_the_interval_is_student_s_over_seeds():
    # mean 2, deviation 1, n 3: 4.3027 / sqrt(3) = 2.4842
    assert papers.interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2.0 - 2.4842, 2.0 + 2.4842), abs=1e-3)
    mean, low, high = papers.interval([0.5])
    assert mean == 0.5
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("name", papers.STAGES)
def test_a_stage_is_a_recipe_and_its_chain_ends_at_a_preset(name):
    stage = papers.STAGES[name]
    recipe = read_recipe(stage.recipe, list(stage.overrides))
    assert (recipe.stage == "grpo") == (stage.split == "rl")
    assert stage.corpus in papers.CORPORA
    last = list(papers.chain(name))[-1]
    assert papers.STAGES[last].model in ("tiny", "tiny-leads")


@pytest.mark.parametrize("name", papers.ROWS)
def test_an_idea_and_its_baseline_are_of_one_kind(name):
    row = papers.ROWS[name]
    kinds = {read_recipe(papers.STAGES[one].recipe, []).stage for one in (row.baseline, row.idea)}
    assert len(kinds) == 1
    baseline, idea = papers.own_stages(row)
    assert idea
    assert not set(baseline) & set(idea)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("<think>A does not fit.</think><answer>B</answer>", "B"),
        ("<answer>(B)</answer>", "B"),
        ("<answer>B) AF</answer>", "B"),
        ("<answer>B, B</answer>", "B"),
        ("<answer>B or C</answer>", None),
        ("<answer>atrial fibrillation</answer>", None),
        ("C", "C"),
        ("", None),
    ],
)
def test_the_letter_of_an_answer(text, letter):
    assert ood.letter(text) == letter


def test_figures_are_found_by_their_path():
    figures = {"supported": 0.5, "mirage": {"conditions": {"leads-1": {"supported": None}}}}
    assert papers.value_at(figures, "supported") == 0.5
    assert math.isnan(papers.value_at(figures, papers.ON_ONE_LEAD[0]))


def test_the_table_is_written_between_the_marks(tmp_path):
    page = tmp_path / "papers.md"
    page.write_text(f"before\n{papers.BEGIN}\nold\n{papers.END}\nafter\n", encoding="utf-8")
    line = {"source": "BP-GPT", "idea": "loss", "metric": "supported", "baseline": 0.7, "with": 0.75,
            "difference": 0.05, "low": -0.01, "high": 0.11, "cost": 1.25}  # fmt: skip
    given = argparse.Namespace(rows=["bp_gpt"], seeds=[1, 2, 3], set=["trainer.max_steps=5"], corpus=[], evaluate=[])
    papers.write(page, papers.as_markdown([line], given))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(
        f"before\n{papers.BEGIN}\n`python benchmarks/papers.py bp_gpt --seeds 1 2 3 --set trainer.max"
    )
    assert "| BP-GPT | loss | supported | 70.0 | 75.0 | +5.0 (-1.0, +11.0) | 1.25x |\n" in text
    assert text.endswith(f"{papers.END}\nafter\n")
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(SystemExit, match="are missing"):
        papers.write(page, "")


def test_a_row_on_real_records_says_what_it_needs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["papers.py", "bp_gpt", "mixed"])
    with pytest.raises(SystemExit):
        papers.main()
    assert "the row mixed needs real records: give --records" in capsys.readouterr().err


@pytest.mark.parametrize("name", papers.CORPORA)
def test_a_corpus_has_the_splits_that_stages_learn_from_and_are_tested_on(name):
    corpus = papers.CORPORA[name]
    splits = read_recipe(corpus.recipe, list(corpus.overrides)).splits
    stages = papers.STAGES.values()
    wanted = {stage.split for stage in stages if stage.corpus == name}
    wanted |= {"held-out" for stage in stages if (stage.tested or stage.corpus) == name}
    assert wanted
    assert wanted <= set(splits)


def test_a_row_trains_what_it_shares_once_a_seed_and_is_the_mean_over_seeds(tmp_path, monkeypatch, capsys):
    trained, gains = [], {1: 0.10, 2: 0.04, 3: 0.07}

    def run(command, name, overrides, folder=None):
        recipe = read_recipe(name, list(overrides))
        if command == "train":
            assert recipe.trainer["max_steps"] == 5
            folder = Path(recipe.run)
            if not folder.exists():
                trained.append("/".join(folder.parts[-2:]))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "finished.json").write_text(json.dumps({"cpu_seconds": 30 if "k_merl" in folder.name else 20}))
        elif command == "evaluate":
            assert recipe.grid == ["leads"]
            seed = int(Path(recipe.models[0]).parent.name)
            figures = {
                Path(model).name: {
                    "supported": 0.5 + gain,
                    "mirage": {"conditions": {"leads-1": {"supported": 0.2 + 2 * gain}}},
                }
                for model, gain in zip(recipe.models, (0.0, gains[seed]), strict=True)
            }
            Path(recipe.out).mkdir(parents=True)
            Path(recipe.out, "compare.json").write_text(json.dumps({"models": figures}))

    monkeypatch.setattr(papers, "run", run)
    argv = ["papers.py", "k_merl", "--out", str(tmp_path), "--set", "trainer.max_steps=5", "--seeds", "1", "2", "3"]
    monkeypatch.setattr(sys, "argv", argv)
    papers.main()
    assert trained[:4] == ["1/pretrain", "1/sft", "1/k_merl_pretrain", "1/k_merl_sft"]
    assert len(trained) == 12
    whole, alone = json.loads(capsys.readouterr().out.splitlines()[-1])
    # mean of 10, 4 and 7 points; their deviation is 3, and 4.3027 * 3 / sqrt(3) = 7.45
    assert (whole["difference"], whole["low"], whole["high"]) == pytest.approx((0.07, -0.00453, 0.14453), abs=1e-4)
    assert alone["difference"] == pytest.approx(0.14)
    assert (whole["baseline"], whole["with"]) == pytest.approx((0.5, 0.57))
    assert whole["cost"] == pytest.approx(60 / 40)  # its own towers and SFT, against the demo's
