"""Run directories: what lies in one, written by training and evaluation, and read from any folder."""
