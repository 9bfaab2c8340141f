"""Text, ECG signals and 12-lead pages -> model inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, FeatureExtractionMixin
from transformers.processing_utils import ProcessorMixin

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord
from ecg_r1.errors import UserError

MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


class MediaError(UserError):
    """The processor cannot use a prompt, an ECG or a page; the message says why."""


class ECGFeatureExtractor(FeatureExtractionMixin):
    """Signals in mV, canonical lead order -> float32 tensor (N, 12, samples).

    Args:
        samples: length the tower expects; longer signals are cut, shorter ones are padded with zeros at the end.
        lead_order: "mimic" (aVF before aVL) for towers that were trained on MIMIC-IV-ECG files in their own order, as
            ECG-CoCa and GEM were.
        sampling_rate: Hz, of the signals that the tower was trained on.
        gem_compat: take signals as GEM does: any sampling rate is accepted, NaN and infinite samples become 0.
    """

    model_input_names = ["ecg_values"]  # noqa: RUF012

    def __init__(
        self,
        samples: int = 5000,
        lead_order: str = "standard",
        sampling_rate: int = SAMPLING_RATE,
        gem_compat: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.samples = samples
        self.lead_order = lead_order
        self.sampling_rate = sampling_rate
        self.gem_compat = gem_compat

    def __call__(
        self, ecgs: Sequence[np.ndarray | ECGRecord], *, sampling_rate: float | None = None, **_: Any
    ) -> BatchFeature:
        """Check signals and bring them to the tower's length and lead order.

        Args:
            ecgs: records, or arrays (12, T) in mV. A lead that a record lacks becomes zeros.
            sampling_rate: Hz, of the arrays; if left out, the tower's is assumed.

        Returns:
            `ecg_values`: float32 (N, 12, samples).

        Raises:
            MediaError: an ECG is not (12, T), is sampled at another rate, or holds NaN or infinity.
        """
        values = np.zeros((len(ecgs), len(LEADS), self.samples), dtype=np.float32)
        for row, ecg in zip(values, ecgs, strict=True):
            signal = self._signal(ecg, sampling_rate)[:, : self.samples]
            row[:, : signal.shape[1]] = signal
        return BatchFeature({"ecg_values": torch.from_numpy(values)})

    def _signal(self, ecg: np.ndarray | ECGRecord, rate: float | None) -> np.ndarray:
        if isinstance(ecg, ECGRecord):
            signal, rate = np.where(ecg.lead_mask[:, None], ecg.signal, np.float32(0)), ecg.sampling_rate
        else:
            signal = np.asarray(ecg, dtype=np.float32)
        if signal.ndim != 2 or signal.shape[0] != len(LEADS):
            raise MediaError(f"an ECG has shape {signal.shape}; give it ({len(LEADS)}, samples), canonical leads in mV")
        if self.gem_compat:
            signal = np.nan_to_num(signal, nan=0.0, posinf=0.0, neginf=0.0)
        elif rate is not None and rate != self.sampling_rate:
            raise MediaError(
                f"an ECG is sampled at {rate:g} Hz, the tower reads {self.sampling_rate} Hz; read it with "
                "ecg_r1.ecg.read_record, which resamples"
            )
        elif not np.isfinite(signal).all():
            raise MediaError(
                "an ECG holds NaN or infinite samples; read it with ecg_r1.ecg.read_record, which masks them"
            )
        return signal[[LEADS.index(lead) for lead in MIMIC_ORDER]] if self.lead_order == "mimic" else signal


class GEMProcessor(ProcessorMixin):
    """Text, signals and pages -> model inputs; each `<ecg>` and `<image>` becomes as many tokens as its tower gives.

    Write a prompt with one tag for each ECG or page. The number of tokens does not depend on the data, so that a
    prompt can be tokenised without its arrays. A page is padded with white to a square, so that no lead is cut off,
    unless the image processor crops the centre, as GEM's own does.

    Args:
        image_processor: of the vision tower.
        feature_extractor: of the ECG tower.
        tokenizer: with the two tags as special tokens.
        num_ecg_tokens: tokens of one ECG.
        num_image_tokens: tokens of one page.
        system: said before every question, as the model was trained; None: the chat template's own, if it has one.
        states_leads: a prompt says which leads are shown, where these are not all twelve.
        chat_template: the processor's own; by default the tokenizer's is used.
        kwargs: of transformers.
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
        system: str | None = None,
        states_leads: bool = False,
        chat_template: str | None = None,
        **kwargs: Any,
    ):
        self.num_ecg_tokens = num_ecg_tokens
        self.num_image_tokens = num_image_tokens
        self.system, self.states_leads = system, states_leads
        super().__init__(image_processor, feature_extractor, tokenizer, chat_template=chat_template, **kwargs)

    @property
    def page_size(self) -> int | None:
        """Pixels of the side of a page as the vision tower reads it; None if the model reads no pages."""
        return self.image_processor.crop_size["height"]

    @property
    def ecg_token_id(self) -> int:
        """Id of `<ecg>`."""
        return self.tokenizer.convert_tokens_to_ids(self.ecg_token)

    @property
    def image_token_id(self) -> int | None:
        """Id of `<image>`; None if the model reads no pages."""
        return self.tokenizer.convert_tokens_to_ids(self.image_token)

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        ecgs: Any = None,
        *,
        sampling_rate: float | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Process text, pages and ECGs, or some of them, into one `BatchFeature`.

        Args:
            images: PIL images or uint8 arrays (H, W, 3), one for each `<image>` of the batch.
            text: one prompt or several, as `prompt` or the chat template writes them.
            ecgs: `ECGRecord`s or arrays (12, T) in mV, one for each `<ecg>` of the batch.
            sampling_rate: Hz, of ECGs that are arrays.
            kwargs: the tokenizer's (`padding`, `padding_side`, `return_tensors` ...).

        Returns:
            The tokenizer's fields for `text`, `ecg_values` (N, 12, samples) for `ecgs`, `pixel_values` (M, 3, H, W)
            for `images`.

        Raises:
            MediaError: an empty prompt; tags without their media, or media without their tags; an ECG that
                `ECGFeatureExtractor` refuses; a page for a model that reads none.
        """
        ecgs, images = list([] if ecgs is None else ecgs), list([] if images is None else images)
        if images:
            self._check_reads_pages()
        features: dict[str, Any] = {}
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            self._check(texts, len(ecgs), len(images))
            # the chat template writes the special tokens
            features |= self.tokenizer([self.expand(t) for t in texts], **({"add_special_tokens": False} | kwargs))
        if ecgs:
            features |= self.feature_extractor(ecgs, sampling_rate=sampling_rate)
        if images:
            if not self.image_processor.do_center_crop:
                images = [_square(page) for page in images]
            features |= self.image_processor(images, return_tensors="pt")
        return BatchFeature(features)

    def _check_reads_pages(self) -> None:
        if self.page_size is None:
            raise MediaError("this model has no vision tower and reads no pages; give it the ECG's signal alone")

    def _check(self, texts: Sequence[str], ecgs: int, images: int) -> None:
        if not all(text.strip() for text in texts):
            raise MediaError("a prompt is empty; write a question, with one <ecg> or <image> for each medium")
        if any(self.image_token in text for text in texts):
            self._check_reads_pages()
        for tag, given, what in ((self.ecg_token, ecgs, "ECG"), (self.image_token, images, "page")):
            asked = sum(text.count(tag) for text in texts)
            if (ecgs or images) and asked != given:
                raise MediaError(
                    f"{asked} {tag} in the prompt for {given} {what}{'s' * (given != 1)}; write one for each"
                )

    def expand(self, text: str) -> str:
        """Repeat each tag of a prompt, so that the tokenizer gives one placeholder for each token of its medium.

        Args:
            text: with one tag for each medium.

        Returns:
            The text with `num_ecg_tokens` tags for each `<ecg>`, and `num_image_tokens` for each `<image>`.
        """
        return text.replace(self.ecg_token, self.ecg_token * self.num_ecg_tokens).replace(
            self.image_token, self.image_token * self.num_image_tokens
        )

    def prompt(
        self,
        question: str,
        *,
        ecgs: int = 1,
        images: int | None = None,
        turns: Sequence[tuple[str, str]] = (),
        leads: Sequence[Sequence[str]] = (),
    ) -> str:
        """Write the prompt of a question on one record or several, in the checkpoint's own chat template.

        Each record's ECG stands before its page, and all of them before the question, as in GEM.

        Args:
            question: without tags.
            ecgs: number of records.
            images: number of pages; by default one for each ECG, and none if the model reads no pages.
            turns: earlier questions of the conversation with their responses; the media stand before the first.
            leads: of each record, those that are shown; none of a record of which nothing is shown. Without
                `states_leads` they are not said.

        Returns:
            The prompt, with one tag for each ECG and page.

        Raises:
            MediaError: a question or response holds a tag, or a page is asked for and the model reads none.
        """
        for said in (*(said for turn in turns for said in turn), question):
            check_untagged(said)
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        if images is None:
            images = 0 if self.page_size is None else ecgs
        elif images:
            self._check_reads_pages()
        media = "".join(self.ecg_token * (i < ecgs) + self.image_token * (i < images) for i in range(max(ecgs, images)))
        asked = [earlier for earlier, _ in turns] + [question]
        if self.states_leads and (said := stated_leads(leads)):
            asked[0] = f"{said}\n{asked[0]}"
        asked[0] = f"{media}\n{asked[0]}" if media else asked[0]
        messages = [{"role": "user", "content": asked[0]}]
        for (_, response), following in zip(turns, asked[1:], strict=True):
            messages += [{"role": "assistant", "content": response}, {"role": "user", "content": following}]
        return self.tokenizer.apply_chat_template(
            [*system, *messages],
            tokenize=False,
            add_generation_prompt=True,
        )

    @property
    def model_input_names(self) -> list[str]:
        """Names of the tensors that `__call__` can return."""
        names = ["input_ids", "attention_mask", "ecg_values"]
        return names if self.page_size is None else [*names, "pixel_values"]


class SignalProcessor(GEMProcessor):
    """The processor of a GEM without a vision tower: text and signals, no pages.

    A separate class, because transformers reads from the arguments of `__init__` what a processor is made of.

    Args:
        feature_extractor: of the ECG tower.
        tokenizer: with `<ecg>` as a special token.
        num_ecg_tokens: tokens of one ECG.
        system: said before every question, as the model was trained; None: the chat template's own, if it has one.
        states_leads: a prompt says which leads are shown, where these are not all twelve.
        chat_template: the processor's own; by default the tokenizer's is used.
        kwargs: of transformers.
    """

    page_size = None
    image_token_id = None

    def __init__(
        self,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        num_ecg_tokens: int = 101,
        system: str | None = None,
        states_leads: bool = False,
        chat_template: str | None = None,
        **kwargs: Any,
    ):
        self.num_ecg_tokens, self.num_image_tokens = num_ecg_tokens, 0
        self.system, self.states_leads = system, states_leads
        ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template, **kwargs)

    def expand(self, text: str) -> str:
        """Repeat each `<ecg>` of a prompt, so that the tokenizer gives one placeholder for each token of an ECG."""
        return text.replace(self.ecg_token, self.ecg_token * self.num_ecg_tokens)


def stated_leads(leads: Sequence[Sequence[str]]) -> str:
    """Which leads are shown, as a prompt states it; "" where each record shows all twelve, or nothing.

    Args:
        leads: of each record.
    """
    said = []
    for number, names in enumerate(leads, 1):
        if 0 < len(names) < len(LEADS):
            which = f" of ECG {number}" if len(leads) > 1 else ""
            said.append(f"Leads shown{which}: {', '.join(names)}.")
    return " ".join(said)


def check_untagged(text: str) -> None:
    """Refuse a tag in what someone wrote: no ECG or page belongs to it.

    Args:
        text: a question or a message.

    Raises:
        MediaError: the text holds `<ecg>` or `<image>`.
    """
    for tag in (GEMProcessor.ecg_token, GEMProcessor.image_token):
        if tag in text:
            raise MediaError(f"the text holds {tag!r}, which stands for an ECG or a page; give those beside the text")


def _square(page: Any) -> Any:
    """A page, PIL or (H, W, 3), in the middle of a white square."""
    pixels = np.asarray(page.convert("RGB") if hasattr(page, "convert") else page)
    height, width = pixels.shape[:2]
    if height == width:
        return page
    side = max(height, width)
    square = np.full((side, side, 3), 255, dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square
