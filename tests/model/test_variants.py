"""GEM in its variants: another language model, missing modalities, checkpointed gradients, other attention kernels."""

import copy
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForImageTextToText, Qwen3Config
from transformers.utils import is_flash_attn_2_available

from ecg_r1.model.checkpoint import CheckpointError, check_checkpoint, freeze, load_model, save
from ecg_r1.model.configuration import ECGTowerConfig
from ecg_r1.model.modeling import GEMForConditionalGeneration

TEXTS = ["Read this ECG.", "<think>PR interval 160 ms.</think>"]


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return load_model("tiny", texts=TEXTS)


def inputs(processor, texts=("<ecg><image>\nRead this ECG.\n",), ecgs=1, pages=1):
    rng = np.random.default_rng(0)
    return processor(
        text=list(texts),
        ecgs=[rng.standard_normal((12, 5000)).astype(np.float32) for _ in range(ecgs)],
        images=[rng.integers(0, 255, (112, 112, 3)).astype(np.uint8) for _ in range(pages)],
        padding=True,
        return_tensors="pt",
        return_token_type_ids=False,
    )


def loss_and_gradients(model, x):
    model.zero_grad()
    loss = model(**x, labels=x["input_ids"]).loss
    loss.backward()
    return loss, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def trained(model):
    model = copy.deepcopy(model)
    freeze(model, [])
    return model.train()


@pytest.fixture(scope="module", params=[False, True], ids=["head", "tied head"])
def qwen3(request, tiny):
    gem, processor = tiny
    config = copy.deepcopy(gem.config)
    config.text_config = Qwen3Config(
        vocab_size=config.text_config.vocab_size, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, tie_word_embeddings=request.param,
    )  # fmt: skip
    config.tie_word_embeddings = request.param
    torch.manual_seed(0)
    return GEMForConditionalGeneration(config), processor


def test_qwen3_as_the_language_model(qwen3, tmp_path):
    model, processor = qwen3
    x = inputs(processor)
    save(model, processor, tmp_path)
    again, _ = load_model(str(tmp_path))
    assert again.config.text_config.model_type == "qwen3"
    with torch.no_grad():
        assert torch.equal(model.eval()(**x).logits, again.eval()(**x).logits)
    tied = model.config.tie_word_embeddings
    assert (again.lm_head.weight is again.get_input_embeddings().weight) == tied
    _, gradients = loss_and_gradients(trained(again), x)
    assert all(gradient.abs().sum() > 0 for name, gradient in gradients.items() if "k_proj.bias" not in name)
    assert again.eval().generate(**x, max_new_tokens=4, do_sample=False).shape[1] == x["input_ids"].shape[1] + 4


def test_checkpointed_gradients_are_the_same(tiny):
    model, x = trained(tiny[0]), inputs(tiny[1])
    loss, gradients = loss_and_gradients(model, x)
    ran = []
    model.model.ecg_tower.blocks[0].register_forward_pre_hook(lambda *_: ran.append(1))
    model.gradient_checkpointing_enable()
    again, recomputed = loss_and_gradients(model, x)
    assert len(ran) == 2  # once more in the backward pass
    assert torch.equal(loss, again)
    assert gradients.keys() == recomputed.keys()
    assert all(torch.allclose(gradients[name], recomputed[name], atol=1e-7) for name in gradients)


@pytest.mark.parametrize(
    ("text", "ecgs", "pages", "absent"),
    [
        ("<ecg>\nRead", 1, 0, ("vision_tower",)),
        ("<image>\nRead", 0, 1, ("ecg_tower", "ecg_projector")),
        ("Read this ECG.", 0, 0, ("ecg_tower", "ecg_projector", "vision_tower", "mm_projector")),
    ],
)
def test_a_missing_modality_stays_in_the_graph_and_adds_nothing(tiny, text, ecgs, pages, absent):
    model, x = trained(tiny[0]), inputs(tiny[1], [text], ecgs, pages)
    loss, gradients = loss_and_gradients(model, x)
    assert gradients.keys() == {name for name, p in model.named_parameters() if p.requires_grad}
    of_absent = [gradients[name] for name in gradients if name.split(".")[1] in absent]
    assert of_absent
    assert not any(gradient.any() for gradient in of_absent)
    assert all(
        p.any() for name, p in gradients.items() if name.split(".")[1] == "language_model" and "embed" not in name
    )
    with torch.no_grad():
        assert model.eval()(**x, labels=x["input_ids"]).loss == pytest.approx(float(loss), abs=1e-6)


def test_nothing_is_encoded_for_a_missing_modality_where_nothing_is_trained(tiny):
    model, processor = tiny
    encoded = []
    handle = model.model.ecg_tower.register_forward_hook(lambda *_: encoded.append(1))
    with torch.no_grad():
        model.eval()(**inputs(processor, ["<image>\nRead"], 0, 1))
    handle.remove()
    assert not encoded


def test_rows_of_a_batch_may_differ_in_their_media(tiny):
    model, processor = tiny
    texts = ["<ecg><image><ecg>\nCompare", "Read", "<ecg>\nRead", "<image>\nRead"]
    x = inputs(processor, texts, ecgs=3, pages=2)
    ids = x["input_ids"]
    with torch.no_grad():
        together = model.eval()(**x).logits
        for row, (ecgs, pages) in enumerate(
            ((slice(0, 2), slice(0, 1)), (None, None), (slice(2, 3), None), (None, slice(1, 2)))
        ):
            alone = {"input_ids": ids[row : row + 1], "attention_mask": x["attention_mask"][row : row + 1]}
            if ecgs:
                alone["ecg_values"] = x["ecg_values"][ecgs]
            if pages:
                alone["pixel_values"] = x["pixel_values"][pages]
            shown = x["attention_mask"][row].bool()
            assert torch.allclose(together[row][shown], model(**alone).logits[0][shown], atol=1e-5)


def test_shared_media_pass_by_a_row_without_placeholders(tiny):
    """Modality dropout: one row has no page, and the page that stands in for it is taken by none."""
    model, processor = tiny
    texts = ["<ecg><image>\nRead", "<ecg>\nRead"]
    x = inputs(processor, texts, ecgs=2, pages=1)
    shared = x | {
        "pixel_values": x["pixel_values"].repeat(2, 1, 1, 1),
        "media_index": torch.tensor([[[0, 0]], [[1, -1]]]),
    }
    with torch.no_grad():
        assert torch.equal(model.eval()(**shared).logits, model(**x).logits)


def test_rows_of_several_records_take_theirs_in_order(tiny):
    """Two records a row, one shared by both rows, and one whose page is hidden."""
    model, processor = tiny
    x = inputs(processor, ["<ecg><image><ecg><image>\nRead", "<ecg><image><ecg>\nRead"], ecgs=4, pages=3)
    ecgs, pages = torch.randn(3, 12, 5000), torch.randn(3, *x["pixel_values"].shape[1:])
    index = torch.tensor([[[0, 0], [1, 1]], [[1, 1], [2, -1]]])
    text = {"input_ids": x["input_ids"], "attention_mask": x["attention_mask"]}
    with torch.no_grad():
        shared = model.eval()(**text, ecg_values=ecgs, pixel_values=pages, media_index=index).logits
        apart = model(**text, ecg_values=ecgs[[0, 1, 1, 2]], pixel_values=pages[[0, 1, 1]]).logits
        swapped = model(**text, ecg_values=ecgs, pixel_values=pages, media_index=index.flip(1)).logits
    assert torch.equal(shared, apart)
    assert not torch.allclose(shared, swapped)
    with pytest.raises(ValueError, match="placeholders in the batch's rows"):
        model(**text, ecg_values=ecgs, pixel_values=pages, media_index=index[:, [0, 1, 1]])


def test_left_out_leads_add_nothing(tiny):
    """The same patches from three leads, whatever stood in the other nine."""
    tower = tiny[0].model.ecg_tower
    three = torch.zeros(1, 12, 5000)
    three[:, :3] = torch.randn(1, 3, 5000)
    stem = tower.stem[0]
    alone = torch.nn.functional.conv1d(three[:, :3], stem.weight[:, :3], None, stem.stride, stem.padding)
    assert torch.allclose(stem(three), alone, atol=1e-5)
    assert not stem(torch.zeros(1, 12, 5000)).any()


def test_attention_kernels_agree_and_a_missing_one_is_said(tiny, tmp_path):
    save(*tiny, tmp_path)
    x = inputs(tiny[1])
    logits = {}
    for kernel in ("sdpa", "eager"):
        model = AutoModelForImageTextToText.from_pretrained(tmp_path, attn_implementation=kernel)
        assert (
            model.config.text_config._attn_implementation == model.config.vision_config._attn_implementation == kernel
        )
        with torch.no_grad():
            logits[kernel] = model.eval()(**x).logits
    assert torch.allclose(logits["sdpa"], logits["eager"], atol=1e-5)
    if not is_flash_attn_2_available():
        with pytest.raises(ImportError, match="FlashAttention2"):
            AutoModelForImageTextToText.from_pretrained(tmp_path, attn_implementation="flash_attention_2")


@pytest.mark.skipif(not is_flash_attn_2_available(), reason="flash-attn or a GPU is not there")
def test_flash_attention_2(tiny, tmp_path):
    save(*tiny, tmp_path)
    x = inputs(tiny[1]).to("cuda")
    logits = []
    for kernel in ("sdpa", "flash_attention_2"):
        model = AutoModelForImageTextToText.from_pretrained(
            tmp_path, attn_implementation=kernel, dtype=torch.bfloat16, device_map="cuda"
        )
        with torch.no_grad():
            logits.append(model.eval()(**x).logits.float())
    assert torch.allclose(*logits, atol=0.1)


def test_the_kept_projection_of_ecg_coca_survives_and_is_never_trained(tiny, tmp_path):
    config = copy.deepcopy(tiny[0].config)
    config.ecg_config = ECGTowerConfig(**{**config.ecg_config.to_dict(), "projection_dim": 8})
    model = GEMForConditionalGeneration(config)
    save(model, tiny[1], tmp_path)
    again, _ = load_model(str(tmp_path))
    assert torch.equal(again.model.ecg_tower.proj, model.model.ecg_tower.proj)
    model = trained(again)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad and ".ecg_tower." in name}
    assert frozen == {f"model.ecg_tower.{name}" for name in ("proj", "ln_post.weight", "ln_post.bias")}
    _, gradients = loss_and_gradients(model, inputs(tiny[1]))
    assert gradients.keys() == {name for name, p in model.named_parameters() if p.requires_grad}


def test_a_pickle_is_not_opened(tiny, tmp_path):
    model, processor = tiny
    save(model, processor, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        AutoModelForImageTextToText.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="pickled weights are not opened"):
        check_checkpoint(tmp_path)


def test_a_damaged_checkpoint_is_one_clear_error(tiny, tmp_path):
    save(*tiny, tmp_path)
    file = tmp_path / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="truncated"):
        load_model(str(tmp_path))
    file.write_bytes(whole)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json: invalid JSON"):
        load_model(str(tmp_path))
    config["text_config"]["num_hidden_layers"] += 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"lacks model\.language_model\.layers\.3\..* and 6 more"):
        load_model(str(tmp_path))
    config["text_config"]["num_hidden_layers"] -= 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"no place for model\.language_model\.layers\.2\."):
        load_model(str(tmp_path))
    config["text_config"] |= {"num_hidden_layers": 3, "vocab_size": 9}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"lm_head\.weight has shape .*, config\.json says \(9, 128\)"):
        load_model(str(tmp_path))
