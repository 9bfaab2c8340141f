"""GRPO: TRL's GRPOTrainer, and the few overrides that carry the ECG to rollouts and to every policy pass.

Stock TRL passes on the model inputs it knows by name and drops the rest without an error: a GEM would train without
its ECG. The example index of each row, and the step at which its views were drawn, therefore travel as one more
row-aligned tensor, and every call of the policy gets the signals and pages of its rows. The only file that knows the
trainer's private methods; `tests/train/test_trl_seams.py` pins them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch.utils.data import Sampler
from transformers.trainer_utils import TrainOutput
from trl import GRPOConfig, GRPOTrainer
from trl.trainer import utils as trl_utils

from ecg_r1.console import console
from ecg_r1.datasets.example import Example
from ecg_r1.recipe import Curriculum, DynamicSampling, Rehearsal
from ecg_r1.train.advantages import ADVANTAGES, Batch
from ecg_r1.train.branching import Layout, use_branching_attention
from ecg_r1.train.correction import facts, importance_ratio
from ecg_r1.train.dropout import Shown, arrange
from ecg_r1.train.dynamic_sampling import Group, GroupSampler
from ecg_r1.train.frozen import keep_features
from ecg_r1.train.guarded import GuardedTrainer
from ecg_r1.train.media import WHOLE, DrawEachEpoch, Media, example_dataset
from ecg_r1.train.overlap import Asked, OverlappedRollout
from ecg_r1.train.passes import balanced, group_tokens, part_of, passes_needed, share
from ecg_r1.train.prompt_order import EachEpochSampler, groups_kept_together
from ecg_r1.train.prompt_pool import PromptPool
from ecg_r1.train.reference import reference_from
from ecg_r1.train.rehearsal import RehearsalLoss
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.rollout import rollouts_through
from ecg_r1.train.shared_prefix import SharedPrefix
from ecg_r1.train.trackers import has_table, log_completions

POOL = "examples.safetensors"  # in a checkpoint: what is known of the corpus's examples

trl_utils.Console = console  # `print_prompt_completions_sample` prints what a model has written
if not torch.cuda.is_available():
    # Words that are scored at once. TRL's 32,768 are for a fused kernel; torch's operations keep many copies of a tile.
    trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE = 4096


class _WithMedia:
    """Calls the policy with the media of its rows; TRL walks over the rows in chunks, in order.

    A packed row (`branches`) has the media of all its prompts, in their order.
    """

    def __init__(self, model: Any, media: Media, shown: list[Shown]):
        self.model, self.media, self.shown, self.row = model, media, shown, 0

    def __call__(self, input_ids: torch.Tensor, branches: Layout | None = None, **kwargs: Any) -> Any:
        count = len(input_ids) if branches is None else len(branches.prefixes)
        rows = [shown.views for shown in self.shown[self.row : self.row + count]]
        self.row += count
        if branches is not None:
            rows = [tuple(view for views in rows for view in views)]
            kwargs["branches"] = branches
        return self.model(input_ids=input_ids, **kwargs, **self.media.tensors(rows, input_ids.device))


class ECGGRPOTrainer(GuardedTrainer, GRPOTrainer):
    """TRL's GRPO trainer with ECGs: they go to the rollouts, the policy and the rewards.

    Args:
        media: signals and pages of the training split, as they are shown.
        reward_set: the rewards of the recipe; it keeps the scores of the last batch, with their evidence.
        credit: a name of `ADVANTAGES`.
        shared_prefix: read each prompt once for its completions, packed without padding;
            `per_device_train_batch_size` is then a multiple of `num_generations`.
        tokens_per_pass: of packed prompts and completions that a forward and backward pass may have, with
            `shared_prefix`; a micro-batch of more takes several passes, with the same loss.
        rollout: settings of `rollouts_through`, where `args.use_vllm`.
        dynamic_sampling, curriculum, rehearsal: of the recipe.
        kwargs: GRPOTrainer's.
    """

    def __init__(
        self,
        *,
        media: Media,
        reward_set: RewardSet,
        credit: str,
        shared_prefix: bool,
        tokens_per_pass: int | None,
        rollout: dict[str, Any],
        dynamic_sampling: DynamicSampling | None = None,
        curriculum: Curriculum | None = None,
        rehearsal: Rehearsal | None = None,
        **kwargs: Any,
    ):
        self.media, self.reward_set, self.credit, self.shared_prefix = media, reward_set, credit, shared_prefix
        self.tokens_per_pass = tokens_per_pass
        self.rehearsal = None if rehearsal is None else RehearsalLoss(media, rehearsal.weight, rehearsal.of)
        self._shown: list[Shown] = []  # of the rows of the batch in hand
        self._written: tuple | None = None  # completions of the batch in hand, where they were written before TRL asks
        self._uncorrected: dict[str, Any] | None = None  # the batch in hand, where its correction is to be computed
        with rollouts_through(media=media, **rollout), reference_from(rollout.get("checkpoint")):
            super().__init__(reward_funcs=reward_set.functions(), names=media.store.example_ids, **kwargs)
        rollouts = getattr(self, "vllm_generation", None)
        self.overlapped = rollouts if isinstance(rollouts, OverlappedRollout) else None
        if self.overlapped:
            self.overlapped.follow(lambda: self.state.global_step, self._asked_at)
        self.groups: GroupSampler | None = None
        if dynamic_sampling is not None or curriculum is not None:
            self.groups = GroupSampler(
                PromptPool(len(media.store.example_ids), self.args.seed, curriculum), dynamic_sampling,
                reward_set.weights, self._write_groups, gather_object, self.accelerator.process_index,
            )  # fmt: skip
        self.features = keep_features(self.accelerator.unwrap_model(self.model), media)
        self._table_step = -1
        self.log_pages = self.log_completions and self.log_multimodal and has_table(self.args.report_to)
        if shared_prefix:
            use_branching_attention(kwargs["model"].model.language_model)
            if self.ref_model is not None:
                use_branching_attention(self.accelerator.unwrap_model(self.ref_model).model.language_model)

    def _get_train_sampler(self, dataset: Dataset | None = None) -> Sampler:
        self.order = EachEpochSampler(super()._get_train_sampler(dataset))
        self.add_callback(DrawEachEpoch(self.order))
        return self.order

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list, None, dict[str, torch.Tensor]]:
        rows = [shown.views for shown in self._shown]
        fields = {} if self.use_vllm else self.media.tensors(rows, self.accelerator.device)
        return self._prompt_ids(prompts, self._shown), None, fields

    def _prompt_ids(self, prompts: list[str], shown: list[Shown]) -> list[list[int]]:
        processor = self.media.processor
        ids = processor.tokenizer([processor.expand(p) for p in prompts], add_special_tokens=False)["input_ids"]
        return [arrange(row, one.views, processor) for row, one in zip(ids, shown, strict=True)]

    def _asked_at(self, update: int) -> Asked | None:
        """What an update asks for in this process, where each update has one generation batch; None after the last."""
        if update >= self.state.max_steps:
            return None
        rows = self.order.generation(update)
        own = len(rows) // self.accelerator.num_processes
        first = own * self.accelerator.process_index
        examples = [self.media.store.examples[row] for row in rows[first : first + own]]
        shown = [self.media.shown(example, update) for example in examples]
        prompts = [self.media.prompt(example, one) for example, one in zip(examples, shown, strict=True)]
        return self._prompt_ids(prompts, shown), shown

    def sync_rollouts(self) -> None:
        """Give vLLM the weights of now, unless it has them."""
        if self._last_loaded_step != self.state.global_step:  # type: ignore[has-type]
            self.vllm_generation.sync_weights()
            self._last_loaded_step = self.state.global_step

    def train(self, resume_from_checkpoint: str | None = None, **kwargs: Any) -> TrainOutput:
        """As `GuardedTrainer`; rollouts that nobody waits for any more are given up."""
        try:
            return super().train(resume_from_checkpoint, **kwargs)
        finally:
            if self.overlapped:
                self.overlapped.give_up()

    def _save_rng_state(self, output_dir: str) -> None:
        Path(output_dir).mkdir(parents=True, exist_ok=True)  # another process than the first can be here before it
        if self.overlapped:
            self.overlapped.save(self._rollouts_of(output_dir))
        if self.groups is not None and self.accelerator.is_main_process:
            self.groups.pool.save(Path(output_dir, POOL))
        super()._save_rng_state(output_dir)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(checkpoint)
        if self.overlapped and checkpoint is not None:
            self.overlapped.load(self._rollouts_of(checkpoint))
        if self.groups is not None and checkpoint is not None:
            self.groups.pool.load(Path(checkpoint, POOL))

    def _rollouts_of(self, checkpoint: str) -> Path:
        return Path(checkpoint, f"rollouts-{self.accelerator.process_index}.safetensors")

    def _generate_single_turn(
        self,
        prompt_ids: list,
        images: Any,
        multimodal_fields: dict,
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple:
        if self._written is not None:
            return self._written
        generated: tuple = ()
        try:
            if prompt_ids:
                generated = super()._generate_single_turn(
                    prompt_ids, self._shown, multimodal_fields, num_generations, has_tool_images
                )
        except RuntimeError as error:
            if "probability tensor" not in str(error):  # torch's words where the logits are not finite
                raise
        sampled = bool(generated) or not prompt_ids
        self.check_rollouts(sampled, prompt_ids, [shown.example for shown in self._shown])
        if self.use_vllm:
            for counter, value in self.vllm_generation.counters().items():
                self._metrics["train" if self.model.training else "eval"][counter].append(value)
        return generated

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        moment = self.state.global_step if self.model.training else WHOLE
        examples = [self.media.store.example(row["example"]) for row in inputs]
        if self.groups is not None and self.model.training:
            examples = self._choose(examples)
        self._shown = [self.media.shown(example, moment) for example in examples]
        rows = [
            {"example": example.id, "prompt": self.media.prompt(example, shown), "shown": shown}
            for example, shown in zip(examples, self._shown, strict=True)
        ]
        with self._correction_left_to_the_update():
            output = super()._generate_and_score_completions(rows)
        self._written = None
        output["advantages"] = ADVANTAGES[self.credit](self._batch(output))
        if self.log_pages:
            self._logs["images"].extend(gather_object([self._pages(shown) for shown in self._shown]))
        places = [(self.media.store.example_index(example.id), moment) for example in examples]
        return output | {"shown": torch.tensor(places, device=self.accelerator.device)}

    def _choose(self, examples: list[Example]) -> list[Example]:
        """The examples of a batch whose completions are written and scored, each G times."""
        assert self.groups is not None
        asked = [self.media.store.example_index(example.id) for example in examples[:: self._group]]
        groups, facts = self.groups.sample(asked, self.state.global_step)
        for name, value in facts.items():
            self._metrics["train"][name].append(value)
        ids = [row for group in groups for row in group.token_ids]
        logprobs = [row for group in groups for row in group.logprobs or ()]
        self._written = ids, logprobs if self.use_vllm else None
        self.reward_set.know(
            [list(own) for own in zip(*(one for group in groups for one in group.scores), strict=True)]
        )
        return [self.media.store.examples[group.row] for group in groups for _ in range(self._group)]

    def _write_groups(self, rows: list[int]) -> list[Group]:
        """Completions of some examples, with their scores. All processes call it together."""
        shown = [self.media.shown(self.media.store.examples[row], self.state.global_step) for row in rows]
        self._shown = [one for one in shown for _ in range(self._group)]
        prompts = [self.media.prompt(self.media.store.example(one.example), one) for one in self._shown]
        ids, _, fields = self._tokenize_prompts(prompts) if rows else ([], None, {})
        written = self._generate_single_turn(ids, None, fields, self._group)
        if not rows:
            return []
        token_ids, logprobs = written
        texts = self.processing_class.batch_decode(token_ids, skip_special_tokens=True)
        scores = list(zip(*self.reward_set.score(texts, self._shown, token_ids), strict=True))
        parts = [slice(i, i + self._group) for i in range(0, len(token_ids), self._group)]
        return [
            Group(row, one, token_ids[part], logprobs and logprobs[part], scores[part])
            for row, one, part in zip(rows, shown, parts, strict=True)
        ]

    @contextmanager
    def _correction_left_to_the_update(self) -> Iterator[None]:
        """Where the weights do not change between rollouts and update, TRL's pass for the correction is left out."""
        corrected: bool = self.vllm_importance_sampling_correction  # type: ignore[has-type]
        every = self.args.steps_per_generation * self.num_iterations
        if self.model.training and self.args.gradient_accumulation_steps % every == 0:
            self.vllm_importance_sampling_correction = False
        try:
            yield
        finally:
            self.vllm_importance_sampling_correction = corrected

    def _batch(self, output: dict[str, Any]) -> Batch:
        ids, mask = output["completion_ids"], output["completion_mask"].bool()
        return Batch(
            totals=output["advantages"],
            token_ids=[row[kept].tolist() for row, kept in zip(ids, mask, strict=True)],
            claims=self.reward_set.claims(),
            length=ids.shape[1],
            group=self._group,
            scale=self.scale_rewards,
            tokenizer=self.processing_class,
            rewards=output["advantages"].new_tensor(self.reward_set.totals()),
            domains=self.reward_set.domains(),
        )

    def _pages(self, shown: Shown) -> list[np.ndarray]:
        return [self.media.page(view) for view in shown.views if view.page]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """As TRL; and the trackers that TRL leaves out get the table of completions too."""
        super().log(logs, start_time)
        step = self.state.global_step
        if self.log_completions and self.accelerator.is_main_process and step != self._table_step:
            self._table_step = step  # TRL logs once more when the training ends
            columns = {"completion": self._logs["completion"], **self._logs["rewards"], **self._logs["extra"]}
            table = pd.DataFrame({name: list(values) for name, values in columns.items()})
            pages = [shown[0] if shown else None for shown in self._logs["images"]]
            log_completions(self.args.report_to, table, pages, step)

    def rows(self, inputs: dict[str, Any]) -> torch.Tensor:
        """As `GuardedTrainer`; TRL's batches keep them beside the step of their drawing."""
        return inputs["shown"][:, 0]

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As `GuardedTrainer`, in as many passes as the budget of tokens asks for; the last is left to the caller."""
        if self.tokens_per_pass is None or not self.model.training:
            return self._rehearsed(super().compute_loss(model, inputs, *args, **kwargs), model, inputs)
        tokens = group_tokens(inputs, self._group)
        needed = torch.tensor([passes_needed(tokens, self.tokens_per_pass)], device=self.accelerator.device)
        count = int(self.accelerator.gather(needed).max())  # each pass is one that all processes take part in
        parts = [part_of(inputs, groups, self._group) for groups in balanced(tokens, count)]
        losses = []
        for number, part in enumerate(parts, 1):
            loss = super().compute_loss(model, part, *args, **kwargs) * share(part, inputs, self.loss_type)
            loss = self._rehearsed(loss, model, part, len(part["shown"]) / len(inputs["shown"]))
            losses.append(loss.detach())
            if number < count:
                self._accumulate(loss)
        return loss + sum(losses[:-1])

    def _rehearsed(self, loss: torch.Tensor, model: Any, inputs: dict[str, Any], part: float = 1.0) -> torch.Tensor:
        """The loss of the rows of the last pass, which are a `part` of a micro-batch, with that of their reports."""
        if self.rehearsal is None or not self.model.training:
            return loss
        reports = self.rehearsal.loss(model, self._shown, int(inputs["shown"][0, 1]), loss.device)
        self._metrics["train"]["rehearsal"].append(self.accelerator.gather(reports.detach()).mean().item())
        return loss + part * self.rehearsal.weight * reports / self.current_gradient_accumulation_steps

    def _accumulate(self, loss: torch.Tensor) -> None:
        """The backward pass of a part of a micro-batch, after which no step is made."""
        state = self.accelerator.gradient_state
        synchronised = state.sync_gradients
        state._set_sync_gradients(False)
        try:
            self.accelerator.backward(loss, **({"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}))
        finally:
            state._set_sync_gradients(synchronised)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        examples = self.media.store.examples
        self._shown = [self.media.shown(examples[index], moment) for index, moment in inputs["shown"].tolist()]
        corrected = self.use_vllm and self.vllm_importance_sampling_correction
        self._uncorrected = inputs if corrected and "importance_sampling_ratio" not in inputs else None
        return super()._compute_loss(model, inputs)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        with groups_kept_together(self._group) if self.shared_prefix else nullcontext():
            return super()._prepare_inputs(generation_batch)

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int, **kwargs: Any
    ) -> tuple:
        policy: Any = _WithMedia(model, self.media, self._shown)
        if self.shared_prefix:
            policy.shown = self._shown[:: self._group]
            policy = SharedPrefix(policy, self._group, logits_to_keep)
            if self.tokens_per_pass is not None and not torch.is_grad_enabled():
                largest = int(attention_mask.sum(dim=1).view(-1, self._group).sum(dim=1).max())
                kwargs["batch_size"] = self._group * max(1, self.tokens_per_pass // largest)
        found = super()._get_per_token_logps_and_entropies(policy, input_ids, attention_mask, logits_to_keep, **kwargs)
        if self._uncorrected is not None:
            self._correct(self._uncorrected, found[0].detach())
            self._uncorrected = None
        return found

    def _correct(self, inputs: dict[str, Any], log_probs: torch.Tensor) -> None:
        """Put TRL's `importance_sampling_ratio` into a batch, from the log-probs of the update itself."""
        mask = inputs["completion_mask"]
        difference = (log_probs - inputs["sampling_per_token_logps"]) * mask
        inputs["importance_sampling_ratio"] = importance_ratio(
            difference,
            self.vllm_importance_sampling_mode,
            self.vllm_importance_sampling_clip_min,
            self.vllm_importance_sampling_clip_max,
        )
        here = facts(difference, inputs["importance_sampling_ratio"], mask.bool())
        everywhere = self.accelerator.gather(torch.stack(list(here.values()))).view(-1, len(here))
        for name, values in zip(here, everywhere.unbind(1), strict=True):
            over = {"mean": values.mean, "min": values.min, "max": values.max}[name.rpartition("/")[2]]
            self._metrics["train" if self.model.training else "eval"][name].append(over().item())

    @property
    def _group(self) -> int:
        return self.num_generations if self.model.training else self.num_generations_eval


def grpo_trainer(
    model: Any,
    media: Media,
    config: GRPOConfig,
    peft_config: Any,
    callbacks: list[Any],
    *,
    reward_set: RewardSet,
    credit: str,
    rollout: dict[str, Any],
    shared_prefix: bool = False,
    tokens_per_pass: int | None = None,
    dynamic_sampling: DynamicSampling | None = None,
    curriculum: Curriculum | None = None,
    rehearsal: Rehearsal | None = None,
) -> ECGGRPOTrainer:
    """The trainer of a GRPO run, on the prompts of the corpus in `media`."""
    config.remove_unused_columns = False
    return ECGGRPOTrainer(
        media=media,
        reward_set=reward_set,
        credit=credit,
        shared_prefix=shared_prefix,
        tokens_per_pass=tokens_per_pass,
        rollout=rollout,
        dynamic_sampling=dynamic_sampling,
        curriculum=curriculum,
        rehearsal=rehearsal,
        model=model,
        args=config,
        train_dataset=example_dataset(media.store),
        processing_class=media.processor.tokenizer,
        peft_config=peft_config,
        callbacks=callbacks,
    )
