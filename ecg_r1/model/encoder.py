"""The towers and projectors, shared by the Hugging Face model and the vLLM model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import CLIPVisionModel
from transformers.modeling_layers import GradientCheckpointingLayer

from ecg_r1.model.configuration import ECGTowerConfig, GEMConfig, stem_padding
from ecg_r1.model.features import FeatureCache


class ECGBlock(GradientCheckpointingLayer):
    """One bidirectional transformer block, with its norms before attention and MLP.

    Takes and returns hidden states (B, tokens, hidden_size); mask (B, 1, 1, tokens) is False at tokens that none reads.
    """

    def __init__(self, config: ECGTowerConfig):
        super().__init__()
        self.heads = config.num_attention_heads
        self.ln_1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.qkv_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.ln_2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.c_fc = nn.Linear(config.hidden_size, config.intermediate_size)
        self.c_proj = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        batch, tokens, width = hidden.shape
        qkv = self.qkv_proj(self.ln_1(hidden)).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        hidden = hidden + self.out_proj(attended.transpose(1, 2).reshape(batch, tokens, width))
        return hidden + self.c_proj(nn.functional.gelu(self.c_fc(self.ln_2(hidden))))


class ECGTower(nn.Module):
    """Signal (B, leads, samples) in mV -> hidden states (B, tokens, hidden_size): class token first, no final norm.

    To leave a lead out, set it to zero: the first convolution has no bias, so zeros add nothing; with `lead_tokens`
    such a lead has no tokens.
    """

    def __init__(self, config: ECGTowerConfig):
        super().__init__()
        self.config = config
        channels, layers = 1 if config.lead_tokens else config.leads, []
        for width, kernel, stride in config.stem or []:
            layers.append(nn.Conv1d(channels, width, kernel, stride, stem_padding(kernel, stride), bias=False))
            channels = width
        self.stem = nn.ModuleList(layers)
        self.class_embedding = nn.Parameter(torch.randn(config.hidden_size) * config.hidden_size**-0.5)
        self.positional_embedding = nn.Parameter(
            torch.randn(config.num_tokens, config.hidden_size) * config.hidden_size**-0.5
        )
        if config.lead_tokens:
            self.lead_embedding = nn.Parameter(torch.randn(config.leads, config.hidden_size) * config.hidden_size**-0.5)
        self.ln_pre = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.blocks = nn.ModuleList(ECGBlock(config) for _ in range(config.num_hidden_layers))
        if config.projection_dim is not None:  # of ECG-CoCa's contrastive loss: stands after the output
            self.ln_post = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
            self.proj = nn.Parameter(torch.randn(config.hidden_size, config.projection_dim) * config.hidden_size**-0.5)

    def forward(self, ecg_values: torch.Tensor) -> torch.Tensor:
        ecg_values = ecg_values.to(self.class_embedding.dtype)
        if self.config.lead_tokens:
            return self._by_lead(ecg_values)
        hidden = self._cut(ecg_values)
        class_token = self.class_embedding.expand(hidden.shape[0], 1, -1)
        hidden = self.ln_pre(torch.cat([class_token, hidden], dim=1) + self.positional_embedding)
        for block in self.blocks:
            hidden = block(hidden)
        return hidden

    def _cut(self, signal: torch.Tensor) -> torch.Tensor:
        """The convolutions of the stem: (N, channels, samples) -> (N, times, hidden_size)."""
        hidden = self.stem[0](signal)
        for convolution in self.stem[1:]:
            hidden = convolution(nn.functional.gelu(hidden))
        return hidden.transpose(1, 2)

    def _by_lead(self, signal: torch.Tensor) -> torch.Tensor:
        """Tokens of each lead by itself; after the blocks, the mean over the leads that are shown at each time."""
        batch, leads, _ = signal.shape
        shown = (signal != 0).any(dim=-1)
        cut = self._cut(signal.flatten(0, 1).unsqueeze(1)).unflatten(0, (batch, leads))
        times = cut.shape[2]
        cut = cut + self.positional_embedding[1:] + self.lead_embedding.unsqueeze(1)
        class_token = (self.class_embedding + self.positional_embedding[0]).expand(batch, 1, -1)
        hidden = self.ln_pre(torch.cat([class_token, cut.flatten(1, 2)], dim=1))
        read = torch.cat([shown.new_ones(batch, 1), shown.repeat_interleave(times, dim=1)], dim=1)
        for block in self.blocks:
            hidden = block(hidden, read[:, None, None])
        of_leads = hidden[:, 1:].unflatten(1, (leads, times)) * shown[:, :, None, None]
        mean = of_leads.sum(dim=1) / shown.sum(dim=1).clamp(min=1)[:, None, None]
        return torch.cat([hidden[:, :1], mean], dim=1)


class Encoders:
    """The towers and the projectors: a mixin, so that both engines name the tensors of a checkpoint alike.

    Attributes:
        ecg_tower: signal -> features.
        ecg_projector: the ECG's features -> the vision tower's feature space; None without a vision tower.
        vision_tower: CLIP, page -> features; None in a model that reads the signal alone.
        mm_projector: features -> the language model's width.
        ecg_mm_projector: the ECG's own `mm_projector`; None unless the configuration asks for separate projectors.
        features: what frozen towers have said; None where none is kept.
    """

    features: FeatureCache | None = None

    def build_encoders(self, config: GEMConfig) -> None:
        """Make the modules.

        Args:
            config: of the whole GEM.
        """
        ecg, vision, text = config.ecg_config, config.vision_config, config.text_config
        width = ecg.hidden_size if vision is None else vision.hidden_size
        self.vision_feature_layer = config.vision_feature_layer
        self.ecg_tower = ECGTower(ecg)
        self.ecg_projector = None if vision is None else nn.Linear(ecg.hidden_size, width)
        self.vision_tower: Any = None if vision is None else CLIPVisionModel(vision)
        self.mm_projector = _mlp(width, text.hidden_size)
        self.ecg_mm_projector = _mlp(width, text.hidden_size) if config.separate_projectors else None

    def encode_ecg(self, ecg_values: torch.Tensor, keys: torch.Tensor | None = None) -> torch.Tensor:
        """Embed ECGs as tokens of the language model.

        Args:
            ecg_values: (N, leads, samples) in mV, leads in the tower's order.
            keys: (N,), under which `features` keeps what the tower says of them; without keys it is run.

        Returns:
            (N, ECG tokens, text width).
        """
        features = self._read("ecg", ecg_values, keys, self.ecg_tower)
        if self.ecg_projector is not None:
            features = self.ecg_projector(features)
        projector = self.mm_projector if self.ecg_mm_projector is None else self.ecg_mm_projector
        return projector(features)

    def encode_image(self, pixel_values: torch.Tensor, keys: torch.Tensor | None = None) -> torch.Tensor:
        """Embed pages as tokens of the language model; CLIP's class token is dropped.

        Args:
            pixel_values: (N, 3, H, W), normalised.
            keys: as in `encode_ecg`.

        Returns:
            (N, image tokens, text width).

        Raises:
            ValueError: the model has no vision tower.
        """
        if self.vision_tower is None:
            raise ValueError("this GEM has no vision tower and reads no pages; give ECGs alone")
        dtype = next(self.mm_projector.parameters()).dtype  # PEFT may have wrapped it
        return self.mm_projector(self._read("image", pixel_values.to(dtype), keys, self._read_page))

    def _read_page(self, pixel_values: torch.Tensor) -> torch.Tensor:
        hidden = self.vision_tower(pixel_values, output_hidden_states=True).hidden_states
        return hidden[self.vision_feature_layer][:, 1:]

    def _read(
        self,
        tower: str,
        values: torch.Tensor,
        keys: torch.Tensor | None,
        encode: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        if self.features is None or keys is None:
            return encode(values)
        return self.features.take(tower, keys, values, encode)


def _mlp(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width_in, width_out), nn.GELU(), nn.Linear(width_out, width_out))
