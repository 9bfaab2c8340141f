"""GEM: an ECG time-series tower and a CLIP vision tower, both projected into a causal language model.

Importing this package is light; `register()` opens transformers.
"""

ARCHITECTURE = "GEMForConditionalGeneration"
TOKENIZER_MODE = "ecg_r1_gem"
SERVED_MODE = "ecg_r1_gem_served"


def register() -> None:
    """Make GEM known to transformers' Auto classes. Idempotent."""
    from ecg_r1.model import registration

    registration.register_auto_classes()


def register_vllm() -> None:
    """Entry point `ecg_r1_gem` of `vllm.general_plugins`: vLLM calls it in each of its processes.

    It adds the architecture and two values of `tokenizer_mode`, each Hugging Face's tokenizer with a renderer of ours:
    "ecg_r1_gem" with `GEMRenderer`, "ecg_r1_gem_served" with `ServedRenderer`, which refuses a prompt without an ECG.
    """
    from ecg_r1.model.parent import end_where_asked

    end_where_asked()
    from vllm import ModelRegistry
    from vllm.renderers.registry import RENDERER_REGISTRY
    from vllm.tokenizers import TokenizerRegistry

    register()
    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, f"ecg_r1.model.vllm:{ARCHITECTURE}")
        for mode, renderer in ((TOKENIZER_MODE, "GEMRenderer"), (SERVED_MODE, "ServedRenderer")):
            TokenizerRegistry.register(mode, "vllm.tokenizers.hf", "CachedHfTokenizer")
            RENDERER_REGISTRY.register(mode, "ecg_r1.model.chat", renderer)
