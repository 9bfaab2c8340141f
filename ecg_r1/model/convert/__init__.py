"""Released weights -> a checkpoint of ours. `plan` reads names, shapes and configs; `write` streams the tensors.

Sources: LLaVA-style GEM, PULSE and LLaVA folders, a causal language model beside a CLIP, ECG-CoCa's file.
"""
