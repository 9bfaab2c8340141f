"""Data sets: folders and tables -> records with their labels."""
