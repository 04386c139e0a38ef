"""Mask files to holes, what holes are like, and synthetic ones."""
