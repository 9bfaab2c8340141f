"""measured-claims for lm-evaluation-harness; the exported `measured_claims.yaml` names these functions.

`lm_eval run --include_path FOLDER --tasks measured_claims --model hf-multimodal …`, and `measured_claims_chat` for
chat routes (`local-chat-completions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from ecg_r1.evaluation.harness.held import Item, pooled, read_set

Doc = Mapping[str, Any]
ratio = pooled  # the aggregation of every metric


@cache
def _item(folder: str, name: str) -> Item:
    return read_set(Path(folder))[name]


def of(doc: Doc) -> Item:
    """The item of a row; lm-eval's data sets hold only its id and its folder."""
    return _item(doc["folder"], doc["id"])


def doc_to_text(doc: Doc) -> str:
    """The prompt for models in lm-eval's own process, which have the page where <image> stands."""
    return f"<image>\n{of(doc).question}"


def doc_to_chat(doc: Doc) -> str:
    """The prompt for chat routes, to which lm-eval sends the page beside the text."""
    return of(doc).question


def doc_to_image(doc: Doc) -> list[Any]:
    """The page."""
    with Image.open(of(doc).page) as page:
        return [page.convert("RGB")]


def doc_to_target(doc: Doc) -> str:
    """The diagnoses; they are not compared as text."""
    return "; ".join(of(doc).case.diagnoses)


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Of each metric, what the answer adds to its two sums."""
    return {name.replace(".", "_"): pair for name, pair in of(doc).counts(results[0]).items()}
