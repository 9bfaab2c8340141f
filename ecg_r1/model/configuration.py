"""The shape of a GEM. Defaults reproduce the released GEM (Lan et al., 2025, arXiv 2503.06073)."""

# Without `from __future__ import annotations`: `strict` checks values against types that are no strings.
from dataclasses import field
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto import CONFIG_MAPPING


@strict
class ECGTowerConfig(PreTrainedConfig):
    """The shape of a one-dimensional vision transformer over the 12-lead signal (by default ECG-CoCa's encoder).

    Args:
        leads: number of leads of the signal.
        samples: length of the signal, in samples.
        sampling_rate: Hz, of the signals that the tower was trained on.
        stem: the convolutions before the transformer, each (channels, kernel, stride), with GELU between them; the
            last one has `hidden_size` channels. By default one convolution of 50 samples, as in ECG-CoCa: a token
            for each 0.1 s of all leads.
        projection_dim: width of ECG-CoCa's contrastive projection, or None for a tower without it. GEM does not use
            the projection and the norm before it: they are kept so that a converted tower is complete, and never
            trained.
        lead_tokens: each lead is cut into tokens by itself, by the same convolutions, and each token is told its lead
            and its time (K-MERL, Liu et al., 2025, arXiv 2502.17900). A lead of zeros gives no token. The language
            model still gets one token for each time: the mean over the leads that are shown. By default the first
            convolution mixes the leads, as in ECG-CoCa.
        lead_order: "mimic" (aVF before aVL) if the weights were trained on MIMIC-IV-ECG files in their own order.

    Raises:
        ValueError: the last convolution does not have `hidden_size` channels, or a size gives no tower.
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
    lead_tokens: bool = False
    lead_order: Literal["standard", "mimic"] = "standard"
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        if self.stem is None:
            self.stem = [[self.hidden_size, 50, 50]]
        if not self.stem or any(len(layer) != 3 or not all(0 < n < 2**24 for n in layer) for layer in self.stem):
            raise ValueError("`stem` lists convolutions, each as channels, kernel and stride")
        if self.stem[-1][0] != self.hidden_size:
            raise ValueError(
                f"the last convolution of `stem` has {self.stem[-1][0]} channels; give it {self.hidden_size}"
            )
        if self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise ValueError(f"`hidden_size` {self.hidden_size} is no multiple of {self.num_attention_heads} heads")
        if min(self.leads, self.sampling_rate, self.num_tokens - 1) < 1:
            raise ValueError("`leads`, `sampling_rate` and the tokens that `samples` gives must be above 0")
        super().__post_init__(**kwargs)

    @property
    def num_tokens(self) -> int:
        """Tokens that one ECG takes in the prompt: one for each patch of the stem, and the class token."""
        length = self.samples
        for _, kernel, stride in self.stem or []:
            length = (length - kernel + 2 * stem_padding(kernel, stride)) // stride + 1
        return length + 1


def stem_padding(kernel: int, stride: int) -> int:
    """Zero padding of a convolution of the stem.

    Args:
        kernel: width of the convolution, in samples.
        stride: its step, in samples.

    Returns:
        Samples to add on each side, so that overlapping kernels give length / stride tokens.
    """
    return (kernel - stride + 1) // 2


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


@strict
class GEMConfig(PreTrainedConfig):
    """The shape of a whole GEM: ECG tower, vision tower, projectors, language model, and the placeholders' ids.

    As in GEM, `ecg_projector` maps the ECG's features into the feature space of the vision tower, and the page's
    features then pass through the *same* `mm_projector` as the ECG's. A model without a vision tower reads the signal
    alone: it has no `ecg_projector`, and `mm_projector` takes the features of the ECG tower.

    Args:
        ecg_config: an `ECGTowerConfig`, or its values as a dict; by default ECG-CoCa's.
        vision_config: CLIP's configuration, or its values as a dict; by default CLIP ViT-L/14 at 336 pixels. None: no
            vision tower.
        text_config: the language model's configuration, or its values as a dict; by default vicuna-7b's.
        ecg_token_id: id of the placeholder `<ecg>`.
        image_token_id: id of the placeholder `<image>`; None without a vision tower.
        vision_feature_layer: the hidden state of CLIP that is read, as LLaVA counts them.
        separate_projectors: the ECG gets its own `ecg_mm_projector` instead of sharing `mm_projector`.
        tie_word_embeddings: the language model's head uses the matrix of its embeddings.

    Raises:
        ValueError: `separate_projectors` without a vision tower, where nothing shares the projector.
    """

    model_type = "ecg_r1_gem"
    sub_configs = {"ecg_config": ECGTowerConfig, "vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012

    ecg_config: Any = None
    vision_config: Any = field(default_factory=lambda: dict(CLIP_LARGE_336))
    text_config: Any = None
    ecg_token_id: int = 32000
    image_token_id: int | None = 32001
    vision_feature_layer: int = -2
    separate_projectors: bool = False
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.ecg_config = _sub_config(self.ecg_config, "ecg_r1_ecg_tower", ECG_COCA)
        if self.vision_config is None:
            self.image_token_id = None
            if self.separate_projectors:
                raise ValueError("separate_projectors needs a vision tower: without one, only the ECG is projected")
        else:
            self.vision_config = _sub_config(self.vision_config, "clip_vision_model", CLIP_LARGE_336)
        self.text_config = _sub_config(self.text_config, "llama", VICUNA_7B)
        super().__post_init__(**kwargs)

    @property
    def num_ecg_tokens(self) -> int:
        """Tokens that one ECG takes in the prompt."""
        return self.ecg_config.num_tokens

    @property
    def num_image_tokens(self) -> int:
        """Tokens that one page takes in the prompt; 0 without a vision tower. CLIP's class token is left out."""
        if self.vision_config is None:
            return 0
        return (self.vision_config.image_size // self.vision_config.patch_size) ** 2


def _sub_config(config: dict | PreTrainedConfig | None, model_type: str, default: dict) -> PreTrainedConfig:
    if isinstance(config, PreTrainedConfig):
        return config
    values = dict(default if config is None else config)
    kind = values.pop("model_type", model_type)
    return ECGTowerConfig(**values) if kind == ECGTowerConfig.model_type else CONFIG_MAPPING[kind](**values)
