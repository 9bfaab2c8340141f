"""The audit of a corpus: whether its texts, labels and splits can be trusted."""
