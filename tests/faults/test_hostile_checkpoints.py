"""A checkpoint that names code, leaves its folder or holds nonsense is one line, and nothing of it runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from opening import sound
from safetensors.torch import load_file, save_file
from test_any_checkpoint import JSON, TEMPLATES
from transformers import LlamaForCausalLM

from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.model.convert.plan import plan

CODE = "import pathlib; pathlib.Path(__file__).with_name('ran').touch()\nclass Mine: pass\n"
AUTO_MAP = {"AutoConfig": "mine.Mine", "AutoTokenizer": ["mine.Mine", "mine.Mine"], "AutoProcessor": "mine.Mine"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    sound(folder)
    return folder


@pytest.fixture
def checkpoint(made, tmp_path) -> Path:
    return Path(shutil.copytree(made / "ours", tmp_path / "ours"))


def changed(path: Path, place: str, value: object) -> None:
    """Set a key of a JSON file, `a.b.c`."""
    values = json.loads(path.read_text()) if path.exists() else {}
    inner = values
    *sections, last = place.split(".")
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[last] = value
    path.write_text(json.dumps(values))


def test_a_sound_one_opens(opener, checkpoint):
    assert opener.try_(str(checkpoint)) == ""


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("config.json", "auto_map"),
        ("config.json", "text_config.auto_map"),
        ("config.json", "vision_config.auto_map"),
        ("config.json", "ecg_config.a.auto_map"),
        ("tokenizer_config.json", "auto_map"),
        ("processor_config.json", "auto_map"),
        ("processor_config.json", "image_processor.auto_map"),
        ("processor_config.json", "feature_extractor.auto_map"),
        ("preprocessor_config.json", "auto_map"),
        ("video_preprocessor_config.json", "auto_map"),
        ("generation_config.json", "auto_map"),
        ("special_tokens_map.json", "auto_map"),
        ("config.json", "trust_remote_code"),
        ("config.json", "text_config._attn_implementation"),
        ("config.json", "attn_implementation"),
        ("config.json", "quantization_config"),
        ("generation_config.json", "custom_generate"),
        ("config.json", "base_model_name_or_path"),
    ],
)
def test_a_key_that_names_code_is_refused(opener, checkpoint, file, place):
    value = AUTO_MAP if place.endswith("auto_map") else "kernels-community/flash"
    changed(checkpoint / file, place, value)
    (checkpoint / "mine.py").write_text(CODE)
    said = opener.try_(str(checkpoint))
    assert said.startswith(f"{checkpoint / file}: {place} ")
    assert said.endswith("; remove the key")
    assert not (checkpoint / "ran").exists()


def test_an_adapter_is_no_model(opener, checkpoint):
    (checkpoint / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else", "peft_type": "LORA"}')
    assert "merge it first" in opener.try_(str(checkpoint))


def test_custom_code_of_a_source_is_not_run(made, tmp_path):
    source = Path(shutil.copytree(made / "theirs", tmp_path / "theirs"))
    for name in ("config.json", "tokenizer_config.json"):
        changed(source / name, "auto_map", AUTO_MAP)
    (source / "mine.py").write_text(CODE)
    assert "auto_map" not in plan(source).processor.tokenizer.init_kwargs
    assert not (source / "ran").exists()


COMMANDS = [
    ("ask", "{model}", "{record}", "Read this ECG.", "--engine", "hf"),
    ("ask", "{model}", "{record}", "Read this ECG."),
    ("serve", "{model}", "--port", "0"),
    ("predict", "{model}", "--corpus", "{split}", "--engine", "hf"),
    ("compare", "{model}", "--corpus", "{split}"),
    ("train", "tiny/sft", "model={model}", "corpus.train={split}", "corpus.evaluate=null", "run={run}"),
    ("train", "tiny/grpo", "model={model}", "corpus.train={split}", "corpus.evaluate=null", "run={run}"),
    ("doctor", "tiny/sft", "model={model}", "corpus.train={split}"),
    ("convert", "{model}", "{run}"),
]


def said_by(checkpoint: Path, split: Path, words: tuple[str, ...]) -> str:
    """The last line of a command's stderr, or the row of doctor's table. It answers yes to every question."""
    (path,) = [write_record(ecg.record, checkpoint.parent) for ecg in simulate(1, seed=2)]
    places = {"model": checkpoint, "record": path, "split": split, "run": checkpoint.parent / "run"}
    command = [sys.executable, "-m", "ecg_r1", *(word.format(**places) for word in words)]
    done = subprocess.run(
        command, input="y\n" * 9, capture_output=True, text=True, check=False, cwd=checkpoint.parent,
        env=os.environ | {"COLUMNS": "1000"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "[y/N]" not in done.stdout + done.stderr
    if words[0] == "doctor":  # it reports what blocks a run, with exit code 1
        assert done.returncode == 1, done.stderr
        return next(line for line in done.stdout.splitlines() if line.lstrip().startswith("model"))
    assert done.returncode == 2, done.stdout
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [COMMANDS[0], *(pytest.param(c, marks=pytest.mark.slow) for c in COMMANDS[1:])])
def test_every_command_refuses_code(checkpoint, split, words):
    for file, place in (("tokenizer_config.json", "auto_map"), ("config.json", "text_config.auto_map")):
        changed(checkpoint / file, place, AUTO_MAP)
    (checkpoint / "mine.py").write_text(CODE)
    said = said_by(checkpoint, split, words)
    assert "names code, and no code of a checkpoint is run" in said or "is a checkpoint of ecg_r1 already" in said
    assert not (checkpoint / "ran").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("config.json:model_type", "nope"),
        ("config.json:text_config.model_type", "nope"),
        ("config.json:text_config.model_type", ["llama"]),
        ("config.json:vision_config.model_type", "llama"),
        ("config.json:architectures", ["LlamaForCausalLM"]),
        ("config.json:text_config", []),
        ("config.json:text_config.num_hidden_layers", 10**8),
        ("config.json:ecg_config.num_hidden_layers", 10**8),
        ("config.json:vision_config.num_hidden_layers", -1),
        ("config.json:text_config.hidden_size", 2**62),
        ("config.json:text_config.hidden_size", 10**400),
        ("config.json:text_config.hidden_size", "128"),
        ("config.json:text_config.hidden_size", 128.5),
        ("config.json:text_config.hidden_size", float("nan")),
        ("config.json:text_config.hidden_act", "nope"),
        ("config.json:text_config.num_attention_heads", 0),
        ("config.json:ecg_config.samples", -5000),
        ("config.json:ecg_config.stem", []),
        ("config.json:ecg_config.stem", [[128, 0, 0]]),
        ("config.json:ecg_config.leads", "12"),
        ("config.json:vision_config.patch_size", 0),
        ("config.json:vision_config.image_size", [112, 112]),
        ("config.json:dtype", "float99"),
        ("config.json:dtype", 5),
        ("config.json:to_dict", 5),
        ("config.json:ecg_token_id", "3"),
        ("config.json:ecg_token_id", 4),
        ("config.json:text_config.vocab_size", 10**7),
        ("processor_config.json:processor_class", "Mine"),
        ("processor_config.json:processor_class", None),
        ("processor_config.json:num_ecg_tokens", 10**9),
        ("processor_config.json:image_processor.size", {"shortest_edge": 10**6}),
        ("processor_config.json:image_processor.image_processor_type", "Mine"),
        ("processor_config.json:feature_extractor.samples", 10**9),
        ("processor_config.json:system", 5),
        ("tokenizer_config.json:tokenizer_class", "Mine"),
        ("tokenizer_config.json:eos_token", None),
        ("tokenizer.json:model", {"type": "BPE"}),
    ],
)
def test_values_that_make_no_model(opener, checkpoint, place, value):
    file, _, key = place.partition(":")
    changed(checkpoint / file, key, value)
    said = opener.try_(str(checkpoint))
    assert said.startswith(str(checkpoint))
    assert "\n" not in said
    assert file != "config.json" or "config.json" in said


@pytest.mark.parametrize("name", [*JSON[:5], "model.safetensors", "chat_template.jinja"])
@pytest.mark.parametrize(
    "what", ["empty", "list", "null", "UTF-16", "folder", "pipe", "outside", "nowhere", "huge", "missing"]
)
def test_files_that_are_none(opener, checkpoint, name, what):
    path = checkpoint / name
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what in ("outside", "nowhere"):
        path.symlink_to("/etc/passwd" if what == "outside" else "/nowhere")
    elif what == "huge":
        path.touch()
        os.truncate(path, 10**12)
    elif what != "missing":
        text = {"empty": "", "list": "[]", "null": "null", "UTF-16": "{}"}[what]
        path.write_bytes(text.encode("utf-16" if what == "UTF-16" else "utf-8"))
    said = opener.try_(str(checkpoint))
    assert "\n" not in said
    optional = name == "generation_config.json" and what == "missing"
    assert optional or str(checkpoint) in said


@pytest.mark.parametrize(
    "name",
    ["../x.safetensors", "/etc/passwd", "a/b.safetensors", "x\0.safetensors", "gone.safetensors", 5, None, "x.bin"],
)
def test_an_index_that_leaves_the_folder(opener, checkpoint, name):
    shutil.copy(checkpoint / "model.safetensors", checkpoint.parent / "x.safetensors")
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"lm_head.weight": name}}))
    said = opener.try_(str(checkpoint))
    assert str(checkpoint) in said
    assert "index" in said


@pytest.mark.parametrize(
    "index", [[], {"weight_map": []}, {"weight_map": {}}, {}, {"weight_map": {"gone": "model.safetensors"}}]
)
def test_an_index_that_names_nothing(opener, checkpoint, index):
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    assert opener.try_(str(checkpoint))


def test_a_cache_of_the_hub_keeps_its_files_outside_the_snapshot(opener, checkpoint):
    cache = checkpoint.parent / "models--x"
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots" / "abc").mkdir(parents=True)
    for path in checkpoint.iterdir():
        path.rename(cache / "blobs" / path.name)
        (cache / "snapshots" / "abc" / path.name).symlink_to(f"../../blobs/{path.name}")
    assert opener.try_(str(cache / "snapshots" / "abc")) == ""


def test_pickled_weights_are_not_opened(opener, checkpoint):
    torch.save(load_file(checkpoint / "model.safetensors"), checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    assert "pickled weights are not opened" in opener.try_(str(checkpoint))


@pytest.mark.parametrize("length", [2**63, 10**9, 0, 1])
def test_a_header_of_an_impossible_length(opener, checkpoint, length):
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.write(length.to_bytes(8, "little"))
    assert str(checkpoint / "model.safetensors") in opener.try_(str(checkpoint))


@pytest.mark.parametrize("change", ["shape", "integers", "lacks", "more", "stray", "unprintable"])
def test_weights_of_another_model(opener, checkpoint, change):
    path = checkpoint / "model.safetensors"
    tensors = load_file(path)
    if change == "shape":
        tensors["lm_head.weight"] = tensors["lm_head.weight"][:-1].clone()
    elif change == "integers":
        tensors["lm_head.weight"] = tensors["lm_head.weight"].long()
    elif change == "lacks":
        del tensors["lm_head.weight"]
    else:
        tensors["x\n\x1b[2J" if change == "unprintable" else "x"] = torch.zeros(1)
    save_file(tensors, checkpoint / "other.safetensors" if change == "stray" else path, metadata={"format": "pt"})
    said = opener.try_(str(checkpoint))
    assert str(checkpoint) in said
    assert "\n" not in said


@pytest.mark.parametrize("template", [*(each for each in TEMPLATES if each != "{{ messages }}"), "{{ x.y.z }}"])
def test_a_chat_template_cannot_hang_read_or_leave_out_the_ecg(opener, checkpoint, template):
    (checkpoint / "chat_template.jinja").write_text(template)
    said = opener.try_(str(checkpoint))
    assert said.startswith(f"{checkpoint}: ")
    assert "root:" not in said


def test_a_tied_or_sharded_source_is_still_converted(made, tmp_path):
    LlamaForCausalLM.from_pretrained(made / "theirs").save_pretrained(tmp_path / "x", max_shard_size="4KB")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(made / "theirs" / name, tmp_path / "x")
    assert len(plan(tmp_path / "x").used) > 1
