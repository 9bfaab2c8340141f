"""Supervised fine-tuning: TRL's SFTTrainer and one collator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from ecg_r1.train.dropout import arrange
from ecg_r1.train.guarded import GuardedTrainer, Numbered
from ecg_r1.train.media import DrawEachEpoch, Media, example_dataset


@dataclass
class SFTCollator:
    """Rows (`example`, an id) -> right-padded batch; loss on the response alone."""

    media: Media
    epoch: int = 0

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        processor = self.media.processor
        examples = [self.media.store.example(row["example"]) for row in rows]
        shown = [self.media.shown(example, self.epoch).views for example in examples]
        whole = self._token_ids([processor.expand(self.media.prompt(example)) for example in examples])
        prompts = [arrange(ids, views, processor) for ids, views in zip(whole, shown, strict=True)]
        ends = self._token_ids([(example.response or "") + processor.tokenizer.eos_token for example in examples])
        sequences = [prompt + response for prompt, response in zip(prompts, ends, strict=True)]
        shape = len(rows), max(len(ids) for ids in sequences)
        input_ids = torch.full(shape, processor.tokenizer.pad_token_id)
        labels = torch.full(shape, -100)
        attention_mask = torch.zeros(shape, dtype=torch.long)
        for i, (prompt, ids) in enumerate(zip(prompts, sequences, strict=True)):
            input_ids[i, : len(ids)] = torch.tensor(ids)
            labels[i, len(prompt) : len(ids)] = input_ids[i, len(prompt) : len(ids)]
            attention_mask[i, : len(ids)] = 1
        media = self.media.tensors(shown)
        return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels, **media}

    def _token_ids(self, texts: list[str]) -> list[list[int]]:
        return self.media.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]


class ECGSFTTrainer(GuardedTrainer, SFTTrainer):
    """TRL's SFT trainer, which stops at a number that is not finite."""


def sft_trainer(model: Any, media: Media, config: SFTConfig, peft_config: Any, callbacks: list[Any]) -> SFTTrainer:
    """TRL's SFT trainer with the collator that adds signals and pages."""
    collator = SFTCollator(media)
    config.dataset_kwargs = {"skip_prepare_dataset": True}
    config.remove_unused_columns = False
    return ECGSFTTrainer(
        names=media.store.example_ids,
        model=model,
        args=config,
        train_dataset=example_dataset(media.store),
        data_collator=Numbered(collator, lambda row: media.store.example_index(row["example"])),
        processing_class=media.processor.tokenizer,
        peft_config=peft_config,
        callbacks=[*callbacks, DrawEachEpoch(collator)],
    )
