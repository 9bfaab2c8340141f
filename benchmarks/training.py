"""Seconds of a GRPO step: rollouts, log-probs of the rollouts, update; the plain policy passes and shared-prefix ones.

    python benchmarks/training.py [MODEL CORPUS]      e.g. runs/demo/sft runs/demo/corpus/rl

Without a model, an untrained tiny GEM on simulated records. Both ways take turns in one run on the same engines, so
that a busy machine slows both. Prints a table and, as its last line, the same as JSON. Seconds are of the processor.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ecg_r1.corpus.build import build
from ecg_r1.recipe import CorpusRecipe, GRPORecipe, read_recipe
from ecg_r1.train.processes import set_environment

RECIPE = Path(__file__).parents[1] / "recipes" / "tiny" / "grpo.yaml"
STEPS = 12  # the first of each way warms up
PHASES = ("rollouts", "log-probs", "update", "step")


def measure(model: str, corpus: str, run: Path) -> dict[str, dict[str, float]]:
    """Median processor seconds of each phase, for each way."""
    set_environment()
    import torch

    from ecg_r1.train.fit import fit
    from ecg_r1.train.grpo import ECGGRPOTrainer
    from ecg_r1.train.preflight import check

    seconds: dict[str, dict[str, list[float]]] = {"plain": defaultdict(list), "shared prefix": defaultdict(list)}

    def timed(phase: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def measured(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            if phase == "step":
                trainer.shared_prefix = trainer.state.global_step % 2 == 1
            began = time.process_time()
            result = method(trainer, *args, **kwargs)
            if phase != "log-probs" or not torch.is_grad_enabled():  # the update has its own
                way = "shared prefix" if trainer.shared_prefix else "plain"
                seconds[way][phase].append(time.process_time() - began)
            return result

        return measured

    for phase, name in (
        ("rollouts", "_generate_single_turn"),
        ("log-probs", "_get_per_token_logps_and_entropies"),
        ("prepare", "_prepare_inputs"),
        ("step", "training_step"),
    ):
        setattr(ECGGRPOTrainer, name, timed(phase, getattr(ECGGRPOTrainer, name)))
    recipe = read_recipe(
        RECIPE,
        [f"run={run}", f"model={model}", f"corpus={{train: {corpus}}}", "shared_prefix=true",
         f"trainer.max_steps={STEPS}", "trainer.save_strategy=no"],
    )  # fmt: skip
    assert isinstance(recipe, GRPORecipe)
    fit(recipe, check(recipe, str(RECIPE)))
    medians = {way: {phase: statistics.median(times[1:]) for phase, times in of.items()} for way, of in seconds.items()}
    for of in medians.values():
        of["update"] = of["step"] - of.pop("prepare")
    return medians


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) == 3:
            model, corpus = sys.argv[1:]
        else:
            simulated = {"stage": "corpus", "out": f"{folder}/corpus", "splits": {"train": [{"simulate": 64}]}}
            model, corpus = "tiny", str(build(CorpusRecipe.model_validate(simulated))[0])
        medians = measure(model, corpus, Path(folder) / "run")
    table = Table("phase", *medians, "plain / shared", title="GRPO step, processor seconds")
    for phase in PHASES:
        plain, shared = (of[phase] for of in medians.values())
        table.add_row(phase, f"{plain:.3f}", f"{shared:.3f}", f"{plain / shared:.2f}")
    Console().print(table)
    print(json.dumps({way: {phase: round(of[phase], 4) for phase in PHASES} for way, of in medians.items()}))


if __name__ == "__main__":
    main()
