"""GEM in vLLM, as a plug-in: modality `ecg`, and `image` if the model reads pages.

The only file that knows vLLM's model API. The language model may be split over tensor-parallel ranks; each rank holds
both towers complete. Pipeline stages are not supported: vLLM 0.32 cannot run them on CPUs, so they could not be tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import BatchFeature
from vllm.config import VllmConfig
from vllm.model_executor.models.interfaces import MultiModalEmbeddings, SupportsLoRA, SupportsMultiModal
from vllm.model_executor.models.module_mapping import MultiModelKeys
from vllm.model_executor.models.utils import (
    AutoWeightsLoader,
    WeightsMapper,
    init_vllm_registered_model,
    maybe_prefix,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems
from vllm.multimodal.parse import ModalityDataItems, MultiModalDataItems, MultiModalDataParser, ProcessorBatchItems
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
    PromptUpdate,
)
from vllm.platforms import current_platform

from ecg_r1.model.configuration import GEMConfig
from ecg_r1.model.encoder import Encoders
from ecg_r1.model.processing import GEMProcessor, SignalProcessor
from ecg_r1.model.weights import check_finite

EMBEDDINGS = "model.language_model.embed_tokens.weight"


class ECGItems(ProcessorBatchItems[Any]):
    """The ECGs of one prompt, each (12, samples) in mV; None in place of one that vLLM has cached."""

    def __init__(self, data: Sequence[np.ndarray | None]):
        super().__init__(data, "ecg")


class GEMDataParser(MultiModalDataParser):
    """Adds modality `ecg`: one array (12, T), or a list of them."""

    def _get_subparsers(self) -> Mapping[str, Any]:
        return {**super()._get_subparsers(), "ecg": self._parse_ecg_data}

    def _parse_ecg_data(self, data: Any) -> ModalityDataItems[Any, Any] | None:
        if data is None:
            return None
        if isinstance(data, (np.ndarray, torch.Tensor)) and data.ndim == 2:
            data = [data]
        return ECGItems([item if item is None else np.asarray(item, dtype=np.float32) for item in data])


class GEMProcessingInfo(BaseProcessingInfo):
    """What vLLM asks about a checkpoint: its configuration, processor, modalities and tokens."""

    def get_hf_config(self) -> GEMConfig:
        return self.ctx.get_hf_config(GEMConfig)

    def get_hf_processor(self, **kwargs: object) -> GEMProcessor:
        kind = GEMProcessor if self.reads_pages else SignalProcessor
        return self.ctx.get_hf_processor(kind, **kwargs)

    @property
    def reads_pages(self) -> bool:
        """Whether the model has a vision tower."""
        return self.get_hf_config().vision_config is not None

    def get_data_parser(self) -> MultiModalDataParser:
        return GEMDataParser(expected_hidden_size=self._get_expected_hidden_size())

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        return dict.fromkeys(self.tokens_per_item())

    def tokens_per_item(self) -> dict[str, tuple[int, int]]:
        """Each modality that the model reads -> (id of its placeholder, number of tokens of one item)."""
        config = self.get_hf_config()
        tokens = {"ecg": (config.ecg_token_id, config.num_ecg_tokens)}
        if config.image_token_id is not None:
            tokens["image"] = config.image_token_id, config.num_image_tokens
        return tokens


class GEMDummyInputs(BaseDummyInputsBuilder[GEMProcessingInfo]):
    """The largest prompt that vLLM may get, for its memory profile."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        processor = self.info.get_hf_processor()
        return processor.ecg_token * mm_counts.get("ecg", 0) + processor.image_token * mm_counts.get("image", 0)

    def get_dummy_mm_data(self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Mapping[str, Any]) -> dict:
        config = self.info.get_hf_config()
        shape = (config.ecg_config.leads, config.ecg_config.samples)
        data: dict[str, Any] = {"ecg": [np.zeros(shape, dtype=np.float32)] * mm_counts.get("ecg", 0)}
        if self.info.reads_pages:
            size = config.vision_config.image_size
            data["image"] = self._get_dummy_images(width=size, height=size, num_images=mm_counts.get("image", 0))
        return data


class GEMMultiModalProcessor(BaseMultiModalProcessor[GEMProcessingInfo]):
    """Which tensors and placeholders belong to each modality."""

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        return {
            "ecg_values": MultiModalFieldConfig.batched("ecg"),
            "pixel_values": MultiModalFieldConfig.batched("image"),
        }

    def _get_prompt_updates(
        self,
        mm_items: MultiModalDataItems,
        hf_processor_mm_kwargs: Mapping[str, object],
        out_mm_kwargs: MultiModalKwargsItems,
    ) -> Sequence[PromptUpdate]:
        # The expanded form comes first: a trainer sends prompts whose placeholders are already expanded, and a single
        # [id] as the only target would expand each of them once more, without an error.
        return [
            PromptReplacement(modality=modality, target=target, replacement=[token] * count)
            for modality, (token, count) in self.info.tokens_per_item().items()
            for target in ([token] * count, [token])
        ]


@MULTIMODAL_REGISTRY.register_processor(GEMMultiModalProcessor, info=GEMProcessingInfo, dummy_inputs=GEMDummyInputs)
class GEMForConditionalGeneration(nn.Module, Encoders, SupportsMultiModal, SupportsLoRA):
    """The towers and projectors of the transformers model, before vLLM's own language model."""

    packed_modules_mapping = {  # noqa: RUF012
        "qkv_proj": ["q_proj", "k_proj", "v_proj"],
        "gate_up_proj": ["gate_proj", "up_proj"],
    }
    hf_to_vllm_mapper = WeightsMapper(
        orig_to_new_prefix={
            "model.language_model.": "language_model.model.",
            "lm_head.": "language_model.lm_head.",
            "model.": "",
        }
    )

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        return {"ecg": GEMProcessor.ecg_token, "image": GEMProcessor.image_token}[modality]

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = ""):
        super().__init__()
        config: GEMConfig = vllm_config.model_config.hf_config
        self.config = config
        modalities = {"ecg": config.ecg_token_id, "image": config.image_token_id}
        modalities = {name: token for name, token in modalities.items() if token is not None}
        self.configure_mm_token_handling(
            vocab_size=config.text_config.vocab_size, mm_token_ids=list(modalities.values())
        )
        with self._mark_tower_model(vllm_config, set(modalities)):
            self.build_encoders(config)
        with self._mark_language_model(vllm_config):
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config, hf_config=config.text_config, prefix=maybe_prefix(prefix, "language_model")
            )

    def embed_multimodal(self, **kwargs: object) -> MultiModalEmbeddings:
        """Encode the items of one modality, as vLLM hands them over.

        Returns:
            For each item, its tokens (tokens, text width).
        """
        embeddings: list[torch.Tensor] = []
        for name, encode in (("ecg_values", self.encode_ecg), ("pixel_values", self.encode_image)):
            values = kwargs.get(name)
            if values is not None:
                batch = values if isinstance(values, torch.Tensor) else torch.stack(list(values))  # type: ignore[call-overload]
                embeddings.extend(encode(batch).unbind(0))
        return embeddings

    def forward(
        self,
        input_ids: torch.Tensor | None,
        positions: torch.Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: object,
    ) -> Any:
        return self.language_model.model(input_ids, positions, intermediate_tensors, inputs_embeds=inputs_embeds)

    def compute_logits(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        return self.language_model.compute_logits(hidden_states)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Load a checkpoint, or the trainer's weights into the running engine.

        Args:
            weights: tensors by the names of the checkpoint.

        Returns:
            vLLM's names of what was loaded.

        Raises:
            CheckpointError: a weight is NaN or infinite.
        """
        weights = _finite(weights)
        if self.config.tie_word_embeddings and current_platform.is_cpu():
            weights = self._also_into_head(weights)
        return AutoWeightsLoader(self).load_weights(weights, mapper=self.hf_to_vllm_mapper)

    def _also_into_head(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
        """Load the embeddings into a head that shares their matrix.

        On CPUs vLLM keeps a packed copy of the head's matrix, and packs it anew only if the head itself gets weights:
        after an update the head would go on with the old ones, without an error.
        """
        for name, tensor in weights:
            if name == EMBEDDINGS:
                head = self.language_model.lm_head.weight
                head.weight_loader(head, tensor)
            yield name, tensor

    def get_mm_mapping(self) -> MultiModelKeys:
        """Which modules vLLM's LoRA treats as towers and projectors; a name that this model lacks matches nothing."""
        return MultiModelKeys.from_string_field(
            language_model="language_model",
            connector=["ecg_projector", "mm_projector", "ecg_mm_projector"],
            tower_model=["ecg_tower", "vision_tower"],
        )


def _finite(weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in weights:
        check_finite(name, tensor, "vLLM")
        yield name, tensor
