"""The names of a trainer's options, read from the libraries' source: to import the libraries takes many seconds."""

from __future__ import annotations

import ast
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

_TRAINING = ("transformers", "training_args.py")
_TRL = ("trl", "trainer/base_config.py")
# By stage, the files whose dataclasses make up the trainer's arguments; `ecg_r1.train.arguments` has the classes.
SOURCES: dict[str, tuple[tuple[str, str], ...]] = {
    "pretrain": (_TRAINING,),
    "sft": (_TRAINING, _TRL, ("trl", "trainer/sft_config.py")),
    "grpo": (_TRAINING, _TRL, ("trl", "trainer/grpo_config.py")),
}


@cache
def field_names(stage: str) -> frozenset[str]:
    """The names of the fields; empty where a library is not installed.

    Args:
        stage: of a run: "pretrain", "sft" or "grpo".
    """
    names: set[str] = set()
    for package, file in SOURCES[stage]:
        found = PathFinder.find_spec(package)  # looks for the folder; nothing is imported
        if found is None or not found.submodule_search_locations:
            return frozenset()
        tree = ast.parse(Path(found.submodule_search_locations[0], file).read_text(encoding="utf-8"))
        classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
        names |= {
            line.target.id
            for node in classes
            for line in node.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        }
    return frozenset(names)
