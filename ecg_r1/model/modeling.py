"""GEM for transformers: modalities are merged inside the backbone's forward, as TRL's fused LM head requires."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, initialization
from transformers.cache_utils import Cache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel

from ecg_r1.model.configuration import GEMConfig
from ecg_r1.model.encoder import ECGTower, Encoders


class GEMPreTrainedModel(PreTrainedModel):
    """What transformers asks of every model class: kernels, checkpointing, initial weights."""

    config_class = GEMConfig
    base_model_prefix = "model"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _no_split_modules = ("ECGBlock",)  # the vision tower and the language model add theirs

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint as transformers does, from safetensors only: a pickle is not opened."""
        return super().from_pretrained(*args, **(kwargs | {"use_safetensors": True}))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ECGTower):
            std = module.config.hidden_size**-0.5
            initialization.normal_(module.class_embedding, std=std)
            initialization.normal_(module.positional_embedding, std=std)
            if module.config.lead_tokens:
                initialization.normal_(module.lead_embedding, std=std)
            if module.config.projection_dim is not None:
                initialization.normal_(module.proj, std=std)
        elif isinstance(module, nn.Conv1d):
            initialization.kaiming_normal_(module.weight, nonlinearity="linear")


class GEMModel(Encoders, GEMPreTrainedModel):
    """The towers, the projectors and the language model without its head."""

    base_model_prefix = ""

    def __init__(self, config: GEMConfig):
        super().__init__(config)
        self.build_encoders(config)
        ecg, vision = config.ecg_config, config.vision_config
        self._no_ecg = ecg.leads, ecg.samples
        self._no_page = None if vision is None else (3, vision.image_size, vision.image_size)
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
        media_keys: torch.Tensor | None = None,
        unscored: int = 0,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Put the media in place of the prompt's placeholders and run the language model.

        In training, a modality that no row has is still encoded (zeros) and placed nowhere: its parameters get zero
        gradients rather than none, so that DDP and ZeRO see the same parts of the model on every rank.

        Args:
            input_ids: (B, T) with one placeholder id for each ECG or image token.
            attention_mask: (B, T), 0 at padding; or a mask of the language model's attention.
            position_ids: (B, T), of the language model.
            past_key_values: the language model's cache.
            inputs_embeds: (B, T, text width), instead of the embeddings of `input_ids`; placeholders are still found
                by their ids.
            ecg_values: (N, leads, samples) in mV, in the order of the ECGs of the batch.
            pixel_values: (M, 3, H, W), in the order of the pages of the batch.
            media_index: (B, R, 2), for each row the places of the ECG and of the page of its R records, in their order;
                -1 where a row has no record. So a record that several rows share (the G completions of a prompt) is
                encoded once. Without it, the media are taken row by row, as many as a row has placeholders for.
            media_keys: (N, 2), the keys of `ecg_values` and `pixel_values`, under which the features of frozen towers
                are kept; N is that of both.
            unscored: leave the hidden states of the first so many positions out of what is returned.
            kwargs: the language model's.

        Returns:
            The language model's last hidden state (B, T, text width) and cache.

        Raises:
            ValueError: the placeholders of the batch do not match the ECGs or pages given, or a page is given to a
                model without a vision tower.
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        cached = past_key_values is not None and past_key_values.get_seq_length() > 0
        ecg_index, page_index = (None, None) if media_index is None else media_index.unbind(-1)
        ecg_keys, page_keys = (None, None) if media_keys is None else media_keys.unbind(-1)
        for what, values, keys, token_id, encode, empty, index in (
            ("ECG", ecg_values, ecg_keys, self.config.ecg_token_id, self.encode_ecg, self._no_ecg, ecg_index),
            (
                "image",
                pixel_values,
                page_keys,
                self.config.image_token_id,
                self.encode_image,
                self._no_page,
                page_index,
            ),
        ):
            if values is not None:
                inputs_embeds = _place(what, encode(values, keys), inputs_embeds, input_ids == token_id, index)
            elif self.training and not cached and empty is not None:
                features = encode(inputs_embeds.new_zeros(1, *empty))
                nowhere = torch.zeros_like(inputs_embeds[..., :1], dtype=torch.bool)
                inputs_embeds = inputs_embeds.masked_scatter(nowhere, features.to(inputs_embeds.dtype))
        outputs = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        if unscored:
            outputs.last_hidden_state = outputs.last_hidden_state[:, unscored:]
        return outputs


def _place(
    what: str, features: torch.Tensor, embeds: torch.Tensor, mask: torch.Tensor, index: torch.Tensor | None
) -> torch.Tensor:
    """Put `features` (N, tokens, width) in the places of `embeds` (B, T, width) that `mask` (B, T) marks.

    index: (B, R) into `features`, -1 where a row has fewer; None: the features are in the order of the rows.
    """
    tokens = features.shape[1]
    marked = mask.sum(dim=1)
    if index is None:
        items = marked // tokens
        whole = bool(((marked == 0) | (items > 0)).all()) and int(items.sum()) == len(features)
    else:
        items = (index >= 0).sum(dim=1)
        whole = bool((marked >= items * tokens).all())
        features = features[index[index >= 0]]
    if not whole:
        raise ValueError(
            f"{marked.tolist()} {what} placeholders in the batch's rows for {features.shape[0]} {what}s of {tokens}"
            " tokens each: build the prompt and its media with one GEMProcessor call, without truncation"
        )
    # A policy can sample the placeholder itself: only the prompt's own runs, which come first, are placeholders.
    mask &= mask.cumsum(dim=1) <= items.unsqueeze(1) * tokens
    return embeds.masked_scatter(mask.unsqueeze(-1), features.to(embeds.dtype))


class GEMForConditionalGeneration(GEMPreTrainedModel, GenerationMixin):
    """GEM with the head of its language model."""

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
        media_keys: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Predict the next token at each position.

        Args:
            labels: (B, T), -100 where no loss is computed.
            logits_to_keep: compute only the logits of the last so many positions, or of these positions; 0: of all.
            kwargs: these and the other arguments as in `GEMModel.forward`.

        Returns:
            Logits (B, positions, vocabulary), the cache, and the mean cross-entropy where `labels` are given.

        Raises:
            ValueError: as `GEMModel.forward`.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            ecg_values=ecg_values,
            pixel_values=pixel_values,
            media_index=media_index,
            media_keys=media_keys,
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
        media_keys: torch.Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,  # `generate` looks for this very name
    ) -> dict[str, Any]:
        """Give the media to the first forward pass of `generate` only: afterwards they are in the cache."""
        inputs = super().prepare_inputs_for_generation(input_ids, is_first_iteration=is_first_iteration, **kwargs)
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs |= {"ecg_values": ecg_values, "pixel_values": pixel_values}
            inputs |= {"media_index": media_index, "media_keys": media_keys}
        return inputs
