"""The chains of `make demo-small` and `make headline`: the sources of their corpora, and what make would run."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ecg_r1.recipe import read_recipe
from ecg_r1.recipe.schema import Source

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "tools").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_well_formed_and_names_recipes_that_exist(script):
    subprocess.run(["bash", "-n", script], check=True)
    for word in script.read_text(encoding="utf-8").split():
        word = word.strip('"')
        if word.startswith("recipes/") and word.endswith(".yaml") and "$" not in word:
            assert (ROOT / word).is_file(), word


@pytest.mark.parametrize("limit", ["", "7"])
def test_folders_become_the_sources_of_a_split(limit):
    command = f"source tools/sources.sh; LIMIT_RECORDS={limit} sources 'a/b c' '[1, 2]'"
    said = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sources = [Source.model_validate(one) for one in yaml.safe_load(f"[{said}]")]
    assert [(one.records, one.folds, one.limit) for one in sources] == [
        (folder, [1, 2], int(limit) if limit else None) for folder in ("a/b", "c")
    ]


@pytest.mark.parametrize(
    ("target", "said"), [("demo-small", "tools/chain-small.sh"), ("headline", "tools/headline.sh")]
)
def test_make_takes_several_folders_of_records_and_asks_for_them(tmp_path, target, said):
    def made(records):
        command = ["make", "-n", target, f"VENV={tmp_path}/venv", f"RECORDS={records}"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert f'bash {said} "{tmp_path} {ROOT}"' in made(f"{tmp_path} {ROOT}").stdout
    asked = subprocess.run(
        ["make", "records", f"RECORDS={tmp_path} {tmp_path}/gone"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 2
    assert "a folder of WFDB records with ptbxl_database.csv" in asked.stdout


STUB = """#!/bin/bash
printf '%s\\0' "$@" >> "$LOG"; printf '\\n\\0' >> "$LOG"
case $1 in
convert) mkdir -p "$3" ;;
baseline) mkdir -p "$5/majority" ;;
esac
"""


@pytest.fixture
def chained(tmp_path):
    """Run a chain with an `ecg-r1` that reads each recipe with its overrides and trains nothing."""
    log, stub = tmp_path / "log", tmp_path / "bin" / "ecg-r1"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)

    def run(script, *words, **environment):
        log.unlink(missing_ok=True)
        subprocess.run(
            ["bash", f"tools/{script}", *map(str, words)], cwd=ROOT, check=True,
            env=os.environ | {"BIN": str(stub.parent), "LOG": str(log)} | environment,
        )  # fmt: skip
        commands = [line.split("\0")[:-1] for line in log.read_text().split("\n\0")[:-1]]
        return [read(*command) for command in commands]

    return run


def read(command, *words):
    """A command with the recipe that it would carry out."""
    found = {"command": command, "words": words}
    if command in ("corpus", "train", "evaluate"):
        found["recipe"] = read_recipe(words[0], list(words[1:])).model_dump(mode="json")
    return found


def check_chain(commands, start):
    """Each model was trained before it is used, on a split that was built; nothing but the test reads fold 10."""
    there = set(start)
    for one in commands:
        recipe = one.get("recipe", {})
        if one["command"] == "corpus":
            for split, sources in recipe["splits"].items():
                there.add(f"{recipe['out']}/{split}")
                folds = {fold for source in sources for fold in source["folds"] or []}
                assert (10 in folds) == (split == "held-out")
                assert split != "held-out" or folds == {10}
        elif one["command"] == "train":
            assert recipe["model"] in there
            assert {recipe["corpus"]["train"], recipe["corpus"]["evaluate"]} - {None} <= there
            there.add(recipe["run"])
        elif one["command"] == "convert":
            there.add(one["words"][1])
        elif one["command"] == "evaluate":
            assert {model for model in recipe["models"] if "/baselines/" not in model} <= there
    return there


def test_the_headline_trains_five_models_of_each_seed_and_compares_them(tmp_path, chained):
    commands = chained("headline.sh", "ptb-xl ptb-xl-100", tmp_path / "h", 1, 2, VARIANTS="grpo-kl grpo-balanced")
    check_chain(commands, ["tiny"])
    runs = [one["recipe"] for one in commands if one["command"] == "train"]
    names = ["pretrain", "sft", "grpo-string", "grpo", "grpo-claim", "grpo-kl", "grpo-balanced", "sft-more"]
    assert [run["run"] for run in runs] == [f"{tmp_path}/h/{seed}/{name}" for seed in (1, 2) for name in names]
    assert [run["seed"] for run in runs] == [1] * len(names) + [2] * len(names)
    assert {run["model"] for run in runs if run["stage"] == "grpo"} == {f"{tmp_path}/h/{s}/sft" for s in (1, 2)}
    last = commands[-1]["recipe"]
    assert last["seeds"] == [f"{tmp_path}/h/2"]
    assert last["out"] == f"{tmp_path}/h"
    assert [Path(model).name for model in last["models"]][:2] == ["majority", "sft"]


def test_the_five_differ_in_what_they_say_they_differ(tmp_path, chained):
    commands = chained("headline.sh", "ptb-xl", tmp_path / "h", 1, PROBE="no", TRAIN="trainer.max_steps=3")
    runs = {Path(one["recipe"]["run"]).name: one["recipe"] for one in commands if one["command"] == "train"}
    assert {run["trainer"]["max_steps"] for run in runs.values()} == {3}
    measured, claim, string = runs["grpo"], runs["grpo-claim"], runs["grpo-string"]
    assert {key for key in measured if measured[key] != claim[key]} == {"run", "credit"}
    assert {key for key in measured if measured[key] != string[key]} == {"run", "rewards", "trainer"}
    assert [reward["name"] for reward in string["rewards"]] == ["diagnosis", "evidence", "format"]


def test_the_variant_of_two_parts_starts_from_the_first_and_takes_the_time_of_the_control(tmp_path, chained):
    commands = chained("headline.sh", "ptb-xl", tmp_path / "h", 1, PROBE="no", VARIANTS="grpo-alone")
    check_chain(commands, ["tiny"])
    runs = {Path(one["recipe"]["run"]).name: one["recipe"] for one in commands if one["command"] == "train"}
    assert runs["sft-first"]["model"] == runs["sft-more"]["model"] == f"{tmp_path}/h/1/sft"
    assert runs["grpo-alone"]["model"] == runs["sft-first"]["run"]
    assert runs["sft-first"]["trainer"]["max_steps"] < runs["sft-more"]["trainer"]["max_steps"]
    assert runs["grpo-alone"]["credit"] == "claim_alone"
    assert [Path(model).name for model in commands[-1]["recipe"]["models"]][-1] == "grpo-alone"


def test_the_small_chain_converts_once_and_compares_three_models(tmp_path, chained):
    folder = tmp_path / "s"
    for _ in range(2):  # a repeated command finds the converted model
        commands = chained("chain-small.sh", "ptb-xl", folder, "m.gguf")
        check_chain(commands, ["tiny", f"{folder}/start"])
    assert [one["command"] for one in commands] == ["corpus", "train", "train", "train", "train", "evaluate"]
    assert commands[-1]["recipe"]["models"] == [f"{folder}/{name}" for name in ("sft", "sft-more", "grpo")]
