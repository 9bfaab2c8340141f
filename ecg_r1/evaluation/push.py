"""`ecg-r1 push`: a finished run's weights, processor and model card, into a folder or a repository on the Hub."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecg_r1.disk import writing
from ecg_r1.errors import UserError
from ecg_r1.evaluation.model_card import model_card
from ecg_r1.files import written_whole
from ecg_r1.model.checkpoint import check_checkpoint, load_processor
from ecg_r1.model.weights import check_values
from ecg_r1.runs import layout
from ecg_r1.runs.fingerprint import WEIGHTS
from ecg_r1.runs.read import Run, RunError, read_run

CARD = "README.md"
LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


class PushError(UserError):
    """A run cannot be published, or the Hub refuses it."""


def push(folder: Path, repository: str, comparison: Path | None, licence: str | None, *, public: bool = False) -> str:
    """Publish a finished run.

    Args:
        folder: of the run.
        repository: OWNER/NAME on the Hub; or a folder, as a path that begins with `/`, `./`, `../` or `~`.
        comparison: whose RL card goes into the model card; unless given, the one in the folder above the run, where it
            is about this run.
        licence: as of `model_card`.
        public: for the Hub, where a new repository is else private.

    Returns:
        Where it is now: a folder, or a URL.

    Raises:
        RunError: the run is not finished, or the comparison is not about it.
        CheckpointError: its weights or its processor are missing or damaged, or a weight is not finite.
        PushError: the folder is not empty, the name is none, or the Hub refuses.
    """
    run = read_run(folder)
    if not run.recipe:
        raise RunError(f"{folder}: a checkpoint by itself, not a run; give the folder that `ecg-r1 train` wrote")
    if run.recipe.get("stage") == "pretrain":
        raise RunError(f"{folder}: pre-trained towers answer no question; push the run that was trained from them")
    model = check_checkpoint(run.checkpoint)
    check_values(model)
    load_processor(model)
    page = model_card(run, comparison or _beside(run), licence)
    files = sorted(path for path in model.iterdir() if path.is_file() and path.name.endswith(WEIGHTS))
    if re.match(r"[/~]|\.{1,2}(/|$)", repository):
        return str(_to_folder(Path(repository).expanduser(), files, page))
    return _to_hub(repository, files, page, public)


def _beside(run: Run) -> Path | None:
    """The comparison in the folder above a run, where the run is its last model."""
    above = run.folder.resolve().parent
    page = above / f"{layout.CARD}.md"
    if not page.is_file() or not (above / layout.COMPARISON).is_file():
        return None
    return above if page.read_text(encoding="utf-8").startswith(f"# RL card: {run.name}\n") else None


def _to_folder(folder: Path, files: list[Path], page: str) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PushError(f"{folder}: exists already; name a new folder")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(folder) as part:
            for file in files:
                shutil.copyfile(file, part / file.name)
            (part / CARD).write_text(page, encoding="utf-8")
    return folder


def _to_hub(repository: str, files: list[Path], page: str, public: bool) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.utils import validate_repo_id

    if "/" not in repository:
        raise PushError(f"{repository}: name a repository as OWNER/NAME, or a folder as ./{repository}")
    with _said_by_the_hub(repository):
        validate_repo_id(repository)
        if get_token() is None:
            raise PushError(f"{repository}: the Hub asks who you are: {LOGIN}")
        api = HfApi(library_name="ecg-r1-gem")
        api.create_repo(repository, private=not public, exist_ok=True)
        contents: list[tuple[str, Path | bytes]] = [*((file.name, file) for file in files), (CARD, page.encode())]
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in contents]
        done = api.create_commit(repository, operations=operations, commit_message="Weights, processor and model card")
    return str(done.repo_url)


@contextmanager
def _said_by_the_hub(repository: str) -> Iterator[None]:
    """
    Raises:
        PushError: one line without the token, in place of what huggingface_hub and its HTTP client raise; a header that
            cannot be sent is quoted in full by the client.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of huggingface_hub, httpx and what lies below it: they have no common kind
        token, said = get_token(), " ".join(str(error).split()) or type(error).__name__
        for secret in {token, os.environ.get("HF_TOKEN", "").strip()} - {None, ""}:
            said = said.replace(str(secret), "[the token]")
        refused = isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403)
        raise PushError(f"{repository}: the Hub was not reached, or refuses: {said}{f'; {LOGIN}' * refused}") from None
