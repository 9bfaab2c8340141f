"""`ecg-r1 evaluate` with a recipe of stage probe, on a tiny model behind an engine whose answers are known."""

import json
import shutil

import pytest
import yaml

torch = pytest.importorskip("torch")

from ecg_r1.engine import Rollout
from ecg_r1.errors import UserError
from ecg_r1.evaluation import predict
from ecg_r1.evaluation.probe.run import probe
from ecg_r1.model.checkpoint import load_model, load_processor, save
from ecg_r1.recipe import Decoding, ProbeRecipe, read_recipe

from ..conftest import RIGHT

TEXT = RIGHT["r0"]


class Reciting:
    """An engine that gives one answer to everything."""

    asked = 0

    def __init__(self, kind, folder, **options):
        self.tokenizer = load_processor(folder).tokenizer

    def generate(self, prompts, n=1, **sampling):
        Reciting.asked += len(prompts)
        assert all(len(prompt.ecgs) == len(prompt.pages) == 1 for prompt in prompts)
        ids = [*self.tokenizer(TEXT)["input_ids"], self.tokenizer.eos_token_id][: sampling["max_tokens"]]
        return [[Rollout(ids, [0.0] * len(ids))] for _ in prompts]

    def close(self):
        pass


@pytest.fixture
def run(write_run, tmp_path, monkeypatch):
    """A finished run with the weights of a tiny GEM, and no answers."""
    monkeypatch.setattr(predict, "open_engine", Reciting)
    monkeypatch.setattr(Reciting, "asked", 0)
    torch.manual_seed(0)
    folder = write_run("a", RIGHT)
    shutil.rmtree(folder / "predictions")
    save(*load_model("tiny", texts=["Read this ECG.", TEXT]), folder / "model")
    return folder


@pytest.fixture
def recipe(run, tmp_path):
    given = {
        "stage": "probe", "models": [str(run)], "out": str(tmp_path / "out"), "hearts": {"simulate": 2},
        "moves": ["pr_ms", "fibrillation"], "decoding": {"engine": "hf", "max_tokens": 80}, "resamples": 50,
    }  # fmt: skip
    return ProbeRecipe.model_validate(given)


def test_a_probe_writes_its_result_and_repeats_from_what_is_there(run, recipe, tmp_path, capsys):
    probe(recipe)
    out = tmp_path / "out"
    result = json.loads((out / "probe.json").read_text())
    assert Reciting.asked == result["records"] == 2 * (6 + 2)
    slope = result["moves"]["pr_ms"]["models"]["a"]["follows"]["pr_ms"]["slope"]["value"]
    assert slope == pytest.approx(0, abs=1e-9)
    assert "Does the text follow? a" in (out / "probe.html").read_text()
    assert "0.00" in capsys.readouterr().out
    assert (run / "predictions" / "probe-hearts.jsonl").is_file()
    before = {name: (out / name).read_bytes() for name in ("probe.json", "probe.html", "recipe.yaml")}
    again = read_recipe(out / "recipe.yaml")
    assert again == recipe
    probe(again)
    assert Reciting.asked == 16  # nothing is asked twice
    assert {name: (out / name).read_bytes() for name in before} == before


def test_answers_that_do_not_end_are_compared_where_the_recipe_accepts_them(recipe, tmp_path):
    recipe = recipe.model_copy(update={"decoding": Decoding(engine="hf", max_tokens=8)})
    with pytest.raises(UserError, match=r"16 of 16 answers .* compare with `max_cut: 1.0` in the recipe"):
        probe(recipe)
    assert not (tmp_path / "out" / "probe.json").exists()
    probe(recipe.model_copy(update={"max_cut": 1.0}))
    assert json.loads((tmp_path / "out" / "probe.json").read_text())["records"] == 16


def test_the_command_runs_it_and_says_what_is_wrong(ecg_r1, run, recipe, tmp_path):
    path = tmp_path / "probe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(exclude_none=True)))
    for words, message in (
        (["moves=[pr]"], "no 'pr' of simulated hearts"),
        (["models=[nowhere]"], "nowhere: no such run"),
        (["hearts={simulate: 2, records: x}"], "give a source either"),
        (["hearts={simulate: 2, limit: 1}"], "`limit` is for `records: FOLDER`"),
        (["heart=3"], 'unknown key "heart" — did you mean "hearts"?'),
        (["--headroom"], "--headroom is for a recipe of stage evaluate"),
    ):
        said = ecg_r1("evaluate", path, *words, "--dry-run")
        assert (said.code, message in said.err) == (2, True), said.err
    said = ecg_r1("evaluate", path, "--dry-run")
    assert said.code == 0, said.err
    assert yaml.safe_load(said.out)["stage"] == "probe"
    assert not (tmp_path / "out").exists()
    said = ecg_r1("train", path)
    assert (said.code, "`ecg-r1 evaluate`" in said.err) == (2, True)
