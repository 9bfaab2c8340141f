"""TRL's generation seam: rollouts through `Engine`, from the same signals and pages as the policy update."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import groupby
from typing import Any

import trl.trainer.grpo_trainer as trl_grpo
from trl.generation.vllm_generation import VLLMGeneration

from ecg_r1.engine import Prompt, Rollout
from ecg_r1.engine.vllm_colocated import VLLMEngine
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
        requests, n = self._requests(prompts, images)
        with profiler or nullcontext():
            completions = self.engine.generate(requests, n=n, **self.sampling)
        return as_trl(prompts, [rollout for group in completions for rollout in group])

    def answer(self, prompts: Sequence[Prompt], **sampling: Any) -> list[list[Rollout]]:
        """As `Engine.generate`, beside the training: with the weights that were synchronised last."""
        return self.engine.generate(prompts, **sampling)

    def counters(self) -> dict[str, float]:
        """What is logged beside a step."""
        return {}

    def _requests(self, prompts: list[list[int]], shown: list[Shown]) -> tuple[list[Prompt], int]:
        """The distinct prompts in their order, and how many completions each is asked for."""
        groups = [(key, len(list(rows))) for key, rows in groupby(zip(prompts, shown, strict=True))]
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
