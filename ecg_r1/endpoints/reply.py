"""What a chat route replies, as it is kept. It is untrusted: whatever it lacks is empty or 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """One answer. tokens: of it, with the end; cut: whether it was still going on at the limit of tokens."""

    text: str
    tokens: int
    cut: bool


def read_reply(reply: Any, model: str) -> dict[str, Any]:
    """What is kept of a server's reply. It is untrusted: whatever it lacks is empty or 0."""
    usage = getattr(reply, "usage", None)
    counted = {key: _count(getattr(usage, key, None)) for key in ("prompt_tokens", "completion_tokens")}
    listed = getattr(reply, "choices", None)
    replies = listed if isinstance(listed, list) else []
    choices = [
        {
            "text": _said(getattr(one, "message", None)),
            "tokens": counted["completion_tokens"] // max(1, len(replies)),  # a server counts them together
            "cut": getattr(one, "finish_reason", None) == "length",
        }
        for one in replies
    ]
    return of_choices(choices, counted, str(getattr(reply, "model", None) or model))


def of_choices(choices: list[dict[str, Any]], usage: dict[str, int] | None, served: str) -> dict[str, Any]:
    return {"choices": choices, "usage": usage or {"prompt_tokens": 0, "completion_tokens": 0}, "model": served}


def _said(message: Any) -> str:
    """The text of a message; reasoning that the server took out of it stands in its tags again."""
    content = getattr(message, "content", None)
    reasoning = next(
        (said for key in ("reasoning_content", "reasoning") if isinstance(said := getattr(message, key, None), str)), ""
    )
    text = content if isinstance(content, str) else ""
    return f"<think>{reasoning}</think>{text}" if reasoning.strip() and "</think>" not in text else text


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def is_whole(kept: Any) -> bool:
    """Whether a file of the cache holds an answer: a kill, or somebody else, may have left something else."""
    return (
        isinstance(kept, dict)
        and isinstance(kept.get("choices"), list)
        and bool(kept["choices"])
        and all(
            isinstance(one, dict)
            and one.keys() == {"text", "tokens", "cut"}
            and isinstance(one["text"], str)
            and isinstance(one["tokens"], int)
            and isinstance(one["cut"], bool)
            for one in kept["choices"]
        )
        and isinstance(kept.get("usage"), dict)
        and all(isinstance(kept["usage"].get(key), int) for key in ("prompt_tokens", "completion_tokens"))
    )
