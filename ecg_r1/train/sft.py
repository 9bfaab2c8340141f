"""Supervised fine-tuning: TRL's SFTTrainer and one collator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from ecg_r1.train.dropout import arrange
from ecg_r1.train.media import DrawEachEpoch, Media


@dataclass
class SFTCollator:
    """Rows (`prompt_ids`, `response_ids`, `index`) -> right-padded batch; loss on the response alone."""

    media: Media
    epoch: int = 0

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        processor = self.media.processor
        views = [self.media.view(row["index"], self.epoch) for row in rows]
        prompts = [arrange(row["prompt_ids"], view, processor) for row, view in zip(rows, views, strict=True)]
        sequences = [prompt + row["response_ids"] for prompt, row in zip(prompts, rows, strict=True)]
        shape = len(rows), max(len(ids) for ids in sequences)
        input_ids = torch.full(shape, processor.tokenizer.pad_token_id)
        labels = torch.full(shape, -100)
        attention_mask = torch.zeros(shape, dtype=torch.long)
        for i, (prompt, ids) in enumerate(zip(prompts, sequences, strict=True)):
            input_ids[i, : len(ids)] = torch.tensor(ids)
            labels[i, len(prompt) : len(ids)] = input_ids[i, len(prompt) : len(ids)]
            attention_mask[i, : len(ids)] = 1
        media = self.media.tensors(views)
        return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels, **media}


def sft_dataset(media: Media) -> Dataset:
    """One row an example: token ids and the record's index, no arrays."""
    processor, tokenizer, examples = media.processor, media.processor.tokenizer, media.store.examples
    prompts = [processor.expand(processor.prompt(example.question)) for example in examples]
    responses = [(example.response or "") + tokenizer.eos_token for example in examples]
    return Dataset.from_dict(
        {
            "prompt_ids": tokenizer(prompts, add_special_tokens=False)["input_ids"],
            "response_ids": tokenizer(responses, add_special_tokens=False)["input_ids"],
            "index": [media.index(example.records[0]) for example in examples],
        }
    )


def sft_trainer(model: Any, media: Media, config: SFTConfig, peft_config: Any, callbacks: list[Any]) -> SFTTrainer:
    collator = SFTCollator(media)
    config.dataset_kwargs = {"skip_prepare_dataset": True}
    config.remove_unused_columns = False
    return SFTTrainer(
        model=model,
        args=config,
        train_dataset=sft_dataset(media),
        data_collator=collator,
        processing_class=media.processor.tokenizer,
        peft_config=peft_config,
        callbacks=[*callbacks, DrawEachEpoch(collator)],
    )
