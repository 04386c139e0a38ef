"""What the network's correction may take from a fill."""

import cv2
import numpy as np
import pytest

from mendpix.inpainting.hybrid import bands
from mendpix.types import Hole, Photo


def noise(seed: int = 0, size: int = 96) -> tuple[Photo, Hole]:
    random = np.random.default_rng(seed)
    photo = np.clip(0.5 + random.normal(0, 0.08, (size, size, 3)), 0, 1).astype(np.float32)
    hole = np.zeros((size, size), bool)
    hole[20:70, 24:80] = True
    return photo, hole


def rms(values: Photo) -> float:
    return float(np.sqrt(np.square(values).mean()))


def detail(photo: Photo) -> Photo:
    return np.asarray(photo - cv2.GaussianBlur(photo, (0, 0), 1.0))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_change_of_level_is_kept(channels: int) -> None:
    photo, hole = noise()
    photo = np.resize(photo, (96, 96, channels))
    change = np.full_like(photo, 0.1)
    limited = bands.limit_change(photo, change, hole)
    np.testing.assert_allclose(limited[hole], 0.1, atol=1e-5)
    assert not limited[~hole].any()


def test_a_blur_loses_at_most_a_tenth_of_the_fine_band() -> None:
    photo, hole = noise()
    haze = cv2.GaussianBlur(photo, (0, 0), 3.0) - photo
    inside = cv2.erode(hole.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    limited = photo + bands.limit_change(photo, haze, hole)
    assert rms(detail(photo + haze)[inside]) < 0.3 * rms(detail(photo)[inside])
    assert 0.88 < rms(detail(limited)[inside]) / rms(detail(photo)[inside]) < 0.98


def test_other_texture_of_equal_energy_is_let_through() -> None:
    photo, hole = noise()
    other, _ = noise(seed=1)
    limited = photo + bands.limit_change(photo, other - photo, hole)
    inside = cv2.erode(hole.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    assert rms((limited - other)[inside]) < 0.25 * rms((photo - other)[inside])


def test_what_the_network_says_of_known_pixels_does_not_count() -> None:
    photo, hole = noise()
    change = np.where(hole[..., None], np.float32(0.05), np.float32(0.9))
    np.testing.assert_array_equal(
        bands.limit_change(photo, change, hole),
        bands.limit_change(photo, np.where(hole[..., None], change, np.float32(0)), hole),
    )
