"""Holes deeper than a network sees are as rough and as bright as what surrounds them."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from mendpix.inpainting.hybrid import filler
from mendpix.inpainting.hybrid.filler import HybridFiller
from mendpix.inpainting.patchmatch.options import Options
from mendpix.types import Hole, Photo

RING = 80


def meadow(side: int, channels: int) -> Photo:
    """Rough ground with smooth, brighter ponds, ``(side, side, channels)`` in [0.1, 0.9]."""
    random = np.random.default_rng(5)
    rough = sum(
        width
        * cv2.GaussianBlur(random.normal(0, 1, (side, side)).astype(np.float32), (0, 0), width)
        for width in (0.7, 2.0, 6.0)
    )
    ponds = cv2.GaussianBlur(random.normal(0, 1, (side, side)).astype(np.float32), (0, 0), 40.0)
    smooth = 1 / (1 + np.exp(-(ponds / ponds.std() - 0.8) / 0.1))
    grey = 0.4 + 0.12 * rough * (1 - smooth) + 0.25 * smooth
    tint = np.linspace(1.0, 0.8, channels, dtype=np.float32)
    return np.asarray(np.clip(grey[..., None] * tint, 0.1, 0.9), np.float32)


def square(shape: tuple[int, ...], side: int) -> Hole:
    hole = np.zeros(shape[:2], bool)
    top, left = ((length - side) // 2 for length in shape[:2])
    hole[top : top + side, left : left + side] = True
    return hole


def ring_of(hole: Hole) -> Hole:
    kernel = np.ones((2 * RING + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(hole.astype(np.uint8), kernel) > 0) & ~hole


def energies(photo: Photo, where: Hole) -> list[float]:
    """RMS of three bands of differences of Gaussians: under 1 pixel, 1 to 4, 4 to 16."""
    grey = photo.mean(axis=2)
    levels = [grey, *(cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (1.0, 4.0, 16.0))]
    return [float(np.sqrt(np.square((a - b)[where]).mean())) for a, b in pairwise(levels)]


def share_outside(photo: Photo, filled: Photo, hole: Hole) -> float:
    """The share of values beyond the ring's percentiles 0.5 and 99.5 by over 2 % of white."""
    low, high = np.percentile(photo[ring_of(hole)], [0.5, 99.5], axis=0)
    return float(np.mean((filled[hole] < low - 0.02) | (filled[hole] > high + 0.02)))


@pytest.mark.parametrize(("side", "channels"), [(300, 3), (600, 1)])
def test_a_deep_hole_is_as_rough_as_its_ring(
    side: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if side > 500:  # seconds instead of many
        monkeypatch.setattr(filler, "GUIDED", Options(rounds=1, last_rounds=1, sweeps=1))
    photo = meadow(side + 400, channels)
    hole = square(photo.shape, side)
    filled = HybridFiller(None)(photo.copy(), hole)
    around, inside = energies(photo, ring_of(hole)), energies(filled, hole)
    ratios = [one / other for one, other in zip(inside, around, strict=True)]
    assert share_outside(photo, filled, hole) < 0.01
    assert all(0.7 < ratio < 1.3 for ratio in ratios), ratios
