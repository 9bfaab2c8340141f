"""GEM: an ECG time-series tower and a CLIP vision tower, both projected into a causal language model.

Importing this package is light; `register()` opens transformers.
"""

ARCHITECTURE = "GEMForConditionalGeneration"
TOKENIZER_MODE = "ecg_r1_gem"


def register() -> None:
    """Make GEM known to transformers' Auto classes. Idempotent."""
    from ecg_r1.model import registration

    registration.register_auto_classes()


def register_vllm() -> None:
    """Entry point `ecg_r1_gem` of `vllm.general_plugins`: vLLM calls it in each of its processes.

    It adds the architecture, and `tokenizer_mode="ecg_r1_gem"`: Hugging Face's tokenizer with `GEMRenderer`.
    """
    from vllm import ModelRegistry
    from vllm.renderers.registry import RENDERER_REGISTRY
    from vllm.tokenizers import TokenizerRegistry

    register()
    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, f"ecg_r1.model.vllm:{ARCHITECTURE}")
        TokenizerRegistry.register(TOKENIZER_MODE, "vllm.tokenizers.hf", "CachedHfTokenizer")
        RENDERER_REGISTRY.register(TOKENIZER_MODE, "ecg_r1.model.chat", "GEMRenderer")
