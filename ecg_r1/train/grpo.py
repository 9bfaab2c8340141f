"""GRPO: TRL's GRPOTrainer, and the few overrides that carry the ECG to rollouts and to every policy pass.

Stock TRL passes on the model inputs it knows by name and drops the rest without an error: a GEM would train without
its ECG. The example index of each row, and the step at which its views were drawn, therefore travel as one more
row-aligned tensor, and every call of the policy gets the signals and pages of its rows. The only file that knows the
trainer's private methods; `tests/train/test_trl_seams.py` pins them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pandas as pd
import torch
import trl.trainer.grpo_trainer as trl_grpo
from accelerate.utils import gather_object
from datasets import Dataset
from torch.utils.data import Sampler
from trl import GRPOConfig, GRPOTrainer
from trl.trainer import utils as trl_utils
from trl.trainer.utils import RepeatSampler

from ecg_r1.console import console
from ecg_r1.train.advantages import ADVANTAGES, Batch
from ecg_r1.train.branching import Layout, use_branching_attention
from ecg_r1.train.correction import facts, importance_ratio
from ecg_r1.train.dropout import Shown, arrange
from ecg_r1.train.frozen import keep_features
from ecg_r1.train.guarded import GuardedTrainer
from ecg_r1.train.media import WHOLE, DrawEachEpoch, Media, example_dataset
from ecg_r1.train.passes import balanced, group_tokens, part_of, passes_needed, share
from ecg_r1.train.reference import reference_from
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.rollout import rollouts_through
from ecg_r1.train.shared_prefix import SharedPrefix
from ecg_r1.train.trackers import has_table, log_completions

trl_utils.Console = console  # `print_prompt_completions_sample` prints what a model has written


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


@contextmanager
def groups_kept_together(group: int) -> Iterator[None]:
    """TRL shuffles the rows of a generation batch before it splits them into micro-batches: here it shuffles groups."""
    original = trl_grpo.shuffle_sequence_dict

    def shuffle(batch: dict[str, Any]) -> dict[str, Any]:
        grouped = {key: x.unflatten(0, (-1, group)) if x is not None and x.ndim else x for key, x in batch.items()}
        return {key: x.flatten(0, 1) if x is not None and x.ndim else x for key, x in original(grouped).items()}

    trl_grpo.shuffle_sequence_dict = shuffle
    try:
        yield
    finally:
        trl_grpo.shuffle_sequence_dict = original


class EachEpochSampler(Sampler):
    """Seeds each epoch's order of prompts by itself.

    TRL's own generator goes on from epoch to epoch: a run resumed after the first would begin with its order again.
    """

    def __init__(self, sampler: RepeatSampler):
        self.sampler, self.epoch = sampler, 0

    def __iter__(self) -> Iterator[int]:
        if self.sampler.shuffle:
            self.sampler.generator.manual_seed(self.sampler.seed + self.epoch)
        return iter(self.sampler)

    def __len__(self) -> int:
        return len(self.sampler)


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
        **kwargs: Any,
    ):
        self.media, self.reward_set, self.credit, self.shared_prefix = media, reward_set, credit, shared_prefix
        self.tokens_per_pass = tokens_per_pass
        self._shown: list[Shown] = []  # of the rows of the batch in hand
        self._uncorrected: dict[str, Any] | None = None  # the batch in hand, where its correction is to be computed
        with rollouts_through(media=media, **rollout), reference_from(rollout.get("checkpoint")):
            super().__init__(reward_funcs=reward_set.functions(), names=media.store.example_ids, **kwargs)
        self.features = keep_features(self.accelerator.unwrap_model(self.model), media)
        self._table_step = -1
        self.log_pages = self.log_completions and self.log_multimodal and has_table(self.args.report_to)
        if shared_prefix:
            use_branching_attention(kwargs["model"].model.language_model)
            if self.ref_model is not None:
                use_branching_attention(self.accelerator.unwrap_model(self.ref_model).model.language_model)

    def _get_train_sampler(self, dataset: Dataset | None = None) -> Sampler:
        sampler = EachEpochSampler(super()._get_train_sampler(dataset))
        self.add_callback(DrawEachEpoch(sampler))
        return sampler

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list, None, dict[str, torch.Tensor]]:
        processor = self.media.processor
        ids = processor.tokenizer([processor.expand(p) for p in prompts], add_special_tokens=False)["input_ids"]
        rows = [shown.views for shown in self._shown]
        ids = [arrange(row, views, processor) for row, views in zip(ids, rows, strict=True)]
        fields = {} if self.use_vllm else self.media.tensors(rows, self.accelerator.device)
        return ids, None, fields

    def _generate_single_turn(
        self,
        prompt_ids: list,
        images: Any,
        multimodal_fields: dict,
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple:
        generated: tuple = ()
        try:
            generated = super()._generate_single_turn(
                prompt_ids, self._shown, multimodal_fields, num_generations, has_tool_images
            )
        except RuntimeError as error:
            if "probability tensor" not in str(error):  # torch's words where the logits are not finite
                raise
        self.check_rollouts(bool(generated), prompt_ids, [shown.example for shown in self._shown])
        if self.use_vllm:
            for counter, value in self.vllm_generation.counters().items():
                self._metrics["train" if self.model.training else "eval"][counter].append(value)
        return generated

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        moment = self.state.global_step if self.model.training else WHOLE
        examples = [self.media.store.example(row["example"]) for row in inputs]
        self._shown = [self.media.shown(example, moment) for example in examples]
        rows = [
            row | {"prompt": self.media.prompt(example, shown), "shown": shown}
            for row, example, shown in zip(inputs, examples, self._shown, strict=True)
        ]
        with self._correction_left_to_the_update():
            output = super()._generate_and_score_completions(rows)
        output["advantages"] = ADVANTAGES[self.credit](self._batch(output))
        if self.log_pages:
            self._logs["images"].extend(gather_object([self._pages(shown) for shown in self._shown]))
        places = [(self.media.store.example_index(example.id), moment) for example in examples]
        return output | {"shown": torch.tensor(places, device=self.accelerator.device)}

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
            return super().compute_loss(model, inputs, *args, **kwargs)
        tokens = group_tokens(inputs, self._group)
        needed = torch.tensor([passes_needed(tokens, self.tokens_per_pass)], device=self.accelerator.device)
        count = int(self.accelerator.gather(needed).max())  # each pass is one that all processes take part in
        parts = [part_of(inputs, groups, self._group) for groups in balanced(tokens, count)]
        losses = []
        for number, part in enumerate(parts, 1):
            loss = super().compute_loss(model, part, *args, **kwargs) * share(part, inputs, self.loss_type)
            losses.append(loss.detach())
            if number < count:
                self._accumulate(loss)
        return loss + sum(losses[:-1])

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
        model=model,
        args=config,
        train_dataset=example_dataset(media.store),
        processing_class=media.processor.tokenizer,
        peft_config=peft_config,
        callbacks=callbacks,
    )
