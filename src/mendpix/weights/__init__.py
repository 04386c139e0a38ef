"""Weights files by name, their cards, and where they come from."""
