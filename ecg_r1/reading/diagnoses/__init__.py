"""From a text to the diagnoses that it mentions."""
