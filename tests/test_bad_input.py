"""What a user can get wrong: each is one line that names the file or key and says what to do, and exit code 2."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.record import read_record, write_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import RewardWorkers, read_recipe, to_yaml
from ecg_r1.scoring import RewardError, RewardFailure, RewardPool, load_reward
from ecg_r1.train.dropout import Shown, View
from ecg_r1.train.media import Media
from ecg_r1.train.rewards import RewardSet

RECIPES = Path(__file__).parents[1] / "recipes" / "tiny"
TEXT = "<think>PR interval 160 ms.</think><answer>normal ECG</answer>"


def in_a_process_of_its_own(*words: object) -> subprocess.CompletedProcess:
    """Training sets variables of its process, which tests must not share."""
    command = [sys.executable, "-m", "ecg_r1", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("command", "recipe", "override", "expected"),
    [
        ("train", "grpo.yaml", "modle=runs/x", 'unknown key "modle" — did you mean "model"?'),
        ("train", "grpo.yaml", "rollout.engin=hf", 'unknown key "rollout.engin" — did you mean "engine"?'),
        ("corpus", "corpus.yaml", "corruption.roundd=1", 'unknown key "corruption.roundd" — did you mean "rounded"?'),
    ],
)
def test_an_unknown_key(ecg_r1, command, recipe, override, expected):
    said = ecg_r1(command, RECIPES / recipe, override)
    assert (said.code, said.err) == (2, f"{RECIPES / recipe}, on the command line: {expected}\n")


def test_an_unknown_option_of_the_trainer():
    said = in_a_process_of_its_own("train", RECIPES / "grpo.yaml", "trainer.num_generation=4", "--dry-run")
    line = said.stderr.splitlines()[-1]
    assert said.returncode == 2
    assert line == f'{RECIPES / "grpo.yaml"}: unknown key "trainer.num_generation" — did you mean "num_generations"?'


def test_a_missing_record_folder(ecg_r1, tmp_path):
    said = ecg_r1(
        "corpus", RECIPES / "corpus.yaml", f"out={tmp_path}/c", f"splits={{train: [{{records: {tmp_path}/gone}}]}}"
    )
    assert (said.code, said.err) == (2, f"{tmp_path}/gone: no such folder\n")
    assert not (tmp_path / "c").exists()


def test_a_record_that_is_not_there(ecg_r1, tmp_path):
    said = ecg_r1("render", tmp_path / "gone", "-o", tmp_path / "page.png")
    assert (said.code, said.err) == (2, f"{tmp_path}/gone.hea: No such file or directory\n")


def test_a_record_without_v3(tmp_path):
    record = next(simulate(1, seed=3)).record
    mask = np.array(LEADS) != "V3"
    read = read_record(write_record(dataclasses.replace(record, record_id="no_v3", lead_mask=mask), tmp_path))
    assert read.lead_mask.tolist() == mask.tolist()
    assert not read.signal[LEADS.index("V3")].any()
    assert any("V3" in note for note in read.quality)
    whole, without = measure(record), measure(read)
    for name in ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms"):
        assert without.value(name) == pytest.approx(whole.value(name), abs=12)
    assert render(read, size=112).shape == (112, 112, 3)


def test_a_record_with_gaps_and_a_dead_lead(tmp_path):
    record = next(simulate(1, seed=3)).record
    path = write_record(dataclasses.replace(record, record_id="gaps"), tmp_path)
    samples = np.fromfile(path.with_name("gaps.dat"), "<i2").reshape(-1, 12)
    samples[1000:1050] = -32768  # format 16's mark for a missing sample
    samples[:, 7] = -32768
    samples.tofile(path.with_name("gaps.dat"))
    read = read_record(path)
    assert np.isfinite(read.signal).all()
    assert any("V2" in note for note in read.quality)
    assert measure(read).value("heart_rate_bpm") == pytest.approx(measure(record).value("heart_rate_bpm"), abs=2)


def test_a_record_with_nothing_in_it_says_why_it_is_not_measured(tmp_path):
    record = next(simulate(1, seed=3)).record
    blank = measure(dataclasses.replace(record, signal=np.zeros_like(record.signal)))
    assert all(blank.value(name) is None and blank.reason(name) for name in QUANTITIES)


REWARDS = """
from ecg_r1.scoring import reward

@reward
def raises(completion, case):
    raise ZeroDivisionError("no such wave")

@reward
def words(completion, case):
    return "excellent"

@reward
def fine(completion, case):
    return 1.0
"""


@pytest.fixture
def my_rewards(tmp_path) -> Path:
    (tmp_path / "my_rewards.py").write_text(REWARDS)
    return tmp_path / "my_rewards.py"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("gone.py:f", "no file"),
        ("{file}:fin", 'no function "fin" in .* — did you mean "fine"?'),
        ("{file}", "say which function of the file"),
        ("intervalls", 'unknown reward "intervalls" — did you mean "intervals"?'),
        ("no_such_package.rewards:f", 'no module "no_such_package"'),
    ],
)
def test_a_reward_that_does_not_exist(my_rewards, spec, expected):
    with pytest.raises(RewardError, match=expected.replace("?", r"\?")):
        load_reward(spec.format(file=my_rewards))


def test_an_option_that_a_reward_does_not_have():
    with pytest.raises(RewardError, match='reward "length": unknown option "wrods"'):
        load_reward("length", {"wrods": 3})


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("name", "trace"), [("raises", "ZeroDivisionError: no such wave"), ("words", "'excellent'")])
def test_a_reward_that_fails_is_recorded_on_its_samples(my_rewards, split, workers, name, trace):
    cases = [RecordStore(split).case(record) for record in RecordStore(split).ids]
    rewards = [load_reward(f"{my_rewards}:{each}") for each in (name, "fine")]
    with RewardPool(rewards, workers=workers, error_limit=1.0) as pool:
        failed, fine = pool.score([TEXT] * len(cases), cases)
        assert pool.counters()[f"rewards/{name}/errors"] == len(cases)
    assert [score.value for score in failed] == [None] * len(cases)  # None: no gradient, never 0
    assert all(trace in score.error for score in failed)
    assert [score.value for score in fine] == [1.0] * len(cases)


def test_a_reward_worker_that_is_killed_while_it_is_idle_is_replaced(my_rewards, split):
    cases = [RecordStore(split).case(record) for record in RecordStore(split).ids]
    with RewardPool([load_reward(f"{my_rewards}:fine")], workers=2) as pool:
        for _ in range(3):
            (scores,) = pool.score([TEXT] * len(cases), cases)
            assert [(score.value, score.error) for score in scores] == [(1.0, None)] * len(cases)
            children = psutil.Process().children(recursive=True)
            keepers = [c for c in children if c.ppid() == os.getpid() and "keeper.py" in " ".join(c.cmdline())]
            oldest = min(keepers, key=lambda c: c.create_time())
            oldest.kill()  # never the spare one, which is the youngest
            oldest.wait(10)


@pytest.mark.parametrize("name", ["raises", "words"])
def test_a_reward_that_fails_too_often_ends_the_run(my_rewards, split, name):
    store = RecordStore(split)
    workers = RewardWorkers(workers=0, max_error_share=0.05)
    rewards = RewardSet([load_reward(f"{my_rewards}:{name}")], workers, Media(store, None))
    (function,) = rewards.functions()
    with pytest.raises(RewardFailure, match=rf'reward "{name}" failed on 4 of the last 4 samples \(limit 5%\)'):
        function(
            completions=[TEXT] * 4,
            completion_ids=[[1]] * 4,
            shown=[Shown(example.id, (View(example.records[0]),)) for example in store.examples],
            log_extra=lambda name, values: None,
            log_metric=lambda name, value: None,
        )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "llama"}, "model_type is 'llama', not 'ecg_r1_gem'"),
        ({}, "model_type is None"),
        (None, "neither a preset nor a checkpoint folder with config.json; presets are tiny"),
    ],
)
def test_a_checkpoint_of_another_model(tmp_path, config, expected):
    checkpoint = pytest.importorskip("ecg_r1.model.checkpoint")
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(checkpoint.CheckpointError) as error:
        checkpoint.check_checkpoint(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert expected in str(error.value)


def test_a_preset_that_is_misspelt():
    checkpoint = pytest.importorskip("ecg_r1.model.checkpoint")
    with pytest.raises(checkpoint.CheckpointError, match="did you mean the preset 'tiny'"):
        checkpoint.check_checkpoint("tinny")


WITHOUT_VLLM = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "vllm":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from ecg_r1.engine import EngineUnavailable
from ecg_r1.engine.vllm_colocated import VLLMEngine
try:
    VLLMEngine("nowhere")
except EngineUnavailable as error:
    print(error)
"""


def test_vllm_that_is_not_installed():
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", WITHOUT_VLLM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "vLLM is not installed: pip install" in done.stdout
    assert "set `rollout.engine: hf`" in done.stdout


def test_an_occupied_run_directory(split, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text("stage: sft\nrun: another\n")
    said = in_a_process_of_its_own(
        "train", RECIPES / "sft.yaml", f"run={run}", "model=tiny", f"corpus={{train: {split}}}", "trainer.max_steps=1"
    )
    assert said.returncode == 2
    assert f"{run}: holds a run of another recipe; choose another `run:` or move the folder away" in said.stderr
    assert "Traceback" not in said.stderr
    assert [path.name for path in run.iterdir()] == ["recipe.yaml"]
    assert (run / "recipe.yaml").read_text() == "stage: sft\nrun: another\n"


def test_a_finished_run_that_is_repeated(split, tmp_path):
    words = [RECIPES / "sft.yaml", f"run={tmp_path}/run", "model=tiny", f"corpus={{train: {split}}}"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(to_yaml(read_recipe(words[0], words[1:])))
    (tmp_path / "run" / "finished.json").write_text("{}")
    said = in_a_process_of_its_own("train", *words)
    assert (said.returncode, said.stdout) == (0, f"{tmp_path}/run\n")
    assert said.stderr.splitlines()[-1] == f"{tmp_path}/run: is finished; nothing to do"


def test_real_records_are_asked_for_before_anything_is_set_up(tmp_path):
    command = ["make", "demo-real", f"VENV={tmp_path}/venv", "PYTHON=false", f"RECORDS={tmp_path}/gone"]
    outer = {"MAKELEVEL", "MAKEFLAGS", "MFLAGS"}  # of the `make test` that this may run in
    own = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(command, cwd=RECIPES.parents[1], env=own, capture_output=True, text=True, check=False)
    assert done.stdout == "make demo-real RECORDS=FOLDER: a folder of WFDB records with ptbxl_database.csv\n"
    assert done.returncode == 2
    assert not (tmp_path / "venv").exists()
