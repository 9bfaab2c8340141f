"""Supervised fine-tuning: TRL's SFTTrainer and one collator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from ..corpus.store import RecordStore
from ..model.processing import GEMProcessor
from .media import Media


@dataclass
class SFTCollator:
    """Rows (`prompt_ids`, `response_ids`, `index`) -> right-padded batch; loss on the response alone."""

    media: Media
    tokenizer: PreTrainedTokenizerBase

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        length = max(len(row["prompt_ids"]) + len(row["response_ids"]) for row in rows)
        input_ids = torch.full((len(rows), length), self.tokenizer.pad_token_id)
        labels = torch.full((len(rows), length), -100)
        attention_mask = torch.zeros((len(rows), length), dtype=torch.long)
        for i, row in enumerate(rows):
            prompt, ids = len(row["prompt_ids"]), row["prompt_ids"] + row["response_ids"]
            input_ids[i, : len(ids)] = torch.tensor(ids)
            labels[i, prompt : len(ids)] = input_ids[i, prompt : len(ids)]
            attention_mask[i, : len(ids)] = 1
        media = self.media.tensors([row["index"] for row in rows])
        return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels, **media}


def sft_dataset(store: RecordStore, processor: GEMProcessor, media: Media) -> Dataset:
    """One row an example: token ids and the record's index, no arrays."""
    tokenizer = processor.tokenizer
    prompts = [processor.expand(processor.prompt(example["question"])) for example in store.examples]
    responses = [example["response"] + tokenizer.eos_token for example in store.examples]
    return Dataset.from_dict(
        {
            "prompt_ids": tokenizer(prompts, add_special_tokens=False)["input_ids"],
            "response_ids": tokenizer(responses, add_special_tokens=False)["input_ids"],
            "index": [media.index(example["record"]) for example in store.examples],
        }
    )


def sft_trainer(
    model: Any, processor: GEMProcessor, store: RecordStore, config: SFTConfig, peft_config: Any, callbacks: list[Any]
) -> SFTTrainer:
    media = Media(store, processor)
    config.dataset_kwargs = {"skip_prepare_dataset": True}
    config.remove_unused_columns = False
    return SFTTrainer(
        model=model,
        args=config,
        train_dataset=sft_dataset(store, processor, media),
        data_collator=SFTCollator(media, processor.tokenizer),
        processing_class=processor.tokenizer,
        peft_config=peft_config,
        callbacks=callbacks,
    )
