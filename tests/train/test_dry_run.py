"""`ecg-r1 train RECIPE --dry-run`: cheap checks first, each reward called once, nothing printed but the recipe."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"
WITHOUT_TRAINING_LIBRARIES = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "trl", "peft", "accelerate", "datasets"):
            raise AssertionError(f"{name} is imported before the cheap checks are done")

sys.meta_path.insert(0, Blocked())
from ecg_r1.cli import main
main()
"""
REWARDS = """
from ecg_r1.scoring import reward

@reward
def always(completion, case):
    return case.no_such_field

@reward
def often(completion, case):
    return 1 / len(completion.text)

@reward
def needs_the_corpus(completion, case):
    return {"sim": 1.0}[case.record_id[:3]]
"""


def words(split, tmp_path, *overrides, recipe="grpo.yaml"):
    return [
        "train", RECIPES / recipe, "--dry-run", f"run={tmp_path}/run", "model=tiny", f"corpus={{train: {split}}}",
        *overrides,
    ]  # fmt: skip


def run(code, *words):
    command = [sys.executable, *code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=540)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("rewards=[{name: intervalls}]", 'unknown reward "intervalls" — did you mean "intervals"?'),
        ("corpus.train=gone", '"corpus.train": gone: no corpus split here'),
        ("trainer.loss_type=dapoo", "'dapoo' is not one of grpo"),
        ("trainer.vllm_mode=server", "use `rollout.mode`"),
        ("credit=claims", 'did you mean "claim"?'),
        ("rewards=[{name: 'FILE:always'}]", "AttributeError: 'Case' object has no attribute 'no_such_field'"),
    ],
)
def test_cheap_checks_come_before_the_training_libraries(split, tmp_path, override, expected):
    (tmp_path / "mine.py").write_text(REWARDS)
    override = override.replace("FILE", str(tmp_path / "mine.py"))
    done = run(["-c", WITHOUT_TRAINING_LIBRARIES], *words(split, tmp_path, override))
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_reward_that_always_raises_is_refused_with_its_line(split, tmp_path):
    pytest.importorskip("trl")
    from ecg_r1.errors import UserError
    from ecg_r1.recipe import read_recipe
    from ecg_r1.train.preflight import check

    (tmp_path / "mine.py").write_text(REWARDS)

    def checked(name, *more):
        overrides = [f"corpus={{train: {split}}}", f"rewards=[{{name: '{tmp_path}/mine.py:{name}'}}]", *more]
        recipe = read_recipe(RECIPES / "grpo.yaml", [f"run={tmp_path}/run", "model=tiny", "deepspeed=null", *overrides])
        return check(recipe, "grpo.yaml")

    with pytest.raises(UserError) as error:
        checked("always")
    assert f'grpo.yaml: "rewards": reward "{tmp_path}/mine.py:always" fails on ' in str(error.value)
    assert str(error.value).endswith(f"at {tmp_path}/mine.py:6")
    assert checked("often").rewards[0].name == "often"
    assert checked("needs_the_corpus").rewards[0].name == "needs_the_corpus"


def test_nothing_is_printed_but_the_recipe(split, tmp_path):
    pytest.importorskip("vllm", reason="vLLM is not installed")
    pytest.importorskip("deepspeed")
    from ecg_r1.model.checkpoint import load_model, save

    save(*load_model("tiny", texts=["Report this ECG."]), tmp_path / "tiny")
    done = run(["-m", "ecg_r1"], *words(split, tmp_path, f"model={tmp_path}/tiny"))
    assert (done.returncode, done.stderr) == (0, "")
    assert yaml.safe_load(done.stdout)["model"] == f"{tmp_path}/tiny"
    assert not (tmp_path / "run").exists()
