"""Published benchmarks, scored from their files and a file of answers; no model is run here."""
