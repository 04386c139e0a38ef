"""What a mask marks in part belongs to the hole where it is the rim of what it marks fully."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import mendpix
from mendpix.io import conversion, files
from mendpix.io.picture import Picture
from mendpix.masks import holes
from mendpix.masks.reading import from_alpha, from_array, from_picture, mark, read

SHAPE = (96, 200)


def photo() -> Picture:
    return conversion.from_array(np.full((*SHAPE, 3), 90, np.uint8))


def letters() -> np.ndarray:
    """An antialiased caption, uint8."""
    image = Image.new("L", SHAPE[::-1], 0)
    ImageDraw.Draw(image).text((20, 30), "Summer 2026", 255, font=ImageFont.load_default(28))
    return np.array(image)


def brush(softness: float) -> np.ndarray:
    """A soft round dab, uint8."""
    dab = np.zeros(SHAPE, np.float32)
    cv2.circle(dab, (100, 48), 20, 255, -1)
    return cv2.GaussianBlur(dab, (0, 0), softness).round().astype(np.uint8)


def store_half(levels: np.ndarray) -> np.ndarray:
    return (levels / 255).astype(np.float32)


def store_alpha(levels: np.ndarray) -> np.ndarray:
    return np.dstack([np.full((*SHAPE, 3), 255, np.uint8), levels])


STORED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "grey": lambda levels: levels,
    "16 bits": lambda levels: levels.astype(np.uint16) * 257,
    "float": store_half,
    "colour": lambda levels: np.dstack([levels, levels * 0, levels * 0]),
    "alpha": store_alpha,
    "opaque alpha": lambda levels: np.dstack([levels] * 3 + [np.full_like(levels, 255)]),
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("levels", [letters(), brush(2), brush(6)], ids=["letters", "2", "6"])
def test_the_soft_rim_is_hole(kind: str, levels: np.ndarray) -> None:
    reading = from_array(STORED[kind](levels), photo())
    np.testing.assert_array_equal(reading.hole, levels > 0)
    assert not reading.warnings


@pytest.mark.parametrize("levels", [letters(), brush(4)], ids=["letters", "brush"])
def test_the_rim_of_an_inverted_mask(levels: np.ndarray) -> None:
    reading = from_array(255 - levels, photo(), invert=True)
    np.testing.assert_array_equal(reading.hole, levels > 0)


def test_measurements_take_half_and_more() -> None:
    levels = letters()
    np.testing.assert_array_equal(mark(conversion.from_array(levels)), levels >= 128)


def compress(levels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("quality", [60, 75, 90, 95])
@pytest.mark.parametrize("hard", [False, True])
def test_noise_of_jpeg_is_no_rim(quality: int, hard: bool) -> None:
    """An 8x8 block's noise reaches 8 pixels and more; next to the letters it may count."""
    levels = letters()
    if hard:
        levels = np.where(levels >= 128, 255, 0).astype(np.uint8)
    hole = from_array(compress(levels, quality), photo()).hole
    assert hole[levels >= 128].all()
    assert not (hole & ~holes.dilate(levels > 0, 5)).any()
    assert holes.ratio(hole) < 1.2 * holes.ratio(levels > 0)


@pytest.mark.parametrize("ground", [3, 40, 100])
def test_a_grey_background_is_no_rim(ground: int) -> None:
    levels = np.maximum(brush(2), ground).astype(np.uint8)
    levels[::2] = np.maximum(levels[::2], ground + 1)  # no plain surface either
    hole = from_array(levels, photo()).hole
    assert (brush(2) >= 128)[hole].mean() > 0.6
    assert hole[brush(2) >= 128].all()


def test_grey_apart_from_the_white_is_named() -> None:
    levels = letters()
    levels[2:6, 2:12] = 100
    reading = from_array(levels, photo())
    assert not reading.hole[2:6, 2:12].any()
    assert reading.warnings == (
        "40 of 19200 pixels are grey, apart from what is marked; they are not filled",
    )


def test_a_mask_of_another_size_keeps_its_rim() -> None:
    levels = letters()[::2, ::2]
    hole = from_array(np.ascontiguousarray(levels), photo(), fit=True).hole
    np.testing.assert_array_equal(hole, np.kron(levels > 0, np.ones((2, 2), bool)))


@pytest.mark.parametrize("softness", [2, 4, 8])
@pytest.mark.parametrize("invert", [False, True])
def test_a_soft_eraser_leaves_nothing_translucent(
    tmp_path: Path, softness: float, invert: bool
) -> None:
    erased = brush(softness)
    alpha = erased if invert else 255 - erased
    colours = np.random.default_rng(1).integers(60, 200, (*SHAPE, 3), dtype=np.uint8)
    values = np.dstack([colours, alpha])
    filled = mendpix.fill(values, model="telea", from_alpha=True, invert=invert)
    touched = erased > 0
    assert (filled[..., 3][touched] == 255).all()
    np.testing.assert_array_equal(filled[~touched], values[~touched])


def test_translucent_parts_elsewhere_stay_and_are_named() -> None:
    alpha = 255 - brush(3)
    alpha[5:15, 5:15] = 160  # a shadow, say
    values = np.dstack([np.full((*SHAPE, 3), 90, np.uint8), alpha])
    reading = from_alpha(conversion.from_array(values))
    np.testing.assert_array_equal(reading.hole, brush(3) > 0)
    assert reading.warnings == (
        "100 of 19200 pixels are partly transparent, apart from what is marked; they are not made "
        "opaque",
    )


def test_a_layer_of_less_opacity_all_over_is_no_rim() -> None:
    alpha = np.minimum(255 - brush(3), 200).astype(np.uint8)
    values = np.dstack([np.full((*SHAPE, 3), 90, np.uint8), alpha])
    hole = from_alpha(conversion.from_array(values)).hole
    assert hole[brush(3) >= 128].all()
    assert holes.ratio(hole) < 2 * holes.ratio(brush(3) >= 128)


def test_letters_removed_with_their_own_mask_are_gone(tmp_path: Path) -> None:
    levels = letters()
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ground = np.dstack([100 + rows * 0.3, 140 + columns * 0.1, 160 - rows * 0.2])
    cover = levels[..., None] / 255
    drawn = (ground * (1 - cover) + 255 * cover).round().astype(np.uint8)
    files.write(tmp_path / "mask.png", conversion.from_array(levels))
    hole = read(tmp_path / "mask.png", conversion.from_array(drawn)).hole
    filled = mendpix.fill(drawn, tmp_path / "mask.png", model="telea")
    assert np.abs(filled - ground)[hole].max() < 12
    picture = conversion.from_array(levels)
    np.testing.assert_array_equal(from_picture(picture, photo()).hole, hole)
