"""GEM for transformers: modalities are merged inside the backbone's forward, as TRL's fused LM head requires."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel
from transformers.cache_utils import Cache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel

from .configuration import GEMConfig
from .encoder import ECGTower, Encoders


class GEMPreTrainedModel(PreTrainedModel):
    config_class = GEMConfig
    base_model_prefix = "model"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _no_split_modules = ("ECGBlock", "LlamaDecoderLayer", "CLIPEncoderLayer")

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ECGTower):
            std = module.config.hidden_size**-0.5
            nn.init.normal_(module.class_embedding, std=std)
            nn.init.normal_(module.positional_embedding, std=std)
        elif isinstance(module, nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")


class GEMModel(Encoders, GEMPreTrainedModel):
    """Towers, projectors and the language model's backbone."""

    base_model_prefix = ""

    def __init__(self, config: GEMConfig):
        super().__init__(config)
        self.build_encoders(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        ecg_values: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        media_index: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Merge the media into the prompt's placeholders and run the language model.

        Args:
            input_ids: (B, T) with one placeholder id for each ECG or image token.
            ecg_values: (N, leads, samples) in mV, in the order of the ECGs of the batch.
            pixel_values: (M, 3, H, W), in the order of the pages of the batch.
            media_index: (B,) which ECG and page belongs to each row, where several rows share one record (the G
                completions of a prompt): each record is then encoded once. Without it, row i uses ECG i.

        Raises:
            ValueError: the placeholders of the batch do not match the ECGs or pages given.
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if ecg_values is not None:
            inputs_embeds = self._place(
                inputs_embeds, input_ids, self.config.ecg_token_id, self.encode_ecg(ecg_values), media_index, "ECG"
            )
        if pixel_values is not None:
            inputs_embeds = self._place(
                inputs_embeds, input_ids, self.config.image_token_id, self.encode_image(pixel_values), media_index,
                "image",
            )  # fmt: skip
        return self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )

    @staticmethod
    def _place(
        embeds: torch.Tensor,
        input_ids: torch.Tensor,
        token_id: int,
        features: torch.Tensor,
        media_index: torch.Tensor | None,
        what: str,
    ) -> torch.Tensor:
        if media_index is not None:
            features = features[media_index]
        tokens = features.shape[1]
        mask = input_ids == token_id
        if media_index is not None or features.shape[0] == input_ids.shape[0]:
            # A policy can sample the placeholder itself: only the prompt's own run is a placeholder.
            mask &= mask.cumsum(dim=1) <= tokens
        if int(mask.sum()) != features.shape[0] * tokens:
            raise ValueError(
                f"{int(mask.sum())} {what} placeholders for {features.shape[0]} {what}s of {tokens} tokens each: "
                "build the prompt and its media with one GEMProcessor call, without truncation"
            )
        return embeds.masked_scatter(mask.unsqueeze(-1), features.to(embeds.dtype))


class GEMForConditionalGeneration(GEMPreTrainedModel, GenerationMixin):
    """GEM with its language-model head."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: GEMConfig):
        super().__init__(config)
        self.model = GEMModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        ecg_values: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        media_index: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """As `GEMModel.forward`, and logits (B, T, vocabulary); with `labels` (B, T), the causal LM loss."""
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            ecg_values=ecg_values,
            pixel_values=pixel_values,
            media_index=media_index,
            **kwargs,
        )
        hidden = outputs.last_hidden_state
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, keep, :])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=outputs.past_key_values)

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        ecg_values: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        media_index: torch.Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,  # `generate` looks for this very name
    ) -> dict[str, Any]:
        inputs = super().prepare_inputs_for_generation(input_ids, is_first_iteration=is_first_iteration, **kwargs)
        if is_first_iteration or not kwargs.get("use_cache", True):  # the media live in the cache afterwards
            inputs |= {"ecg_values": ecg_values, "pixel_values": pixel_values, "media_index": media_index}
        return inputs
