"""An evaluation whose names have all been found, before anything is generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.engine import require_vllm
from ecg_r1.evaluation.comparable import CompareError, check_names, check_out, check_splits, read_seeds
from ecg_r1.evaluation.conditions import OWN, Condition
from ecg_r1.evaluation.models import (
    LENGTH,
    Elsewhere,
    EndpointRun,
    check_given,
    has_weights,
    open_models,
)
from ecg_r1.model.checkpoint import check_checkpoint, load_processor, read_config
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.recipe import EvaluateRecipe
from ecg_r1.runs import layout
from ecg_r1.runs.predictions import read_label
from ecg_r1.runs.read import Run, held_out

MARGIN, STEP = 1.5, 64  # of the longest target, for an answer that says more; then up to whole steps


@dataclass(frozen=True)
class Plan:
    """What an evaluation does.

    Attributes:
        recipe: resolved: `corpus` and `decoding.max_tokens` are filled in.
        runs: the models.
        store: the split.
        max_model_len: tokens of the longest prompt with its answer.
        seeds: the same comparison trained from other seeds.
        kind: in the names of the predictions files, so that answers for another purpose are kept apart ("-sampled").
    """

    recipe: EvaluateRecipe
    runs: tuple[Run, ...]
    store: RecordStore
    max_model_len: int
    seeds: list[dict[str, Any]]
    kind: str = ""

    def path(self, run: Run, condition: Condition = OWN) -> Path:
        """Where a model's answers lie: in its run, or beside the comparison for a checkpoint by itself."""
        return _path(run, self.recipe, self.store, self.kind, condition)

    def has_pages(self, run: Run) -> bool:
        """Whether a model reads pages; where its weights are missing, whatever it answered counts."""
        return not has_weights(run) or load_processor(run.checkpoint).page_size is not None


def make_plan(recipe: EvaluateRecipe, kind: str = "") -> Plan:
    """Look up everything that the recipe names. Nothing is written and no engine is started.

    Args:
        recipe: as it was read.
        kind: see `Plan`.

    Raises:
        UserError: a run, checkpoint, split, seed, engine or folder is wrong, or prompts and answers do not fit into a
            model's context; the message says which.
    """
    seeds = read_seeds([Path(path) for path in recipe.seeds])
    check_out(Path(recipe.out))
    runs = open_models(recipe)
    check_names([run.name for run in runs])
    store = _store(recipe, runs)
    for run in runs:
        check_given(run, store)
        if has_weights(run) or (not isinstance(run, Elsewhere) and read_label(_path(run, recipe, store, kind)) is None):
            check_checkpoint(run.checkpoint)
    opened = [(run, open_processor(run, store)) for run in runs if has_weights(run)]
    if recipe.decoding.engine == "vllm" and opened:
        require_vllm("set `decoding.engine: hf` (or `--engine hf`)")
    max_tokens = recipe.decoding.max_tokens or max(
        *(_longest_answer(run, processor, store) for run, processor in opened),
        *(_answered_up_to(_path(run, recipe, store, kind)) for run in runs if not has_weights(run)),
        LENGTH * (not opened and any(isinstance(run, EndpointRun) for run in runs)),
        1,  # where baselines are compared alone
    )
    resolved = recipe.model_copy(
        update={
            "corpus": str(store.folder),
            "decoding": recipe.decoding.model_copy(update={"max_tokens": max_tokens}),
        }
    )
    longest = max((_room(run, processor, store, max_tokens) for run, processor in opened), default=0)
    return Plan(resolved, runs, store, longest, seeds, kind)


def open_processor(run: Run, store: RecordStore) -> GEMProcessor:
    """A model's processor, with the split's system prompt where it has one, as in training."""
    processor = load_processor(run.checkpoint)
    processor.system = store.system or processor.system
    return processor


def _store(recipe: EvaluateRecipe, runs: Sequence[Run]) -> RecordStore:
    if recipe.corpus is not None:
        return RecordStore(recipe.corpus)
    here = [run for run in runs if not isinstance(run, Elsewhere)]
    if not here:
        raise CompareError("no model names a split: name one with `corpus:` (or `--corpus`)")
    splits = [held_out(run) for run in here]
    stores = {split: RecordStore(split) for split in splits}
    check_splits([(run, stores[split]) for run, split in zip(here, splits, strict=True)])
    return stores[splits[0]]


def _path(run: Run, recipe: EvaluateRecipe, store: RecordStore, kind: str, condition: Condition = OWN) -> Path:
    alone = run.checkpoint == run.folder
    folder = Path(recipe.out, layout.PREDICTIONS, run.name) if alone else run.folder / layout.PREDICTIONS
    return folder / f"{store.folder.resolve().name}{kind}{'' if condition is OWN else f'-{condition.name}'}.jsonl"


def _longest_answer(run: Run, processor: GEMProcessor, store: RecordStore) -> int:
    """Tokens that a model's answers may have: what its recipe trained it with, or what the split's targets need."""
    named = (run.recipe.get("trainer") or {}).get("max_completion_length")
    if named is not None:
        return int(named)
    targets = [example.response for example in store.examples if example.response]
    if not targets:
        raise CompareError(
            f"{run.folder}: neither its recipe nor a target text of {store.folder} says how long an answer is; set "
            "`decoding.max_tokens` (or `--max-tokens`)"
        )
    longest = max(len(ids) for ids in processor.tokenizer(targets, add_special_tokens=False)["input_ids"])
    return STEP * ceil(MARGIN * (longest + 1) / STEP)  # one for the end of text


def _answered_up_to(path: Path) -> int:
    label = read_label(path) or {}
    return int(label.get("decoding", {}).get("max_tokens") or 0)


def _room(run: Run, processor: GEMProcessor, store: RecordStore, max_tokens: int) -> int:
    """Tokens of the longest prompt with its answer.

    Raises:
        CompareError: more than the model reads.
    """
    config = read_config(run.checkpoint)
    positions = config.text_config.max_position_embeddings
    prompts = [
        processor.expand(processor.prompt(question, ecgs=n, turns=turns, leads=[LEADS[:-1]] * n))
        for question, n, turns in store.questions()
    ]
    longest = max(len(ids) for ids in processor.tokenizer(prompts, add_special_tokens=False)["input_ids"])
    if longest + max_tokens > positions:
        raise CompareError(
            f"{run.folder}: a prompt of {longest} tokens and an answer of {max_tokens} are more than the {positions} "
            "that the model reads; lower `decoding.max_tokens` (or `--max-tokens`)"
        )
    return longest + max_tokens
