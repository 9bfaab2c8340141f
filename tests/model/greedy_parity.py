"""Run by test_parity.py in a process of its own (vLLM keeps global state): what HF and vLLM generate, as JSON."""

import json
import sys

import numpy as np
import torch

from ecg_r1.model.checkpoint import load_model
from ecg_r1.model.engine import HFEngine, Prompt, VLLMEngine

TOKENS = 24


def prompts(processor, count):
    """Prompts over {both, ECG only, image only, three leads, two ECGs}, none like another."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        ecg = rng.standard_normal((12, 5000)).astype(np.float32)
        page = rng.integers(0, 255, (112, 112, 3)).astype(np.uint8)
        kind = ("both", "ecg", "image", "leads", "two")[i % 5]
        if kind == "leads":
            ecg[3:] = 0.0
        tags = {"ecg": "<ecg>", "image": "<image>", "two": "<ecg><ecg><image>"}.get(kind, "<ecg><image>")
        ids = processor.tokenizer(processor.expand(f"{tags}\nRead ECG {i}.\n"))["input_ids"]
        ecgs = {"image": [], "two": [ecg, 0.5 * ecg]}.get(kind, [ecg])
        made.append(Prompt(ids, ecgs, [] if kind == "ecg" else [page]))
    return made


def compare(reference, candidate):
    pairs = [(a[0], b[0]) for a, b in zip(reference, candidate, strict=True)]
    same = sum(a.token_ids == b.token_ids for a, b in pairs)
    gap = max(abs(x - y) for a, b in pairs for x, y in zip(a.logprobs, b.logprobs, strict=False))
    return {"same": same, "of": len(pairs), "logprob_gap": gap}


def main(folder):
    model, processor = load_model(folder)
    model.eval()
    asked = prompts(processor, 65)

    def reference():  # one by one: no padding
        return [HFEngine(model, processor).generate([p], temperature=0.0, max_tokens=TOKENS)[0] for p in asked]

    engine = VLLMEngine(folder, dtype="float32", max_model_len=256)
    first = compare(reference(), engine.generate(asked, temperature=0.0, max_tokens=TOKENS))
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    stale = compare(reference(), engine.generate(asked, temperature=0.0, max_tokens=TOKENS))
    engine.load_weights(model.named_parameters())
    updated = compare(reference(), engine.generate(asked, temperature=0.0, max_tokens=TOKENS))
    encoded = count_encoded(engine, asked[0])
    print(json.dumps({"first": first, "stale": stale, "updated": updated, "encoded": encoded}))


def count_encoded(engine, prompt):
    """ECGs the tower encodes for G = 8 completions of one prompt that the engine has not seen."""
    model = engine.llm.llm_engine.model_executor.driver_worker.model_runner.get_model()
    seen = []
    handle = model.ecg_tower.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    new = Prompt(prompt.token_ids, [prompt.ecgs[0] + 0.1], prompt.pages)
    engine.generate([new], n=8, temperature=1.0, max_tokens=4)
    handle.remove()
    return sum(seen)


if __name__ == "__main__":
    main(sys.argv[1])
