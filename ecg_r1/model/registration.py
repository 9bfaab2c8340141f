"""Registration of GEM with transformers' Auto classes."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForImageTextToText, AutoProcessor

from ecg_r1.model.configuration import ECGTowerConfig, GEMConfig
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.processing import ECGFeatureExtractor, GEMProcessor, SignalProcessor


def register_auto_classes() -> None:
    """Make GEM's configurations, model and processors known to transformers. Idempotent."""
    AutoConfig.register(ECGTowerConfig.model_type, ECGTowerConfig, exist_ok=True)
    AutoConfig.register(GEMConfig.model_type, GEMConfig, exist_ok=True)
    AutoModelForImageTextToText.register(GEMConfig, GEMForConditionalGeneration, exist_ok=True)
    AutoFeatureExtractor.register(GEMConfig, ECGFeatureExtractor, exist_ok=True)
    AutoProcessor.register(GEMConfig, GEMProcessor, exist_ok=True)
    # AutoProcessor finds a class by the name that a checkpoint gives, among one for each configuration; the tower's
    # has no other.
    AutoProcessor.register(ECGTowerConfig, SignalProcessor, exist_ok=True)
