"""Registration of GEM with transformers' Auto classes."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForImageTextToText, AutoProcessor

from .configuration import ECGTowerConfig, GEMConfig
from .modeling import GEMForConditionalGeneration
from .processing import ECGFeatureExtractor, GEMProcessor


def register_auto_classes() -> None:
    AutoConfig.register(ECGTowerConfig.model_type, ECGTowerConfig, exist_ok=True)
    AutoConfig.register(GEMConfig.model_type, GEMConfig, exist_ok=True)
    AutoModelForImageTextToText.register(GEMConfig, GEMForConditionalGeneration, exist_ok=True)
    AutoFeatureExtractor.register(GEMConfig, ECGFeatureExtractor, exist_ok=True)
    AutoProcessor.register(GEMConfig, GEMProcessor, exist_ok=True)
