"""Models and a split -> answers on disk, through one engine, or from elsewhere.

Models of one architecture share the engine: it starts on the first one's checkpoint and is given the others' weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_r1.console import track
from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.disk import writing
from ecg_r1.engine import Engine, Prompt, checkpoint_dtype, open_engine
from ecg_r1.evaluation.asking import ask_all
from ecg_r1.evaluation.conditions import OWN, Condition, Shown, asked, page_shown, record_shown, shown
from ecg_r1.evaluation.given import read_given
from ecg_r1.evaluation.models import EndpointRun, GivenRun, asked_under, has_weights
from ecg_r1.evaluation.preparation import Plan, open_processor
from ecg_r1.locks import FolderLock
from ecg_r1.model.checkpoint import read_config, stored_weights
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.recipe import EvaluateRecipe
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint
from ecg_r1.runs.predictions import Prediction, read_label, write_predictions
from ecg_r1.runs.read import Run, RunError
from ecg_r1.terminal import say

BATCH = 64  # examples that are given to the engine at once


@dataclass(frozen=True)
class Task:
    """Answers that are missing, or were made otherwise than the plan says.

    Attributes:
        run: the model.
        condition: what is shown of each record.
        path: of the answers.
        label: that they are to have.
        made: how the existing answers were made, where that differs; "" otherwise.
    """

    run: Run
    condition: Condition
    path: Path
    label: Mapping[str, Any]
    made: str


def missing(plan: Plan) -> list[Task]:
    """What has to be predicted. Answers fit the plan where the model's files, the corpus and the decoding are the same.

    Raises:
        RunError: a run whose weights are missing has answers that do not fit.
    """
    corpus = fingerprint(plan.store.folder)
    tasks = []
    for run in plan.runs:
        label = {"corpus": corpus} | _made_by(run, plan.recipe)
        for condition in asked_under(run, plan.recipe, plan.has_pages(run)):
            path = plan.path(run, condition)
            made = read_label(path)
            elsewhere = isinstance(run, GivenRun | EndpointRun)
            if made is None and condition is not OWN and not has_weights(run) and not elsewhere:
                continue  # the comparison does without them
            wanted = label | ({"examples": plan.recipe.mirage} if condition.drawn else {})
            differing = "" if made is None else _differing(made, wanted)
            if differing and not has_weights(run) and not elsewhere:
                raise RunError(f"{path}: made with {differing}, and cannot be made again: {run.checkpoint} is missing")
            if made is None or differing:
                tasks.append(Task(run, condition, path, wanted, differing))
    return tasks


def _made_by(run: Run, recipe: EvaluateRecipe) -> dict[str, Any]:
    """What a model's answers depend on, beside the corpus."""
    if isinstance(run, GivenRun):  # how they were decoded is not known
        return run.label()
    decoding = _decoding(recipe)
    if isinstance(run, EndpointRun):
        return run.label() | {"decoding": {key: decoding[key] for key in decoding if key != "engine"}}
    if not has_weights(run):
        return {"decoding": decoding}
    made = {"model": fingerprint(run.checkpoint, WEIGHTS), "dtype": checkpoint_dtype(run.checkpoint)}
    return made | {"decoding": decoding}


def _decoding(recipe: EvaluateRecipe) -> dict[str, Any]:
    """How answers are generated; greedy ones do not depend on a seed."""
    decoding = recipe.decoding.model_dump()
    return decoding | {"seed": recipe.seed} if recipe.decoding.temperature > 0 else decoding


def _differing(made: Mapping[str, Any], label: Mapping[str, Any]) -> str:
    """In words, how answers were made otherwise; "" where they fit."""
    if "baseline" in made:  # it is not decoded; with the same training records it answers the same
        return "" if made.get("corpus") == label["corpus"] else "another corpus"
    if "decoding" in label and "decoding" not in made:
        return "an older version"
    said = [
        f"another {name}" for name in ("model", "file", "corpus") if made.get(name) != label.get(name, made.get(name))
    ]
    said += [f"{made.get('examples')} examples"] if made.get("examples") != label.get("examples") else []
    old, new = made.get("decoding", {}), label.get("decoding", {})
    said += [f"{key} {old.get(key)}, not {new.get(key)}" for key in (old | new) if old.get(key) != new.get(key)]
    return " and ".join(said)


def predict(plan: Plan, tasks: list[Task]) -> None:
    """Generate the answers of these tasks and write them with their labels.

    The folders of the answers are locked before the first is generated, and found to be writable.

    Raises:
        Locked: another process writes answers into one of the folders.
        DiskError: a folder cannot be written to; the answers that were there are whole.
    """
    with ExitStack() as stack:
        for folder in dict.fromkeys(task.path.parent for task in tasks):
            stack.enter_context(FolderLock(folder))
        engines = stack.enter_context(closing(_Engines(plan)))
        for task in tasks:
            if task.made:
                say(f"{task.path}: made with {task.made}; made again", err=True)
            answers, label = _made(plan, task, engines)
            with writing(task.path.parent, "the answers that are there are kept"):
                write_predictions(task.path, answers, label)


def _made(plan: Plan, task: Task, engines: _Engines) -> tuple[Iterable[Prediction], Mapping[str, Any]]:
    """The answers of a task and their label."""
    if isinstance(task.run, GivenRun):
        return read_given(task.run.file, plan.store), task.label
    title = f"{task.run.name} {task.path.stem}"
    examples, given = asked(plan.store, task.condition, plan.recipe.mirage), shown(plan.store, task.condition)
    if isinstance(task.run, EndpointRun):
        answers, usage = ask_all(task.run.client, plan.store, plan.recipe, examples, given, title)
        return answers, {**task.label, "usage": usage}
    engine, processor = engines.of(task.run)
    return _answers(engine, processor, plan, task.condition, examples, given, title), task.label


class _Engines:
    """The engine in use. It is opened once, and given another model's weights where the architecture is the same."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self._engine: Engine | None = None
        self._shape: dict[str, Any] = {}
        self._run: Run | None = None

    def of(self, run: Run) -> tuple[Engine, GEMProcessor]:
        """The engine with this model's weights, and the model's processor."""
        config = read_config(run.checkpoint)
        shape = {key: value for key, value in config.to_dict().items() if key != "_name_or_path"}
        if self._engine is None or shape != self._shape:
            self.close()
            kind = self.plan.recipe.decoding.engine
            self._engine = open_engine(kind, run.checkpoint, max_model_len=self.plan.max_model_len)
            self._shape = shape
        elif run is not self._run:
            self._engine.load_weights(stored_weights(run.checkpoint))
        self._run = run
        return self._engine, open_processor(run, self.plan.store)

    def close(self) -> None:
        """Close the engine, if one is open."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def _answers(
    engine: Engine,
    processor: GEMProcessor,
    plan: Plan,
    condition: Condition,
    examples: Sequence[Example],
    given: Shown,
    title: str,
) -> Iterator[Prediction]:
    starts = range(0, len(examples), BATCH)
    for start in track(starts, title, len(starts)):
        batch = examples[start : start + BATCH]
        sampling = _sampling(plan.recipe, start)
        prompts = [_prompt(processor, plan.store, condition, example, given) for example in batch]
        for example, rollouts in zip(batch, engine.generate(prompts, **sampling), strict=True):
            for rollout in rollouts:
                yield Prediction.of(example, rollout.token_ids, processor.tokenizer, sampling["max_tokens"])


def _sampling(recipe: EvaluateRecipe, start: int) -> dict[str, Any]:
    """The engine's options of generation for the examples from `start` on."""
    given = recipe.decoding.model_dump(exclude={"engine"})
    if recipe.decoding.temperature > 0:
        return given | {"seed": recipe.seed + start * recipe.decoding.n}
    return {key: given[key] for key in ("temperature", "max_tokens")}


def _leads(store: RecordStore, condition: Condition, given: tuple[str | None, str | None]) -> list[str]:
    """The leads that a model is shown for a record, in its signal or else on its page."""
    name = given[0] or given[1]
    there = [] if name is None else store.row(name)["leads"]
    return [lead for lead in there if condition.leads is None or lead in condition.leads]


def _prompt(
    processor: GEMProcessor, store: RecordStore, condition: Condition, example: Example, given: Shown
) -> Prompt:
    """The prompt of an example; what is not shown is left out with its placeholders, as in training."""
    leads = [_leads(store, condition, given[one]) for one in example.records] if processor.states_leads else []
    prompt = processor.prompt(example.question, ecgs=len(example.records), turns=example.turns, leads=leads)
    text = processor.expand(prompt)
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    signals = [name for name, _ in (given[one] for one in example.records) if name is not None]
    pages = [name for _, name in (given[one] for one in example.records) if name is not None]
    if not signals:
        ids = [token for token in ids if token != processor.ecg_token_id]
    if not pages:
        ids = [token for token in ids if token != processor.image_token_id]
    if processor.page_size is None:
        pages = []
    return Prompt(
        ids,
        [record_shown(store, condition, name).signal if condition.alters else store.signal(name) for name in signals],
        [page_shown(store, condition, name) for name in pages],
    )
