"""Released weights -> a checkpoint of ours. `plan` reads names, shapes and configs; `shards` streams the tensors.

Sources: GEM, PULSE and LLaVA in LLaVA's own layout, a causal language model with or without a CLIP, ECG-CoCa's file.
`gguf` turns a GGUF file into the folder of a language model.
"""
