"""Time and cost of 1,000 steps of a recipe, from rates that were measured: of a run, or by `benchmarks/gpu.py`.

Nothing is guessed of a device: without a measurement there is no prediction. A rate is carried over to another recipe
by the work of a step: the tokens that are read and written, times the weights that each of them meets. Processes are
taken to have a device each, and not to wait for each other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from torch import nn

from ecg_r1.doctor.finding import Finding
from ecg_r1.errors import UserError
from ecg_r1.files import read_json_lines
from ecg_r1.model.checkpoint import shape_of
from ecg_r1.recipe import GRPORecipe, RecipeError, RunRecipe, read_recipe
from ecg_r1.runs import layout

STEPS = 1000
TEXT = 40  # tokens of a question with its template
ANSWER = 150  # tokens of a target text, where nothing says how long it is
LARGEST = 2**20  # bytes of what `benchmarks/gpu.py` prints
HOUR = 3600.0


@dataclass(frozen=True)
class Work:
    """Of one step in one process. read: tokens in the update; written: in the rollouts; weights: that a token meets."""

    read: float
    written: float
    weights: int

    @property
    def whole(self) -> float:
        """In products of a token and a weight: a token that is read costs three times one that is written."""
        return (3 * self.read + self.written) * self.weights


def of_step(recipe: RunRecipe) -> Work:
    """The work of one step, by the recipe's batch and the shape of its model."""
    model = shape_of(recipe.model)
    prompt = model.config.num_ecg_tokens + model.config.num_image_tokens + TEXT
    given = recipe.trainer.get
    rows = int(given("per_device_train_batch_size") or 8) * int(given("gradient_accumulation_steps") or 1)
    weights = _linear(model.model.language_model)
    if not isinstance(recipe, GRPORecipe):
        return Work(rows * (prompt + ANSWER), 0, weights)
    longest = int(given("max_completion_length") or 256)
    prompts = rows / int(given("num_generations") or 8) if recipe.shared_prefix else rows
    return Work(prompts * prompt + rows * longest, rows * longest, weights)


def pace(recipe: RunRecipe, measured: Path, price: float | None) -> list[Finding]:
    """Hours of 1,000 steps, and what they cost.

    Args:
        measured: the folder of a run of the same stage on such devices, or a file with the last line that
            `benchmarks/gpu.py` printed on one.
        price: of a device, an hour.

    Raises:
        RecipeError: nothing was measured there, or it is of another stage.
    """
    seconds, source = _by_run(recipe, measured) if measured.is_dir() else _by_benchmark(recipe, measured)
    hours = STEPS * seconds / HOUR
    devices = f" on each of {recipe.processes} devices" if recipe.processes > 1 else ""
    found = [Finding(f"time of {STEPS:,} steps", f"{_length(hours)}{devices}: {seconds:.3g} s a step, {source}")]
    if price is not None:
        cost = hours * price * recipe.processes
        found.append(
            Finding(f"cost of {STEPS:,} steps", f"{cost:,.2f}: {recipe.processes} x {hours:.3g} h x {price:g}")
        )
    return found


def _by_run(recipe: RunRecipe, folder: Path) -> tuple[float, str]:
    there = read_recipe(folder / layout.RECIPE)
    if not isinstance(there, type(recipe)):
        raise RecipeError(f"{folder}: was measured at stage {there.stage}, and this recipe is of stage {recipe.stage}")
    rows = [row for _, row in read_json_lines(folder / layout.METRICS, RecipeError) if "step" in row and "time" in row]
    took = [(b["time"] - a["time"]) / (b["step"] - a["step"]) for a, b in pairwise(rows) if b["step"] > a["step"]]
    if not took:
        raise RecipeError(f"{folder}: fewer than two logged steps; train it for ten, with trainer.logging_steps=1")
    ratio = of_step(recipe).whole / of_step(there).whole
    said = f"{median(took):.3g} s in {folder}"
    return median(took) * ratio, said if ratio == 1 else f"{said} with 1/{ratio:.3g} of the work"


def _by_benchmark(recipe: RunRecipe, file: Path) -> tuple[float, str]:
    try:
        text = file.read_bytes()[:LARGEST].decode("utf-8").strip().splitlines()[-1]
        said: dict[str, Any] = json.loads(text)
        rows = {row["what"]: row for row in said["rows"]}
        peak, device = float(said["peak TFLOP/s"]) * 1e12, str(said["device"])
        shared = isinstance(recipe, GRPORecipe) and recipe.shared_prefix
        share = float(rows["update, shared prefix" if shared else "update, plain"]["share of peak"])
        written = float(rows["rollout, transformers"]["per second"])
        weights = _linear(shape_of(str(said["preset"])).model.language_model)
        if min(peak, share, written) <= 0:
            raise ValueError("a rate of 0")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, UserError) as error:
        raise RecipeError(
            f"{file}: neither a run's folder nor the JSON that `python benchmarks/gpu.py` prints last ({error})"
        ) from None
    work = of_step(recipe)
    update = 6 * work.weights * work.read / (share * peak)  # as the benchmark counts
    rollouts = work.written / written * work.weights / weights
    parts = f" ({update:.3g} update, {rollouts:.3g} rollouts by transformers; vLLM takes less)" if rollouts else ""
    return update + rollouts, f"as {file} says of {device}{parts}"


def _linear(module: nn.Module) -> int:
    return sum(child.weight.numel() for child in module.modules() if isinstance(child, nn.Linear))


def _length(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
