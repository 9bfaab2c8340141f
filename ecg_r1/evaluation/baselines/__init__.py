"""Baselines without a language model, on the same split and in the same table (ClinicalBench, arXiv 2411.06469)."""
