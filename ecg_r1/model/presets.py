"""Sizes of GEM: `tiny` for laptops (`tiny-leads`: with K-MERL's tower), `small` for one consumer GPU, `gem-7b` as
released.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from ecg_r1.model.configuration import ECGTowerConfig, GEMConfig
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.processing import ECGFeatureExtractor, GEMProcessor, SignalProcessor

# Three short convolutions instead of one of 50: a tower of this size does not find wave boundaries inside a patch of
# 100 ms by itself.
TINY: dict[str, Any] = {
    "ecg_config": {
        "stem": [[32, 16, 4], [64, 15, 5], [128, 20, 10]], "hidden_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 256,
    },
    "vision_config": {
        "image_size": 112, "patch_size": 28, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 3, "num_attention_heads": 2, "projection_dim": 64,
    },
    "text_config": {
        "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 4, "max_position_embeddings": 512,
    },
}  # fmt: skip

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": TINY,
    "tiny-leads": TINY | {"ecg_config": TINY["ecg_config"] | {"lead_tokens": True}},  # K-MERL's tower
    "small": {
        "ecg_config": {
            "stem": [[128, 10, 5], [384, 20, 10]], "hidden_size": 384, "num_hidden_layers": 6,
            "num_attention_heads": 6, "intermediate_size": 1536,
        },
        "vision_config": {
            "image_size": 336, "patch_size": 28, "hidden_size": 256, "intermediate_size": 1024,
            "num_hidden_layers": 6, "num_attention_heads": 4, "projection_dim": 256,
        },
        "text_config": {
            "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 10, "num_attention_heads": 8,
            "num_key_value_heads": 8, "max_position_embeddings": 2048,
        },
    },
    "gem-7b": {},
}  # fmt: skip


def tower_config(preset: str) -> ECGTowerConfig:
    """The shape of a preset's ECG tower, for its own weights (`gem-7b`: as large as ECG-CoCa's).

    Args:
        preset: a key of `PRESETS`.
    """
    return ECGTowerConfig(**PRESETS[preset].get("ecg_config", {}))


def build_config(preset: str, tokenizer: PreTrainedTokenizerBase) -> GEMConfig:
    """The configuration of a preset.

    Args:
        preset: a key of `PRESETS`.
        tokenizer: with `<ecg>` and `<image>`; the small presets take their vocabulary's size from it.
    """
    values = {key: dict(value) for key, value in PRESETS[preset].items()}
    if preset != "gem-7b":
        values["text_config"] |= {
            "vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        }  # fmt: skip
    return GEMConfig(
        **values,
        ecg_token_id=tokenizer.convert_tokens_to_ids(GEMProcessor.ecg_token),
        image_token_id=tokenizer.convert_tokens_to_ids(GEMProcessor.image_token),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_processor(config: GEMConfig, tokenizer: PreTrainedTokenizerBase, *, gem_compat: bool = False) -> GEMProcessor:
    """The processor of a model.

    Args:
        config: of the model; without a vision tower, the processor takes no pages.
        tokenizer: with `<ecg>`, and `<image>` if the model reads pages.
        gem_compat: preprocess as GEM does: crop the page's centre (a landscape page loses both edges), take signals
            at any sampling rate, and NaN as 0. By default the page is kept whole and signals are checked.
    """
    ecg = config.ecg_config
    extractor = ECGFeatureExtractor(ecg.samples, ecg.lead_order, ecg.sampling_rate, gem_compat)
    if config.vision_config is None:
        return SignalProcessor(extractor, tokenizer, num_ecg_tokens=config.num_ecg_tokens)
    square = {"height": config.vision_config.image_size, "width": config.vision_config.image_size}
    return GEMProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": square["height"]} if gem_compat else square,
            crop_size=square,
            do_center_crop=gem_compat,
        ),
        feature_extractor=extractor,
        tokenizer=tokenizer,
        num_ecg_tokens=config.num_ecg_tokens,
        num_image_tokens=config.num_image_tokens,
    )


def build_model(preset: str, tokenizer: PreTrainedTokenizerBase) -> tuple[GEMForConditionalGeneration, GEMProcessor]:
    """A model of a preset's size and its processor. Its weights are random: seed torch before.

    Args:
        preset: a key of `PRESETS`.
        tokenizer: with `<ecg>` and `<image>`.
    """
    config = build_config(preset, tokenizer)
    model = GEMForConditionalGeneration(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, build_processor(config, tokenizer)
