"""transformers' `generate`: for machines without vLLM, and the reference that the parity test holds vLLM against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from transformers.generation import BaseStreamer

from ecg_r1.engine.base import Prompt, Rollout
from ecg_r1.model.processing import GEMProcessor

BATCH = 32  # completions generated together by default


class HFEngine:
    """A model in this process.

    Args:
        model: a GEM in evaluation mode.
        processor: of the same checkpoint.
        batch_size: completions generated together.
    """

    def __init__(self, model: Any, processor: GEMProcessor, batch_size: int = BATCH):
        self.model, self.processor, self.batch_size = model, processor, batch_size

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Prompt], n: int = 1, *, seed: int | None = None, **sampling: Any
    ) -> list[list[Rollout]]:
        """As `Engine.generate`."""
        if seed is not None:
            torch.manual_seed(seed)
        rows = [prompt for prompt in prompts for _ in range(n)]
        rollouts: list[Rollout] = []
        for start in range(0, len(rows), self.batch_size):
            rollouts += self._generate_batch(rows[start : start + self.batch_size], **sampling)
        return [rollouts[i : i + n] for i in range(0, len(rollouts), n)]

    def stream(self, prompt: Prompt, on_tokens: Callable[[list[int]], None], **sampling: Any) -> None:
        """As `Engine.stream`."""
        self.generate([prompt], streamer=_Streamer(on_tokens), **sampling)

    def load_weights(self, named_parameters: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace the weights that are named; the others stay.

        Raises:
            ValueError: the model has no parameter of a name.
        """
        parameters = self.model.state_dict(keep_vars=True)
        for name, value in named_parameters:
            if name not in parameters:
                raise ValueError(f"the model has no parameter {name}")
            parameters[name].data.copy_(value)

    def close(self) -> None:
        """Free the model."""
        self.model = None

    def _generate_batch(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        **rest: Any,
    ) -> list[Rollout]:
        tokenizer = self.processor.tokenizer
        inputs = tokenizer.pad({"input_ids": [p.token_ids for p in prompts]}, padding_side="left", return_tensors="pt")
        media = self.processor(
            ecgs=[ecg for p in prompts for ecg in p.ecgs], images=[page for p in prompts for page in p.pages]
        )
        device = next(self.model.parameters()).device
        inputs = {k: v.to(device) for k, v in {**inputs, **media}.items() if k != "token_type_ids"}
        # each is given, or the checkpoint's generation_config.json and transformers' top_k of 50 would decide
        sampled: dict[str, Any] = {"do_sample": temperature > 0}
        if temperature > 0:
            sampled |= {"temperature": temperature, "top_p": top_p, "top_k": max(top_k, 0)}
        output = self.model.generate(
            **inputs, **sampled, **rest, max_new_tokens=max_tokens, output_logits=True, return_dict_in_generate=True
        )
        length = inputs["input_ids"].shape[1]
        logits = torch.stack(output.logits, dim=1).float() / (temperature if temperature > 0 else 1.0)
        tokens = output.sequences[:, length:]
        logprobs = logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
        rollouts = []
        for ids, values in zip(tokens.tolist(), logprobs.tolist(), strict=True):
            end = ids.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in ids else len(ids)
            rollouts.append(Rollout(ids[:end], values[:end]))
        return rollouts


class _Streamer(BaseStreamer):
    """transformers' side of `stream`: it hands over the prompt first, then one token at a time."""

    def __init__(self, on_tokens: Callable[[list[int]], None]):
        self.on_tokens, self.after_prompt = on_tokens, False

    def put(self, value: torch.Tensor) -> None:
        if self.after_prompt:
            self.on_tokens(value.tolist())
        self.after_prompt = True

    def end(self) -> None:
        pass
