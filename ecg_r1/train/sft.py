"""Supervised fine-tuning: TRL's SFTTrainer and one collator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from ecg_r1.datasets.example import Example
from ecg_r1.recipe import Align
from ecg_r1.scoring.abstention import NOTHING_SHOWN
from ecg_r1.train.dropout import Shown, arrange
from ecg_r1.train.frozen import keep_features
from ecg_r1.train.guarded import GuardedTrainer, Numbered
from ecg_r1.train.held_to_leads import held_to_leads
from ecg_r1.train.media import DrawEachEpoch, Media, example_dataset
from ecg_r1.train.prefix_alignment import PrefixAlignment

IGNORED = -100  # the label that cross-entropy leaves out


@dataclass
class SFTCollator:
    """Rows (`example`, an id) -> right-padded batch; loss on the responses alone, of every turn of a conversation."""

    media: Media
    epoch: int = 0

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        processor = self.media.processor
        examples = [self.media.store.example(row["example"]) for row in rows]
        views = [self.media.shown(example, self.epoch) for example in examples]
        examples = [self._target(example, seen) for example, seen in zip(examples, views, strict=True)]
        sequences = [self._tokens(example, seen) for example, seen in zip(examples, views, strict=True)]
        shape = len(rows), max(sum(len(ids) for ids, _ in parts) for parts in sequences)
        input_ids = torch.full(shape, processor.tokenizer.pad_token_id)
        labels = torch.full(shape, IGNORED)
        attention_mask = torch.zeros(shape, dtype=torch.long)
        for i, parts in enumerate(sequences):
            end = 0
            for ids, is_learned in parts:
                start, end = end, end + len(ids)
                input_ids[i, start:end] = torch.tensor(ids, dtype=torch.long)
                if is_learned:
                    labels[i, start:end] = input_ids[i, start:end]
            attention_mask[i, :end] = 1
        media = self.media.tensors([seen.views for seen in views])
        return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels, **media}

    def _target(self, example: Example, shown: Shown) -> Example:
        """The example with the response that is right for what is shown of it."""
        if shown.nothing:
            return replace(example, response=NOTHING_SHOWN, turns=())
        if example.response and len(shown.views) == 1 and shown.views[0].leads is not None:
            whole = self.media.store.case(example.id)
            return replace(example, response=held_to_leads(example.response, whole, self.media.case(shown)))
        return example

    def _tokens(self, example: Example, shown: Shown) -> list[tuple[list[int], bool]]:
        """The token ids of a conversation in parts, each with whether it is a response."""
        processor = self.media.processor
        texts = conversation(self.media, example, shown)
        ids: list[list[int]] = processor.tokenizer([text for text, _ in texts], add_special_tokens=False)["input_ids"]
        first = arrange(ids[0], shown.views, processor)
        return list(zip([first, *ids[1:]], (is_response for _, is_response in texts), strict=True))


def conversation(media: Media, example: Example, shown: Shown) -> list[tuple[str, bool]]:
    """The text of an example in parts, each with whether it is a response: prompt, response, what follows it, ….

    A chat template may write an earlier response otherwise than it was given (one that removes its reasoning does).
    Then only the last response is one, and all before it is the prompt.
    """
    processor = media.processor
    last = (example.response or "") + processor.tokenizer.eos_token
    prompt = processor.expand(media.prompt(example, shown))
    parts: list[tuple[str, bool]] = []
    done = ""
    for number, (question, response) in enumerate(example.turns):
        before = replace(example, question=question, turns=example.turns[:number])
        asked = processor.expand(media.prompt(before, shown))
        rest = prompt[len(asked) :]
        asked += rest[: len(rest) - len(rest.lstrip())]  # LLaVA's template has a space before an earlier response
        ended = response.lstrip() + processor.tokenizer.eos_token
        said = ended if prompt.startswith(asked + ended) else response.lstrip()
        if not (asked.startswith(done) and prompt.startswith(asked + said)):
            return [(prompt, False), (last, True)]
        parts += [(asked[len(done) :], False), (said, True)]
        done = asked + said
    return [*parts, (prompt[len(done) :], False), (last, True)]


class ECGSFTTrainer(GuardedTrainer, SFTTrainer):
    """TRL's SFT trainer, which stops at a number that is not finite; with `alignment`, its loss is added."""

    alignment: PrefixAlignment | None = None

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss, and in training the loss of `alignment`."""
        ids, labels = inputs["input_ids"], inputs["labels"]
        found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        further = self.alignment.loss(ids, labels) if self.alignment is not None and model.training else None
        if further is None:
            return found
        if num_items_in_batch is not None:  # TRL's is scaled for the accumulation then, and the trainer scales no more
            further = further / self.current_gradient_accumulation_steps
        return (found[0] + further, *found[1:]) if return_outputs else found + further

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """As TRL; and the mean of the alignment's loss, without its weight, since it was last logged."""
        if self.alignment is not None and self.alignment.losses:
            logs["alignment"] = sum(self.alignment.losses) / len(self.alignment.losses)
            self.alignment.losses.clear()
        super().log(logs, *args, **kwargs)


def sft_trainer(
    model: Any,
    media: Media,
    config: SFTConfig,
    peft_config: Any,
    callbacks: list[Any],
    align: Align | None = None,
) -> SFTTrainer:
    """TRL's SFT trainer with the collator that adds signals and pages."""
    collator = SFTCollator(media)
    config.dataset_kwargs = {"skip_prepare_dataset": True}
    config.remove_unused_columns = False
    trainer = ECGSFTTrainer(
        names=media.store.example_ids,
        model=model,
        args=config,
        train_dataset=example_dataset(media.store),
        data_collator=Numbered(collator, lambda row: media.store.example_index(row["example"])),
        processing_class=media.processor.tokenizer,
        peft_config=peft_config,
        callbacks=[*callbacks, DrawEachEpoch(collator)],
    )
    if align is not None:
        trainer.alignment = PrefixAlignment(trainer.accelerator.unwrap_model(trainer.model), align)
    keep_features(trainer.accelerator.unwrap_model(trainer.model), media)
    return trainer
