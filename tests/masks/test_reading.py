"""Masks are read by fixed rules, with warnings about what is odd about them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mendpix.errors import MaskError
from mendpix.io import conversion, files
from mendpix.io.picture import Picture
from mendpix.masks import holes
from mendpix.masks.reading import from_alpha, from_array, read


def photo(height: int = 20, width: int = 30) -> Picture:
    return conversion.from_array(np.full((height, width, 3), 90, np.uint8))


def mask(dtype: str = "uint8", *shape: int) -> np.ndarray:
    return np.zeros(shape or (20, 30), dtype)


@pytest.mark.parametrize(
    ("dtype", "below", "from_here"), [("uint8", 127, 128), ("uint16", 32767, 32768)]
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_half_of_white_is_hole(
    tmp_path: Path, dtype: str, below: int, from_here: int, suffix: str
) -> None:
    drawn = mask(dtype)
    drawn[3, 4], drawn[5, 6] = below, from_here
    files.write(tmp_path / f"m{suffix}", conversion.from_array(drawn))
    reading = read(tmp_path / f"m{suffix}", photo())
    assert np.argwhere(reading.hole).tolist() == [[5, 6]]
    assert "1 of 600 pixels are grey, apart from what is marked" in reading.warnings[0]


def test_bool_integer_and_float_masks_agree() -> None:
    drawn = np.random.default_rng(1).random((20, 30)) < 0.3
    for values in (drawn, drawn * 255, drawn * np.float32(1), drawn.astype(np.uint16) * 65535):
        reading = from_array(values, photo())
        np.testing.assert_array_equal(reading.hole, drawn)
        assert not reading.warnings


def test_colour_counts_its_largest_channel() -> None:
    drawn = mask("uint8", 20, 30, 3)
    drawn[1, 1], drawn[3, 3], drawn[5, 5] = (255, 0, 0), (0, 0, 127), (0, 200, 10)
    assert np.argwhere(from_array(drawn, photo()).hole).tolist() == [[1, 1], [5, 5]]


def test_alpha_counts_what_is_opaque_and_not_black() -> None:
    drawn = mask("uint8", 20, 30, 4)
    drawn[1, 1] = (255, 255, 255, 0)
    drawn[2, 2] = (0, 0, 0, 255)
    drawn[3, 3] = (9, 0, 0, 255)
    drawn[4, 4] = (255, 0, 0, 128)
    drawn[5, 5] = (255, 0, 0, 127)
    reading = from_array(drawn, photo())
    assert np.argwhere(reading.hole).tolist() == [[3, 3], [4, 4], [5, 5]]
    assert not reading.warnings  # (5, 5) touches (4, 4): its soft rim


@pytest.mark.parametrize(
    ("share", "says"), [(0.0, "marks nothing"), (0.9, "probably inverted, try --invert")]
)
def test_odd_shares_are_warned_of(share: float, says: str) -> None:
    drawn = mask()
    drawn[: round(20 * share)] = 255
    reading = from_array(drawn, photo())
    assert says in reading.warnings[-1]
    assert holes.ratio(reading.hole) == share


def test_everything_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(MaskError, match=r"everything.*try --invert"):
        from_array(mask() + 255, photo())
    with pytest.raises(MaskError, match=r"everything.*leave --invert out"):
        from_array(mask(), photo(), invert=True)
    drawn = mask()
    drawn[10, 15] = 255
    with pytest.raises(MaskError, match="smaller --grow"):
        from_array(drawn, photo(), grow=40)


def test_values_of_one_are_no_white() -> None:
    drawn = mask()
    drawn[3] = 1
    assert "largest value is 1; mark the hole with 255" in from_array(drawn, photo()).warnings[0]


def test_black_strokes_on_transparency_get_a_hint() -> None:
    drawn = mask("uint8", 20, 30, 4)
    drawn[3:6, 4:9, 3] = 255
    reading = from_array(drawn, photo())
    assert not reading.hole.any()
    (warning,) = reading.warnings
    assert "its alpha holds a shape" in warning


def test_other_sizes() -> None:
    drawn = mask("uint8", 10, 15)
    drawn[2, 3] = 255
    with pytest.raises(MaskError, match=r"mask is 15x10 but photo is 30x20.*--fit-mask"):
        from_array(drawn, photo())
    fitted = from_array(drawn, photo(), fit=True).hole
    assert np.argwhere(fitted).tolist() == [[4, 6], [4, 7], [5, 6], [5, 7]]


def test_mask_that_matches_the_stored_orientation_only(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "p.jpg", exif=exif)
    picture = files.read(tmp_path / "p.jpg")
    assert picture.shape == (30, 20)
    for fit in (False, True):
        with pytest.raises(MaskError, match=r"mask is 30x20.*displayed as 20x30.*orientation 6"):
            from_array(mask(), picture, fit=fit)
    assert from_array(mask("uint8", 30, 20), picture).hole.shape == (30, 20)


def test_from_alpha() -> None:
    values = np.full((4, 4, 4), 255, np.uint8)
    values[0, 0, 3], values[2, 2, 3] = 127, 128
    picture = conversion.from_array(values)
    assert np.argwhere(from_alpha(picture).hole).tolist() == [[0, 0]]
    assert holes.ratio(from_alpha(picture, invert=True).hole) == 15 / 16
    with pytest.raises(MaskError, match="no alpha"):
        from_alpha(photo())


def disc(radius: float) -> np.ndarray:
    """The share of each pixel that a disc covers."""
    fine = np.zeros((512, 512), np.uint8)
    cv2.circle(fine, (256, 256), round(4 * radius), 255, -1)
    return cv2.resize(fine, (128, 128), interpolation=cv2.INTER_AREA) / 255


@pytest.mark.parametrize(("grow", "tight"), [(-2, True), (0, True), (3, False), (6, False)])
def test_a_tight_rim_is_warned_of(grow: int, tight: bool) -> None:
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.normal(100, 60, (128, 128, 3)), (0, 0), 3)
    cover = cv2.GaussianBlur(disc(24), (0, 0), 0.7)[..., None]
    picture = conversion.from_array((ground * (1 - cover) + 220 * cover).astype(np.uint8))
    hole = disc(24 + grow) >= 0.5
    warnings = from_array(hole, picture).warnings
    assert any("try --grow auto" in line for line in warnings) == tight
    reading = from_array(hole, picture, grow="auto")
    assert not reading.warnings
    assert reading.grow is not None
    assert reading.grow >= 1 - grow if tight else reading.grow == 0


def test_scattered_masks_on_photos_are_seldom_called_tight(shared: Path) -> None:
    count = 0
    for at in range(0, 72, 3):
        picture = files.read(shared / f"eval/photos/d{at:03d}.webp")
        reading = read(shared / f"eval/masks/d{at:03d}.png", picture)
        count += any("--grow" in line for line in reading.warnings)
    assert count <= 1
