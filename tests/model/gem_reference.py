"""GEM's computation in plain tensor operations, on a state dict under GEM's own key names; no module of ours or HF's.

Written from GEM's description: ECG tower -> `ecg_projector` -> the `mm_projector` that the image passes too; CLIP's
next-to-last hidden state without its class token; both in place of `<image>`, ECG first; a Llama.
"""

import math

import numpy as np
import torch
from PIL import Image


def layer_norm(state, name, x, eps=1e-5):
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * state[f"{name}.weight"]
        + state[f"{name}.bias"]
    )


def linear(state, name, x):
    y = x @ state[f"{name}.weight"].T
    return y + state[f"{name}.bias"] if f"{name}.bias" in state else y


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attention(query, key, value, heads, mask=None):
    """(T, width) each; keys and values may have fewer heads."""
    tokens, width = query.shape
    query = query.view(tokens, heads, -1).transpose(0, 1)
    key, value = (x.view(tokens, -1, width // heads).transpose(0, 1) for x in (key, value))
    key, value = (x.repeat_interleave(heads // x.shape[0], dim=0) for x in (key, value))
    weights = query @ key.transpose(1, 2) / math.sqrt(width // heads)
    if mask is not None:
        weights = weights.masked_fill(~mask, -math.inf)
    return (weights.softmax(-1) @ value).transpose(0, 1).reshape(tokens, width)


def ecg_features(state, ecg, layers, heads, kernel=50):
    """(12, 5000) mV in MIMIC's lead order -> (101, width), before the final norm and with the class token."""
    tower = "model.ecg_tower.ecg_tower."
    patches = ecg.view(12, -1, kernel).permute(1, 0, 2).flatten(1)
    x = patches @ state[tower + "conv1.weight"].flatten(1).T
    x = torch.cat([state[tower + "class_embedding"][None], x]) + state[tower + "positional_embedding"]
    x = layer_norm(state, tower + "ln_pre", x)
    for i in range(layers):
        block = f"{tower}transformer.resblocks.{i}"
        y = layer_norm(state, f"{block}.ln_1", x)
        qkv = y @ state[f"{block}.attn.in_proj_weight"].T + state[f"{block}.attn.in_proj_bias"]
        x = x + linear(state, f"{block}.attn.out_proj", attention(*qkv.chunk(3, dim=-1), heads))
        y = linear(state, f"{block}.mlp.c_fc", layer_norm(state, f"{block}.ln_2", x))
        x = x + linear(state, f"{block}.mlp.c_proj", gelu(y))
    return x


def mm_projector(state, x):
    return linear(state, "model.mm_projector.2", gelu(linear(state, "model.mm_projector.0", x)))


def image_features(state, pixels, layers, heads, patch=14):
    """(3, S, S) -> (patches, width): CLIP's hidden state before its last layer, without the class token."""
    tower = "model.vision_tower.vision_tower.vision_model."
    side = pixels.shape[1] // patch
    patches = pixels.view(3, side, patch, side, patch).permute(1, 3, 0, 2, 4).reshape(side * side, -1)
    x = patches @ state[tower + "embeddings.patch_embedding.weight"].flatten(1).T
    x = torch.cat([state[tower + "embeddings.class_embedding"][None], x])
    x = layer_norm(state, tower + "pre_layrnorm", x + state[tower + "embeddings.position_embedding.weight"])
    for i in range(layers - 1):
        layer = f"{tower}encoder.layers.{i}"
        y = layer_norm(state, f"{layer}.layer_norm1", x)
        qkv = (linear(state, f"{layer}.self_attn.{name}_proj", y) for name in "qkv")
        x = x + linear(state, f"{layer}.self_attn.out_proj", attention(*qkv, heads))
        y = linear(state, f"{layer}.mlp.fc1", layer_norm(state, f"{layer}.layer_norm2", x))
        x = x + linear(state, f"{layer}.mlp.fc2", y * torch.sigmoid(1.702 * y))
    return x[1:]


def rms_norm(state, name, x, eps=1e-5):
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * state[f"{name}.weight"]


def rotate(x, heads):
    """Rotary embedding of (T, heads * width), base 10,000, halves as Llama pairs them."""
    tokens, width = x.shape[0], x.shape[1] // heads
    angles = torch.arange(tokens)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    cos, sin = (torch.cat([f, f], dim=-1)[:, None] for f in (angles.cos(), angles.sin()))
    x = x.view(tokens, heads, width)
    halves = torch.cat([-x[..., width // 2 :], x[..., : width // 2]], dim=-1)
    return (x * cos + halves * sin).reshape(tokens, -1)


def llama_logits(state, x, layers, heads, keys):
    causal = torch.ones(len(x), len(x), dtype=torch.bool).tril()
    for i in range(layers):
        layer = f"model.layers.{i}"
        y = rms_norm(state, f"{layer}.input_layernorm", x)
        query, key, value = (linear(state, f"{layer}.self_attn.{name}_proj", y) for name in "qkv")
        attended = attention(rotate(query, heads), rotate(key, keys), value, heads, causal)
        x = x + linear(state, f"{layer}.self_attn.o_proj", attended)
        y = rms_norm(state, f"{layer}.post_attention_layernorm", x)
        gate = linear(state, f"{layer}.mlp.gate_proj", y)
        up = linear(state, f"{layer}.mlp.up_proj", y)
        x = x + linear(state, f"{layer}.mlp.down_proj", gate * torch.sigmoid(gate) * up)
    return linear(state, "lm_head", rms_norm(state, "model.norm", x))


def page_pixels(page, size):
    """GEM's picture: the shorter side to `size`, the centre of the longer one, CLIP's mean and deviation."""
    image = Image.fromarray(page)
    width, height = image.size
    scale = size / min(width, height)
    image = image.resize((int(width * scale), int(height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.float64) / 255
    mean, deviation = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    return torch.tensor((pixels - mean) / deviation, dtype=torch.float32).permute(2, 0, 1)


def prompt_ids(sentencepiece, system, question):
    """GEM cuts the conversation at `<image>` and tokenises both sides alone; <s> before the first."""
    before, after = f"{system} USER: ", f"\n{question} ASSISTANT:"
    return [1, *sentencepiece.encode(before)], sentencepiece.encode(after)
