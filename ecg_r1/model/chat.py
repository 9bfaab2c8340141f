"""How a chat message becomes GEM's prompt in vLLM: the content part `ecg`, and no placeholder without its ECG or page.

vLLM's own renderer knows images, audio and video. This one takes the ECGs out of the messages before it and hands
them on as modality `ecg`; everything else of the chat route (streaming, several choices, log-probs, LoRA) stays
vLLM's. The only file that knows vLLM's renderer.
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


class GEMRenderer(HfRenderer):
    def render_messages(self, messages: Any, params: Any) -> Any:
        messages, ecgs = without_ecgs(with_system(messages, self._system))
        return _with_ecgs(super().render_messages(messages, _as_text(params)), ecgs)

    async def render_messages_async(self, messages: Any, params: Any) -> Any:
        told = with_system(messages, self._system)
        messages, ecgs = await asyncio.to_thread(without_ecgs, told)  # reading takes tens of milliseconds
        return _with_ecgs(await super().render_messages_async(messages, _as_text(params)), ecgs)

    @property
    def _system(self) -> str | None:
        return self.get_mm_processor().info.get_hf_processor().system

    def process_for_engine(self, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_placeholders(prompt)
        return super().process_for_engine(prompt, *args, **kwargs)

    async def process_for_engine_async(self, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_placeholders(prompt)
        return await super().process_for_engine_async(prompt, *args, **kwargs)

    def _check_placeholders(self, prompt: Mapping[str, Any]) -> None:
        """vLLM leaves a placeholder that no ECG or page stands for in the prompt, without an error."""
        ids, media = prompt.get("prompt_token_ids"), prompt.get("multi_modal_data") or {}
        if ids is None:
            return  # prompt embeddings
        if not ids:
            raise VLLMValidationError("the prompt is empty")
        for modality, (token, size) in self.get_mm_processor().info.tokens_per_item().items():
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


def without_ecgs(messages: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[np.ndarray]]:
    """The messages with tags in place of ECGs and pages, and the ECGs, each float32 (12, 5000) in mV.

    Neighbouring media stand together, text on lines of its own: `<ecg><image>\\nQuestion`, as in training.

    Raises:
        VLLMValidationError: an ECG is none, or a text holds a tag.
    """
    ecgs: list[np.ndarray] = []
    return [_without_ecgs(message, ecgs) for message in messages], ecgs


def _without_ecgs(message: Mapping[str, Any], ecgs: list[np.ndarray]) -> Mapping[str, Any]:
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
        else:  # vLLM reads it, or says that it cannot
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
    """vLLM leaves content that OpenAI's types may hold unread: without a text, an ECG does not pass through them."""
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
    """The tags are in the text already: the chat template gets strings, not parts."""
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
