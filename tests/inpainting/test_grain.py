"""Grain of known strength: found, restored as strong, and nothing where there is none."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mendpix.inpainting.hybrid import grain
from mendpix.types import Hole, Photo

HOLE = np.zeros((256, 320), np.bool_)
HOLE[80:170, 100:210] = True
SQUARE = np.ones((7, 7), np.uint8)
INSIDE = cv2.erode(HOLE.astype(np.uint8), SQUARE) > 0
OUTSIDE = cv2.dilate(HOLE.astype(np.uint8), SQUARE) == 0


def smooth(channels: int = 3) -> Photo:
    rough = np.random.default_rng(0).random((5, 6, channels)).astype(np.float32)
    wide = cv2.resize(rough, (320, 256), interpolation=cv2.INTER_CUBIC).reshape(256, 320, channels)
    return np.asarray(0.15 + 0.7 * wide.clip(0, 1), np.float32)


def noise(strength: float, width: float, same: bool, channels: int = 3) -> Photo:
    """Noise blurred by ``width`` pixels, in all channels the same or each its own."""
    drawn = np.random.default_rng(1).normal(size=(256, 320, channels)).astype(np.float32)
    if same:
        drawn[...] = drawn[..., :1]
    if width:
        drawn = cv2.GaussianBlur(drawn, (0, 0), width).reshape(drawn.shape)
    return np.asarray(drawn / drawn.std() * strength, np.float32)


def photo_and_clean_fill(strength: float, width: float, same: bool) -> tuple[Photo, Photo]:
    clean = smooth()
    photo = np.round((clean + noise(strength, width, same)).clip(0, 1) * 255) / 255
    photo = photo.astype(np.float32)
    return photo, np.where(HOLE[..., None], clean, photo)


def roughness(photo: Photo, where: Hole) -> NDArray[np.float32]:
    """Standard deviation of the high frequencies, by channel; not the module's own."""
    blurred = cv2.GaussianBlur(photo, (0, 0), 2).reshape(photo.shape)
    return np.asarray((photo - blurred)[where].std(axis=0))


@pytest.mark.parametrize("strength", [2, 4, 8, 16])
@pytest.mark.parametrize("width", [0, 0.8, 1.5])
@pytest.mark.parametrize("same", [True, False])
def test_the_fill_is_as_grainy_as_its_surroundings(strength: int, width: float, same: bool) -> None:
    photo, fill = photo_and_clean_fill(strength / 255, width, same)
    ratio = roughness(grain.restore(fill, HOLE), INSIDE) / roughness(photo, OUTSIDE)
    np.testing.assert_allclose(ratio, 1, atol=0.1)


def test_a_fill_with_its_grain_gets_no_more() -> None:
    photo, _ = photo_and_clean_fill(8 / 255, 0.8, False)
    ratio = roughness(grain.restore(photo, HOLE), INSIDE) / roughness(photo, OUTSIDE)
    np.testing.assert_allclose(ratio, 1, atol=0.08)


@pytest.mark.parametrize("strength", [0, 0.3])
def test_a_clean_picture_stays_as_it_is(strength: float) -> None:
    _, fill = photo_and_clean_fill(strength / 255, 0, False)
    np.testing.assert_array_equal(grain.restore(fill, HOLE), fill)


@pytest.mark.parametrize("width", [0, 0.8, 1.5])
def test_the_grain_is_as_coarse_as_its_surroundings(width: float) -> None:
    photo, fill = photo_and_clean_fill(8 / 255, width, True)
    grown = grain.restore(fill, HOLE)

    def likeness(of: Photo, where: Hole) -> float:
        """Correlation of neighbours' high frequencies."""
        rough = of[..., 0] - cv2.GaussianBlur(of[..., 0], (0, 0), 2)
        pairs = where[:, 1:] & where[:, :-1]
        return float(np.corrcoef(rough[:, 1:][pairs], rough[:, :-1][pairs])[0, 1])

    assert abs(likeness(grown, INSIDE) - likeness(photo, OUTSIDE)) < 0.06


@pytest.mark.parametrize("same", [True, False])
def test_the_grain_has_the_colours_of_its_surroundings(same: bool) -> None:
    _, fill = photo_and_clean_fill(8 / 255, 0.8, same)
    grown = grain.restore(fill, HOLE) - fill
    alike = np.corrcoef(grown[INSIDE].T)[0, 1]
    assert alike > 0.95 if same else abs(alike) < 0.1


def test_strength_follows_brightness() -> None:
    """Dark half with much noise, bright half with little; the clean fill spans both."""
    clean = np.broadcast_to(np.where(np.arange(256) < 128, 0.3, 0.7)[:, None, None], (256, 320, 3))
    strength = np.where(clean < 0.5, 8 / 255, 3 / 255)
    photo = (clean + noise(1, 0, False) * strength).astype(np.float32)
    fill = np.where(HOLE[..., None], clean, photo).astype(np.float32)
    grown = grain.restore(fill, HOLE)
    for rows in (slice(85, 115), slice(140, 165)):
        part = np.zeros_like(HOLE)
        part[rows] = True
        ratio = roughness(grown, part & INSIDE) / roughness(photo, part & OUTSIDE)
        np.testing.assert_allclose(ratio, 1, atol=0.15)


def test_texture_is_no_grain() -> None:
    """Grass: rough everywhere, but here more, there less; and what is too rough for noise."""
    random = np.random.default_rng(2)
    amount = cv2.resize(random.random((16, 20)), (320, 256), interpolation=cv2.INTER_CUBIC)
    grass = 0.5 + 0.15 * amount * cv2.GaussianBlur(random.normal(size=(256, 320)), (0, 0), 1)
    photo = np.repeat(grass[..., None], 3, axis=2).clip(0, 1)
    fill = np.where(HOLE[..., None], photo.mean(), photo).astype(np.float32)
    np.testing.assert_array_equal(grain.restore(fill, HOLE), fill)
    strong = 0.5 + 0.15 * np.random.default_rng(3).normal(size=(256, 320, 3))
    fill = np.where(HOLE[..., None], 0.5, strong).astype(np.float32)
    np.testing.assert_array_equal(grain.restore(fill, HOLE), fill)


def test_a_clean_dark_half_gets_nothing_from_a_rough_bright_one() -> None:
    photo = np.full((256, 320, 3), 0.2, np.float32)
    photo[:, 190:] = 0.7 + np.random.default_rng(0).normal(0, 0.05, (256, 130, 3))
    hole = HOLE.copy()
    hole[:, 180:] = False
    np.testing.assert_array_equal(grain.restore(photo, hole), photo)


def test_the_same_seed_gives_the_same_bytes_and_only_the_hole_changes() -> None:
    _, fill = photo_and_clean_fill(8 / 255, 0.8, False)
    first = grain.restore(fill, HOLE, seed=3)
    np.testing.assert_array_equal(first, grain.restore(fill, HOLE, seed=3))
    assert (first != grain.restore(fill, HOLE, seed=4)).any()
    np.testing.assert_array_equal(first[~HOLE], fill[~HOLE])


def test_grain_is_measured_where_told() -> None:
    """Half of the surroundings is noise that is said not to count."""
    _, fill = photo_and_clean_fill(0, 0, True)
    fill[:, 230:] = np.random.default_rng(0).random((256, 90, 3))
    known = ~HOLE
    known[:, 225:] = False
    np.testing.assert_array_equal(grain.restore(fill, HOLE, known=known), fill)


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels(channels: int) -> None:
    clean = smooth(channels)
    photo = (clean + noise(8 / 255, 0, False, channels)).clip(0, 1).astype(np.float32)
    fill = np.where(HOLE[..., None], clean, photo)
    ratio = roughness(grain.restore(fill, HOLE), INSIDE) / roughness(photo, OUTSIDE)
    np.testing.assert_allclose(ratio, 1, atol=0.1)


def test_pictures_too_small_to_measure_stay_as_they_are() -> None:
    photo = np.random.default_rng(0).random((20, 20, 3)).astype(np.float32)
    hole = np.zeros((20, 20), np.bool_)
    hole[8:12, 8:12] = True
    np.testing.assert_array_equal(grain.restore(photo, hole), photo)
