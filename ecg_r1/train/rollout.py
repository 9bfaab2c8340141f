"""TRL's generation seam: rollouts through `Engine`, from the same signals and pages as the policy update."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import trl.trainer.grpo_trainer as trl_grpo
from accelerate.utils import broadcast_object_list
from peft import get_peft_model_state_dict
from safetensors.torch import save_file
from trl.generation.vllm_generation import VLLMGeneration

from ecg_r1.engine import Prompt
from ecg_r1.engine.vllm_colocated import VLLMEngine
from ecg_r1.engine.vllm_server import VLLMServers
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint
from ecg_r1.train.dropout import Shown
from ecg_r1.train.media import Media


class ECGRollout(VLLMGeneration):
    """Stands where TRL builds its `VLLMGeneration`; keeps its parameter iteration (PEFT merge, ZeRO gathering).

    Differences: the engine keeps the trainer's dtype; each distinct prompt is sent once with n = G; what is shown
    rides in TRL's image slot and becomes `ecg` and `image` inputs; a weight sync resets every cache of the engine.
    """

    def __init__(self, *, media: Media, checkpoint: str, seed: int, engine: dict[str, Any], **kwargs: Any):
        self.media, self.checkpoint, self.seed, self.engine_options = media, checkpoint, seed, engine
        super().__init__(**kwargs)

    def _init_vllm(self) -> None:
        self.engine: Any = VLLMEngine(
            self.checkpoint,
            seed=self.seed + self.accelerator.process_index,
            sleeps=self.enable_sleep_mode,
            **{
                "max_model_len": self.max_model_length,
                "max_num_seqs": self.max_num_seqs,
                "gpu_memory_utilization": self.gpu_memory_utilization,
                "distributed_executor_backend": "external_launcher",
            }
            | self.engine_options,
        )
        self.accelerator.wait_for_everyone()

    def sync_weights(self) -> None:
        self.engine.load_weights(self._iter_named_params())

    def generate(
        self, prompts: list[list[int]], images: list[Shown], num_generations: int, profiler: Any = None
    ) -> tuple[list, list, list, None]:
        """`images` holds what is shown of each prompt's example; equal neighbours are one prompt with n completions."""
        groups = [(key, len(list(rows))) for key, rows in groupby(zip(prompts, images, strict=True))]
        sampling = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p or 0.0,
            "repetition_penalty": self.repetition_penalty,
            "max_tokens": self.max_completion_length,
        } | self.generation_kwargs
        sizes = {size for _, size in groups}
        n = sizes.pop() if len(sizes) == 1 else 1  # neighbours that are one example by chance: ask one by one
        keys = [key for key, size in groups for _ in range(size // n)]
        with profiler or nullcontext():
            completions = self.engine.generate([self._prompt(*key) for key in keys], n=n, **sampling)
        rollouts = [rollout for group in completions for rollout in group]
        return (
            prompts,
            [rollout.token_ids for rollout in rollouts],
            [[[logprob] for logprob in rollout.logprobs] for rollout in rollouts],
            None,
        )

    def counters(self) -> dict[str, float]:
        """What is logged beside a step."""
        return {}

    def _prompt(self, token_ids: list[int], shown: Shown) -> Prompt:
        return Prompt(
            token_ids,
            [self.media.signal(view) for view in shown.views if view.ecg],
            [self.media.page(view) for view in shown.views if view.page],
        )


class ServerRollout(ECGRollout):
    """As `ECGRollout`, on rollout servers. What changed since the checkpoint travels to them: an adapter as it is where
    vLLM can run it, else the trained weights; frozen towers never.

    Args:
        servers: addresses.
        key: which the servers ask for.
        wait: seconds without a server after which the run ends.
        folder: of the file of weights, which all processes can read.
        as_adapter: send the LoRA adapter itself.
        kwargs: `ECGRollout`'s.
    """

    def __init__(self, *, servers: list[str], key: str, wait: float, folder: Path, as_adapter: bool, **kwargs: Any):
        self.servers, self.key, self.wait, self.as_adapter = servers, key, wait, as_adapter
        self.file = folder / "weights.safetensors"
        self._updates, self._spent = 0, 0.0
        super().__init__(**kwargs)

    def _init_vllm(self) -> None:
        (self._name,) = broadcast_object_list([uuid.uuid4().hex])
        self.engine = VLLMServers(self.servers, self.key, fingerprint(Path(self.checkpoint), WEIGHTS), self.wait)
        self.accelerator.wait_for_everyone()

    def sync_weights(self) -> None:
        began = time.monotonic()
        self._updates += 1
        said: dict[str, Any] = {"version": f"{self._name}-{self._updates}"}
        if self.as_adapter:
            said["adapter"] = adapter_facts(self.model)
            tensors = dict(self._adapter())
        else:
            tensors = {name: self._as_served(tensor) for name, tensor in self._iter_changed()}
        is_first = self.accelerator.is_main_process
        if is_first:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            part = self.file.with_suffix(".part")
            save_file(tensors, part, metadata={"said": json.dumps(said)})
            os.replace(part, self.file)
        self.engine.replace_weights(said["version"], self.file, push=is_first)
        self.accelerator.wait_for_everyone()
        self._spent = time.monotonic() - began

    def counters(self) -> dict[str, float]:
        """Bytes of one update, its seconds, and how often a server was lost with prompts in hand."""
        size = self.file.stat().st_size if self.file.exists() else 0
        return {
            "rollout/sync_bytes": size, "rollout/sync_seconds": self._spent, "rollout/servers_lost": self.engine.lost,
        }  # fmt: skip

    def _iter_changed(self) -> Iterator[tuple[str, torch.Tensor]]:
        changed = {block_of(name) for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        for name, tensor in self._iter_named_params():
            if block_of(name) in changed:
                yield name, tensor

    def _adapter(self) -> Iterator[tuple[str, torch.Tensor]]:
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        with self._dist.gather_params(trained):
            for name, tensor in get_peft_model_state_dict(self.model).items():
                yield name, self._as_served(tensor)

    def _as_served(self, tensor: torch.Tensor) -> torch.Tensor:
        dtype = getattr(torch, self.engine_options.get("dtype", "auto"), tensor.dtype)
        return tensor.detach().to("cpu", dtype, copy=True).contiguous()


def block_of(name: str) -> str:
    """The block of a parameter. vLLM fuses layers of one block (`q_proj`, `k_proj`, `v_proj`), so it travels whole."""
    name = name.removeprefix("base_model.model.").replace(".base_layer", "").replace("modules_to_save.default.", "")
    layer = name.partition(".lora_")[0] if ".lora_" in name else name.rpartition(".")[0]
    return layer.rpartition(".")[0]


def adapter_facts(model: Any) -> dict[str, Any]:
    """What vLLM reads of PEFT's configuration."""
    config = model.peft_config["default"]
    return {
        "peft_type": "LORA", "r": config.r, "lora_alpha": config.lora_alpha, "use_rslora": config.use_rslora,
        "target_modules": sorted({name.rpartition(".")[2] for name in config.target_modules}), "bias": "none",
    }  # fmt: skip


@contextmanager
def rollouts_through(*, servers: dict[str, Any] | None = None, **settings: Any) -> Iterator[None]:
    """While TRL's trainer is built, it finds ours under the name it builds its vLLM client from."""
    original = trl_grpo.VLLMGeneration
    ours = partial(ECGRollout, **settings) if servers is None else partial(ServerRollout, **servers, **settings)
    trl_grpo.VLLMGeneration = ours  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        trl_grpo.VLLMGeneration = original  # type: ignore[misc]
