"""`grow="auto"` finds how far the edge of what a hole covers reaches outside it."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from mendpix.masks import growth, holes

SIDE = 240


def texture(seed: int, sigma: float, contrast: float) -> np.ndarray:
    """A stationary texture with some noise, levels of 255."""
    rng = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE, 3)), (0, 0), sigma)
    return 120 + contrast * coarse / coarse.std() + rng.normal(0, 1.5, (SIDE, SIDE, 3))


def blob() -> np.ndarray:
    """The share of each pixel that a smooth shape covers."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = 40 * (1 + 0.25 * np.sin(3 * angle))
    points = np.stack([120 + radius * np.cos(angle), 120 + radius * np.sin(angle)], 1)
    fine = np.zeros((4 * SIDE, 4 * SIDE), np.uint8)
    cv2.fillPoly(fine, [np.asarray(points * 4, np.int32)], 255)
    return cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA) / 255


def show(values: np.ndarray, quality: int = 0) -> np.ndarray:
    pixels = values.clip(0, 255).round().astype(np.uint8)
    if not quality:
        return pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def cover(ground: np.ndarray, sigma: float) -> np.ndarray:
    """The ground behind a bright thing whose edge is blurred by ``sigma``."""
    share = cv2.GaussianBlur(blob(), (0, 0), sigma)[..., None]
    return ground * (1 - share) + 215 * share


@pytest.mark.parametrize("sigma", [0.7, 2, 6])
@pytest.mark.parametrize("contrast", [2, 12, 30])
def test_plain_texture_grows_nothing(sigma: float, contrast: float) -> None:
    for seed in range(3):
        pixels = show(texture(seed, sigma, contrast), quality=85 if seed == 2 else 0)
        assert growth.grow(pixels, blob() >= 0.5)[1] <= 1


@pytest.mark.parametrize(
    ("sigma", "least", "most"), [(0.5, 1, 2), (1, 2, 4), (2, 3, 6), (4, 6, 11), (6, 9, 16)]
)
def test_a_blurred_edge_is_taken_as_far_as_it_reaches(sigma: float, least: int, most: int) -> None:
    pixels = show(cover(texture(1, 3, 4), sigma))
    hole, pixels_grown = growth.grow(pixels, blob() >= 0.5)
    assert least <= pixels_grown <= most
    np.testing.assert_array_equal(hole, holes.dilate(blob() >= 0.5, pixels_grown))


def test_a_loose_hole_stays() -> None:
    pixels = show(cover(texture(1, 3, 4), 1))
    assert growth.grow(pixels, holes.dilate(blob() >= 0.5, 8))[1] <= 1


def test_a_sharpening_halo_is_taken() -> None:
    blurred = cover(texture(1, 3, 4), 1)
    sharp = blurred + 1.5 * (blurred - cv2.GaussianBlur(blurred, (0, 0), 1.5))
    assert 3 <= growth.grow(show(sharp), blob() >= 0.5)[1] <= 6


def test_blocks_of_jpeg_are_taken() -> None:
    pixels = show(cover(texture(1, 3, 1), 0.6), quality=50)
    assert 4 <= growth.grow(pixels, blob() >= 0.5)[1] <= 12


@pytest.mark.parametrize(("quality", "least", "most"), [(0, 0, 1), (75, 2, 12)])
def test_captions(quality: int, least: int, most: int) -> None:
    """Drawn with the very mask: only what JPEG spreads stays to be taken."""
    image = Image.fromarray(show(texture(2, 4, 3)))
    mask = Image.new("L", image.size, 0)
    font = ImageFont.load_default(28)
    ImageDraw.Draw(image).text((12, 100), "Summer 2026", (255, 255, 255), font=font)
    ImageDraw.Draw(mask).text((12, 100), "Summer 2026", 255, font=font)
    pixels = show(np.asarray(image, float), quality)
    assert least <= growth.grow(pixels, np.asarray(mask) > 0)[1] <= most


def test_each_part_decides_for_itself() -> None:
    wide = np.hstack([texture(1, 3, 4), cover(texture(2, 3, 4), 3)])
    hole = np.hstack([blob() >= 0.5] * 2)
    grown, most = growth.grow(show(wide), hole)
    np.testing.assert_array_equal(grown[:, :SIDE], hole[:, :SIDE])
    assert most >= 4


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_other_numbers(dtype: str) -> None:
    pixels = show(cover(texture(1, 3, 4), 2))
    expected = growth.grow(pixels, blob() >= 0.5)[1]
    scaled = pixels.astype(dtype) * (257 if dtype == "uint16" else np.float32(1 / 255))
    if dtype == "float32":
        scaled[:, :9] = np.nan
    assert growth.grow(scaled, blob() >= 0.5)[1] == expected


def test_nothing_to_look_at() -> None:
    pixels = show(texture(1, 3, 4))
    none = np.zeros((SIDE, SIDE), bool)
    assert growth.grow(pixels, none)[1] == 0
    assert growth.grow(pixels, ~none)[1] == 0
    nearly = ~none
    nearly[:2] = False
    assert growth.grow(pixels, nearly)[1] == 0
