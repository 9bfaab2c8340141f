"""The set of measured-claims as one folder that inspect_ai, lm-eval and verifiers read.

| file | for |
|---|---|
| `items.jsonl`, `pages/` | all: the questions, the truths, the pages |
| `measured_claims.yaml`, `measured_claims_chat.yaml`, and what they name | lm-eval's `--include_path` |
| `ecg_r1_claims.py` | verifiers: the module of the environment |
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from ecg_r1.corpus.store import RecordStore
from ecg_r1.disk import writing
from ecg_r1.ecg.page_file import write_page
from ecg_r1.ecg.render import render
from ecg_r1.errors import UserError
from ecg_r1.evaluation.benchmarks.claims_table import VERSION
from ecg_r1.evaluation.harness.held import ITEMS, METRICS, PAGES
from ecg_r1.files import write_atomically
from ecg_r1.locks import FolderLock

PIXELS = 1024
LOWER_IS_BETTER = ("contradicted", "unverifiable", "invented")
LM_EVAL_TASKS = {"measured_claims": "doc_to_text", "measured_claims_chat": "doc_to_chat"}  # the function of the prompt
LM_EVAL = """from ecg_r1.evaluation.harness.lm_eval_task import (  # noqa: F401
    doc_to_chat, doc_to_image, doc_to_target, doc_to_text, process_results, ratio,
)
"""
VERIFIERS = 'from ecg_r1.evaluation.harness.verifiers_env import ClaimsTaskset\n\n__all__ = ["ClaimsTaskset"]\n'


def export(split: Path, out: Path) -> Path:
    """Write the exported set.

    Args:
        split: of the benchmark, as `measured_claims.build_set` builds it.
        out: folder that is written.

    Returns:
        The folder.

    Raises:
        UserError: the split cannot be read, an example is about several records, or the folder cannot be written to.
    """
    store = RecordStore(split)
    folder = out.resolve()
    with FolderLock(folder), writing(folder, "repeat the command"):
        (folder / PAGES).mkdir(exist_ok=True)
        rows = []
        for number, example in enumerate(store.examples):
            if len(example.records) != 1:
                raise UserError(f"{split}: {example.id} is about several records; the exported set has one page each")
            (record,), page = example.records, f"{number:05d}.png"
            write_page(render(store.record(record), size=PIXELS), folder / PAGES / page)
            row = store.row(record)
            rows.append(
                {"id": example.id, "record_id": record, "question": example.question, "page": page,
                 **{key: row[key] for key in ("diagnoses", "unlabelled", "measurements", "leads", "source")}}
            )  # fmt: skip
        write_atomically(folder / ITEMS, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        pointers = [{"id": row["id"], "folder": str(folder)} for row in rows]
        write_atomically(folder / "lm_eval.jsonl", "".join(json.dumps(row) + "\n" for row in pointers))
        write_atomically(folder / "ecg_r1_claims_lm_eval.py", LM_EVAL)
        write_atomically(folder / "ecg_r1_claims.py", VERIFIERS)
        for task, text in LM_EVAL_TASKS.items():
            write_atomically(folder / f"{task}.yaml", _lm_eval_yaml(folder, task, text))
    return folder


def _lm_eval_yaml(folder: Path, task: str, text: str) -> str:
    template = (files("ecg_r1") / "data" / "harness" / "measured_claims.yaml").read_text(encoding="utf-8")
    environment = Environment(autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True)  # YAML, not HTML
    made = environment.from_string(template)
    names = [name.replace(".", "_") for name in METRICS]
    higher = lambda name: str(not (name in LOWER_IS_BETTER or name.endswith("_mae"))).lower()  # noqa: E731
    return made.render(
        task=task, text=text, folder=json.dumps(str(folder))[1:-1], metrics=names, higher=higher, version=VERSION
    )
