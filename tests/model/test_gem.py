"""GEM as transformers sees it: shapes, Auto classes, placeholders, parts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForImageTextToText, AutoProcessor

from ecg_r1.model.checkpoint import PARTS, CheckpointError, check_checkpoint, freeze, load_model, save
from ecg_r1.model.configuration import GEMConfig
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.presets import build_config
from ecg_r1.model.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def gem():
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Read this ECG.", "<think>PR interval 160 ms.</think>"])
    return model.eval(), processor


def inputs(processor, text="<ecg><image>\nRead this ECG.\n", ecgs=1, pages=1, seed=0):
    rng = np.random.default_rng(seed)
    return processor(
        text=[text],
        ecgs=[rng.standard_normal((12, 5000)).astype(np.float32) for _ in range(ecgs)],
        images=[rng.integers(0, 255, (112, 112, 3)).astype(np.uint8) for _ in range(pages)],
        return_tensors="pt",
        return_token_type_ids=False,
    )


def test_round_trip_through_auto_classes(gem, tmp_path):
    model, processor = gem
    save(model, processor, tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert type(again) is GEMForConditionalGeneration
    assert all(torch.equal(a, again.state_dict()[name]) for name, a in model.state_dict().items())
    x = inputs(processor)
    y = inputs(AutoProcessor.from_pretrained(tmp_path))
    assert x.keys() == y.keys()
    assert all(torch.equal(x[name], y[name]) for name in x)
    with torch.no_grad():
        assert torch.equal(model(**x).logits, again.eval()(**y).logits)


def test_gem_7b_has_the_released_parts_and_tokens():
    config = GEMConfig()
    with torch.device("meta"):
        model = GEMForConditionalGeneration(config)
    millions, tensors = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        part = next(part for part, prefix in PARTS.items() if name.startswith(prefix))
        millions[part] += parameter.numel() / 1e6
        tensors[part] += 1
    assert config.num_ecg_tokens + config.num_image_tokens == 101 + 576
    assert millions["ecg_tower"] == pytest.approx(85.99, abs=0.01)
    assert tensors["ecg_tower"] == 152
    assert millions["ecg_projector"] == pytest.approx(0.787, abs=0.001)
    assert millions["mm_projector"] == pytest.approx(20.98, abs=0.01)
    assert millions["vision_tower"] == pytest.approx(303.5, abs=0.1)
    # Two embedding rows and two head rows for the placeholders, which GEM splices in without ids.
    assert millions["language_model"] + millions["lm_head"] == pytest.approx(6738.4 + 4 * 4096 / 1e6, abs=0.1)


def test_ecg_and_page_both_reach_the_logits(gem):
    model, processor = gem
    x = inputs(processor)
    with torch.no_grad():
        base = model(**x).logits
        other_ecg = model(**{**x, "ecg_values": x["ecg_values"].flip(-1)}).logits
        other_page = model(**{**x, "pixel_values": x["pixel_values"].flip(-1)}).logits
    assert not torch.allclose(base, other_ecg)
    assert not torch.allclose(base, other_page)


@pytest.mark.parametrize(
    ("text", "ecgs", "pages"), [("<ecg>\nRead", 1, 0), ("<image>\nRead", 0, 1), ("<ecg><ecg>\nRead", 2, 0)]
)
def test_any_modality_may_be_missing_or_repeated(gem, text, ecgs, pages):
    model, processor = gem
    with torch.no_grad():
        assert torch.isfinite(model(**inputs(processor, text, ecgs, pages)).logits).all()


def test_media_index_encodes_a_shared_record_once_and_changes_nothing(gem):
    model, processor = gem
    x = inputs(processor)
    ids = x["input_ids"].repeat(4, 1)
    shared = {
        "ecg_values": x["ecg_values"],
        "pixel_values": x["pixel_values"],
        "media_index": torch.zeros(4, 1, 2, dtype=torch.long),
    }
    encoded = []
    handle = model.model.ecg_tower.register_forward_pre_hook(lambda _, args: encoded.append(len(args[0])))
    with torch.no_grad():
        once = model(input_ids=ids, **shared).logits
        alone = model(**x).logits
    handle.remove()
    assert encoded == [1, 1]
    assert torch.allclose(once, alone.expand_as(once), atol=1e-5)


def test_a_sampled_placeholder_is_an_ordinary_token(gem):
    model, processor = gem
    x = inputs(processor)
    sampled = torch.full((1, 1), model.config.ecg_token_id)
    with torch.no_grad():
        logits = model(**{**x, "input_ids": torch.cat([x["input_ids"], sampled], 1), "attention_mask": None}).logits
    assert torch.isfinite(logits).all()


def test_placeholders_without_their_ecg_are_an_error(gem):
    model, processor = gem
    x = inputs(processor)
    with pytest.raises(ValueError, match="ECG placeholders"):
        model(**{**x, "input_ids": x["input_ids"][:, 5:], "attention_mask": None})


def test_freezing_by_part():
    model, _ = load_model("tiny", texts=["Read"])
    freeze(model, ["ecg_tower"])
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert not any(name.startswith("model.ecg_tower.") for name in trained)
    assert any(name.startswith("model.vision_tower.") for name in trained)
    # The vision features are taken before CLIP's last layer, so that layer never trains.
    assert not any("post_layernorm" in name or "layers.2." in name for name in trained if "vision_tower" in name)
    with pytest.raises(ValueError, match="did you mean 'ecg_tower'"):
        freeze(model, ["ecg_towr"])


def test_a_folder_of_another_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="'llama'"):
        check_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="did you mean the preset 'tiny'"):
        check_checkpoint("tinny")


def test_small_has_about_fifty_million_parameters():
    with torch.device("meta"):
        model = GEMForConditionalGeneration(build_config("small", train_tokenizer(["Read this ECG."])))
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(50e6, rel=0.02)
