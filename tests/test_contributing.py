"""The walk-throughs of CONTRIBUTING.md, each done as it says."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from ecg_r1.recipe import read_recipe
from ecg_r1.scoring.registry import library

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(file: str) -> str:
    """What the walk-through writes into a file: the block that begins with its name."""
    blocks = [textwrap.dedent(found) for found in re.findall(r"^ *```\w+\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)]
    (found,) = (code for code in blocks if code.startswith(f"# {file}\n"))
    return found


@pytest.fixture
def copy(tmp_path) -> Path:
    """The project's package, rewards, data and recipes, to be changed."""
    for name in ("ecg_r1", "rewards", "data", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def python(folder: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_reward(copy):
    (copy / "rewards" / "named_leads.py").write_text(block("rewards/named_leads.py"))
    (copy / "test_named_leads.py").write_text(block("tests/rewards/test_named_leads.py"))
    assert "5 passed" in python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_named_leads.py")
    assert "named_leads" in python(copy, "-m", "ecg_r1", "reward", "list")
    python(copy, "-m", "ecg_r1", "reward", "check", "named_leads")


LOOK = """
from ecg_r1.corpus.reports import Corruption, write_report
from ecg_r1.ecg.diagnosis import vocabulary
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Completion
import numpy as np

print(vocabulary().get("wellens sign").name)
said = Completion.parse("<think>No Wellens sign before.</think><answer>Wellens syndrome</answer>").statements
print([(mention.name, mention.polarity) for mention in said])
print(write_report(Measurements.from_json({}), ("Wellens pattern",), Corruption(), np.random.default_rng(0)))
"""


def test_a_diagnosis(copy):
    for file in ("data/vocabulary.yaml", "data/knowledge.yaml"):
        path = copy / file
        path.write_text(path.read_text(encoding="utf-8") + "\n" + block(file), encoding="utf-8")
    name, mentions, report = python(copy, "-c", LOOK).splitlines()
    assert name == "Wellens pattern"
    assert mentions == "[('Wellens pattern', 'negated'), ('Wellens pattern', 'asserted')]"
    (finding,) = yaml.safe_load(block("data/knowledge.yaml"))["Wellens pattern"]
    assert finding in report
    assert report.endswith("<answer>Wellens pattern</answer>")


def test_a_recipe(copy):
    path = copy / "recipes" / "tiny" / "grpo-dapo.yaml"
    path.write_text(block("recipes/tiny/grpo-dapo.yaml").partition("\n")[2])
    recipe = read_recipe(path)
    assert recipe.trainer["loss_type"] == "dapo"
    assert recipe.rewards == read_recipe(ROOT / "recipes" / "tiny" / "grpo.yaml").rewards
    assert "#   ecg-r1 train recipes/tiny/grpo-dapo.yaml " in path.read_text()  # as tests/test_shipped_recipes.py asks


def test_every_reward_of_the_library_is_in_the_documentation():
    pages = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("rewards.md", "api.rst")}
    for name in library():
        assert f"`{name}`" in pages["rewards.md"]
        assert f"ecg_r1.rewards.{name}.{name}" in pages["api.rst"]
