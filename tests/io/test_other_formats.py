"""Netpbm, PFM, TGA, JPEG 2000 and 1-bit scans come back as they were; raw files are refused."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

import mendpix
from mendpix.errors import PictureError
from mendpix.io import conversion, files, png
from mendpix.io.picture import Picture

RANDOM = np.random.default_rng(7)
SHAPE = (71, 84)
NO_HOLE = np.zeros(SHAPE, bool)


def values(kind: str, channels: int) -> np.ndarray:
    shape = (*SHAPE, channels)
    if kind == "f":
        return RANDOM.normal(0, 40, shape).astype(np.float32)
    return RANDOM.integers(0, np.iinfo(kind).max, shape).astype(kind)


@pytest.mark.parametrize(
    ("name", "kind", "channels"),
    [
        ("a.ppm", "u1", 3),
        ("a.ppm", "u2", 3),
        ("a.pgm", "u1", 1),
        ("a.pgm", "u2", 1),
        ("a.pfm", "f", 3),
        ("a.pfm", "f", 1),
        ("a.tga", "u1", 1),
        ("a.tga", "u1", 3),
        ("a.tga", "u1", 4),
        ("a.jp2", "u1", 1),
        ("a.jp2", "u1", 3),
        ("a.jp2", "u1", 4),
        ("a.jp2", "u2", 1),
        ("a.jp2", "u2", 3),
    ],
)
def test_values_come_back(tmp_path: Path, name: str, kind: str, channels: int) -> None:
    before = conversion.from_array(values(kind, channels))
    assert files.write(tmp_path / name, before).largest_change == 0
    after = files.read(tmp_path / name)
    assert conversion.count_changes(before, after, NO_HOLE) == 0
    assert files.default_extension(after) == Path(name).suffix


def test_others_read_what_is_written(tmp_path: Path) -> None:
    """Against Pillow's readers."""
    colours = conversion.from_array(values("u1", 3))
    for name in ("a.ppm", "a.tga", "a.jp2"):
        files.write(tmp_path / name, colours)
        with Image.open(tmp_path / name) as image:
            np.testing.assert_array_equal(np.asarray(image), colours.pixels)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.pbm"])
def test_1_bit_stays_1_bit(tmp_path: Path, name: str) -> None:
    scan = RANDOM.random(SHAPE) < 0.5
    Image.fromarray(scan).save(tmp_path / "in.tif", compression="group4")
    picture = files.read(tmp_path / "in.tif")
    assert picture.depth == 1
    files.write(tmp_path / name, picture)
    with Image.open(tmp_path / name) as back:
        assert back.mode == "1"
        np.testing.assert_array_equal(np.asarray(back), scan)


def test_1_bit_is_filled_with_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(RANDOM.random((40, 40)) < 0.5).save(tmp_path / "in.png")
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    mendpix.fill(tmp_path / "in.png", mask, model="telea", out=tmp_path / "out.png")
    assert files.read(tmp_path / "out.png").depth == 1
    picture = files.read(tmp_path / "in.png")
    (remark,) = files.write(tmp_path / "out.jpg", picture).remarks
    assert "grey of 8 bits now" in remark


def test_what_a_format_cannot_hold_is_told_or_refused(tmp_path: Path) -> None:
    for name, array, message in (
        ("a.ppm", values("u1", 4), "transparency"),
        ("a.tga", values("u2", 3), "16 bits"),
        ("a.pfm", values("u1", 3), "32-bit floats"),
        ("a.jp2", values("f", 3), "float32"),
    ):
        with pytest.raises(PictureError, match=message):
            files.write(tmp_path / name, conversion.from_array(array))
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    Image.fromarray(values("u1", 3)).save(tmp_path / "t.png", pnginfo=info)
    for name in ("a.tif", "a.jpg", "a.tga"):
        (remark,) = files.write(tmp_path / name, files.read(tmp_path / "t.png")).remarks
        assert "text (Author)" in remark
    assert not files.write(tmp_path / "a.png", files.read(tmp_path / "t.png")).remarks


def test_16_bit_colour_on_a_path_is_rounded_to_8(tmp_path: Path) -> None:
    deep = values("u2", 3)
    files.write(tmp_path / "a.png", Picture(deep))
    mask = np.zeros(SHAPE, bool)
    mask[5:8, 5:8] = True
    with pytest.warns(UserWarning, match="a Pillow image rounds uint16 colours to 8 bits"):
        image = mendpix.fill(tmp_path / "a.png", mask, model="telea")
    expected = np.rint(deep / 65535 * 255)
    np.testing.assert_array_equal(np.asarray(image)[~mask], expected[~mask])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.dng", b"anything"),
        ("a.tif", b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 50706, 1, 4, 1) + bytes(4)),
        ("a.jpg", b"FUJIFILMCCD-RAW 0201"),
        ("a", b"\0\0\0\x18ftypcrx \0\0\0\1"),
    ],
)
def test_raw_files_are_refused_with_the_way(name: str, content: bytes) -> None:
    with pytest.raises(PictureError, match="develop it first"):
        files.parse(content, name)


def test_a_text_file_is_no_targa() -> None:
    with pytest.raises(PictureError, match="is not a picture"):
        files.parse(b"\0\0\2" + bytes(40), "a.png")


def add_text(size: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    plain = buffer.getvalue()
    data = b"zTXt" + b"Notes\0\0" + zlib.compress(bytes([97]) * size)
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return plain[:33] + chunk + plain[33:]


def test_long_text_is_read_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    # a command that ran in this process before may have raised the limit
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", ImageFile.SAFEBLOCK)
    with pytest.raises(PictureError, match=r"more than 1 MB of text and profile.*zTXt 'Notes'"):
        files.parse(add_text(2_000_000), "a.png")
    png.allow_long_text()
    picture = files.parse(add_text(2_000_000), "a.png")
    assert len(dict(picture.metadata.text)["Notes"]) == 2_000_000
    with pytest.raises(PictureError, match=r"more than 64 MB of text and profile.*zTXt 'Notes'"):
        files.parse(add_text(70_000_000), "a.png")
