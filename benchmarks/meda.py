"""What MEDA saves and costs: bytes of the cache, speed of decoding, agreement with the whole cache; and a profile.

    python benchmarks/meda.py RUN SPLIT [--ecgs 1 2 4 8] [--budgets 0.3 0.5 0.7] [--batch 4] [--prompts 16] [--tokens N]

RUN is a checkpoint or a run; SPLIT a corpus split, whose records are shown several at a time under its first question.
Answers are greedy and of --tokens tokens, so that all budgets decode the same number. Speed is of decoding alone: the
prompt's pass is left out, but MEDA's eviction is counted, since it comes with the second token. "equal" is the share of
prompts whose answers are the same up to `</answer>`, or to the last token where an answer has no such tag; "diagnoses"
that whose answers name the same diagnoses. The profile is of decoding with the whole cache: no cache can save more than
the share of the time that reads it. Prints tables and, as its last line, the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile
from transformers import DynamicCache

from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import load_model
from ecg_r1.model.meda import MEDACache
from ecg_r1.scoring.answers import read_answer
from ecg_r1.scoring.completion import Completion

KINDS = {  # of torch's operators, by a part of their names
    "weights": ("addmm", "aten::mm", "aten::linear"),
    "attention": ("scaled_dot_product", "aten::bmm", "softmax"),
    "copies of the cache": ("aten::cat", "aten::copy_"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("split", type=Path)
    parser.add_argument("--ecgs", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=48)
    given = parser.parse_args()
    model, processor = load_model(given.run)
    model.eval()
    store = RecordStore(given.split)
    rows = [row for ecgs in given.ecgs for row in compared(model, processor, store, ecgs, given)]
    shares = profiled(model, processor, store, max(given.ecgs), given)
    console = Console(width=120)
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    said = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    console.print(f"Decoding with the whole cache, {max(given.ecgs)} ECGs, batch {given.batch}: {said}")
    print(json.dumps({"rows": rows, "profile": shares}))


def prompts(processor: Any, store: RecordStore, ecgs: int, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Batches of prompts about `ecgs` records each, the records in turn."""
    question = store.examples[0].question
    names = [store.ids[i % len(store)] for i in range(given.prompts * ecgs)]
    for start in range(0, len(names), given.batch * ecgs):
        records = names[start : start + given.batch * ecgs]
        inputs = processor(
            text=[processor.prompt(question, ecgs=ecgs)] * (len(records) // ecgs),
            ecgs=[store.signal(name) for name in records],
            images=None if processor.page_size is None else [store.page(name) for name in records],
            return_tensors="pt",
        )
        inputs.pop("token_type_ids", None)
        yield dict(inputs)


def decode(
    model: Any, processor: Any, inputs: dict[str, Any], budget: float | None, tokens: int
) -> tuple[list[list[int]], float, int]:
    """Answers of a batch.

    Returns:
        The tokens of each answer, seconds, and bytes of the cache at the end.
    """
    ids = inputs["input_ids"]
    media = (ids == processor.ecg_token_id) | (ids == processor.image_token_id)
    cache: Any = DynamicCache(config=model.config.text_config)
    options = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
    began = time.perf_counter()
    if budget is None:
        found = model.generate(**inputs, past_key_values=cache, **options)
        size = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    else:
        cache = MEDACache(model.config.text_config.num_hidden_layers, media, inputs["attention_mask"], budget)
        with cache.attending(model.model.language_model):
            found = model.generate(**inputs, past_key_values=cache, **options)
        size = cache.nbytes
    seconds = time.perf_counter() - began
    return found[:, ids.shape[1] :].tolist(), seconds, size


def compared(
    model: Any, processor: Any, store: RecordStore, ecgs: int, given: argparse.Namespace
) -> list[dict[str, Any]]:
    """A row for the whole cache and one for each budget."""
    said: dict[float | None, list[str]] = {}
    rows = []
    for budget in (None, *given.budgets):
        answers, spent, size, count = [], 0.0, 0, 0
        for number, inputs in enumerate(prompts(processor, store, ecgs, given)):
            if number == 0:  # the first call of each kind is slower
                decode(model, processor, inputs, budget, 2)
            first = min(decode(model, processor, inputs, budget, 1)[1] for _ in range(2))
            found, seconds, held = decode(model, processor, inputs, budget, given.tokens)
            answers += found
            spent, size = spent + seconds - first, max(size, held)
            count += len(found) * (len(found[0]) - 1)
        texts = processor.tokenizer.batch_decode(answers, skip_special_tokens=True)
        said[budget] = [text.partition("</answer>")[0] for text in texts]
        speed = count / spent
        whole = rows[0] if rows else {"tokens/s": speed, "MB": size / 1e6}
        same = [a == b for a, b in zip(said[budget], said[None], strict=True)]
        named = [diagnoses(a) == diagnoses(b) for a, b in zip(said[budget], said[None], strict=True)]
        rows.append(
            {
                "ECGs": ecgs, "budget": "whole" if budget is None else budget, "tokens/s": speed,
                "speed": speed / whole["tokens/s"], "MB": size / 1e6, "memory": size / 1e6 / whole["MB"],
                "equal": sum(same) / len(same), "diagnoses": sum(named) / len(named),
            }
        )  # fmt: skip
    return rows


def diagnoses(text: str) -> frozenset[str]:
    return frozenset(read_answer(Completion.parse(text)).asserted)


def profiled(model: Any, processor: Any, store: RecordStore, ecgs: int, given: argparse.Namespace) -> dict[str, float]:
    """The share of each kind of operator in the time of decoding with the whole cache."""
    inputs = next(prompts(processor, store, ecgs, given))
    totals = []
    for tokens in (1, given.tokens):
        with profile(activities=[ProfilerActivity.CPU]) as found:
            decode(model, processor, inputs, None, tokens)
        times = dict.fromkeys((*KINDS, "other"), 0.0)
        for event in found.key_averages():
            kind = next((kind for kind, parts in KINDS.items() if any(part in event.key for part in parts)), "other")
            times[kind] += event.self_cpu_time_total
        totals.append(times)
    first, whole = totals
    spent = {kind: whole[kind] - first[kind] for kind in whole}
    return {kind: value / sum(spent.values()) for kind, value in spent.items()}


if __name__ == "__main__":
    with torch.inference_mode():
        main()
