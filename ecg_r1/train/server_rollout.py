"""Rollouts from servers: which weights travel to them after an update, and how."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import safetensors.numpy
import safetensors.torch
import torch
from accelerate.utils import broadcast_object_list
from peft import get_peft_model_state_dict

from ecg_r1.engine.changes import changes
from ecg_r1.engine.vllm_server import VLLMServers, Weights
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint
from ecg_r1.train.rollout import ECGRollout


class ServerRollout(ECGRollout):
    """As `ECGRollout`, on rollout servers. What changed since the checkpoint travels to them: an adapter as it is where
    vLLM can run it, else the trained weights; frozen towers never. Of an adapter, a server that has the last one gets
    what differs from it.

    Args:
        servers: addresses.
        key: which the servers ask for.
        wait: seconds without a server after which the run ends.
        folder: of the files of weights, which all processes can read.
        as_adapter: send the LoRA adapter itself.
        transport: of weights: "http", "nccl" or "gloo".
        kwargs: `ECGRollout`'s.
    """

    kept = 1  # files of weights, the newest

    def __init__(
        self,
        *,
        servers: list[str],
        key: str,
        wait: float,
        folder: Path,
        as_adapter: bool,
        transport: str = "http",
        **kwargs: Any,
    ):
        self.servers, self.key, self.wait, self.as_adapter = servers, key, wait, as_adapter
        self.transport = transport
        self.folder = folder
        self.weights: deque[Weights] = deque()  # the newest last
        self._last: dict[str, torch.Tensor] = {}  # the adapter that was written last
        self._updates, self._spent = 0, 0.0
        super().__init__(**kwargs)

    def _init_vllm(self) -> None:
        (self._name,) = broadcast_object_list([uuid.uuid4().hex])
        checkpoint = fingerprint(Path(self.checkpoint), WEIGHTS)
        self.engine = VLLMServers(self.servers, self.key, checkpoint, self.wait, self.transport)
        if self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob("weights-*"):  # of a run that was killed
                left.unlink()
        self.accelerator.wait_for_everyone()

    def sync_weights(self) -> None:
        began = time.monotonic()
        self.save_weights()
        self.engine.replace_weights(self.weights[-1], push=self.accelerator.is_main_process)
        self.accelerator.wait_for_everyone()
        self._spent = time.monotonic() - began

    def counters(self) -> dict[str, float]:
        """Bytes of one update, its seconds in the trainer, and how often a server was lost with prompts in hand."""
        newest = self.weights[-1] if self.weights else None
        size = (newest.change or newest.file).stat().st_size if newest else 0
        return {
            "rollout/sync_bytes": size, "rollout/sync_seconds": self._spent, "rollout/servers_lost": self.engine.lost,
        }  # fmt: skip

    def save_weights(self) -> None:
        """Write the weights of now, and remove those that nothing is generated with any more."""
        self._updates += 1
        name = f"{self._name}-{self._updates}"
        file = self.folder / f"weights-{name}.safetensors"
        weights = Weights(name, file)
        if self.as_adapter and self._updates > 1:
            weights = Weights(name, file, f"{self._name}-{self._updates - 1}", file.with_suffix(".change"))
        said: dict[str, Any] = {"version": weights.version}
        if self.as_adapter:
            said["adapter"] = adapter_facts(self.model)
            tensors = dict(self._adapter())
        else:
            tensors = {name: self._as_served(tensor) for name, tensor in self._iter_changed()}
        if self.accelerator.is_main_process:
            _write(weights.file, safetensors.torch.save_file, tensors, said)
            if weights.change:
                way = changes(self._last, tensors)
                _write(weights.change, safetensors.numpy.save_file, way, said | {"since": weights.since})
            if self.as_adapter:
                self._last = tensors
        self.accelerator.wait_for_everyone()
        self.weights.append(weights)
        while len(self.weights) > self.kept:
            old = self.weights.popleft()
            if self.accelerator.is_main_process:
                old.file.unlink()
                if old.change:
                    old.change.unlink()

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


def _write(file: Path, save_file: Callable[..., None], tensors: dict[str, Any], said: dict[str, Any]) -> None:
    """A message of `ecg_r1.engine.wire`, written atomically."""
    part = file.with_suffix(".part")
    save_file(tensors, part, metadata={"said": json.dumps(said)})
    os.replace(part, file)


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
