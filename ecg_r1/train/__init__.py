"""Recipes -> trained models: tower pre-training, SFT and GRPO, through TRL, vLLM and DeepSpeed."""
