"""Completions a second: vLLM against transformers' `generate`, on the same prompts in one run.

    python benchmarks/serving.py [--json] [--prompts 64] [--tokens 80]

The tiny preset with random weights in float32; each prompt has an ECG and a page of its own, no prompt comes twice, and
every completion is `--tokens` long. Three ways to answer them:

- `hf`: one `generate` call a prompt, as a server without a scheduler answers its requests.
- `hf_batched`: `generate` on left-padded batches of 32, as `HFEngine` does. All completions being equally long, no row
  of a batch waits for another: the best case for a fixed batch.
- `vllm`: all prompts at once, scheduled by vLLM.

`vllm_over_hf` and `vllm_over_hf_batched` are ratios of completions a second of wall-clock time; `cpu_…` are the same of
processor time, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers.utils.logging import disable_progress_bar

from ecg_r1.engine import Prompt
from ecg_r1.engine.hf import HFEngine
from ecg_r1.engine.vllm_colocated import VLLMEngine
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.model.processing import GEMProcessor

ROUNDS = 3
Generate = Callable[[list[Prompt]], object]


def prompts(processor: GEMProcessor, seed: int = 0) -> Iterator[Prompt]:
    rng = np.random.default_rng(seed)
    size = processor.page_size
    text = processor.expand(processor.prompt("Read this ECG."))
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    while True:
        ecg = rng.standard_normal((12, 5000), dtype=np.float32)
        yield Prompt(ids, [ecg], [rng.integers(0, 255, (size, size, 3), dtype=np.uint8)])


def rates(generate: Generate, source: Iterator[Prompt], count: int) -> dict[str, float]:
    """Completions a second of wall-clock and of processor time: the best of `ROUNDS`, after a warm-up."""
    generate([next(source) for _ in range(4)])
    best = {"wall": 0.0, "cpu": 0.0}
    for _ in range(ROUNDS):
        asked = [next(source) for _ in range(count)]
        wall, cpu = time.perf_counter(), time.process_time()
        generate(asked)
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        best = {clock: max(best[clock], count / spent[clock]) for clock in best}
    return best


def encodings(engine: VLLMEngine, prompt: Prompt) -> int:
    """How often the ECG tower runs for 8 completions of one prompt."""
    model = engine.llm.llm_engine.model_executor.driver_worker.model_runner.get_model()
    seen: list[int] = []
    handle = model.ecg_tower.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    engine.generate([prompt], n=8, temperature=1.0, max_tokens=4)
    handle.remove()
    return sum(seen)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true", help="print JSON alone")
    options.add_argument("--prompts", type=int, default=64)
    options.add_argument("--tokens", type=int, default=80)
    asked = options.parse_args()
    disable_progress_bar()
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Read this ECG."])
    source = prompts(processor)
    greedy = {"temperature": 0.0, "max_tokens": asked.tokens}
    measured = {}
    # transformers first: vLLM binds this process to its cores.
    for name, batch_size in (("hf", 1), ("hf_batched", 32)):
        hf = HFEngine(model.eval(), processor, batch_size)
        measured[name] = rates(
            lambda p, e=hf: e.generate(p, **greedy, min_new_tokens=asked.tokens), source, asked.prompts
        )
    with tempfile.TemporaryDirectory() as folder:
        save(model, processor, Path(folder))
        engine = VLLMEngine(folder, dtype="float32")
        measured["vllm"] = rates(lambda p: engine.generate(p, **greedy, ignore_eos=True), source, asked.prompts)
        encoded = encodings(engine, next(source))
    result = {
        **{
            f"{prefix}vllm_over_{name}": round(measured["vllm"][clock] / measured[name][clock], 2)
            for prefix, clock in (("", "wall"), ("cpu_", "cpu"))
            for name in ("hf", "hf_batched")
        },
        "completions_a_second": {name: {c: round(r, 1) for c, r in rate.items()} for name, rate in measured.items()},
        "encodings_for_8_completions": encoded,
        "prompts": asked.prompts,
        "tokens": asked.tokens,
        "threads": torch.get_num_threads(),
    }
    if not asked.json:
        table = Table(
            "", "completions/s", "of processor time", title=f"{asked.prompts} prompts x {asked.tokens} tokens"
        )
        for name, rate in measured.items():
            table.add_row(name, f"{rate['wall']:.1f}", f"{rate['cpu']:.1f}")
        Console().print(table)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
