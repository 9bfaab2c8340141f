"""Runs + their held-out records -> greedy predictions, through one engine.

Runs of one architecture share the engine: it starts on the first run's model and is given the others' weights.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from ecg_r1.corpus.store import RecordStore
from ecg_r1.engine import Engine, Prompt
from ecg_r1.engine.hf import HFEngine
from ecg_r1.engine.vllm_colocated import VLLMEngine
from ecg_r1.model.checkpoint import check_checkpoint, load_model, load_processor, stored_weights
from ecg_r1.model.configuration import GEMConfig
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.runs.read import held_out

SPLIT = "held-out"
BATCH = 64


def predict(runs: Sequence[Path], *, engine: str = "vllm", max_tokens: int = 128, seed: int = 0) -> list[Path]:
    """Write `predictions/held-out.jsonl`, and `held-out-shuffled.jsonl` where each record is read with another's ECG.

    Args:
        runs: finished run directories whose recipes name `corpus.evaluate`. Complete predictions are kept.
        engine: "vllm" or "hf".
        max_tokens: longest completion.
        seed: of the permutation of the ECGs.

    Raises:
        RunError: a run is not there or not finished, or names no held-out split.
    """
    paths, current = [], _Current(engine)
    for run, store in [(run, held_out(run)) for run in runs]:  # all are found before anything starts
        for name, records in (
            (SPLIT, store.ids),
            (f"{SPLIT}-shuffled", list(np.random.default_rng(seed).permutation(store.ids))),
        ):
            path = run / "predictions" / f"{name}.jsonl"
            decoding = {"temperature": 0.0, "max_tokens": max_tokens, "corpus": str(store.folder)}
            if not _complete(path, len(store)) or _differs(path, decoding):
                generator, processor = current.of(run)
                rows = _predict(generator, processor, store, records, max_tokens, f"{run.name} {name}")
                path.parent.mkdir(exist_ok=True)
                path.with_suffix(".json").write_text(json.dumps(decoding | {"engine": engine}), encoding="utf-8")
                path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            paths.append(path)
    return paths


class _Current:
    """The engine in use; it is started once, and given another run's weights where the architecture is the same."""

    def __init__(self, kind: str):
        self.kind = kind
        self._engine: VLLMEngine | None = None
        self._shape: dict[str, Any] = {}
        self._run: Path | None = None
        self._processor: GEMProcessor | None = None

    def of(self, run: Path) -> tuple[Engine, GEMProcessor]:
        folder = check_checkpoint(run)
        if self.kind == "hf":
            model, processor = load_model(str(folder))
            return HFEngine(model.eval(), processor), processor
        config, processor = GEMConfig.from_pretrained(folder, local_files_only=True), load_processor(folder)
        shape = {key: value for key, value in config.to_dict().items() if key != "_name_or_path"}
        if self._engine is None or shape != self._shape:
            if self._engine is not None:
                self._engine.close()
            longest = min(4096, config.text_config.max_position_embeddings)
            self._engine = VLLMEngine(folder, dtype="float32", max_model_len=longest)
            self._shape = shape
        elif run != self._run:
            self._engine.load_weights(stored_weights(folder))
        self._run = run
        return self._engine, processor


def _predict(
    engine: Engine, processor: GEMProcessor, store: RecordStore, seen: Sequence[str], max_tokens: int, title: str
) -> Iterator[dict[str, Any]]:
    """`seen`: the record whose ECG and page each example is read with."""
    examples = list(zip(store.examples, seen, strict=True))
    for start in track(range(0, len(examples), BATCH), title):
        batch = examples[start : start + BATCH]
        texts = [processor.expand(processor.prompt(example.question)) for example, _ in batch]
        ids = processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
        prompts = [Prompt(i, [store.signal(r)], [store.page(r)]) for i, (_, r) in zip(ids, batch, strict=True)]
        completions = engine.generate(prompts, temperature=0.0, max_tokens=max_tokens)
        for (example, _), rollouts in zip(batch, completions, strict=True):
            completion = processor.tokenizer.decode(rollouts[0].token_ids, skip_special_tokens=True)
            yield {
                "example": example.id,
                "prompt": example.question,
                "completion": completion,
                "tokens": len(rollouts[0].token_ids),
            }


def _complete(path: Path, records: int) -> bool:
    if not path.is_file() or not path.with_suffix(".json").is_file():
        return False
    return path.read_text(encoding="utf-8").count("\n") == records


def _differs(path: Path, decoding: dict[str, Any]) -> bool:
    """Whether complete predictions were made otherwise than is asked for; then it is said how."""
    made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    changed = [f"{key} {made.get(key)}, not {value}" for key, value in decoding.items() if made.get(key) != value]
    if changed:
        print(f"{path}: made with {' and '.join(changed)}; made again", file=sys.stderr)
    return bool(changed)
