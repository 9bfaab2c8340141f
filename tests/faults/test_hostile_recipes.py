"""Recipes that are bombs, devices, circles or doubled are refused in one line; a number is what it looks like."""

import os
import socket
from pathlib import Path

import pytest
from bounded import Bounded

from ecg_r1.recipe import RecipeError, read_recipe, shipped_recipes, to_yaml

CASES = Path(__file__).parents[3] / "shared" / "cases" / "recipes"
GOOD = {"merge_key", "nel", "run_dotdot"}
SFT = "stage: sft\nrun: runs/x\nmodel: tiny\ncorpus: {train: c}\n"
BOMB = ["a: &a [x,x,x,x,x,x,x,x,x]"] + [
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
]


def read(case: tuple[str, list[str]]) -> None:
    path, overrides = case
    to_yaml(read_recipe(path, overrides))


@pytest.fixture(scope="module")
def worker():
    with Bounded(read) as worker:
        yield worker


def complaint(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as error:
        read_recipe(path, overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not beside this checkout")
@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")) or [CASES], ids=lambda path: path.stem)
def test_shared_cases(worker, path):
    said = worker.try_((str(path), []))
    assert "\n" not in said
    assert (said == "") == (path.stem in GOOD), said


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(BOMB),
        SFT + "trainer:\n" + "\n".join(f"  {line}" for line in BOMB),
        SFT
        + "trainer:\n  a: &a {x: 1}\n"
        + "".join(f"  k{i}: {{<<: [{','.join(['*a'] * 9)}]}}\n" for i in range(4000)),
        "a: &a [*a]",
        SFT + "trainer: " + "[" * 30000,
        SFT + "trainer: " + "{a: " * 9000,
        SFT + "".join(f"k{i}: 1\n" for i in range(6000)),
        SFT + f"seed: {'9' * 5000}",
        SFT + f"seed: 0x{'f' * 5000}",
        SFT + "trainer: {learning_rate: .nan}",
        SFT + "trainer: {learning_rate: 1e999}",
        SFT + "trainer: {learning_rate: .inf}",
        SFT + 'run: "\\0"',
        'run: "\\ud800"',
        'run: "\\UFFFFFFFF"',
        "x" * 70_000,
    ],
)
def test_bombs_are_refused_before_they_are_built(worker, tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    said = worker.try_((str(tmp_path / "r.yaml"), []))
    assert said.startswith(str(tmp_path / "r.yaml"))
    assert len(said.splitlines()) <= 11
    override = f"trainer={text}"
    if "\n" not in text and len(text) < 50_000:
        (tmp_path / "r.yaml").write_text(SFT)
        assert worker.try_((str(tmp_path / "r.yaml"), [override]))


@pytest.mark.parametrize(
    "kind", ["device", "pipe", "socket", "folder", "nothing", "loop", "number", "list", "huge", "passwd"]
)
def test_a_base_that_is_no_recipe(tmp_path, kind):
    base = tmp_path / "base"
    written = {"device": "/dev/zero", "number": "5", "list": "[a, b]", "passwd": "/etc/passwd"}.get(kind, "base")
    if kind == "pipe":
        os.mkfifo(base)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(base))
    elif kind == "folder":
        base.mkdir()
    elif kind == "loop":
        base.symlink_to(base)
    elif kind == "huge":
        base.touch()
        os.truncate(base, 10**12)
    (tmp_path / "r.yaml").write_text(f"base: {written}\n")
    assert complaint(tmp_path / "r.yaml")
    if kind in ("device", "pipe", "socket", "folder", "loop", "huge", "passwd"):
        assert complaint(Path(written) if written[0] == "/" else base)


def test_bases_in_a_circle_or_a_long_chain(tmp_path):
    for i in range(30):
        (tmp_path / f"{i}.yaml").write_text(f"base: {i + 1}.yaml\n")
    (tmp_path / "30.yaml").write_text(SFT)
    assert read_recipe(tmp_path / "24.yaml").run == "runs/x"
    assert "more than 8" in complaint(tmp_path / "0.yaml")
    (tmp_path / "30.yaml").write_text("base: 29.yaml")
    assert "circle" in complaint(tmp_path / "29.yaml")


def test_bases_that_are_large_together(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.yaml").write_text(f"base: {i + 1}.yaml\n#" + "x" * 30_000)
    (tmp_path / "4.yaml").write_text(SFT)
    assert "larger than 65,536 bytes" in complaint(tmp_path / "0.yaml")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (SFT + "seed: 1\nseed: 2\n", (6, 5)),
        (SFT + 'seed: 1\n"seed": 1\n', (6, 5)),
        (SFT + "trainer:\n  max_steps: 1\n  warmup_steps: 0\n  max_steps: 2\n", (8, 6)),
        (SFT + "trainer: {max_steps: 1,\n max_steps: 2}\n", (6, 5)),
        ("base: a\n" + SFT + "base: b\n", (6, 1)),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path, text, lines):
    (tmp_path / "r.yaml").write_text(text)
    said = complaint(tmp_path / "r.yaml")
    assert f"line {lines[0]}: " in said
    assert f"line {lines[1]} too" in said


def test_an_override_that_holds_a_key_twice(tmp_path):
    (tmp_path / "r.yaml").write_text(SFT)
    assert "too; keep one" in complaint(tmp_path / "r.yaml", "trainer={max_steps: 1, max_steps: 2}")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("010", 10), ("0x10", 16), ("0o10", 8), ("1_000", 1000), ("1e3", 1000.0), ("1.5", 1.5), ("+3", 3), (".5", 0.5),
        ("1:30", "1:30"), ("190:20:30.15", "190:20:30.15"), ("2026-01-01", "2026-01-01"), ("no", "no"), ("on", "on"),
        ("0b11", "0b11"), ("=", "="), ("true", True), ("~", None), ("null", None), ('"5"', "5")
    ],
)  # fmt: skip
def test_a_value_is_what_it_looks_like_and_is_kept_as_that(tmp_path, written, value):
    (tmp_path / "r.yaml").write_text(SFT + f"trainer: {{x: {written}}}\n")
    recipe = read_recipe(tmp_path / "r.yaml")
    assert recipe.trainer == {"x": value}
    assert type(recipe.trainer["x"]) is type(value)
    (tmp_path / "kept.yaml").write_text(to_yaml(recipe))
    assert read_recipe(tmp_path / "kept.yaml") == recipe
    assert read_recipe(tmp_path / "r.yaml", [f"trainer.x={written}"]) == recipe


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(tmp_path, encoding):
    (tmp_path / "r.yaml").write_bytes(SFT.replace("runs/x", "runs/µ").encode(encoding))
    assert read_recipe(tmp_path / "r.yaml").run == "runs/µ"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-32"])
def test_other_encodings_are_refused(tmp_path, encoding):
    (tmp_path / "r.yaml").write_bytes(SFT.replace("runs/x", "runs/µ").encode(encoding))
    assert "save the file as UTF-8" in complaint(tmp_path / "r.yaml")


def test_an_alias_is_one_value_in_two_places_of_which_an_override_changes_one(tmp_path):
    (tmp_path / "r.yaml").write_text(SFT + "trainer: {a: &x {y: 1}, b: *x}\n")
    assert read_recipe(tmp_path / "r.yaml", ["trainer.a.y=2"]).trainer == {"a": {"y": 2}, "b": {"y": 1}}


@pytest.mark.parametrize(
    "override", [f"{'a' * 300}=1", f"trainer{'.a' * 100}=1", "trainer.\x1b[2J=1", "run=", "seed=-1"]
)
def test_hostile_overrides(tmp_path, override):
    (tmp_path / "r.yaml").write_text(SFT)
    assert complaint(tmp_path / "r.yaml", override)


def test_recipes_that_ship_are_found_by_name_from_any_folder(ecg_r1, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = ecg_r1("recipes")
    assert [line.split()[0] for line in listed.out.splitlines()] == list(shipped_recipes())
    built = ecg_r1("corpus", "tiny/corpus", "splits={train: [{simulate: 1}]}", "workers=1")
    assert (built.code, built.out.splitlines()[-1]) == (0, "runs/demo/corpus/train")
    (tmp_path / "mine.yaml").write_text("base: tiny/sft\nrun: runs/mine\n")
    assert read_recipe("mine.yaml").run == "runs/mine"
    assert read_recipe("tiny/sft-more").model == "runs/demo/sft"  # its own base lies beside it


@pytest.mark.parametrize("name", ["recipes/tiny/corpus.yaml", "tiny/corpus.yaml", "tiny/corpsu", "tiny"])
def test_a_recipe_that_is_not_there_is_named_as_it_ships(ecg_r1, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    said = ecg_r1("corpus", name)
    assert said.code == 2
    assert "`ecg-r1 recipes` lists those that come with ecg_r1" in said.err
    assert name == "tiny" or 'did you mean "tiny/corpus"?' in said.err


def test_a_file_comes_before_a_recipe_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "sft").write_text(SFT)
    assert read_recipe("tiny/sft").run == "runs/x"
