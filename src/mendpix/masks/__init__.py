"""Mask files to holes."""
