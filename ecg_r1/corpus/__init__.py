"""Records -> training and evaluation examples on disk."""
