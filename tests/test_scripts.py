"""The chains of `make demo-small` and `make headline`: the sources of their corpora, and what make would run."""

import subprocess
from pathlib import Path

import pytest
import yaml

from ecg_r1.recipe.schema import Source

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "tools").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_well_formed_and_names_recipes_that_exist(script):
    subprocess.run(["bash", "-n", script], check=True)
    for word in script.read_text(encoding="utf-8").split():
        word = word.strip('"')
        if word.startswith("recipes/") and word.endswith(".yaml") and "$" not in word:
            assert (ROOT / word).is_file(), word


@pytest.mark.parametrize("limit", ["", "7"])
def test_folders_become_the_sources_of_a_split(limit):
    command = f"source tools/sources.sh; LIMIT_RECORDS={limit} sources 'a/b c' '[1, 2]'"
    said = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sources = [Source.model_validate(one) for one in yaml.safe_load(f"[{said}]")]
    assert [(one.records, one.folds, one.limit) for one in sources] == [
        (folder, [1, 2], int(limit) if limit else None) for folder in ("a/b", "c")
    ]


@pytest.mark.parametrize(
    ("target", "said"), [("demo-small", "tools/chain-small.sh"), ("headline", "tools/headline.sh")]
)
def test_make_takes_several_folders_of_records_and_asks_for_them(tmp_path, target, said):
    def made(records):
        command = ["make", "-n", target, f"VENV={tmp_path}/venv", f"RECORDS={records}"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert f'bash {said} "{tmp_path} {ROOT}"' in made(f"{tmp_path} {ROOT}").stdout
    asked = subprocess.run(
        ["make", "records", f"RECORDS={tmp_path} {tmp_path}/gone"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 2
    assert "a folder of WFDB records with ptbxl_database.csv" in asked.stdout
