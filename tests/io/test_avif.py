"""AVIF keeps its bits and pixels, and colours told by numbers reach every format or are told."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mendpix.errors import PictureError
from mendpix.io import conversion, files, isobmff
from mendpix.io.colour import ColourDescription
from mendpix.io.description import find_colour

RANDOM = np.random.default_rng(4)


def deep(depth: int, channels: int) -> tuple[np.ndarray, bytes]:
    """Random levels ``(24, 40, C)`` in RGB(A) order, and their AVIF file."""
    values = RANDOM.integers(0, 2**depth, (24, 40, channels)).astype(np.uint16)
    order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
    options = [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 100]
    done, content = cv2.imencode(".avif", np.ascontiguousarray(values[..., order]), options)
    assert done
    return values, content.tobytes()


def shallow(colour: ColourDescription | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 255, (24, 40, 3)).astype(np.uint8)).save(buffer, "AVIF")
    return isobmff.replace_code_points(buffer.getvalue(), colour)


@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_levels_are_spread_over_16_bits_and_come_back(
    tmp_path: Path, depth: int, channels: int
) -> None:
    values, content = deep(depth, channels)
    picture = files.parse(content, "deep.avif")
    both = conversion.to_array(picture, values)
    most = 2**depth - 1
    np.testing.assert_array_equal(both, np.rint(values / most * 65535).astype(np.uint16))
    assert files.default_extension(picture) == ".avif"
    for name in ("a.avif", "a.png", "a.tif"):
        assert files.write(tmp_path / name, picture).largest_change == 0
    again = files.read(tmp_path / "a.avif")
    assert (again.depth, isobmff.read_depth((tmp_path / "a.avif").read_bytes())) == (depth, depth)
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    np.testing.assert_array_equal(files.read(tmp_path / "a.png").pixels, picture.pixels)
    with pytest.raises(PictureError, match="cannot hold 16 bits"):
        files.write(tmp_path / "a.jpg", picture)


def test_8_bits_are_written_without_loss(tmp_path: Path) -> None:
    for channels in (1, 2, 3, 4):
        values = RANDOM.integers(0, 255, (24, 40, channels)).astype(np.uint8)
        picture = conversion.from_array(values)
        assert files.write(tmp_path / "a.avif", picture).largest_change == 0
        back = files.read(tmp_path / "a.avif")
        assert conversion.count_changes(picture, back, np.zeros((24, 40), bool)) == 0


def test_16_bits_that_are_no_10_or_12_are_refused(tmp_path: Path) -> None:
    picture = conversion.from_array(RANDOM.integers(0, 65535, (24, 40, 3)).astype(np.uint16))
    with pytest.raises(PictureError, match="cannot hold 16 bits"):
        files.write(tmp_path / "a.avif", picture)


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 16), (9, 18), (1, 1)])
def test_code_points_reach_every_format(tmp_path: Path, primaries: int, transfer: int) -> None:
    colour = ColourDescription(primaries, transfer)
    picture = files.parse(shallow(colour), "p.avif")
    assert find_colour(picture.metadata) == colour
    for name in ("a.avif", "a.png"):
        assert files.write(tmp_path / name, picture).remarks == ()
        back = files.read(tmp_path / name)
        assert find_colour(back.metadata) == colour
        np.testing.assert_array_equal(back.pixels, picture.pixels)
    for name in ("a.tif", "a.webp", "a.jpg"):
        remarks = files.write(tmp_path / name, picture).remarks
        icc = files.read(tmp_path / name).metadata.icc
        assert icc is not None
        assert icc[36:40] == b"acsp"
        assert [("HDR" in one) for one in remarks] == [True] * colour.is_hdr
    (remark,) = files.write(tmp_path / "a.bmp", picture).remarks
    assert "shown as sRGB from now on" in remark


def test_what_no_profile_says_is_told(tmp_path: Path) -> None:
    picture = files.parse(shallow(ColourDescription(9, 10)), "p.avif")
    (remark,) = files.write(tmp_path / "a.jpg", picture).remarks
    assert remark == (
        "JPEG cannot say its colours (BT.2020, transfer 10): it is shown as sRGB from now on"
    )


def test_plain_avif_says_nothing(tmp_path: Path) -> None:
    picture = files.parse(shallow(), "p.avif")
    assert picture.metadata.colour is None
    files.write(tmp_path / "a.png", picture)
    assert b"cICP" not in (tmp_path / "a.png").read_bytes()


def test_a_damaged_file_has_no_properties() -> None:
    content = shallow(ColourDescription(12, 13))
    assert isobmff.read_colour(content) == ColourDescription(12, 13)
    for length in range(0, 400, 7):
        assert isobmff.find_properties(content[:length]) is not None


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 255, (24, 40, 3)).astype(np.uint8)).save(buffer, "PNG")
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    plain = buffer.getvalue()
    return plain[:33] + b"".join(parts) + plain[33:]


def test_png_chunks_reach_every_format(tmp_path: Path) -> None:
    light = (b"cLLI", struct.pack(">II", 10_000_000, 4_000_000))
    hdr = files.parse(png((b"cICP", bytes([9, 16, 0, 1])), light), "p.png")
    assert files.write(tmp_path / "a.png", hdr).remarks == ()
    assert light in files.read(tmp_path / "a.png").metadata.chunks
    assert "cLLI" in files.write(tmp_path / "a.avif", hdr).remarks[0]
    assert files.read(tmp_path / "a.avif").metadata.colour == ColourDescription(9, 16)
    linear = files.parse(png((b"gAMA", struct.pack(">I", 100000))), "p.png")
    for name in ("a.avif", "a.tif", "a.webp", "a.jpg"):
        files.write(tmp_path / name, linear)
        assert files.read(tmp_path / name).metadata.icc
    image = conversion.to_pil(linear)
    assert image.info["icc_profile"][36:40] == b"acsp"
