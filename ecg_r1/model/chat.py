"""How a chat message becomes GEM's prompt in vLLM: the content part `ecg`, and no placeholder without its ECG or page.

vLLM's own renderer knows images, audio and video. This one takes the ECGs out of the messages first and passes them
on as modality `ecg`; everything else of the chat route (streaming, several choices, log-probs, LoRA) stays vLLM's.
The only file that knows vLLM's renderer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ValidationError
from vllm.exceptions import VLLMValidationError
from vllm.renderers.hf import HfRenderer

from ecg_r1.ecg.record import RecordError
from ecg_r1.model.message import read_ecg
from ecg_r1.model.processing import GEMProcessor, MediaError, check_untagged

TAGS = {"ecg": GEMProcessor.ecg_token, "image": GEMProcessor.image_token}
NO_QUESTION = "the message has no text: put the question into a part of type 'text'"
NO_PAGES = "this model has no vision tower and reads no pages; send the ECG's signal, in a part of type 'ecg'"


class GEMRenderer(HfRenderer):
    """vLLM's renderer with the content part `ecg`. A prompt of text alone passes; see `ServedRenderer`."""

    def render_messages(self, messages: Any, params: Any) -> Any:
        messages, ecgs = without_ecgs(with_system(messages, self._system), self._reads_pages)
        return _with_ecgs(super().render_messages(messages, _as_text(params)), ecgs)

    async def render_messages_async(self, messages: Any, params: Any) -> Any:
        told = with_system(messages, self._system)
        # in a thread: to read an ECG takes tens of milliseconds
        messages, ecgs = await asyncio.to_thread(without_ecgs, told, self._reads_pages)
        return _with_ecgs(await super().render_messages_async(messages, _as_text(params)), ecgs)

    @property
    def _system(self) -> str | None:
        return self.get_mm_processor().info.get_hf_processor().system

    def process_for_engine(self, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_media(prompt)
        return super().process_for_engine(prompt, *args, **kwargs)

    async def process_for_engine_async(self, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_media(prompt)
        return await super().process_for_engine_async(prompt, *args, **kwargs)

    @property
    def _reads_pages(self) -> bool:
        return "image" in self._tokens_per_item

    @property
    def _tokens_per_item(self) -> dict[str, tuple[int, int]]:
        return self.get_mm_processor().info.tokens_per_item()

    def _check_media(self, prompt: Mapping[str, Any]) -> None:
        """Refuse placeholders without their ECG or page: vLLM would leave them in the prompt without an error."""
        ids, media = prompt.get("prompt_token_ids"), prompt.get("multi_modal_data") or {}
        if ids is None:
            return  # prompt embeddings
        if not ids:
            raise VLLMValidationError("the prompt is empty")
        for modality, (token, size) in self._tokens_per_item.items():
            found, given = ids.count(token), _count(media.get(modality))
            if found not in (given, given * size):  # as written, or already expanded
                raise VLLMValidationError(
                    f"the prompt has placeholders for {found if found < size else found / size:g} {modality}s, "
                    f"and {given} {'is' if given == 1 else 'are'} given"
                )


def with_system(messages: Sequence[Mapping[str, Any]], system: str | None) -> Sequence[Mapping[str, Any]]:
    """The messages behind the system prompt that the model was trained with, where the client gives none."""
    if system is None or any(message.get("role") == "system" for message in messages):
        return messages
    return [{"role": "system", "content": system}, *messages]


class ServedRenderer(GEMRenderer):
    """The server's renderer: it refuses a prompt without an ECG, of which the model would invent one."""

    _warming_up = False

    def warmup(self, chat_params: Any) -> None:
        """Warm up as vLLM does, with a message of text alone."""
        self._warming_up = True
        try:
            super().warmup(chat_params)
        finally:
            self._warming_up = False

    def _check_media(self, prompt: Mapping[str, Any]) -> None:
        super()._check_media(prompt)
        if not self._warming_up and not any(map(_count, (prompt.get("multi_modal_data") or {}).values())):
            page = " (or its page as a part of type 'image_url')" if self._reads_pages else ""
            raise VLLMValidationError(
                f"the request has no ECG: send it to /v1/chat/completions as a part of type 'ecg'{page}; text alone is "
                "answered only by a server that was started with --allow-text-only"
            )


def without_ecgs(
    messages: Sequence[Mapping[str, Any]], pages: bool
) -> tuple[list[Mapping[str, Any]], list[np.ndarray]]:
    """Take the ECGs out of the messages of a chat.

    Args:
        messages: of the chat, as the client sent them.
        pages: whether the model reads pages.

    Returns:
        The messages with tags in place of ECGs and pages, and the ECGs, each float32 (12, 5000) in mV. Neighbouring
        media stand together, text on its own lines: `<ecg><image>\\nQuestion`, as in training.

    Raises:
        VLLMValidationError: an ECG is invalid, a text holds a tag, a message has no text, or a page is sent to a model
            that reads none.
    """
    ecgs: list[np.ndarray] = []
    return [_without_ecgs(message, ecgs, pages) for message in messages], ecgs


def _without_ecgs(message: Mapping[str, Any], ecgs: list[np.ndarray], pages: bool) -> Mapping[str, Any]:
    content = message.get("content")
    if content is None:
        return message
    text, others, after_media, asked = "", [], False, False
    for part in _parts(content):
        kind = "text" if isinstance(part, str) else str(part.get("type"))
        if kind == "text":
            piece = _checked(part if isinstance(part, str) else str(part.get("text", "")))
        elif kind == "ecg":
            ecgs.append(_read(part))
            piece = TAGS["ecg"]
        elif "image" in kind and not pages:
            raise VLLMValidationError(NO_PAGES, parameter="messages")
        else:  # vLLM reads it, or refuses it
            others.append(part)
            piece = TAGS["image"] if "image" in kind else ""
        is_media = kind != "text"
        text += piece if not text or (after_media and is_media) else "\n" + piece
        after_media = is_media
        asked |= kind == "text" and bool(piece.strip())
    if message.get("role") == "user" and not asked:
        raise VLLMValidationError(NO_QUESTION, parameter="messages")
    return {**message, "content": [*others, {"type": "text", "text": text}] if others else text}


def _parts(content: Any) -> list[Any]:
    """The parts of a message. They are validated as they are read, and an ECG without a text part fails there."""
    if isinstance(content, str):
        return [content]
    try:
        return list(content)
    except ValidationError:
        raise VLLMValidationError(NO_QUESTION, parameter="messages") from None


def _read(part: Mapping[str, Any]) -> np.ndarray:
    try:
        return read_ecg(part.get("ecg"))
    except RecordError as error:
        raise VLLMValidationError(str(error), parameter="messages") from None


def _checked(text: str) -> str:
    try:
        check_untagged(text)
    except MediaError as error:
        raise VLLMValidationError(str(error), parameter="messages") from None
    return text


def _as_text(params: Any) -> Any:
    """Give strings to the chat template, not parts: the tags are in the text already."""
    return replace(params, chat_template_content_format="string")


def _with_ecgs(rendered: tuple[Any, Any], ecgs: list[np.ndarray]) -> tuple[Any, Any]:
    conversation, prompt = rendered
    if ecgs:
        prompt["multi_modal_data"] = {**(prompt.get("multi_modal_data") or {}), "ecg": ecgs}
    return conversation, prompt


def _count(items: Any) -> int:
    if items is None:
        return 0
    return len(items) if isinstance(items, (list, tuple)) else 1
