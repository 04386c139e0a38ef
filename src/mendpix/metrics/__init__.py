"""Metrics: ``update(prediction, target, hole)``, ``rows()`` one per picture, ``compute()``."""

from .lpips import LPIPS

__all__ = ["LPIPS"]
