"""QLoRA: adapters on parts in 4 bits. Where bitsandbytes is missing, or the recipe asks for more, one line says so."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file

from ecg_r1.doctor.need import need
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.recipe import RecipeError, read_recipe
from ecg_r1.train import qlora
from ecg_r1.train.qlora import check_four_bits

RECIPES = Path(__file__).parents[2] / "recipes"
BITS = "lora={bits: 4, r: 8}"


def refused(recipe, *overrides):
    with pytest.raises(RecipeError) as error:
        check_four_bits(read_recipe(RECIPES / "tiny" / recipe, [BITS, *overrides]), recipe)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_bitsandbytes_the_command_says_what_to_install(ecg_r1, split, tmp_path):
    if find_spec("bitsandbytes") is not None:
        pytest.skip("bitsandbytes is installed")
    save(*load_model("tiny", texts=["Read this ECG."]), tmp_path / "model")
    given = (f"model={tmp_path}/model", f"run={tmp_path}/run", f"corpus={{train: {split}}}", BITS)
    said = ecg_r1("train", RECIPES / "tiny/sft.yaml", *given, "--dry-run")
    assert said.code == 2
    assert said.err.splitlines()[-1].endswith('needs bitsandbytes: pip install "ecg-r1-gem[qlora]", or remove it')
    assert not (tmp_path / "run").exists()


def test_what_four_bits_cannot_do_is_refused(monkeypatch):
    monkeypatch.setattr(qlora, "find_spec", lambda name: True)
    assert 'needs a checkpoint; "tiny" has random weights' in refused("sft.yaml", "model=tiny")
    assert "set `deepspeed: null`" in refused("grpo.yaml")
    assert "`rollout.mode: server`" in refused("grpo.yaml", "deepspeed=null")
    server = ["rollout.mode=server", "rollout.servers=['http://127.0.0.1:8100']", "rollout.key_file=key"]
    own = "lora={bits: 4, r: 8, use_dora: true}"
    assert "cannot take this adapter" in refused("grpo.yaml", "deepspeed=null", *server, own)
    for accepted in (server, ["rollout={engine: hf}"]):
        check_four_bits(read_recipe(RECIPES / "tiny/grpo.yaml", [BITS, "deepspeed=null", *accepted]), "grpo.yaml")
    with pytest.raises(RecipeError, match=r"lora\.bits"):
        read_recipe(RECIPES / "tiny/sft.yaml", ["lora={bits: 3}"])


def test_gem_7b_in_four_bits_fits_a_card_of_24_gb():
    needed = need(read_recipe(RECIPES / "gem-7b/sft.yaml", ["model=gem-7b", "deepspeed=null", "lora.bits=4"]))
    assert needed.training < 12e9
    assert need(read_recipe(RECIPES / "gem-7b/sft.yaml", ["model=gem-7b", "deepspeed=null"])).training > 24e9


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_a_step_in_four_bits_ends_in_whole_weights(ecg_r1, split, tmp_path, stage):
    if find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed: pip install '.[qlora]'")
    save(*load_model("tiny", texts=["Read this ECG. PR 160 ms, QRS 90 ms. normal ECG"]), tmp_path / "model")
    trainer = {"max_steps": 2, "save_steps": 1, "learning_rate": 1e-2, "lr_scheduler_type": "constant"}
    lines = {"base": f"tiny/{stage}", "run": f"{tmp_path}/run", "model": f"{tmp_path}/model", "deepspeed": None}
    lines |= {"corpus": {"train": str(split)}, "lora": {"bits": 4, "r": 8}}
    if stage == "grpo":
        trainer |= {"num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 16}
        lines |= {"rewards": [{"name": "length", "limit": 48, "cache": 48}], "credit": "sequence"}
        lines |= {"rollout": {"engine": "hf"}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(lines | {"trainer": trainer}))
    done = ecg_r1("train", tmp_path / "recipe.yaml")
    assert done.code == 0, done.err[-2000:]
    before = load_file(tmp_path / "model" / "model.safetensors")
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed  # and only by the adapters: what they leave alone was not rounded
    assert all(".layers." in name and "_proj" in name for name in changed)
    largest = max((before[name] - after[name]).abs().max().item() for name in changed)
    assert largest < 0.1
