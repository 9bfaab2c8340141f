"""Predictions, the metrics over them, and models compared on the same held-out records."""
