"""The house's floors: what may import what, read from the source; and that the light rooms stay light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ecg_r1"
HEAVY = ("torch", "transformers", "trl", "vllm", "peft", "accelerate", "deepspeed", "datasets")
LIGHT = (
    "errors", "terminal", "console", "disk", "files", "locks", "parent", "executors", "recipe", "ecg", "endpoints",
    "reading", "scoring", "rewards", "datasets", "corpus",
)  # fmt: skip
FLOORS = {
    "cli": 10,
    "train": 9, "evaluation": 9, "serving": 9, "doctor": 9,
    "runs": 8, "engine": 8,
    "model": 7, "corpus": 7, "rewards": 7,
    "scoring": 6, "datasets": 6,
    "reading": 5,
    "endpoints": 5,
    "ecg": 4, "recipe": 4,
    "locks": 3, "executors": 3,
    "disk": 2, "files": 2, "console": 2, "shipped": 2,
    "errors": 1,
    "terminal": 0, "parent": 0,
}  # fmt: skip


def sources() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *(ROOT / "rewards").glob("*.py")])


def module_of(path: Path) -> list[str]:
    if path.is_relative_to(PACKAGE):
        parts = ["ecg_r1", *path.relative_to(PACKAGE).with_suffix("").parts]
    else:
        parts = ["ecg_r1", "rewards", path.stem]
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path) -> Iterator[str]:
    """Absolute dotted names of all that a file imports, also inside its functions."""
    here = module_of(path)
    package = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def room(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "ecg_r1" and len(parts) > 1 and parts[1] in FLOORS else None


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_downwards(path):
    own = room(".".join(module_of(path)))
    if own is None:
        return  # ecg_r1/__init__.py
    for name in imports(path):
        other = room(name)
        if other in (None, own):
            continue
        assert FLOORS[other] < FLOORS[own], f"{own} imports {name}"


READING = {"findings": 4, "diagnoses": 5, "quantities": 4, "claims": 3, "text": 2, "leads": 1, "words": 0, "quote": 0}


def test_reading_has_pipelines_over_one_engine():
    """Quantities, diagnoses and findings ask `claims`, which knows none of them; all stand on text, leads and words."""
    floors = {path.stem for path in (PACKAGE / "reading").iterdir() if not path.name.startswith("__")}
    assert floors == {*READING, "formulas"}
    asked = set()
    for path in (PACKAGE / "reading").glob("*/*.py"):
        for _, _, other, *_ in (name.split(".") for name in imports(path) if name.startswith("ecg_r1.reading.")):
            own = path.parent.name
            assert other == own or READING[other] < READING[own], f"{path.name} imports from {other}"
            asked |= {own} if other == "claims" else set()
    assert asked == {"claims", "quantities", "diagnoses", "findings"}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one circle of imports, [] where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_modules_import_each_other_in_no_circle():
    """Neither at the top, nor inside a function, nor for types alone."""
    modules = {".".join(module_of(path)): path for path in sources()}

    def module(name: str) -> str | None:
        """The module that `import name` opens: name itself, or what it is an attribute of."""
        return next((known for known in (name, name.rpartition(".")[0]) if known in modules), None)

    graph = {name: {found for each in imports(path) if (found := module(each))} for name, path in modules.items()}
    assert sum(map(len, graph.values())) > len(graph)  # imports were found at all
    assert circle(graph) == []


def test_a_circle_of_imports_is_found():
    graph = {"registry": {"trial", "contract"}, "trial": {"registry"}, "contract": set()}
    assert set(circle(graph)) == {"registry", "trial"}


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_light_rooms_import_no_training_library(path):
    if room(".".join(module_of(path))) in (
        "ecg",
        "reading",
        "scoring",
        "rewards",
        "recipe",
        "errors",
        "files",
        "datasets",
        "corpus",
    ):
        heavy = [name for name in imports(path) if name.split(".")[0] in HEAVY]
        assert not heavy


def test_vllm_is_known_to_its_files_alone():
    knowing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "vllm" for name in imports(path))
    }
    assert knowing == {
        "model/vllm.py", "model/chat.py", "engine/vllm_colocated.py", "serving/server.py", "serving/rollouts.py",
        "model/__init__.py",  # registers the plug-in
    }  # fmt: skip


@pytest.mark.parametrize(("library", "rooms"), [("trl", {"train"}), ("deepspeed", {"train"}), ("neurokit2", {"ecg"})])
def test_a_library_is_known_to_its_room_alone(library, rooms):
    knowing = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert knowing == rooms


@pytest.mark.parametrize(
    "module", ["ecg_r1", "ecg_r1.recipe", "ecg_r1.scoring", "ecg_r1.rewards", "ecg_r1.ecg.measure"]
)
def test_importing_a_light_room_opens_no_training_library(module):
    code = f"import sys, {module}; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


def test_every_shipped_reward_loads_without_a_training_library():
    code = (
        "import sys; from ecg_r1.scoring.registry import library, load_reward\n"
        "for name in library(): load_reward(name)\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


def test_the_command_line_starts_without_the_libraries_behind_it():
    code = (
        "import sys, ecg_r1.cli; print(sorted(set(sys.modules) & {'torch', 'neurokit2', 'numpy', 'pandas', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


def test_files_stay_small():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length > 500} == {}
