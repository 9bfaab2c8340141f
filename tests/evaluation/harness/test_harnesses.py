"""inspect_ai, lm-eval and verifiers each run the exported task for real, on a tiny model that `ecg-r1 serve` serves.

Their requirements exclude each other (pyproject.toml says how), so each runs with a Python of its own where one is
named: ECG_R1_INSPECT_PYTHON, ECG_R1_LM_EVAL_PYTHON, ECG_R1_VERIFIERS_PYTHON; else with this one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

import splits

from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.simulate import simulate
from ecg_r1.evaluation.benchmarks.claims_table import ratios
from ecg_r1.evaluation.harness.export import export
from ecg_r1.evaluation.harness.held import METRICS, pooled, read_set
from ecg_r1.model.checkpoint import load_model, save

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[3]
SAID = "<think>PR interval 160 ms. QRS duration 92 ms.</think><answer>normal ECG</answer>"
TOKENS = 24
INSPECT = """
import sys
from inspect_ai import eval
from inspect_ai.model import get_model
from ecg_r1.evaluation.harness.inspect_task import measured_claims
import json
if __name__ == "__main__":
    folder, url, log_dir, tokens = sys.argv[1:]
    model = get_model("openai-api/ours/gem", base_url=url, api_key="none")
    (log,) = eval(measured_claims(folder), model=model, log_dir=log_dir, display="none", max_tokens=int(tokens))
    assert log.status == "success", log.error
    texts = {one.id: one.output.completion for one in log.samples}
    metrics = {name: metric.value for one in log.results.scores for name, metric in one.metrics.items()}
    print(json.dumps({"texts": texts, "metrics": metrics}))
"""


def python_of(variable, module):
    """The interpreter that has a harness."""
    python = os.environ.get(variable, sys.executable)
    found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"{module} is not installed; name a Python that has it with {variable}")
    return python


def run(words, **environment):
    path = os.pathsep.join([str(ROOT), *filter(None, [environment.pop("path", "")])])
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, cwd=environment.pop("cwd"),
        env=os.environ | {"PYTHONPATH": path, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three records, exported."""
    simulated = [one.record for one in simulate(3, seed=5)]
    rows = [
        {"record": one.record_id, "diagnoses": list(one.diagnoses), "measurements": measure(one).to_json()}
        for one in simulated
    ]
    place = tmp_path_factory.mktemp("harness")
    split = splits.write_split(place / "split", rows, page_size=112, signal=lambda k: simulated[k].signal)
    return export(split, place / "set")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A tiny GEM that was trained on nothing, behind our own server."""
    sys.path.insert(0, str(ROOT / "tests" / "serving"))
    from test_server import serving

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("served")
    save(*load_model("tiny", texts=[splits.QUESTION, SAID]), place / "tiny")
    with serving(place / "tiny", place / "log") as url:
        yield f"{url}/v1"


def test_inspect_ai_runs_it(folder, server, tmp_path):
    python = python_of("ECG_R1_INSPECT_PYTHON", "inspect_ai")
    (tmp_path / "run.py").write_text(INSPECT)
    words = [python, tmp_path / "run.py", folder, server, tmp_path / "logs", TOKENS]
    found = json.loads(run(words, cwd=tmp_path).splitlines()[-1])
    assert set(found["texts"]) == set(read_set(folder))
    assert any(found["texts"].values())
    assert set(found["metrics"]) == set(METRICS)
    assert found["metrics"]["quoted_per_answer"] >= 0


def test_lm_eval_runs_it(folder, server, tmp_path):
    python = python_of("ECG_R1_LM_EVAL_PYTHON", "lm_eval")
    arguments = f"model=gem,base_url={server}/chat/completions,num_concurrent=1,eos_string=none"
    words = [
        python, "-m", "lm_eval", "run", "--include_path", folder, "--tasks", "measured_claims_chat", "--model",
        "local-chat-completions", "--model_args", arguments, "--apply_chat_template", "--log_samples",
        "--output_path", tmp_path / "out", "--gen_kwargs", f"max_gen_toks={TOKENS}",
    ]  # fmt: skip
    run(words, cwd=tmp_path, OPENAI_API_KEY="none", HF_HOME=str(tmp_path / "hf"))
    (results,) = (tmp_path / "out").rglob("results_*.json")
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    metrics = json.loads(results.read_text())["results"]["measured_claims_chat"]
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    items = read_set(folder)
    counts = [items[row["doc"]["id"]].counts(row["resps"][0][0]) for row in rows]
    assert len(rows) == 3
    for name in METRICS:
        ours, theirs = pooled(one[name] for one in counts), metrics[f"{name.replace('.', '_')},none"]
        assert theirs == pytest.approx(ours, nan_ok=True), name


def test_verifiers_runs_the_rewards(folder, server, tmp_path):
    python = python_of("ECG_R1_VERIFIERS_PYTHON", "verifiers.v1")
    words = [
        Path(python).with_name("vf-eval"), "ecg_r1_claims", "--env.taskset.folder", folder, "--env.agent.harness.id",
        "null", "--env.agent.runtime.type", "subprocess", "--no-push", "--no-rich", "--model", "gem",
        "--client.base_url", server, "--client.api_key_var", "NOT_SET", "--sampling.max_tokens", TOKENS,
        "-o", tmp_path / "out",
    ]  # fmt: skip
    run(words, cwd=tmp_path, path=str(folder))
    (file,) = (tmp_path / "out").rglob("traces.jsonl")
    traces = [trace for line in file.read_text().splitlines() for trace in json.loads(line)["traces"]]
    assert len(traces) == 3
    for trace in traces:
        assert not trace["errors"], trace["errors"]
        assert "claims" in trace["rewards"]
        assert "format" in trace["metrics"]


def test_the_counts_of_single_answers_sum_to_the_table(folder):
    items = read_set(folder)
    judged = [item.judge(SAID) for item in items.values()]
    whole = ratios(judged)
    for name in METRICS:
        assert pooled(item.counts(SAID)[name] for item in items.values()) == pytest.approx(
            whole[name].value(), nan_ok=True
        )
