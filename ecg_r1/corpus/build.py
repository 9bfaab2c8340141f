"""Build a corpus: records -> measurements, pages, target texts. Parallel, resumable; bad records are quarantined."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from ecg_r1 import __version__
from ecg_r1.corpus.jobs import Plan, plan
from ecg_r1.corpus.make import Made, Unusable, make
from ecg_r1.corpus.profile import stated
from ecg_r1.corpus.progress import BuildProgress
from ecg_r1.corpus.rewrite import Rewriter
from ecg_r1.corpus.rows import CorpusError
from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.summary import commonest_reasons
from ecg_r1.corpus.text.corruption import profile
from ecg_r1.corpus.writer import SHARD, SplitWriter
from ecg_r1.disk import writing
from ecg_r1.ecg.version import code_version
from ecg_r1.executors import mapped
from ecg_r1.recipe import CorpusRecipe, RecipeError


def build(recipe: CorpusRecipe) -> list[Path]:
    """Build every split of the recipe that is not complete yet.

    Returns:
        The splits' folders, each readable by `RecordStore`.

    Raises:
        RecipeError: a folder holds a split of another recipe, or nothing of a split can be used.
        RecordError: a record folder is missing or empty, or two records of a split have one id.
        FormatError: a file of examples is malformed, or names no record of its source.
        Locked: another process builds one of the splits.
        DiskError: a folder cannot be written to.
        WorkerLost: a worker was killed.
        ExecutorError: the recipe's executor cannot be started.
        ProfileError: the profile of the recipe's `corruption` is missing or no profile.
        EndpointError: the language model of the recipe's `rewrite` cannot be asked.
    """
    plans = {name: plan(recipe, name, sources) for name, sources in recipe.splits.items()}
    with _old_objects_kept():
        return [_build_split(recipe, name, split) for name, split in plans.items()]


@contextmanager
def _old_objects_kept() -> Iterator[None]:
    """What is there already, libraries above all, is not searched for garbage: that takes 0.2 s each time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _build_split(recipe: CorpusRecipe, name: str, split: Plan) -> Path:
    folder = Path(recipe.out) / name
    facts = {
        "split": name,
        "seed": recipe.seed,
        "measured_with": f"ecg_r1 {__version__}, neurokit2 {version('neurokit2')}, code {code_version()[:16]}",
        "page_size": recipe.page_size,
        "pages": recipe.pages,
        "refuse_doubtful": recipe.refuse_doubtful,
        "refuse_conflicts": recipe.refuse_conflicts,
        "reports": recipe.reports.model_dump(),
        "rewrite": recipe.rewrite.deciding if recipe.rewrite else None,
        "corruption": stated(profile(recipe.corruption)) if recipe.corruption.profile else recipe.corruption.shares,
        "profile": profile(recipe.corruption).model_dump() if recipe.corruption.profile else None,
        "prompts": recipe.prompts.model_dump(),
        "sources": [source.model_dump(exclude_none=True) for source in recipe.splits[name]],
        "examples": split.digests(),
    }
    with writing(folder, "the build goes on after its last whole shard"), SplitWriter(folder, facts) as writer:
        if not writer.complete:
            _fill(writer, recipe, name, split)
    if not RecordStore(folder).examples:
        raise RecipeError(f"{folder}: no example is left: each is of a record in quarantine.jsonl")
    return folder


def _fill(writer: SplitWriter, recipe: CorpusRecipe, name: str, split: Plan) -> None:
    jobs, done = split.jobs, writer.records + writer.quarantined
    made = mapped(partial(make, recipe=recipe), jobs[done:], workers=recipe.workers, executor=recipe.executor)
    rewriter = Rewriter(recipe) if recipe.rewrite else None
    made = rewriter(made) if rewriter else made
    with BuildProgress(name, len(jobs), done) as progress:
        for count, one in enumerate(made, start=done + 1):
            _write(one, writer)
            progress.count(one)
            if count % SHARD == 0:
                writer.flush()
    writer.flush()
    if rewriter:
        rewriter.said()
    if not writer.records:
        why = "; ".join(f"{count} x {reason}" for reason, count in commonest_reasons(writer.folder))
        raise RecipeError(
            f"{writer.folder}: none of the {len(jobs)} records could be used ({why}); see quarantine.jsonl"
        )
    if (found := writer.records + writer.quarantined) != len(jobs):
        raise CorpusError(f"{writer.folder}: {len(jobs)} records were planned, and {found} came back")
    writer.finish(split.examples())


def _write(made: Made | Unusable, writer: SplitWriter) -> None:
    if isinstance(made, Unusable):
        writer.quarantine(made.record, made.reason)
        return
    writer.add(
        made.record,
        made.measurements,
        made.page,
        signal=made.signal,
        unknown_labels=made.unknown_labels,
        unlabelled=made.unlabelled,
        untold=made.untold,
        conflicts=made.conflicts,
        rewrite=made.rewrite,
    )
    for example in made.examples:
        writer.add_example(example)
