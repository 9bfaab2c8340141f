"""GEM: an ECG time-series tower and a CLIP vision tower, both projected into a causal language model.

Importing this package is light; `register()` opens transformers.
"""


def register() -> None:
    """Make GEM known to transformers' Auto classes. Idempotent."""
    from . import registration

    registration.register_auto_classes()


def register_vllm() -> None:
    """Entry point `ecg_r1_gem` of `vllm.general_plugins`: vLLM calls it in each of its processes."""
    from vllm import ModelRegistry

    register()
    if "GEMForConditionalGeneration" not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model("GEMForConditionalGeneration", "ecg_r1.model.vllm:GEMForConditionalGeneration")
