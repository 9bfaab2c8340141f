"""Run by test_parity.py in a process of its own (vLLM keeps global state): what HF and vLLM generate, as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from vllm.exceptions import VLLMValidationError

from ecg_r1.engine import Prompt
from ecg_r1.engine.hf import HFEngine
from ecg_r1.engine.vllm_colocated import VLLMEngine
from ecg_r1.model.checkpoint import load_model, save

TOKENS = 24
GREEDY = {"temperature": 0.0, "max_tokens": TOKENS}
OPTIONS = {"dtype": "float32", "max_model_len": 256, "max_num_batched_tokens": 256}  # many passes for all prompts


def prompts(processor, count):
    """Prompts over {both, ECG only, image only, three leads, two ECGs}, all different; pages only if they are read."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        ecg = rng.standard_normal((12, 5000)).astype(np.float32)
        page = rng.integers(0, 255, (112, 112, 3)).astype(np.uint8)
        kind = ("both", "ecg", "image", "leads", "two")[i % 5]
        if processor.page_size is None:
            kind = {"both": "ecg", "image": "ecg"}.get(kind, kind)
        if kind == "leads":
            ecg[3:] = 0.0
        ecgs = {"image": [], "two": [ecg, 0.5 * ecg]}.get(kind, [ecg])
        pages = [] if kind == "ecg" or processor.page_size is None else [page]
        tags = "<ecg>" * len(ecgs) + "<image>" * len(pages)
        ids = processor.tokenizer(processor.expand(f"{tags}\nRead ECG {i}.\n"))["input_ids"]
        made.append(Prompt(ids, ecgs, pages))
    return made


def compare(reference, candidate):
    pairs = [(a[0], b[0]) for a, b in zip(reference, candidate, strict=True)]
    same = sum(a.token_ids == b.token_ids for a, b in pairs)
    gap = max(abs(x - y) for a, b in pairs for x, y in zip(a.logprobs, b.logprobs, strict=False))
    return {"same": same, "of": len(pairs), "logprob_gap": gap}


def main(folder, count, ranks):
    model, processor = load_model(folder)
    model.eval()
    asked = prompts(processor, count)
    first = reference(model, processor, asked)
    if ranks > 1:
        engine = VLLMEngine(folder, **OPTIONS, tensor_parallel_size=ranks, distributed_executor_backend="mp")
        return {"first": compare(first, engine.generate(asked, **GREEDY))}
    engine = VLLMEngine(folder, **OPTIONS)
    found = {"first": compare(first, engine.generate(asked, **GREEDY)), "encoded": count_encoded(engine, asked[0])}
    found["refused"] = refused(engine, asked[0])
    drawn = [engine.generate(asked, n=2, seed=seed, temperature=1.0, max_tokens=4) for seed in (3, 3, 4)]
    found["drawn"] = [[[row.token_ids for row in rows] for rows in each] for each in drawn]
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    now = reference(model, processor, asked)
    found["stale"] = compare(now, engine.generate(asked, **GREEDY))
    engine.load_weights(model.named_parameters())
    found["updated"] = compare(now, engine.generate(asked, **GREEDY))
    return found | with_adapter(Path(folder), model, processor, asked, engine, now)


def reference(model, processor, asked):
    return [HFEngine(model, processor).generate([prompt], **GREEDY)[0] for prompt in asked]  # one by one: no padding


def with_adapter(folder, model, processor, asked, engine, without):
    """The language model's LoRA: as an adapter on a second engine, and merged and pushed into the first."""
    updated, adapter = folder / "updated", folder / "adapter"
    save(model, processor, updated)
    adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=r"model\.language_model\..*_proj"))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    adapted.eval().save_pretrained(adapter)
    now = reference(adapted, processor, asked)
    found = {"without_adapter": compare(now, without)}
    engine.load_weights(adapted.merge_and_unload().named_parameters())
    found["merged"] = compare(now, engine.generate(asked, **GREEDY))
    engine.close()
    second = VLLMEngine(updated, **OPTIONS, enable_lora=True, max_lora_rank=8)
    found["adapter"] = compare(now, second.generate(asked, adapter=adapter, **GREEDY))
    found["adapter_off"] = compare(without, second.generate(asked, **GREEDY))
    return found


def count_encoded(engine, prompt):
    """ECGs the tower encodes for G = 8 completions of a new prompt, then for the same page with another ECG."""
    model = engine.llm.llm_engine.model_executor.driver_worker.model_runner.get_model()
    seen = []
    handle = model.ecg_tower.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    counts = []
    for shift in (0.1, 0.2, 0.1):
        new = Prompt(prompt.token_ids, [prompt.ecgs[0] + np.float32(shift)], prompt.pages)
        engine.generate([new], n=8, temperature=1.0, max_tokens=4)
        counts.append(sum(seen))
    handle.remove()
    return counts


def refused(engine, prompt):
    """What the engine says of prompts whose placeholders are not those of their media."""
    said = []
    wrong = [([], prompt.pages), (prompt.ecgs * 2, prompt.pages)]
    if prompt.pages:
        wrong.append((prompt.ecgs, []))
    for ecgs, pages in wrong:
        try:
            engine.generate([Prompt(prompt.token_ids, ecgs, pages)], **GREEDY)
        except VLLMValidationError as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
