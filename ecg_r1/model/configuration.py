"""The shape of a GEM. Defaults reproduce the released GEM (Lan et al., 2025, arXiv 2503.06073)."""

from __future__ import annotations

from typing import Any, Literal

from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto import CONFIG_MAPPING


class ECGTowerConfig(PreTrainedConfig):
    """A one-dimensional vision transformer over the 12-lead signal (ECG-CoCa's encoder by default).

    `stem` lists the convolutions as (channels, kernel, stride), GELU between them; the last one's channels are
    `hidden_size`. ECG-CoCa has a single convolution of 50 samples: one token for each 0.1 s of all leads.

    `projection_dim`: width of ECG-CoCa's contrastive projection. Its norm and matrix stand after the hidden states
    that GEM uses; they are kept, and never trained, so that a converted tower is whole. None: a tower without them.
    `lead_order`: `mimic` (aVF before aVL) where the weights were trained on MIMIC-IV-ECG files as they come.
    """

    model_type = "ecg_r1_ecg_tower"

    leads: int = 12
    samples: int = 5000
    sampling_rate: int = 500
    stem: list[list[int]] | None = None
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    layer_norm_eps: float = 1e-5
    projection_dim: int | None = None
    lead_order: Literal["standard", "mimic"] = "standard"
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        if self.stem is None:
            self.stem = [[self.hidden_size, 50, 50]]
        if self.stem[-1][0] != self.hidden_size:
            raise ValueError(
                f"the last convolution of `stem` has {self.stem[-1][0]} channels; give it {self.hidden_size}"
            )
        super().__post_init__(**kwargs)

    @property
    def num_tokens(self) -> int:
        """Tokens one ECG becomes: the stem's patches and the class token."""
        length = self.samples
        for _, kernel, stride in self.stem or []:
            length = (length - kernel + 2 * stem_padding(kernel, stride)) // stride + 1
        return length + 1


def stem_padding(kernel: int, stride: int) -> int:
    """Samples of zero padding on each side, so that overlapping kernels keep length / stride tokens."""
    return (kernel - stride + 1) // 2


class GEMConfig(PreTrainedConfig):
    """ECG tower, vision tower, projectors, language model, and the ids of the two placeholders.

    The ECG features pass `ecg_projector` into the vision tower's feature space and then the *same* `mm_projector`
    as the picture, as in GEM; `separate_projectors=True` gives the ECG a projector of its own.
    """

    model_type = "ecg_r1_gem"
    sub_configs = {"ecg_config": ECGTowerConfig, "vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012

    ecg_config: Any = None  # each a configuration, or its values as a dict
    vision_config: Any = None
    text_config: Any = None
    ecg_token_id: int = 32000
    image_token_id: int = 32001
    vision_feature_layer: int = -2
    separate_projectors: bool = False
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.ecg_config = _sub_config(self.ecg_config, "ecg_r1_ecg_tower", ECG_COCA)
        self.vision_config = _sub_config(self.vision_config, "clip_vision_model", CLIP_LARGE_336)
        self.text_config = _sub_config(self.text_config, "llama", VICUNA_7B)
        super().__post_init__(**kwargs)

    @property
    def num_ecg_tokens(self) -> int:
        return self.ecg_config.num_tokens

    @property
    def num_image_tokens(self) -> int:
        """Patches of the page; CLIP's class token is dropped, as in LLaVA."""
        return (self.vision_config.image_size // self.vision_config.patch_size) ** 2


ECG_COCA = {"projection_dim": 512, "lead_order": "mimic"}

CLIP_LARGE_336 = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 336, "patch_size": 14, "projection_dim": 768,
}  # fmt: skip

VICUNA_7B = {
    "vocab_size": 32002, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


def _sub_config(config: dict | PreTrainedConfig | None, model_type: str, default: dict) -> PreTrainedConfig:
    if isinstance(config, PreTrainedConfig):
        return config
    values = dict(default if config is None else config)
    kind = values.pop("model_type", model_type)
    return ECGTowerConfig(**values) if kind == ECGTowerConfig.model_type else CONFIG_MAPPING[kind](**values)
