"""Which leads a text names."""
