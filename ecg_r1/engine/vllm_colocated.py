"""vLLM in this process, beside the trainer or alone. The only file that knows vLLM's engine API."""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecg_r1.engine.base import Prompt, Rollout, require_vllm
from ecg_r1.engine.quiet import quieten
from ecg_r1.model import TOKENIZER_MODE, register_vllm
from ecg_r1.model.weights import check_values

# On a CPU, vLLM stops with an error where it splits the prompt of a request that has a seed: it draws for each part and
# winds the draw back, which only generators of a GPU can. Options that split prompts:
SPLITTING = ("enable_chunked_prefill", "long_prefill_token_threshold")
BATCHED_TOKENS = 8192  # of one pass of prompts


class VLLMEngine:
    """Generates with vLLM in this process (colocated with the trainer, or alone for evaluation).

    Args:
        model: folder of a GEM checkpoint with its processor.
        dtype: "float32" for parity with a float32 trainer; vLLM's "auto" would not keep it on CPU.
        sleeps: between two calls of `generate` its weights lie in the machine's memory, and its cache nowhere, so that
            the trainer has the GPU; on GPUs alone.
        options: further arguments of `vllm.LLM`, by its own names.

    Raises:
        EngineUnavailable: vLLM is not installed.
        CheckpointError: a weight is NaN or infinite.
    """

    def __init__(self, model: str | Path, *, dtype: str = "auto", seed: int = 0, sleeps: bool = False, **options: Any):
        _set_environment()
        require_vllm()
        from vllm import LLM

        check_values(Path(model))
        register_vllm()
        if not torch.cuda.is_available():  # compiling a few sampling kernels costs more than they ever save there
            torch._dynamo.config.disable = True
        self._adapters: set[Path] = set()  # whose weights were looked at
        if sleeps:
            options["enable_sleep_mode"] = True
        options = _defaults(options) | options
        self.llm = LLM(model=str(model), dtype=dtype, seed=seed, trust_remote_code=False, **options)
        self.sleeps, self._asleep = sleeps, False
        self._sleep()

    def _sleep(self) -> None:
        if self.sleeps:
            self.llm.sleep(level=1)  # 2 would lose the frozen towers, and what no parameter holds
            self._asleep = True

    def _wake(self) -> None:
        if self._asleep:
            self.llm.wake_up()
            self._asleep = False

    def generate(
        self,
        prompts: Sequence[Prompt],
        n: int = 1,
        *,
        seed: int | None = None,
        adapter: Path | None = None,
        **sampling: Any,
    ) -> list[list[Rollout]]:
        """As `Engine.generate`. `adapter`: PEFT's folder, on an engine that was started with `enable_lora=True`."""
        from vllm import SamplingParams
        from vllm.lora.request import LoRARequest

        if adapter is not None and adapter not in self._adapters:
            check_values(adapter / "adapter_model.safetensors")
            self._adapters.add(adapter)
        # vLLM seeds each request by itself: with one seed for all, every prompt would be answered with the same draws
        seeds = [None if seed is None else seed + i * n for i in range(len(prompts))]
        params = [SamplingParams(n=n, logprobs=0, detokenize=False, seed=own, **sampling) for own in seeds]
        self._wake()
        lora = None if adapter is None else LoRARequest(str(adapter), zlib.crc32(str(adapter).encode()), str(adapter))
        outputs = self.llm.generate(
            [vllm_prompt(p) for p in prompts], sampling_params=params, use_tqdm=False, lora_request=lora
        )
        self._sleep()
        return [[_rollout(completion) for completion in output.outputs] for output in outputs]

    def stream(self, prompt: Prompt, on_tokens: Callable[[list[int]], None], **sampling: Any) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        self._wake()
        engine = self.llm.llm_engine
        (request,) = engine.renderer.render_cmpl([vllm_prompt(prompt)])
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
        self._wake()
        engine = self.llm.llm_engine
        runner = engine.model_executor.driver_worker.model_runner
        runner.reload_weights(weights_iterator=iter(named_parameters))
        engine.engine_core.reset_encoder_cache()
        self.llm.reset_mm_cache()
        self.llm.reset_prefix_cache()


def _set_environment() -> None:
    # In-process engine core: the trainer pushes weights into it. Weights are read by the runner in this process.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    quieten()


def _defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tokenizer_mode": TOKENIZER_MODE,
        **of_machine(),
        "gpu_memory_utilization": 0.3,  # on CPU too, of the machine's memory: the trainer needs the rest
        "logprobs_mode": "processed_logprobs",  # temperature included, as the trainer computes them
        "max_num_batched_tokens": max(BATCHED_TOKENS, options.get("max_model_len") or 0),  # a prompt is not split
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }


def of_machine() -> dict[str, bool]:
    """What vLLM needs to be told on a machine without a GPU, by the names of its engine's arguments."""
    return {} if torch.cuda.is_available() else {"enforce_eager": True, "enable_chunked_prefill": False}


def check_splitting(options: Mapping[str, Any]) -> None:
    """Refuse options with which vLLM would stop amid its work on a CPU.

    Raises:
        ValueError: an option splits prompts; see `SPLITTING`.
    """
    for name in SPLITTING:
        if options.get(name) and not torch.cuda.is_available():
            raise ValueError(f"{name}: on a CPU, vLLM stops where it splits a prompt; leave it out")


def vllm_prompt(prompt: Prompt) -> dict[str, Any]:
    """A prompt as vLLM takes it."""
    media = {key: values for key, values in (("ecg", prompt.ecgs), ("image", _as_images(prompt.pages))) if values}
    row: dict[str, Any] = {"prompt_token_ids": prompt.token_ids}
    return row | {"multi_modal_data": media} if media else row


def _as_images(pages: Iterable[Any]) -> list[Any]:
    from PIL import Image

    return [Image.fromarray(page) if isinstance(page, np.ndarray) else page for page in pages]


def _rollout(completion: Any) -> Rollout:
    ids = list(completion.token_ids)
    return Rollout(ids, [entry[i].logprob for i, entry in zip(ids, completion.logprobs, strict=True)])


def vllm_option_names() -> set[str]:
    """The names of vLLM's engine arguments."""
    from vllm.engine.arg_utils import EngineArgs

    return {field.name for field in dataclasses.fields(EngineArgs) if field.init}


def check_vllm_options(options: Mapping[str, Any], model: Path | None, *, dtype: str) -> None:
    """Let vLLM read the options of an engine, without starting one.

    Args:
        options: as `VLLMEngine` takes them.
        model: folder of a GEM checkpoint; without it the values cannot be checked, and nothing is.

    Raises:
        ValueError: vLLM refuses a value; pydantic's error is one.
    """
    from vllm.engine.arg_utils import EngineArgs

    check_splitting(options)
    if model is not None:
        _set_environment()
        register_vllm()
        EngineArgs(model=str(model), dtype=dtype, **{**_defaults(options), **options}).create_engine_config()


def vllm_sampling_names() -> set[str]:
    """The names of vLLM's sampling options that `VLLMEngine.generate` leaves to its caller."""
    from vllm import SamplingParams

    return {name for name in SamplingParams.__struct_fields__ if not name.startswith("_")} - {
        "n", "logprobs", "detokenize", "output_kind", "structured_outputs",
    }  # fmt: skip
