"""Engine: prompts and their media -> completions with log-probabilities, with any library.

Training (rollouts), evaluation and `ecg-r1 ask` share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ecg_r1.errors import UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Prompt:
    """Token ids with expanded placeholders, and the media they stand for, in order.

    Attributes:
        token_ids: at least one.
        ecgs: arrays of (12, samples) in mV.
        pages: PIL images, or uint8 arrays of (H, W, 3).

    Raises:
        ValueError: there are no token ids.
    """

    token_ids: list[int]
    ecgs: list[np.ndarray] = field(default_factory=list)
    pages: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.token_ids:
            raise ValueError("a prompt has no tokens: ask a question")


@dataclass(frozen=True)
class Rollout:
    """One completion: its token ids and the log-probability with which each was sampled."""

    token_ids: list[int]
    logprobs: list[float]


class Engine(Protocol):
    """What generates. A process holds one at a time: `close` it before another is opened."""

    def generate(self, prompts: Sequence[Prompt], n: int = 1, **sampling: Any) -> list[list[Rollout]]:
        """Generate `n` completions for each prompt.

        Args:
            prompts: any number of them.
            n: completions of each.
            sampling: temperature, top_p, top_k, max_tokens, seed and the rest, by vLLM's names. With a seed, the
                completions of a call are repeatable, and each is drawn by itself.

        Returns:
            For each prompt its `n` completions.
        """
        ...

    def stream(self, prompt: Prompt, on_tokens: Callable[[list[int]], None], **sampling: Any) -> None:
        """Generate one completion.

        Args:
            prompt: the prompt.
            on_tokens: called with the next token ids as they come.
            sampling: as in `generate`.
        """
        ...

    def load_weights(self, named_parameters: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace the weights, and forget everything that was computed with the old ones."""
        ...

    def close(self) -> None:
        """Free the memory and the process groups."""
        ...


class EngineUnavailable(UserError):
    """The engine that a recipe asks for is not installed."""


def has_vllm() -> bool:
    """Whether vLLM is installed."""
    try:
        return find_spec("vllm") is not None
    except ImportError:
        return False


def require_vllm(instead: str = "set `rollout.engine: hf`") -> None:
    """Check that vLLM is installed.

    Args:
        instead: what can be done without vLLM, for the message.

    Raises:
        EngineUnavailable: vLLM is not installed.
    """
    if not has_vllm():
        raise EngineUnavailable(f"vLLM is not installed: pip install 'ecg-r1-gem[gpu]' or '[cpu]', or {instead}")
