"""Before a run starts, everything its recipe names is found or refused in one line; nothing is started or written."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from ecg_r1.errors import UserError
from ecg_r1.model.checkpoint import PARTS, freeze, load_model, save
from ecg_r1.recipe import read_recipe
from ecg_r1.train.opened import check_whole_groups
from ecg_r1.train.preflight import check

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"
REWARDS = """
from ecg_r1.scoring import reward

{first}

@reward
def format(completion, case):
    return 1.0
"""


def checked(recipe, split, run, *overrides):
    """`check` of a shipped recipe on a small corpus, in this process: DeepSpeed would set it up for itself."""
    overrides = (f"run={run}", "model=tiny", f"corpus={{train: {split}}}", "deepspeed=null", *overrides)
    return check(read_recipe(RECIPES / recipe, overrides), recipe)


def children():
    return set(psutil.Process().children(recursive=True))


@pytest.mark.parametrize("recipe", ["pretrain.yaml", "sft.yaml", "grpo.yaml"])
def test_a_check_starts_nothing_and_writes_nothing(split, tmp_path, recipe):
    before = children()
    found = checked(
        recipe, split, tmp_path / "run", "reward_workers={workers: 2}" if recipe == "grpo.yaml" else "seed=1"
    )
    assert [reward.name for reward in found.rewards] == ["format", "diagnosis", "intervals"] * (recipe == "grpo.yaml")
    assert children() <= before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "override", "expected"),
    [
        ("sft.yaml", "trainer={max_step: 3}", 'sft.yaml: unknown key "trainer.max_step" — did you mean "max_steps"?'),
        ("sft.yaml", "trainer={learning_rate: [1]}", 'sft.yaml: "trainer.learning_rate": Input should be a valid numb'),
        ("sft.yaml", "trainer={packing: true}", 'sft.yaml: "trainer.packing" has no effect'),
        ("grpo.yaml", "trainer={loss_type: dapoo}", "grpo.yaml: \"trainer.loss_type\": 'dapoo' is not one of grpo"),
        ("sft.yaml", "freeze=[visoin_tower]", "sft.yaml: freeze: no part 'visoin_tower'; did you mean 'vision_tower'?"),
        ("sft.yaml", "lora={target_module: [q_proj]}", 'key "lora.target_module" — did you mean "target_modules"?'),
        ("sft.yaml", "model=runs/nowhere", "runs/nowhere: neither a preset nor a checkpoint folder"),
        ("sft.yaml", "corpus={train: gone}", 'sft.yaml: "corpus.train": gone: no corpus split here'),
        ("sft.yaml", "lora={rank: 4}", 'sft.yaml: unknown key "lora.rank"'),
        ("sft.yaml", "lora={r: 0}", 'sft.yaml: "lora": '),
        ("sft.yaml", "lora={parts: [languag_model]}", 'unknown key "languag_model" — did you mean "language_model"?'),
        (
            "sft.yaml", "lora={target_modules: [q_proj, v_prj]}",
            "sft.yaml: lora.target_modules: no linear layer 'v_prj' in language_model; there are down_proj, ",
        ),
        ("sft.yaml", "lora={parts: [lm_head]}", 'lora.parts: unknown key "lm_head"'),
        ("sft.yaml", "lora={target_modules: '.*q_proj', layers_to_transform: [0]}", 'sft.yaml: "lora": '),
        ("grpo.yaml", "rewards=[{name: intervalls}]", 'grpo.yaml: "rewards": unknown reward "intervalls" — did'),
        ("grpo.yaml", "rewards=[{name: gone.py:f}]", 'reward "gone.py:f": no file '),
        ("grpo.yaml", "rewards=[{name: length, words: 3}]", 'reward "length": unknown option "words"'),
        ("grpo.yaml", "rewards=[{name: format, weigth: 2}]", 'did you mean "weight"?'),
        ("grpo.yaml", "rewards=[{name: format}, {name: format}]", "two rewards of one name: format"),
        ("grpo.yaml", "credit=claims", "grpo.yaml: \"credit\": 'claims' is not one of sequence, claim, "),
        ("grpo.yaml", "trainer={num_generations: 3}", 'grpo.yaml: "trainer": generation_batch_size (8) must be divisi'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(split, tmp_path, recipe, override, expected):
    with pytest.raises(UserError) as error:
        checked(recipe, split, tmp_path / "run", override)
    assert expected in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("1 / 0", r"my_rewards.py:4: ZeroDivisionError: division by zero"),
        ("import no_such_package", r"my_rewards.py:4: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def broken(:", r"my_rewards.py:4: SyntaxError: invalid syntax"),
        ("raise SystemError()", r"my_rewards.py:4: SystemError: "),
    ],
)
def test_a_reward_file_that_cannot_be_imported(split, tmp_path, first, expected):
    (tmp_path / "my_rewards.py").write_text(REWARDS.format(first=first))
    with pytest.raises(UserError, match=expected):
        checked("grpo.yaml", split, tmp_path / "run", f"rewards=[{{name: '{tmp_path}/my_rewards.py:format'}}]")


def test_a_quoted_number_is_a_number(split, tmp_path):
    arguments = checked(
        "sft.yaml", split, tmp_path / "run", "trainer={learning_rate: '2.0e-4', max_steps: 3}"
    ).arguments
    assert (arguments.learning_rate, arguments.max_steps) == (2e-4, 3)


def test_whole_groups_are_asked_for_where_claims_are_compared_within_them(split, tmp_path):
    with pytest.raises(UserError, match=r"g.yaml: credit: claim needs whole groups in each process, but its 6 compl"):
        check_whole_groups("credit: claim", "each process", 6, 4, "g.yaml")
    trainer = "trainer={num_generations: 4, per_device_train_batch_size: 2, gradient_accumulation_steps: 2}"
    assert checked("grpo.yaml", split, tmp_path / "run", trainer, "shared_prefix=false")
    with pytest.raises(UserError, match="shared_prefix needs whole groups in each micro-batch, but its 2 completions"):
        checked("grpo.yaml", split, tmp_path / "run", trainer, "shared_prefix=true")


def test_prompts_and_completions_that_the_engine_has_no_room_for(split, tmp_path):
    save(*load_model("tiny", texts=["Report this ECG."]), tmp_path / "tiny")
    assert checked("grpo.yaml", split, tmp_path / "run", f"model={tmp_path}/tiny")
    with pytest.raises(UserError, match="and a completion of 80 are more than the 96 that are read; change rollout"):
        checked("grpo.yaml", split, tmp_path / "run", f"model={tmp_path}/tiny", "rollout.options.max_model_len=96")


def test_an_occupied_folder_is_found_by_a_dry_run_too(split, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not empty and holds no run"):
        checked("sft.yaml", split, tmp_path / "run")


@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"ecg_mm_projector"}))
def test_every_part_can_be_frozen_by_name(part):
    model, _ = load_model("tiny", texts=["normal ECG"])
    freeze(model, [])
    trains = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    freeze(model, [part])
    left = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trains - left == {name for name in trains if name.startswith(PARTS[part])}
    assert trains - left


def test_a_part_that_the_model_lacks_cannot_be_frozen():
    model, _ = load_model("tiny", texts=["normal ECG"])
    with pytest.raises(UserError, match="freeze: this model has no ecg_mm_projector; its parts are ecg_tower, "):
        freeze(model, ["ecg_mm_projector"])


@pytest.mark.parametrize(
    ("lora", "expected"),
    [
        ("{r: 2}", {"language_model": 3 * 7}),  # three layers: q k v o gate up down
        ("{r: 2, target_modules: [q_proj, v_proj]}", {"language_model": 3 * 2}),
        ("{r: 2, target_modules: '.*layers.1.*_proj'}", {"language_model": 7}),
        ("{r: 2, parts: [mm_projector, ecg_projector]}", {"mm_projector": 2, "ecg_projector": 1}),
        ("{r: 2, parts: [vision_tower], target_modules: [q_proj]}", {"vision_tower": 3}),
        ("{r: 2, parts: [ecg_tower], target_modules: [qkv_proj]}", {"ecg_tower": 2}),
    ],
)
def test_adapters_stand_in_the_named_parts_alone(split, tmp_path, lora, expected):
    from peft import get_peft_model

    adapters = checked("sft.yaml", split, tmp_path / "run", f"lora={lora}").adapters
    model, _ = load_model("tiny", texts=["normal ECG"])
    adapted = get_peft_model(model, adapters)
    layers = [name for name, _ in adapted.named_parameters() if "lora_A" in name]
    counts = {part: sum(name.startswith(f"base_model.model.{PARTS[part]}") for name in layers) for part in expected}
    assert counts == expected
    assert sum(counts.values()) == len(layers)
    trained = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert all("lora_" in name for name in trained)


WITHOUT_VLLM = """
import sys

from importlib.machinery import PathFinder

class WithoutVLLM(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "vllm" else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutVLLM
from ecg_r1.cli import main
main()
"""


@pytest.mark.parametrize(("engine", "code"), [("vllm", 2), ("hf", 0)])
def test_vllm_is_asked_for_only_where_it_generates(split, tmp_path, engine, code):
    words = [
        "train", RECIPES / "grpo.yaml", "--dry-run", f"run={tmp_path}/run", "model=tiny", f"corpus={{train: {split}}}",
        "deepspeed=null", f"rollout.engine={engine}",
    ]  # fmt: skip
    command = [sys.executable, "-c", WITHOUT_VLLM, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("vLLM is not installed: pip install" in done.stderr) == (engine == "vllm")
    assert "Traceback" not in done.stderr
    assert ("engine: hf" in done.stdout) == (engine == "hf")
