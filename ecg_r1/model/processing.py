"""Text, ECG signals and 12-lead pages -> model inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, FeatureExtractionMixin
from transformers.processing_utils import ProcessorMixin

from ..ecg.record import LEADS, ECGRecord

MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


class ECGFeatureExtractor(FeatureExtractionMixin):
    """Signals in mV, canonical lead order, 500 Hz -> float32 tensor (N, 12, samples).

    Args:
        samples: length the tower expects; longer signals are cut, shorter ones zero-padded at the end.
        lead_order: `mimic` (aVF before aVL) for towers trained on MIMIC-IV-ECG files as they come: ECG-CoCa, GEM.
    """

    model_input_names = ["ecg_values"]  # noqa: RUF012

    def __init__(self, samples: int = 5000, lead_order: str = "standard", **kwargs: Any):
        super().__init__(**kwargs)
        self.samples = samples
        self.lead_order = lead_order

    def __call__(self, ecgs: Sequence[np.ndarray | ECGRecord], **_: Any) -> BatchFeature:
        """
        Raises:
            ValueError: an ECG is not (12, T), or holds NaN or infinity.
        """
        values = np.zeros((len(ecgs), len(LEADS), self.samples), dtype=np.float32)
        for row, ecg in zip(values, ecgs, strict=True):
            signal = np.asarray(ecg.signal if isinstance(ecg, ECGRecord) else ecg, dtype=np.float32)
            if signal.ndim != 2 or signal.shape[0] != len(LEADS):
                raise ValueError(
                    f"an ECG has shape {signal.shape}; give it ({len(LEADS)}, samples), canonical leads in mV"
                )
            if not np.isfinite(signal).all():
                raise ValueError(
                    "an ECG holds NaN or infinite samples; read it with ecg_r1.ecg.read_record, which masks them"
                )
            if self.lead_order == "mimic":
                signal = signal[[LEADS.index(lead) for lead in MIMIC_ORDER]]
            length = min(self.samples, signal.shape[1])
            row[:, :length] = signal[:, :length]
        return BatchFeature({"ecg_values": torch.from_numpy(values)})


class GEMProcessor(ProcessorMixin):
    """Expands each `<ecg>` and `<image>` of a prompt to its tower's number of placeholder tokens.

    Prompts are written with one tag for each medium; the tokens an ECG or a page becomes do not depend on the data,
    so prompts can be tokenised where no array is at hand.
    """

    ecg_token = "<ecg>"
    image_token = "<image>"

    def __init__(
        self,
        image_processor: Any = None,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        num_ecg_tokens: int = 101,
        num_image_tokens: int = 576,
        chat_template: str | None = None,
        **kwargs: Any,
    ):
        self.num_ecg_tokens = num_ecg_tokens
        self.num_image_tokens = num_image_tokens
        super().__init__(image_processor, feature_extractor, tokenizer, chat_template=chat_template, **kwargs)

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        ecgs: Any = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Any of text, pages and ECGs; all that is given is returned in one `BatchFeature`.

        Args:
            images: PIL images or uint8 arrays (H, W, 3), one for each `<image>` of the batch.
            text: one prompt or several.
            ecgs: `ECGRecord`s or arrays (12, T) in mV, one for each `<ecg>` of the batch.
            kwargs: the tokenizer's (`padding`, `padding_side`, `return_tensors` ...).
        """
        features: dict[str, Any] = {}
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            features |= self.tokenizer([self.expand(t) for t in texts], **kwargs)
        if ecgs is not None and len(ecgs) > 0:
            features |= self.feature_extractor(ecgs)
        if images is not None and len(images) > 0:
            features |= self.image_processor(list(images), return_tensors="pt")
        return BatchFeature(features)

    def expand(self, text: str) -> str:
        """One tag for each medium -> one tag for each of its tokens."""
        return text.replace(self.ecg_token, self.ecg_token * self.num_ecg_tokens).replace(
            self.image_token, self.image_token * self.num_image_tokens
        )

    def prompt(self, question: str) -> str:
        """The prompt of one record (ECG, page) and a question, in the checkpoint's own chat template."""
        content = f"{self.ecg_token}{self.image_token}\n{question}"
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "ecg_values", "pixel_values"]
