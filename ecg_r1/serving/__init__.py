"""A trained model at work: over HTTP (`server`), on a record in the terminal (`ask`), and whether it can (`doctor`)."""
