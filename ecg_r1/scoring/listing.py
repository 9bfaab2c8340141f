"""What `ecg-r1 reward list` and `reward score` say: the rewards there are, and scores with their evidence."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ecg_r1.console import cell, marked
from ecg_r1.scoring.cases import Sample
from ecg_r1.scoring.contract import RewardError
from ecg_r1.scoring.judgement import LOOKS, Judgement, judgements, to_json
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import library, load_reward, plugins

BATCH = 256


def listing() -> list[dict[str, str]]:
    """List the rewards of the library and of other installed packages.

    Returns:
        For each its name, what it is about (its first line), its options with defaults and its source (file:line). A
        plugin that cannot be loaded, or has the name of one of ours, is listed with what is wrong with it.
    """
    rows, ours = [], library()
    for name, point in [*((name, None) for name in ours), *plugins().items()]:
        try:
            if point and name in ours:
                raise RewardError("not used: the library has a reward of this name; give the entry point another")
            reward = load_reward(name)
        except RewardError as error:
            rows.append({"name": name, "about": str(error), "options": "", "source": point.value if point else ""})
            continue
        about = inspect.getdoc(reward.function) or ""
        parameters = inspect.signature(reward.function).parameters.values()
        options = [f"{p.name}={p.default!r}" for p in parameters if p.kind is p.KEYWORD_ONLY]
        rows.append({"name": name, "about": about.split("\n\n")[0].replace("\n", " "), "options": ", ".join(options),
                     "source": reward.source})  # fmt: skip
    return rows


def score_samples(
    samples: Iterable[Sample], pool: RewardPool, weights: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """Score samples, a batch at a time.

    Args:
        samples: completions with their cases.
        pool: the rewards.
        weights: by the names of the rewards.

    Yields:
        An object for each sample, in order: "id", "scores" {name: number or null}, "total" (the weighted sum of what
        applies), "evidence" (each row says of which "reward"), "explanations" and, where there are some, "errors".
    """
    samples = iter(samples)
    while batch := list(islice(samples, BATCH)):
        results = pool.score([s.completion for s in batch], [s.case for s in batch])
        for sample, scores in zip(batch, zip(*results, strict=True), strict=True):
            named = {reward.name: score for reward, score in zip(pool.rewards, scores, strict=True)}
            line: dict[str, Any] = {
                "id": sample.id,
                "scores": {name: score.value for name, score in named.items()},
                "total": sum(weights[name] * s.value for name, s in named.items() if s.value is not None),
                "evidence": [
                    {"reward": name, **to_json(row)} for name, score in named.items() for row in score.evidence
                ],
                "explanations": {name: score.explanation for name, score in named.items()},
            }
            if errors := {name: score.error for name, score in named.items() if score.error}:
                line["errors"] = errors
            yield line


def view(sample: Sample, line: Mapping[str, Any]) -> RenderableType:
    """Show a sample with its judged claims coloured, and under it each score and the reason of each claim.

    Args:
        sample: what was scored.
        line: what `score_samples` yields for it.
    """
    rows = [row for row in judgements(line["evidence"]) if row.span]
    spans = [(row.span, LOOKS[row.verdict].style) for row in rows if row.span]
    head = cell(f"{line['id']}  total {line['total']:.3f}", "bold")
    parts: list[RenderableType] = [head, marked(sample.completion, spans)]
    for name, value in line["scores"].items():
        said = line.get("errors", {}).get(name) or line["explanations"][name]
        parts.append(cell(f"  {name:<14}{'  n/a' if value is None else f'{value:5.2f}'}  {said}", lines=True))
    parts += [cell(f"  {_claim(row)}", LOOKS[row.verdict].style) for row in rows]
    return Group(*parts, Text())


def _claim(row: Judgement) -> str:
    return f"{row.verdict}: {row.text or row.claim} ({row.reason})"
