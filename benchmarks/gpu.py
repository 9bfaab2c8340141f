"""What a GRPO update and a rollout of GEM cost on one GPU: random weights, the shapes of `recipes/gem-7b`.

    python benchmarks/gpu.py [--preset gem-7b]      at most 8 minutes on one GPU of 80 GB; torch and transformers only

Rows: the towers; an update with LoRA and gradient checkpointing, plain and shared prefix; transformers' generate; the
attention of one layer over completions of many lengths, forward and backward: our kernel for packed rows, SDPA with a
dense mask over the same row, and SDPA with the prefix repeated for each completion.
"share of peak" divides the matrix products of the language model (attention left out) by what one large product of the
same dtype reaches in this run. Without a GPU it runs the tiny preset. The last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.presets import build_config
from ecg_r1.model.tokenizer import train_tokenizer
from ecg_r1.train.branching import Layout, flex_branching_attention, merged_attention, use_branching_attention
from ecg_r1.train.shared_prefix import SharedPrefix

TEXT_TOKENS = 40  # of a prompt, beside those of its ECG and its page
SHAPES = {"gem-7b": (8, 512, 128), "small": (8, 256, 64), "tiny": (4, 16, 8)}  # G, C, new tokens of a rollout
HEAD_ROWS = 2048  # hidden states whose logits are in memory at once


class LowRank(nn.Module):
    """A frozen linear layer with LoRA of rank 64, as PEFT adds it."""

    def __init__(self, base: nn.Linear, rank: int = 64):
        super().__init__()
        self.base = base
        like = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.a = nn.Parameter(torch.randn(rank, base.in_features, **like) / math.sqrt(base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank, **like))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + 2 * (x @ self.a.T) @ self.b.T


class Policy:
    """The model as TRL's fused head calls it: log-probs of the tokens that `shift_labels` names."""

    def __init__(self, model: GEMForConditionalGeneration, media: dict[str, torch.Tensor]):
        self.model, self.media = model, media

    def __call__(self, shift_labels: torch.Tensor, **inputs: Any) -> SimpleNamespace:
        hidden = self.model.model(**inputs, **self.media, use_cache=False).last_hidden_state.flatten(0, 1)
        wanted = shift_labels.flatten()
        place = (wanted != -100).nonzero().squeeze(1)
        parts = [
            checkpoint(self._log_probs, hidden[rows], wanted[rows], use_reentrant=False)
            for rows in place.split(HEAD_ROWS)
        ]
        log_probs = hidden.new_zeros(len(wanted), dtype=torch.float32).index_copy(0, place, torch.cat(parts))
        return SimpleNamespace(log_probs=log_probs.view(shift_labels.shape), entropy=None, aux_loss=None)

    def _log_probs(self, hidden: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return self.model.lm_head(hidden).float().log_softmax(-1).gather(1, wanted.unsqueeze(1)).squeeze(1)


def build(preset: str, device: torch.device, dtype: torch.dtype) -> GEMForConditionalGeneration:
    """A model of random weights on the device: frozen, with LoRA on every linear layer of the language model."""
    torch.manual_seed(0)
    config = build_config(preset, train_tokenizer(["Read this ECG."]))
    torch.set_default_dtype(dtype)
    with device:
        model = GEMForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    model.requires_grad_(requires_grad=False)
    language_model = model.model.language_model
    for module in list(language_model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, LowRank(child))
    use_branching_attention(language_model)
    language_model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


class Attention:
    """One layer's attention over a prompt and completions whose lengths are spread evenly up to the longest."""

    def __init__(self, config: Any, prefix: int, longest: int, group: int, device: torch.device, dtype: torch.dtype):
        lengths = tuple(max(1, longest * (i + 1) // group) for i in range(group))
        self.layout, self.longest = Layout((prefix - 1,), (lengths,)), longest
        heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
        shape = (1, heads, self.layout.length, width)
        self.parts = [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for _ in range(3)]
        group_of, branch = self.layout.owners(device)
        own = (branch[:, None] == branch[None]) | (branch[None] < 0)
        self.mask = own & (group_of[:, None] == group_of[None]) & torch.ones_like(own).tril()

    def packed(self) -> None:
        attend = flex_branching_attention if self.parts[0].is_cuda else merged_attention
        attend(*self.parts, self.layout).sum().backward()

    def dense(self) -> None:
        nn.functional.scaled_dot_product_attention(*self.parts, attn_mask=self.mask).sum().backward()

    def repeated(self) -> None:
        def rows(x: torch.Tensor) -> torch.Tensor:  # (completions, heads, prefix and longest, width)
            head, *tails = x.split([self.layout.start, *self.layout.lengths], dim=2)
            longest = [nn.functional.pad(tail, (0, 0, 0, self.longest - tail.shape[2])) for tail in tails]
            return torch.cat([torch.cat([head, tail], dim=2) for tail in longest])

        nn.functional.scaled_dot_product_attention(*map(rows, self.parts), is_causal=True).sum().backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=SHAPES, default="gem-7b" if torch.cuda.is_available() else "tiny")
    preset = parser.parse_args().preset
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    group, length, new = SHAPES[preset]
    model = build(preset, device, dtype)
    config = model.config
    media = {
        "ecg_values": torch.randn(1, config.ecg_config.leads, config.ecg_config.samples, device=device, dtype=dtype),
        "pixel_values": torch.randn(1, 3, *[config.vision_config.image_size] * 2, device=device, dtype=dtype),
    }
    placeholders = [config.ecg_token_id] * config.num_ecg_tokens + [config.image_token_id] * config.num_image_tokens
    prompt = torch.tensor([placeholders + [1] * TEXT_TOKENS], device=device)
    rows = torch.cat([prompt.repeat(group, 1), torch.ones(group, length, dtype=torch.long, device=device)], dim=1)
    mask, labels = torch.ones_like(rows), rows.clone()
    labels[:, : prompt.shape[1]] = -100
    every = {name: values.expand(group, *values.shape[1:]) for name, values in media.items()}
    parameters = sum(
        child.weight.numel() for child in model.model.language_model.modules() if isinstance(child, nn.Linear)
    )
    peak = _peak(device, dtype)

    def plain() -> None:
        output = Policy(model, every)(input_ids=rows[:, :-1], attention_mask=mask[:, :-1], shift_labels=labels[:, 1:])
        output.log_probs.mean().backward()

    def shared() -> None:
        SharedPrefix(Policy(model, media), group, length)(rows, mask, labels).log_probs.mean().backward()

    def towers() -> None:
        with torch.no_grad():
            model.model.encode_ecg(every["ecg_values"])
            model.model.encode_image(every["pixel_values"])

    def rollout() -> None:
        with torch.no_grad():
            model.eval()
            model.generate(input_ids=rows[:, : prompt.shape[1]], attention_mask=mask[:, : prompt.shape[1]], **every,
                           max_new_tokens=new, min_new_tokens=new, do_sample=True)  # fmt: skip
            model.train()

    model.train()
    prefix = prompt.shape[1]
    table = []
    ragged = Attention(config.text_config, prefix, length, group, device, dtype)
    for name, run, read, written in (
        ("towers", towers, 0, group),
        ("update, plain", plain, group * (prefix + length - 1), group * length),
        ("update, shared prefix", shared, prefix - 1 + group * length, group * length),
        ("rollout, transformers", rollout, 0, group * new),
        ("attention, packed", ragged.packed, 0, ragged.layout.length),
        ("attention, dense mask", ragged.dense, 0, ragged.layout.length),
        ("attention, repeated prefix", ragged.repeated, 0, ragged.layout.length),
    ):
        seconds, memory = _measure(run, device)
        row = {"what": name, "seconds": seconds, "per second": written / seconds, "peak GiB": memory}
        if read:  # forward, forward again for the checkpoints, and the gradient by the inputs alone
            row["share of peak"] = 6 * parameters * read / seconds / peak
        table.append(row)
        print("  ".join(f"{key} {value:.4g}" if isinstance(value, float) else str(value) for key, value in row.items()))
    of = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    shape = {"preset": preset, "P": prefix, "C": length, "G": group, "peak TFLOP/s": peak / 1e12}
    print(json.dumps({"device": of, "dtype": str(dtype), **shape, "rows": table}))


def _measure(run: Callable[[], None], device: torch.device) -> tuple[float, float]:
    """Median seconds of three runs after a first one, and the peak of memory in GiB (0 without a GPU)."""
    run()
    seconds = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(3):
        began = _now(device)
        run()
        seconds.append(_now(device) - began)
    memory = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
    return sorted(seconds)[1], memory


def _peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of one large matrix product."""
    width = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(width, width, device=device, dtype=dtype) for _ in range(2))
    seconds, _ = _measure(lambda: a @ b, device)
    return 2 * width**3 / seconds


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
