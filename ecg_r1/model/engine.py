"""Engine: prompts and their media -> completions with log-probs. The only file that knows vLLM's engine API.

Training (rollouts), evaluation and `ecg-r1 ask` share it. `HFEngine` needs no vLLM and gives the same greedy tokens.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers.generation import BaseStreamer

from ecg_r1.errors import UserError

from .processing import GEMProcessor


@dataclass(frozen=True)
class Prompt:
    """Token ids with expanded placeholders, and the media they stand for, in order.

    Raises:
        ValueError: there are no token ids.
    """

    token_ids: list[int]
    ecgs: list[np.ndarray] = field(default_factory=list)  # each (12, samples), mV
    pages: list[Any] = field(default_factory=list)  # each a PIL image or uint8 (H, W, 3)

    def __post_init__(self) -> None:
        if not self.token_ids:
            raise ValueError("a prompt has no tokens: ask a question")


@dataclass(frozen=True)
class Rollout:
    """One completion: its token ids and the log-probability with which each was sampled."""

    token_ids: list[int]
    logprobs: list[float]


class Engine(Protocol):
    def generate(self, prompts: Sequence[Prompt], n: int = 1, **sampling: Any) -> list[list[Rollout]]:
        """`n` completions for each prompt. `sampling`: temperature, top_p, top_k, max_tokens, seed …, vLLM's names."""
        ...

    def stream(self, prompt: Prompt, on_tokens: Callable[[list[int]], None], **sampling: Any) -> None:
        """One completion; `on_tokens` is called with its token ids as they come."""
        ...


class EngineUnavailable(UserError):
    """The engine a recipe asks for is not installed."""


def has_vllm() -> bool:
    try:
        return find_spec("vllm") is not None
    except ImportError:
        return False


def require_vllm(instead: str = "set `rollout.engine: hf`") -> None:
    """
    Args:
        instead: what can be done without vLLM, for the message.

    Raises:
        EngineUnavailable: vLLM is not installed.
    """
    if not has_vllm():
        raise EngineUnavailable(f"vLLM is not installed: pip install 'ecg-r1-gem[gpu]' or '[cpu]', or {instead}")


def checkpoint_dtype(folder: str | Path) -> str:
    """The dtype a checkpoint was saved in; vLLM's "auto" would make float16 of float32."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    return config.get("dtype") or "float32"


class VLLMEngine:
    """vLLM in this process (colocated with the trainer, or alone for evaluation).

    Args:
        model: folder of a GEM checkpoint with its processor.
        dtype: "float32" for parity with a float32 trainer; vLLM's "auto" would not keep it on CPU.
        options: further arguments of `vllm.LLM`, by its own names.

    Raises:
        EngineUnavailable: vLLM is not installed.
    """

    def __init__(self, model: str | Path, *, dtype: str = "auto", seed: int = 0, **options: Any):
        # In-process engine core: the trainer pushes weights into it. Weights are read by the runner in this process.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # stdout is the caller's
        require_vllm()
        from vllm import LLM

        from . import TOKENIZER_MODE, register_vllm

        register_vllm()
        on_cpu = not torch.cuda.is_available()
        if on_cpu:  # compiling a few sampling kernels costs more than they ever save there
            torch._dynamo.config.disable = True
        defaults: dict[str, Any] = {
            "tokenizer_mode": TOKENIZER_MODE,
            "enforce_eager": on_cpu,
            "gpu_memory_utilization": 0.3,  # on CPU too, of the machine's memory: the trainer needs the rest
            "logprobs_mode": "processed_logprobs",  # temperature included, as the trainer computes them
            "max_num_batched_tokens": 8192,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        self.llm = LLM(model=str(model), dtype=dtype, seed=seed, **(defaults | options))

    def generate(
        self, prompts: Sequence[Prompt], n: int = 1, *, adapter: Path | None = None, **sampling: Any
    ) -> list[list[Rollout]]:
        """As `Engine.generate`. `adapter`: PEFT's folder, on an engine that was started with `enable_lora=True`."""
        from vllm import SamplingParams
        from vllm.lora.request import LoRARequest

        params = SamplingParams(n=n, logprobs=0, detokenize=False, **sampling)
        lora = None if adapter is None else LoRARequest(str(adapter), zlib.crc32(str(adapter).encode()), str(adapter))
        outputs = self.llm.generate(
            [_vllm_prompt(p) for p in prompts], sampling_params=params, use_tqdm=False, lora_request=lora
        )
        return [[_rollout(completion) for completion in output.outputs] for output in outputs]

    def stream(self, prompt: Prompt, on_tokens: Callable[[list[int]], None], **sampling: Any) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        engine = self.llm.llm_engine
        (request,) = engine.renderer.render_cmpl([_vllm_prompt(prompt)])
        params = SamplingParams(output_kind=RequestOutputKind.DELTA, detokenize=False, **sampling)
        engine.add_request("stream", request, params)
        while engine.has_unfinished_requests():
            for output in engine.step():
                on_tokens(list(output.outputs[0].token_ids))

    def close(self) -> None:
        """Free the engine and vLLM's process groups, of which a process has one set; before another engine starts."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        cleanup_dist_env_and_memory()

    def load_weights(self, named_parameters: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace the weights in the running engine, then forget everything computed with the old ones.

        `reload_weights` re-packs the linear layers that vLLM repacked at start, which `model.load_weights` cannot on
        CPU. All three caches hold states of the old weights; without the encoder cache's reset the scheduler
        goes on believing in features that are stale (or gone).
        """
        engine = self.llm.llm_engine
        runner = engine.model_executor.driver_worker.model_runner
        runner.reload_weights(weights_iterator=iter(named_parameters))
        engine.engine_core.reset_encoder_cache()
        self.llm.reset_mm_cache()
        self.llm.reset_prefix_cache()


class HFEngine:
    """transformers' `generate`: for machines without vLLM, and the reference the parity test holds vLLM against."""

    def __init__(self, model: Any, processor: GEMProcessor, batch_size: int = 32):
        self.model, self.processor, self.batch_size = model, processor, batch_size

    @torch.inference_mode()
    def generate(self, prompts: Sequence[Prompt], n: int = 1, **sampling: Any) -> list[list[Rollout]]:
        rows = [prompt for prompt in prompts for _ in range(n)]
        rollouts: list[Rollout] = []
        for start in range(0, len(rows), self.batch_size):
            rollouts += self._generate_batch(rows[start : start + self.batch_size], **sampling)
        return [rollouts[i : i + n] for i in range(0, len(rollouts), n)]

    def stream(self, prompt: Prompt, on_tokens: Callable[[list[int]], None], **sampling: Any) -> None:
        self.generate([prompt], streamer=_Streamer(on_tokens), **sampling)

    def _generate_batch(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        temperature: float = 1.0,
        seed: int | None = None,
        **rest: Any,
    ) -> list[Rollout]:
        if seed is not None:
            torch.manual_seed(seed)
        tokenizer = self.processor.tokenizer
        inputs = tokenizer.pad({"input_ids": [p.token_ids for p in prompts]}, padding_side="left", return_tensors="pt")
        media = self.processor(
            ecgs=[ecg for p in prompts for ecg in p.ecgs], images=[page for p in prompts for page in p.pages]
        )
        device = next(self.model.parameters()).device
        inputs = {k: v.to(device) for k, v in {**inputs, **media}.items() if k != "token_type_ids"}
        sampled = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
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


def _vllm_prompt(prompt: Prompt) -> dict[str, Any]:
    media = {key: values for key, values in (("ecg", prompt.ecgs), ("image", _as_images(prompt.pages))) if values}
    row: dict[str, Any] = {"prompt_token_ids": prompt.token_ids}
    return row | {"multi_modal_data": media} if media else row


def _as_images(pages: Iterable[Any]) -> list[Any]:
    from PIL import Image

    return [Image.fromarray(page) if isinstance(page, np.ndarray) else page for page in pages]


def _rollout(completion: Any) -> Rollout:
    ids = list(completion.token_ids)
    return Rollout(ids, [entry[i].logprob for i, entry in zip(ids, completion.logprobs, strict=True)])
