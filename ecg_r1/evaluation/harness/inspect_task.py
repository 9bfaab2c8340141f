"""measured-claims for inspect_ai: `inspect eval ecg_r1/measured_claims -T folder=FOLDER --model …`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageUser, ContentImage, ContentReasoning, ContentText
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, metric, scorer
from inspect_ai.solver import TaskState, generate

from ecg_r1.evaluation.benchmarks.claims_table import NAME, VERSION
from ecg_r1.evaluation.harness.held import METRICS, pooled, read_set


@task
def measured_claims(folder: str) -> Task:
    """Pages and questions, answered in free text and judged against the measurements.

    Args:
        folder: that `ecg-r1 benchmark export` wrote.
    """
    samples = [
        Sample(
            id=item.id,
            input=[ChatMessageUser(content=[ContentImage(image=str(item.page)), ContentText(text=item.question)])],
            target="; ".join(item.case.diagnoses),
        )
        for item in read_set(Path(folder)).values()
    ]
    dataset = MemoryDataset(samples, name=NAME, location=folder)
    return Task(dataset=dataset, solver=generate(), scorer=claims(folder), version=VERSION)


def whole_text(message: ChatMessage) -> str:
    """The text of an answer; inspect_ai takes the reasoning out of it, and here it stands in its tags again."""
    if isinstance(message.content, str):
        return message.content
    pieces = []
    for part in message.content:
        if isinstance(part, ContentReasoning):
            pieces.append(f"<think>{part.reasoning}</think>")
        elif isinstance(part, ContentText):
            pieces.append(part.text)
    return "".join(pieces)


@metric
def of_all_answers() -> Metric:
    """Every metric over all answers: sums over answers, one divided by the other."""

    def compute(scores: list[SampleScore]) -> dict[str, Any]:
        counts = [one.score.metadata or {} for one in scores]
        return {name: pooled(tuple(each[name]) for each in counts if name in each) for name in METRICS}

    return compute


@scorer(metrics=[of_all_answers()])
def claims(folder: str) -> Scorer:
    """A sample's value is the number of its quoted values that the signal supports; `metadata` holds all counts."""
    items = read_set(Path(folder))

    async def score(state: TaskState, target: Target) -> Score:
        text = whole_text(state.output.message)
        judged = items[str(state.sample_id)].judge(text)
        return Score(
            value=judged.count("supported"),
            answer="; ".join(sorted(judged.answered)),
            explanation="\n".join(f"{row.text}: {row.verdict}; {row.reason}" for row in judged.evidence),
            metadata=items[str(state.sample_id)].counts(text),
        )

    return score
