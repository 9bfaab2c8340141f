"""A text as a reader sees it: its characters, sentences, tables and marks."""
