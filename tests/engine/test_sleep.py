"""An engine that sleeps gives its memory back between rollouts: the order of its calls. vLLM on a CPU cannot sleep."""

from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
vllm = pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

from ecg_r1.engine import Prompt, vllm_colocated
from ecg_r1.engine.vllm_colocated import VLLMEngine


class Noted:
    """In the place of `vllm.LLM`: notes what it is asked for."""

    def __init__(self, **options):
        self.options, self.calls = options, []
        runner = SimpleNamespace(reload_weights=lambda weights_iterator: self.calls.append("weights"))
        self.llm_engine = SimpleNamespace(
            model_executor=SimpleNamespace(driver_worker=SimpleNamespace(model_runner=runner)),
            engine_core=SimpleNamespace(reset_encoder_cache=lambda: None),
        )
        self.reset_mm_cache = self.reset_prefix_cache = lambda: None

    def sleep(self, level):
        self.calls.append(f"sleep {level}")

    def wake_up(self):
        self.calls.append("wake")

    def generate(self, prompts, **options):
        self.calls.append("generate")
        return []


@pytest.mark.parametrize(
    ("sleeps", "calls"),
    [
        (True, ["sleep 1", "wake", "weights", "generate", "sleep 1", "wake", "generate", "sleep 1"]),
        (False, ["weights", "generate", "generate"]),
    ],
)
def test_it_wakes_for_weights_and_rollouts_and_sleeps_after_them(monkeypatch, tmp_path, sleeps, calls):
    monkeypatch.setattr(vllm, "LLM", Noted)
    monkeypatch.setattr(vllm_colocated, "check_values", lambda folder: None)
    engine = VLLMEngine(tmp_path, sleeps=sleeps)
    engine.load_weights([])
    engine.generate([Prompt([1], [])])
    engine.generate([Prompt([1], [])])
    assert engine.llm.calls == calls
    assert engine.llm.options.get("enable_sleep_mode", False) == sleeps
