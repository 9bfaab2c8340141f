"""Frozen towers run once: their features are kept by signal, page and weights (which stay as they are in a run)."""

from __future__ import annotations

import os
from typing import Any

from transformers.integrations import is_deepspeed_zero3_enabled

from ecg_r1.model.features import FeatureCache
from ecg_r1.train.media import Media

SHARE = 0.1  # of the free memory of the machine, over its processes


def keep_features(model: Any, media: Media) -> FeatureCache | None:
    """Let a model keep what its frozen towers say.

    Not under ZeRO-3, where a process that has to encode would wait for those that have not.

    Args:
        model: a GEM, or PEFT's model around one, with the parts frozen that are.
        media: gives the keys from now on.

    Returns:
        The cache, or None where no tower is frozen.
    """
    gem: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
    towers = {"ecg": gem.model.ecg_tower, "image": gem.model.vision_tower}
    frozen = [name for name, tower in towers.items() if tower is not None and _is_frozen(tower)]
    if not frozen or is_deepspeed_zero3_enabled():
        return None
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cache = FeatureCache(frozen, int(SHARE * free / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    gem.model.features = cache
    media.keyed = True
    return cache


def _is_frozen(tower: Any) -> bool:
    is_random = getattr(tower.config, "attention_dropout", 0) > 0
    return not is_random and not any(parameter.requires_grad for parameter in tower.parameters())
