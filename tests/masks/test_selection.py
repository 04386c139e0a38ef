"""A point selects the thing that it lies on, the same again, and at any size."""

import cv2
import numpy as np
import pytest

from mendpix.errors import MaskError
from mendpix.masks.selection import select


def scene(scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A textured field with a red disc and a blue bar, and where the disc is."""
    noise = np.random.default_rng(0).normal(0, 6, (160, 220, 3))
    values = np.array([90, 120, 80]) + cv2.GaussianBlur(noise, (0, 0), 1) * 2
    disc = np.zeros((160, 220), np.uint8)
    cv2.circle(disc, (70, 80), 25, 1, -1)
    values[disc > 0] += [110, -60, -40]
    values[40:60, 140:200] += [-60, -40, 120]
    pixels = values.clip(0, 255).astype(np.uint8)
    grown = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    where = cv2.resize(disc, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    return grown, where > 0


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("scale", [1, 6])
def test_a_point_selects_its_thing(scale: int) -> None:
    pixels, disc = scene(scale)
    hole = select(pixels, [(70 * scale, 80 * scale)])
    assert overlap(hole, disc) > 0.9
    np.testing.assert_array_equal(hole, select(pixels, [(70 * scale, 80 * scale)]))


def test_two_points_select_two_things() -> None:
    pixels, disc = scene()
    both = disc.copy()
    both[40:60, 140:200] = True
    assert overlap(select(pixels, [(70, 80), (170, 50)]), both) > 0.85


def test_grey_and_16_bits_too() -> None:
    pixels, disc = scene()
    grey = (pixels[..., :1].astype(np.uint16)) * 257
    assert overlap(select(grey, [(70, 80)]), disc) > 0.85


def test_points_must_lie_inside() -> None:
    pixels, _ = scene()
    with pytest.raises(MaskError, match=r"300,20 lies outside of the photo, 220x160"):
        select(pixels, [(300, 20)])
    with pytest.raises(MaskError, match="no point"):
        select(pixels, [])
