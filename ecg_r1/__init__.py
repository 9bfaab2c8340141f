"""ecg_r1: train models that reason about 12-lead ECGs, with rewards that are measured on the signal."""

__version__ = "0.1.0"
