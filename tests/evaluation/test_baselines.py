import json

import numpy as np
import pytest
import splits

pytest.importorskip("sklearn")

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.baselines import classifiers
from ecg_r1.evaluation.baselines import write as baselines
from ecg_r1.evaluation.baselines.classifiers import features
from ecg_r1.evaluation.baselines.contract import BaselineError
from ecg_r1.evaluation.baselines.write import KINDS, write
from ecg_r1.runs.predictions import read_predictions

from .conftest import compared

NORMAL, AF, BRADY, BLOCK = "normal ECG", "atrial fibrillation", "sinus bradycardia", "first-degree AV block"


def rows(count, seed):
    """Records whose diagnosis follows from the rate, PR, or a missing P wave."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        kind = (NORMAL, AF, BRADY, BLOCK)[i % 4]
        rate = rng.uniform(42, 55) if kind == BRADY else rng.uniform(65, 90)
        values = {"heart_rate_bpm": rate, "qrs_ms": rng.uniform(85, 100)}
        if kind == AF:
            values |= {"pr_ms": None, "absent": ["pr_ms"], "unmeasurable": {"pr_ms": "no P waves"}}
        else:
            values["pr_ms"] = rng.uniform(225, 300) if kind == BLOCK else rng.uniform(130, 180)
        made.append(
            {"record": f"{seed}-{i}", "diagnoses": [kind], "measurements": values, "patient": f"{seed}-{i // 2}"}
        )
    return made


def wave(k):
    """A signal from which the diagnosis of the k-th row can be told: its frequency."""
    rng = np.random.default_rng(k)
    seconds = np.arange(5000) / 500
    sine = np.sin(2 * np.pi * ((1, 3, 7, 15)[k % 4] * seconds + rng.random()))
    return (sine + 0.1 * rng.standard_normal((12, 5000))).astype(np.float32)


@pytest.fixture
def two(tmp_path):
    facts = {"page_size": 32, "seed": 0, "sources": [], "signal": wave}
    train = splits.write_split(tmp_path / "corpus" / "train", rows(80, 0), **facts)
    held = splits.write_split(tmp_path / "corpus" / "held-out", rows(40, 1), **facts)
    return train, held


def test_all_kinds_stand_in_one_table_with_models(two, tmp_path):
    pytest.importorskip("xgboost")
    pytest.importorskip("torch")
    folders = write([], *two, tmp_path / "baselines")
    assert [folder.name for folder in folders] == list(KINDS)
    result = compared(folders, tmp_path / "out", resamples=50)
    accuracy = {name: model["diagnosis_accuracy"] for name, model in result["models"].items()}
    assert accuracy["majority"] == 0.25
    assert accuracy["rules"] == 1.0  # the labels were made by these very criteria
    assert min(accuracy[name] for name in ("logistic", "forest", "xgboost", "cnn")) >= 0.9
    assert accuracy["random-tower"] > 0.4  # a tower that learned nothing still tells such signals apart
    assert {model["invalid"] for model in result["models"].values()} == {0.0}
    assert result["models"]["forest"]["diagnosis_auroc"] > 0.95
    assert result["models"]["majority"]["diagnosis_auroc"] == 0.5
    assert (
        result["models"]["rules"]["mirage"]["conditions"]["shuffled"]["diagnosis_accuracy"] < 0.6
    )  # another record's measurements
    assert result["models"]["cnn"]["mirage"]["conditions"]["shuffled"]["diagnosis_accuracy"] < 0.6
    assert result["models"]["rules"]["format"] == 1.0
    assert "forest - majority" in result["paired"]


def test_the_same_seed_gives_the_same_answers(two, tmp_path):
    (first,), (again,) = (write(["forest"], *two, tmp_path / name) for name in ("a", "b"))
    files = [folder / "predictions" / "held-out.jsonl" for folder in (first, again)]
    assert files[0].read_bytes() == files[1].read_bytes()
    (row,) = read_predictions(files[0])["1-0"]
    assert sum(row.probabilities.values()) == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize("kind", ["cnn", "random-tower"])
def test_what_is_drawn_at_random_follows_the_seed_and_disturbs_no_other(two, tmp_path, monkeypatch, kind):
    torch = pytest.importorskip("torch")
    from ecg_r1.evaluation.baselines import signals

    monkeypatch.setattr(signals, "EPOCHS", 1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    folders = [write([kind], *two, tmp_path / name, seed)[0] for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    same, again, other = ((folder / "predictions" / "held-out.jsonl").read_bytes() for folder in folders)
    assert same == again != other
    assert torch.equal(torch.get_rng_state(), before)


def test_a_package_that_is_missing_is_named_with_the_extra(two, tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "find_spec", lambda name: None)
    with pytest.raises(BaselineError, match=r"the baseline cnn needs torch: pip install 'ecg-r1-gem\[train\]'"):
        write(["cnn"], *two, tmp_path / "baselines")
    monkeypatch.setattr(classifiers, "find_spec", lambda name: None)
    with pytest.raises(BaselineError, match=r"xgboost needs xgboost: pip install 'ecg-r1-gem\[baselines\]'"):
        write(["xgboost"], *two, tmp_path / "baselines")


def test_features_are_every_quantity_and_every_lead_with_gaps():
    measured = Measurements.from_json({"heart_rate_bpm": 75.0, "by_lead": {"st_mv": [0.1] * 11 + [None]}})
    found = features(measured)
    assert np.isfinite(found).sum() == 12
    assert np.nansum(found) == pytest.approx(75 + 1.1)


def test_answers_to_another_corpus_are_refused_by_name(two, tmp_path):
    (folder,) = write(["majority"], *two, tmp_path / "baselines")
    label = folder / "predictions" / "held-out.json"
    label.write_text(json.dumps(json.loads(label.read_text()) | {"corpus": "other"}))
    with pytest.raises(Exception, match="made with another corpus"):
        compared([folder], tmp_path / "out")


def test_an_unknown_kind_names_the_nearest(two, tmp_path):
    with pytest.raises(BaselineError, match=r"no baseline .logstic.*did you mean"):
        write(["logstic"], *two, tmp_path / "baselines")


def test_the_command_writes_folders_for_compare(ecg_r1, two, tmp_path):
    said = ecg_r1("baseline", *two, "--kind", "rules", "--out", tmp_path / "baselines")
    assert said.code == 0, said.err
    assert said.out.strip() == str(tmp_path / "baselines" / "rules")


def test_sinus_rhythm_is_a_rule_where_p_waves_are_measured(tmp_path):
    rows_of = [
        {
            "record": "a",
            "diagnoses": ["sinus rhythm", NORMAL],
            "measurements": {"heart_rate_bpm": 70.0, "pr_ms": 160.0},
        },
        {"record": "b", "diagnoses": [BRADY], "measurements": {"heart_rate_bpm": 45.0, "pr_ms": 160.0}},
        {"record": "c", "diagnoses": [NORMAL], "measurements": {"heart_rate_bpm": 70.0}},
    ]
    split = splits.write_split(tmp_path / "corpus" / "train", rows_of, page_size=32, seed=0, sources=[])
    (folder,) = write(["rules"], split, split, tmp_path / "baselines")
    result = compared([folder], tmp_path / "out", resamples=10)
    assert result["models"]["rules"]["diagnosis_accuracy"] == 1.0
