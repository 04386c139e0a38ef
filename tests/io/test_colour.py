"""Numbers that describe colours become ICC profiles that show the same, by Little CMS."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from mendpix.io.colour import (
    ColourDescription,
    _hlg_to_light,
    _pq_to_light,
    build_profile,
    from_code_points,
    from_png_chunks,
)

# https://www.color.org/chardata/rgb/DisplayP3.xalter and IEC 61966-2-1, linear light
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
COLOURS = np.random.default_rng(3).integers(40, 200, (8, 8, 3)).astype(np.uint8)


def to_srgb(values: np.ndarray, colour: ColourDescription) -> np.ndarray:
    """What a colour management shows: relative colorimetric, in 8 bits."""
    channels = 3 if values.ndim == 3 else 1
    profile = build_profile(colour, channels)
    assert profile is not None
    image = Image.fromarray(values)
    output = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert output is not None
    return np.asarray(output).astype(int)


def decode_srgb(values: np.ndarray) -> np.ndarray:
    share = values / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def test_srgb_changes_nothing() -> None:
    assert abs(to_srgb(COLOURS, ColourDescription()) - COLOURS).max() <= 1


def test_display_p3_is_shown_as_its_matrix_says() -> None:
    expected = encode_srgb(decode_srgb(COLOURS) @ P3_TO_SRGB.T)
    assert abs(to_srgb(COLOURS, ColourDescription(12, 13)) - expected).max() <= 2


def test_linear_light_and_gamma() -> None:
    linear = to_srgb(COLOURS, ColourDescription(gamma=1.0))
    assert abs(linear - encode_srgb(COLOURS / 255)).max() <= 2
    grey = to_srgb(COLOURS[..., 0], ColourDescription(gamma=1.8))
    assert abs(grey[..., 1] - encode_srgb((COLOURS[..., 0] / 255) ** 1.8)).max() <= 2


def test_hdr_curves_are_those_of_the_standards() -> None:
    """Published: PQ 0.5081 is 100 cd/m2, 0.5807 is 203, 0.7518 is 1000; HLG's white is 0.75."""
    light = 203 * _pq_to_light(np.array([0.5081, 0.5807, 0.7518]))
    np.testing.assert_allclose(light, [100, 203, 1000], rtol=2e-3)
    np.testing.assert_allclose(_hlg_to_light(np.array([0, 0.5, 0.75])), [0, 0.3145, 1], rtol=1e-3)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_profiles_hold_their_numbers_and_clip_at_white(transfer: int) -> None:
    colour = ColourDescription(9, transfer)
    profile = build_profile(colour, 3)
    assert profile is not None
    assert b"cicp\0\0\0\0" + bytes([9, transfer, 0, 1]) in profile
    white = round(255 * (0.5807 if transfer == 16 else 0.75))
    greys = np.repeat(np.array([[[white], [230]]], np.uint8), 3, axis=2)
    assert to_srgb(greys, colour).min() >= 252


def test_what_no_profile_says() -> None:
    assert build_profile(ColourDescription(9, 10), 3) is None
    assert build_profile(ColourDescription(99, 13), 3) is None
    assert build_profile(ColourDescription(12, 13), 4) is None


def test_descriptions_that_mean_srgb_are_none() -> None:
    assert from_code_points(1, 13) is None
    assert from_code_points(2, 2) is None
    assert from_png_chunks({}) is None
    assert from_png_chunks({b"gAMA": struct.pack(">I", 45455)}) is None
    assert from_png_chunks({b"sRGB": b"\0", b"gAMA": struct.pack(">I", 100000)}) is None
    srgb = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    assert from_png_chunks({b"cHRM": srgb, b"gAMA": struct.pack(">I", 45455)}) is None


def test_png_chunks_in_order_of_strength() -> None:
    chunks = {b"cICP": bytes([12, 13, 0, 1]), b"gAMA": struct.pack(">I", 100000)}
    assert from_png_chunks(chunks) == ColourDescription(12, 13)
    assert str(from_png_chunks(chunks)) == "Display P3, sRGB"
    del chunks[b"cICP"]
    linear = from_png_chunks(chunks)
    assert linear is not None
    assert linear.gamma == 1
    assert str(linear) == "BT.709, linear light"
