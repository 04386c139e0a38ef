"""The curve that brings values to [0, 1] for a filler, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.inpainting.filling import fill_picture
from mendpix.inpainting.patchmatch import PatchMatch
from mendpix.inpainting.tone_curve import encode_photo, fit_curve
from mendpix.io.picture import Picture
from mendpix.types import Hole

ALL = np.ones((48, 64), bool)
TOPS = (65535, 16383, 4095, 1023)


def scene() -> NDArray[np.float64]:
    """Soft colours with a little noise ``(48, 64, 3)``, 0.2 to 0.7."""
    rows, columns = np.mgrid[:48, :64]
    base = np.stack([0.3 + 0.3 * rows / 48, 0.3 + 0.2 * columns / 64, np.full((48, 64), 0.35)], -1)
    return np.asarray(base + np.random.default_rng(0).normal(0, 0.02, base.shape))


def middle() -> Hole:
    hole = np.zeros((48, 64), bool)
    hole[14:34, 20:44] = True
    return hole


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_integer_survives(dtype: str) -> None:
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 16, 1)
    everything = np.ones(values.shape[:2], bool)
    curve = fit_curve(values, everything, ~everything)
    encoded = curve.encode(values)
    assert encoded.dtype == np.float32
    assert (encoded.min(), encoded.max()) == (0, 1)
    np.testing.assert_array_equal(curve.decode(encoded, values.dtype), values)


@pytest.mark.parametrize("top", TOPS[1:])
def test_every_integer_of_a_small_range_survives_with_its_highlights(top: int) -> None:
    values = (scene() * top).round().astype(np.uint16)
    values[:4, :4] = 65535
    values[4:8, :4] = 1
    curve = fit_curve(values, ALL, middle())
    np.testing.assert_array_equal(curve.decode(curve.encode(values), values.dtype), values)


@settings(max_examples=60, deadline=None)
@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
    dtype=st.sampled_from(["float32", "float64", "int16", "int32"]),
)
def test_values_in_any_unit_survive(low: float, span: float, dtype: str) -> None:
    ends = np.iinfo(dtype) if dtype.startswith("int") else np.finfo(dtype)
    known = np.clip(low + span * np.linspace(0, 1, 60), ends.min, ends.max).astype(dtype)
    values = known.reshape(6, 10, 1)
    everything = np.ones((6, 10), bool)
    curve = fit_curve(values, everything, ~everything)
    encoded = curve.encode(values)
    assert 0 <= encoded.min() <= encoded.max() <= 1
    decoded = curve.decode(encoded, values.dtype).astype(float)
    allowed = (span + abs(low)) * 1e-6 + (1 if "int" in dtype else 0)
    assert np.abs(decoded - values).max() <= allowed


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=8, max_size=8))
def test_order_stays(values: list[float]) -> None:
    row = np.sort(np.array(values, np.float32)).reshape(1, 8, 1)
    everything = np.ones((1, 8), bool)
    encoded = fit_curve(row, everything, ~everything).encode(row)
    assert 0 <= encoded.min() <= encoded.max() <= 1
    assert (np.diff(encoded[0, :, 0]) >= 0).all()


@pytest.mark.parametrize("top", TOPS)
def test_one_picture_in_any_number_of_bits_is_encoded_alike(top: int) -> None:
    picture = (scene() * top).round().astype(np.uint16)
    encoded = fit_curve(picture, ALL, middle()).encode(picture)
    assert encoded.std() > 0.05
    assert 0.3 < np.median(encoded) < 0.7


def test_photos_are_divided_by_white() -> None:
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1)):
        values = (scene() * top).astype(dtype)
        encoded = fit_curve(values, ALL, middle()).encode(values)
        np.testing.assert_array_equal(encoded, values.astype(np.float32) / np.float32(top))


@pytest.mark.parametrize("peak", [10, 1000, 1e30])
def test_a_highlight_sets_no_scale(peak: float) -> None:
    plain, bright = scene().astype(np.float32) / 10, scene().astype(np.float32) / 10
    bright[-2:, :1] = peak
    curve = fit_curve(bright, ALL, middle())
    encoded = curve.encode(bright)
    plain_encoded = fit_curve(plain, ALL, middle()).encode(plain)
    assert np.abs(encoded[:-2] - plain_encoded[:-2]).max() < 0.1
    np.testing.assert_allclose(curve.decode(encoded, bright.dtype)[-2:, 0], peak, rtol=1e-4)


@pytest.mark.parametrize("value", [np.nan, -32768.0, np.inf])
def test_what_is_unusable_sets_no_scale(value: float) -> None:
    values = (scene() * 300 + 200).astype(np.float32)
    usable = ALL.copy()
    usable[:10] = False
    values[:10] = value
    rest = fit_curve(values[10:], ALL[10:], middle()[10:])
    curve = fit_curve(values, usable, middle())
    np.testing.assert_array_equal(curve.low, rest.low)
    np.testing.assert_array_equal(curve.span, rest.span)


def test_linear_light_is_lifted_to_middle_grey() -> None:
    values = (0.03 * scene() ** 2.2).astype(np.float32)
    values[:3, :3] = 1
    encoded = fit_curve(values, ALL, middle()).encode(values)
    assert 0.3 < np.median(encoded) < 0.6


def test_channels_without_a_common_unit_get_a_curve_each() -> None:
    values = np.dstack([scene(), 5000 * scene()[..., :1] + 1000]).astype(np.float32)
    encoded = fit_curve(values, ALL, middle()).encode(values)
    assert (encoded.std(axis=(0, 1)) > 0.02).all()


@pytest.mark.parametrize("level", [0, 7, 65535])
def test_an_even_picture_stays_even(level: int) -> None:
    picture = Picture(np.full((32, 32, 1), level, np.uint16))
    hole = np.zeros((32, 32), bool)
    hole[10:20, 10:20] = True
    filled = fill_picture(picture, hole, PatchMatch(threads=1))
    np.testing.assert_array_equal(filled.pixels, picture.pixels)


@pytest.mark.parametrize("top", TOPS)
def test_a_fill_is_as_fine_as_the_picture(top: int) -> None:
    picture, hole = Picture((scene() * top).round().astype(np.uint16)), middle()
    filled = fill_picture(picture, hole, PatchMatch(threads=1)).pixels
    inside, truth = filled[hole].astype(float), scene()[hole] * top
    assert np.abs(inside.mean(0) - truth.mean(0)).max() < 0.03 * truth.mean()
    # 8 bits would leave at most 255 * 0.35 levels, and those of the known picture are not so few
    assert len(np.unique(filled[hole])) > min(400, 0.2 * top)
    np.testing.assert_array_equal(filled[~hole], picture.pixels[~hole])


def test_nothing_known_is_an_error_that_says_so() -> None:
    picture = Picture(np.full((8, 8, 3), np.nan, np.float32))
    with pytest.raises(MaskError, match="all 64 pixels are missing or unusable"):
        encode_photo(picture, np.eye(8, dtype=bool), local=True)
