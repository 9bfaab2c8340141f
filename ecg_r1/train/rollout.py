"""TRL's generation seam: rollouts through `Engine`, from the same signals and pages as the policy update."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import trl.trainer.grpo_trainer as trl_grpo
from trl.generation.vllm_generation import VLLMGeneration

from ecg_r1.engine import Prompt, Rollout
from ecg_r1.engine.vllm_colocated import VLLMEngine
from ecg_r1.train.dropout import Shown
from ecg_r1.train.media import Media

T = TypeVar("T")


class ECGRollout(VLLMGeneration):
    """Stands where TRL builds its `VLLMGeneration`; keeps its parameter iteration (PEFT merge, ZeRO gathering).

    Differences: the engine keeps the trainer's dtype; each distinct prompt is sent once with n = G; what is shown
    rides in TRL's image slot and becomes `ecg` and `image` inputs; a weight sync resets every cache of the engine.
    With `vllm_tensor_parallel_size`, so many processes have one engine together, and each gets the answers to its own.
    """

    def __init__(self, *, media: Media, checkpoint: str, seed: int, engine: dict[str, Any], **kwargs: Any):
        self.media, self.checkpoint, self.seed, self.engine_options = media, checkpoint, seed, engine
        super().__init__(**kwargs)

    def _init_vllm(self) -> None:
        ranks, processes = self.tensor_parallel_size, self.accelerator.num_processes
        if ranks > 1:
            groups = [list(range(first, first + ranks)) for first in range(0, processes, ranks)]
            self.tp_group, _ = dist.new_subgroups_by_enumeration(groups)
        self.engine: Any = VLLMEngine(
            self.checkpoint,
            seed=self.seed + self.accelerator.process_index // ranks,
            sleeps=self.enable_sleep_mode,
            **{
                "max_model_len": self.max_model_length,
                "max_num_seqs": self.max_num_seqs,
                "gpu_memory_utilization": self.gpu_memory_utilization,
                "distributed_executor_backend": "external_launcher",
                "tensor_parallel_size": ranks,
            }
            | self.engine_options,
        )
        self.accelerator.wait_for_everyone()

    def sync_weights(self) -> None:
        self.engine.load_weights(self._iter_named_params())

    @property
    def sampling(self) -> dict[str, Any]:
        """How completions are drawn, by vLLM's names."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p or 0.0,
            "repetition_penalty": self.repetition_penalty,
            "max_tokens": self.max_completion_length,
        } | self.generation_kwargs

    def generate(
        self, prompts: list[list[int]], images: list[Shown], num_generations: int, profiler: Any = None
    ) -> tuple[list, list, list, None]:
        """`images` holds what is shown of each prompt's example; equal neighbours are one prompt with n completions."""
        rows, own, drawn = self._of_engine(list(zip(prompts, images, strict=True)))
        requests, n = self._requests(rows)
        with profiler or nullcontext():
            completions = self.engine.generate(requests, n=n, **drawn | self.sampling)
        return as_trl(prompts, [rollout for group in completions for rollout in group][own])

    def answer(self, prompts: Sequence[Prompt], **sampling: Any) -> list[list[Rollout]]:
        """As `Engine.generate`, beside the training: with the weights that were synchronised last."""
        asked, own, drawn = self._of_engine(list(prompts))
        return self.engine.generate(asked, **drawn | sampling)[own]

    def _of_engine(self, own: list[T]) -> tuple[list[T], slice, dict[str, int]]:
        """What all processes of an engine ask of it, this one's part of that, and the seed that they share.

        Each of them draws the same tokens only with a seed of the request: other generators are its own.
        """
        if self.tensor_parallel_size == 1:
            return own, slice(None), {}
        parts: list[Any] = [None] * self.tensor_parallel_size
        dist.all_gather_object(parts, (own, int(torch.randint(2**31, ()))), group=self.tp_group)
        first = sum(len(part) for part, _ in parts[: dist.get_rank(self.tp_group)])
        return [one for part, _ in parts for one in part], slice(first, first + len(own)), {"seed": parts[0][1]}

    def counters(self) -> dict[str, float]:
        """What is logged beside a step."""
        return {}

    def _requests(self, asked: Iterable[tuple[list[int], Shown]]) -> tuple[list[Prompt], int]:
        """The distinct prompts in their order, and how many completions each is asked for."""
        groups = [(key, len(list(rows))) for key, rows in groupby(asked)]
        sizes = {size for _, size in groups}
        n = sizes.pop() if len(sizes) == 1 else 1  # neighbours that are one example by chance: ask one by one
        return [self._prompt(*key) for key, size in groups for _ in range(size // n)], n

    def _prompt(self, token_ids: list[int], shown: Shown) -> Prompt:
        return Prompt(
            token_ids,
            [self.media.signal(view) for view in shown.views if view.ecg],
            [self.media.page(view) for view in shown.views if view.page],
        )


def as_trl(prompts: list[list[int]], rollouts: Sequence[Rollout]) -> tuple[list, list, list, None]:
    """Completions as TRL's `VLLMGeneration.generate` gives them."""
    logprobs = [[[logprob] for logprob in rollout.logprobs] for rollout in rollouts]
    return prompts, [rollout.token_ids for rollout in rollouts], logprobs, None


@contextmanager
def rollouts_through(kind: type[ECGRollout] = ECGRollout, **settings: Any) -> Iterator[None]:
    """While TRL's trainer is built, it finds ours under the name it builds its vLLM client from."""
    original = trl_grpo.VLLMGeneration
    ours = partial(kind, **settings)
    trl_grpo.VLLMGeneration = ours  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        trl_grpo.VLLMGeneration = original  # type: ignore[misc]
