"""Grounded text: what a reader says of a record, from its measurements and its labels, without a language model."""
