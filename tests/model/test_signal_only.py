"""A GEM without a vision tower: a language model and an ECG tower, no pages."""

import json

import gem_release as release
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from peft import LoraConfig, get_peft_model
from splits import write_split
from transformers import AutoModelForImageTextToText, AutoProcessor

from ecg_r1.model.checkpoint import CheckpointError, freeze, load_model, parts_of, save, shape_of
from ecg_r1.model.configuration import GEMConfig
from ecg_r1.model.convert.plan import plan
from ecg_r1.model.convert.shards import write
from ecg_r1.model.lora import adapted
from ecg_r1.model.processing import MediaError, SignalProcessor
from ecg_r1.recipe import LoRA, RecipeError

PARTS = ["ecg_tower", "mm_projector", "language_model", "lm_head"]
PAGE = np.zeros((28, 28, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("signal-only")
    release.write_language_model(folder / "LLM")
    for _ in write(plan(folder / "LLM"), folder / "ours"):
        pass
    return folder / "ours"


@pytest.fixture
def gem(folder):
    model, processor = load_model(str(folder))
    return model.eval(), processor


def ecg(seed=0):
    return np.random.default_rng(seed).standard_normal((12, 5000)).astype(np.float32)


def inputs(processor, *ecgs):
    text = processor.prompt("What is the PR interval?", ecgs=len(ecgs))
    return processor(text=text, ecgs=ecgs, return_tensors="pt", return_token_type_ids=False)


def test_what_the_checkpoint_holds(folder, gem):
    model, processor = gem
    assert json.loads((folder / "config.json").read_text())["vision_config"] is None
    assert model.config.image_token_id is None
    assert model.config.num_image_tokens == 0
    assert parts_of(model.config) == parts_of(shape_of(str(folder)).config) == PARTS
    names = {name.split(".")[1] for name in model.state_dict() if name.startswith("model.")}
    assert names == {"ecg_tower", "mm_projector", "language_model"}
    assert len(processor.tokenizer) == model.config.text_config.vocab_size == 401  # one placeholder, not two
    assert "<image>" not in processor.tokenizer.get_vocab()


def test_round_trip_through_auto_classes(gem, tmp_path):
    model, processor = gem
    save(model, processor, tmp_path)
    again, other = AutoModelForImageTextToText.from_pretrained(tmp_path).eval(), AutoProcessor.from_pretrained(tmp_path)
    assert type(other) is SignalProcessor
    assert again.config.vision_config is None
    x, y = inputs(processor, ecg()), inputs(other, ecg())
    assert x.keys() == y.keys() == {"input_ids", "attention_mask", "ecg_values"}
    with torch.no_grad():
        assert torch.equal(model(**x).logits, again(**y).logits)


def test_the_ecg_reaches_the_logits_and_passes_one_projector(gem):
    model, processor = gem
    x = inputs(processor, ecg())
    assert (x["input_ids"] == model.config.ecg_token_id).sum() == processor.num_ecg_tokens == 26
    with torch.no_grad():
        features = model.model.mm_projector(model.model.ecg_tower(x["ecg_values"]))
        assert torch.equal(model.model.encode_ecg(x["ecg_values"]), features)
        assert not torch.allclose(model(**x).logits, model(**{**x, "ecg_values": x["ecg_values"].flip(-1)}).logits)
    assert model.generate(**x, max_new_tokens=3, do_sample=False).shape[1] > x["input_ids"].shape[1]


def test_prompts_have_no_page_and_pages_are_refused(gem):
    model, processor = gem
    assert processor.page_size is None
    assert processor.prompt("Rate?").count("<ecg>") == processor.prompt("Rate?", ecgs=1, images=0).count("<ecg>") == 1
    assert "<image>" not in processor.prompt("Compare.", ecgs=2)
    for refused in (
        lambda: processor.prompt("Rate?", images=1),
        lambda: processor(images=[PAGE]),
        lambda: processor(text="<ecg><image>\nRate?", ecgs=[ecg()]),
    ):
        with pytest.raises(MediaError, match="no vision tower and reads no pages"):
            refused()
    with pytest.raises(ValueError, match="no vision tower and reads no pages"):
        model(**inputs(processor, ecg()), pixel_values=torch.zeros(1, 3, 28, 28))


def test_every_parameter_that_trains_gets_a_gradient_with_an_ecg_and_without(gem):
    model, processor = gem
    freeze(model, [])
    for ecgs in ([ecg()], []):
        model.zero_grad()
        x = inputs(processor, *ecgs)
        model.train()(**x, labels=x["input_ids"]).loss.backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
        assert model.model.ecg_tower.stem[0].weight.grad.any() == bool(ecgs)


def test_freezing_by_part(gem):
    model, _ = gem
    with pytest.raises(
        CheckpointError, match="freeze: this model has no vision_tower; its parts are ecg_tower, mm_pro"
    ):
        freeze(model, ["ecg_tower", "vision_tower"])
    assert all(parameter.requires_grad for parameter in model.parameters())
    freeze(model, ["ecg_tower"])
    frozen = {name.split(".")[1] for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {"ecg_tower"}


def test_lora_by_part(gem, tmp_path):
    model, processor = gem
    adapted = get_peft_model(
        model, LoraConfig(r=2, target_modules=r"model\.(mm_projector\.[02]|language_model\..*_proj)")
    )
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
        x = inputs(processor, ecg())
        expected = adapted.eval()(**x).logits
        save(adapted, processor, tmp_path)
        torch.testing.assert_close(load_model(str(tmp_path))[0].eval()(**x).logits, expected, rtol=1e-4, atol=1e-4)


def test_lora_on_a_part_that_is_not_there_is_refused(gem):
    model, _ = gem
    with pytest.raises(RecipeError, match=r"lora\.parts: this model has no vision_tower; its parts are ecg_tower"):
        adapted(LoRA(parts=["language_model", "vision_tower"]), model, "r.yaml")


def test_separate_projectors_are_refused():
    with pytest.raises(ValueError, match="separate_projectors needs a vision tower"):
        GEMConfig(vision_config=None, separate_projectors=True)


def test_it_is_trained_on_signals_alone(folder, gem, tmp_path):
    pytest.importorskip("trl")
    from ecg_r1.corpus.store import RecordStore
    from ecg_r1.recipe import Dropout, RecipeError
    from ecg_r1.train.media import Media, example_dataset
    from ecg_r1.train.pretrain import TowerProbe, _PretrainCollator, targets
    from ecg_r1.train.sft import SFTCollator

    rows = [{"record": f"r{k}", "diagnoses": ["NORM"], "measurements": {"pr_ms": 150 + k}} for k in range(2)]
    store = RecordStore(write_split(tmp_path, rows, page_size=32, signal=ecg))
    model, processor = gem
    media = Media(store, processor, Dropout(leads=1.0))
    batch = SFTCollator(media)(list(example_dataset(store)))
    assert "pixel_values" not in batch
    assert batch["media_index"].tolist() == [[[0, -1]], [[1, -1]]]
    assert torch.isfinite(model(**batch).loss)
    diagnoses, quantities = targets(store)
    probe = TowerProbe(model, diagnoses.shape[1])
    assert torch.isfinite(probe(**_PretrainCollator(media, diagnoses, quantities)([0, 1]))["loss"])
    with pytest.raises(RecipeError, match="the model reads no pages"):
        Media(store, processor, Dropout(page=0.5))
