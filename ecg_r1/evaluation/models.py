"""What a comparison's list of models may name: a run, a checkpoint, a file of answers, or an endpoint."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.rows import ENDINGS
from ecg_r1.endpoints.client import Client, require_client
from ecg_r1.evaluation.conditions import NOTHING, OWN, Condition, conditions
from ecg_r1.evaluation.given import read_given
from ecg_r1.recipe import Endpoint, EvaluateRecipe, ProbeRecipe, read_endpoint
from ecg_r1.runs import layout
from ecg_r1.runs.read import Run, RunError, read_run

URL = re.compile(r"https?://")
YAML = (".yaml", ".yml")
CACHE = "cache"  # of answers that endpoints gave, in the comparison's folder
LENGTH = 1024  # tokens of an endpoint's answer where nothing says how many: as many as GEM's own evaluation takes


@dataclass(frozen=True)
class Elsewhere(Run):
    """A model whose weights are not on this machine. Its answers lie in the comparison's folder."""


@dataclass(frozen=True)
class GivenRun(Elsewhere):
    """A file of answers, in any shape that `given` reads."""

    file: Path = field(kw_only=True)

    def label(self) -> dict[str, Any]:
        """What tells the file from another."""
        with self.file.open("rb") as content:
            return {"file": f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"}


@dataclass(frozen=True)
class EndpointRun(Elsewhere):
    """A model behind an OpenAI-compatible chat route."""

    client: Client[Endpoint] = field(kw_only=True)

    def label(self) -> dict[str, Any]:
        """What tells the model, and how it is asked, from another. The weights behind a URL cannot be told."""
        return {"model": self.client.identity()}


def open_models(recipe: EvaluateRecipe | ProbeRecipe) -> tuple[Run, ...]:
    """Find the models that a recipe names, in its order.

    Raises:
        UserError: one of them is not there, or no endpoint; the message names it.
    """
    return tuple(_open(named, Path(recipe.out)) for named in recipe.models)


def _open(named: str | Endpoint, out: Path) -> Run:
    endpoint = named if isinstance(named, Endpoint) else _endpoint(named)
    if endpoint is not None:
        client = _client(endpoint, out)
        return EndpointRun(client.name, *_places(out, client.name), client=client)
    named = str(named)
    if Path(named).is_file() and Path(named).suffix.lower() in ENDINGS:
        return GivenRun(Path(named).stem, *_places(out, Path(named).stem), file=Path(named))
    return read_run(Path(named))


def open_endpoint(named: str, out: Path) -> Client[Endpoint]:
    """An endpoint by its URL or its YAML file.

    Args:
        named: the one or the other.
        out: folder whose `cache` keeps its answers, unless it names another.

    Raises:
        UserError: it is neither, or the endpoint cannot be used.
    """
    endpoint = _endpoint(named)
    if endpoint is None:
        raise RunError(f"{named}: no URL, and no YAML file with the keys of an endpoint")
    return _client(endpoint, out)


def _endpoint(named: str) -> Endpoint | None:
    if URL.match(named):
        return Endpoint.model_validate({"endpoint": named})
    return read_endpoint(named) if Path(named).suffix in YAML and Path(named).is_file() else None


def _client(endpoint: Endpoint, out: Path) -> Client[Endpoint]:
    require_client()
    return Client(endpoint, Path(endpoint.cache) if endpoint.cache else out / CACHE)


def _places(out: Path, name: str) -> tuple[Path, Path]:
    folder = out / layout.PREDICTIONS / name
    return folder, folder


def has_weights(run: Run) -> bool:
    """Whether a model can be opened on this machine."""
    return not isinstance(run, Elsewhere) and run.checkpoint.is_dir()


def check_given(run: Run, store: RecordStore) -> None:
    """Check that a file of answers is about the examples of a split.

    Raises:
        RunError: an answer is to none of them, or to another question.
    """
    if isinstance(run, GivenRun):
        read_given(run.file, store)


def asked_under(run: Run, recipe: EvaluateRecipe, has_pages: bool) -> tuple[Condition, ...]:
    """The conditions under which a model is asked.

    A file has answers to each record's own ECG alone. An endpoint that is sent the page alone can be sent no less than
    that; one that is sent the signal is never sent nothing, because `ecg-r1 serve` refuses a question without an ECG.
    The `grid` is for models whose weights are here.
    """
    if isinstance(run, GivenRun):
        return (OWN,)
    if not isinstance(run, EndpointRun):
        return conditions(recipe, has_pages)
    settings = run.client.settings
    every = conditions(recipe, has_pages=settings.signal and settings.page)
    return tuple(one for one in every if not one.alters and (one is not NOTHING or not settings.signal))
