"""Whatever a recipe or an override holds, reading it takes little, and ends in a recipe or in a RecipeError."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml
from bounded import Bounded
from damage import CUTS, HOSTILE, PATH, cut, replaced
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_r1.recipe import CorpusRecipe, EvaluateRecipe, read_recipe, shipped_recipes, to_yaml
from ecg_r1.train.options import check_options

SOUND = {name: path.read_bytes() for name, path in shipped_recipes().items()}
BOUNDED = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])

ALPHABET = "ab: \n-[]{},&*!|>'\"#%@`?=~0.1e_<\t\x85\x00\ufeff"
PIECES = ["a: ", "b: ", "- ", "? ", "&a ", "*a", "\n", "  ", "[", "]", "{", "}", "!!int ", "!!set ", "<<: ", "base: ",
          "|2\n", "stage: sft\n", "1e999", "0x", "'", '"\\UFFFFFFFF"', "---\n", "...", "%YAML 9.9\n"]  # fmt: skip
KEYS = ["seed", "run", "trainer.x", "corpus.train", "splits", "a" * 300, "a." * 50 + "b", "..", "\x1b", "base"]
VALUES = ["9" * 5000, "[" * 5000, "nan", ".nan", "1:30"]
ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"]
TEXTS = st.one_of(
    st.text(alphabet=ALPHABET, max_size=200).map(str.encode),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join).map(str.encode),
    st.sampled_from(ENCODINGS).map("stage: sft\nrun: runs/µ\nmodel: tiny\ncorpus: {train: c}\n".encode),
)
OVERRIDES = st.just([]) | st.lists(
    st.builds("{}={}".format, st.sampled_from(KEYS), st.text(alphabet=ALPHABET, max_size=30) | st.sampled_from(VALUES)),
    max_size=3,
)


@st.composite
def recipes(draw):
    """Bytes of a recipe, and overrides."""
    kind = draw(st.sampled_from(["bytes", "value", "key", "text"]))
    sound = SOUND[draw(st.sampled_from(sorted(SOUND)))]
    if kind == "text":
        return draw(TEXTS), draw(OVERRIDES)
    if kind == "bytes":
        return cut(sound, *draw(CUTS)), draw(OVERRIDES)
    values = replaced(
        yaml.safe_load(sound), draw(PATH), draw(HOSTILE), draw(st.text(max_size=9)) if kind == "key" else None
    )
    return json.dumps(values).encode(), []  # JSON is YAML


def read(case: tuple[bytes, list[str]]) -> None:
    content, overrides = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "r.yaml")
        path.write_bytes(content)
        recipe = read_recipe(path, overrides)
        again = Path(folder, "again.yaml")
        again.write_text(to_yaml(recipe), encoding="utf-8")
        assert read_recipe(again) == recipe
        if not isinstance(recipe, CorpusRecipe | EvaluateRecipe):
            check_options(recipe, str(path))


@pytest.fixture(scope="module")
def worker():
    with Bounded(read) as worker:
        yield worker


@given(case=recipes())
@settings(BOUNDED, max_examples=60, derandomize=True)
def test_any_recipe(worker, case):
    worker.try_(case)


@pytest.mark.slow  # drawn at random: what it finds must not decide whether a change lands
@given(case=recipes())
@settings(BOUNDED, max_examples=3500)
def test_many_recipes(worker, case):
    worker.try_(case)
