"""A library that is not installed is one line with the command that installs it, for every command that needs it."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys

missing = sys.argv.pop(1)

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from ecg_r1.cli import main
main()
"""


def said_without(module: str, *words: object) -> str:
    command = [sys.executable, "-c", WITHOUT, module, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2, done.stderr
    return done.stderr.splitlines()[-1]


COMMANDS = [
    ("train", "tiny/sft", "model=tiny", "corpus.train={split}", "run={new}"),
    ("ask", "{new}", "record", "Read this ECG."),
    ("convert", "{new}", "{new}/out"),
    ("serve", "{new}"),
    ("predict", "{new}", "--corpus", "{split}"),
    ("compare", "{new}", "--corpus", "{split}"),
    ("evaluate", "tiny/evaluate"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("module", ["torch", pytest.param("transformers", marks=pytest.mark.slow)])
def test_without_a_library_of_training(split, tmp_path, module, words):
    filled = [word.format(split=split, new=tmp_path / "new") for word in words]
    assert said_without(module, *filled) == f"{module} is not installed: pip install 'ecg-r1-gem[gpu]' or '[cpu]'"
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("module", ["trl", "datasets", "peft"])
def test_without_a_library_that_another_imports(split, tmp_path, module):
    pytest.importorskip("trl")
    words = (
        "tiny/sft",
        "model=tiny",
        f"corpus.train={split}",
        "corpus.evaluate=null",
        f"run={tmp_path}/run",
        "--dry-run",
    )
    assert said_without(module, "train", *words).startswith(f"{module} is not installed: pip install ")


def test_without_vllm(split, tmp_path):
    pytest.importorskip("trl")
    grpo = ("train", "tiny/grpo", "model=tiny", f"corpus.train={split}", f"run={tmp_path}/run")
    assert said_without("vllm", *grpo).startswith("vLLM is not installed: pip install 'ecg-r1-gem[gpu]' or '[cpu]', or")
