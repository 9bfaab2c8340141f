"""A text as a reader sees it: its characters and sentences, and what it strikes out."""
