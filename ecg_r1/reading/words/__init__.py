"""The words that texts are written with, by language, and how they are looked up."""
