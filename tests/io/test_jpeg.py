"""JPEG to JPEG: what the hole does not touch keeps its coefficients; the rest its quality."""

import importlib.util
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, JpegImagePlugin

from mendpix.errors import PictureError
from mendpix.io import conversion, files, jpeg
from mendpix.io.picture import Picture
from mendpix.types import Hole

needs_jpeglib = pytest.mark.skipif(
    importlib.util.find_spec("jpeglib") is None, reason="jpeglib (mendpix[jpeg]) is not installed"
)


def scene(height: int, width: int) -> Image.Image:
    rng = np.random.default_rng(4)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def saved(path: Path, size: tuple[int, int], sampling: str, orientation: int = 1) -> Picture:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    image = scene(*size)
    if sampling == "grey":
        image.convert("L").save(path, quality=83, exif=exif)
    else:
        image.save(path, quality=83, subsampling=sampling, exif=exif, dpi=(300, 300))
    return files.read(path)


def filled(picture: Picture) -> tuple[Picture, Hole]:
    hole = np.zeros(picture.shape, bool)
    hole[36:50, 40:60] = True
    pixels = picture.pixels.copy()
    pixels[hole] = pixels[~hole].mean(axis=0).astype(np.uint8)
    return picture.replace(pixels=pixels), hole


@needs_jpeglib
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "grey"])
def test_blocks_away_from_the_hole_are_the_same_bits(tmp_path: Path, sampling: str) -> None:
    before = saved(tmp_path / "a.jpg", (101, 131), sampling)
    after, hole = filled(before)
    written = files.write(tmp_path / "b.jpg", after, hole)
    again = files.read(tmp_path / "b.jpg")
    near = np.zeros_like(hole)
    near[28:68, 28:68] = True  # its blocks of up to 16 pixels, and one pixel of chroma beyond
    assert conversion.count_changes(before, again, near) == 0
    assert conversion.count_changes(before, again, hole) > 0
    known = np.abs(before.pixels[~hole].astype(int) - again.pixels[~hole])
    assert written.largest_change == known.max()
    assert written.mean_change == pytest.approx(known.mean())
    with Image.open(tmp_path / "a.jpg") as old, Image.open(tmp_path / "b.jpg") as new:
        assert isinstance(old, JpegImagePlugin.JpegImageFile)
        assert isinstance(new, JpegImagePlugin.JpegImageFile)
        assert old.quantization == new.quantization
        assert [one[1:3] for one in old.layer] == [one[1:3] for one in new.layer]


@needs_jpeglib
def test_without_a_folder_for_passing_files_all_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the file system is read-only: jpeglib, which keeps blocks, needs such a folder."""
    before = saved(tmp_path / "a.jpg", (101, 131), "4:2:0")
    after, hole = filled(before)
    kept, _ = files.encode("b.jpg", after, hole)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    content, written = files.encode("b.jpg", after, hole)
    assert content != kept
    again = files.parse(content, "b.jpg")
    known = np.abs(before.pixels[~hole].astype(int) - again.pixels[~hole])
    assert written.largest_change == known.max() > 0


@needs_jpeglib
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "grey"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientation_is_undone_on_coefficients(
    tmp_path: Path, sampling: str, orientation: int
) -> None:
    import jpeglib

    before = saved(tmp_path / "a.jpg", (96, 128), sampling, orientation)
    after, hole = filled(before)
    written = files.write(tmp_path / "b.jpg", after, hole)
    assert written.mean_change < 0.5  # decoders round differently along rows and columns
    stored = jpeglib.read_dct(str(tmp_path / "a.jpg")).Y
    turned = jpeglib.read_dct(str(tmp_path / "b.jpg")).Y
    same = (jpeg.turn_blocks(stored, orientation) == turned).all(axis=(2, 3))
    assert same[9:].all()
    assert same[:, 9:].all()
    assert not same[5, 6]


def test_coefficients_turn_like_pixels() -> None:
    block = np.random.default_rng(0).normal(0, 50, (16, 24))
    cosines = jpeg._COSINES.astype(float)

    def grid(pixels: Any) -> Any:
        high, wide = pixels.shape[0] // 8, pixels.shape[1] // 8
        return cosines @ pixels.reshape(high, 8, wide, 8).swapaxes(1, 2) @ cosines.T

    from mendpix.io.picture import turn

    for orientation in range(1, 9):
        np.testing.assert_allclose(
            jpeg.turn_blocks(grid(block), orientation), grid(turn(block, orientation)), atol=1e-4
        )


def test_without_jpeglib_the_change_is_said(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    before = saved(tmp_path / "a.jpg", (101, 131), "4:2:0")
    after, hole = filled(before)
    written = files.write(tmp_path / "b.jpg", after, hole)
    again = files.read(tmp_path / "b.jpg")
    known = np.abs(before.pixels[~hole].astype(int) - again.pixels[~hole])
    assert (written.largest_change, written.mean_change) == (known.max(), known.mean())
    assert 0 < written.mean_change < 3
    with Image.open(tmp_path / "a.jpg") as old, Image.open(tmp_path / "b.jpg") as new:
        assert JpegImagePlugin.get_sampling(old) == JpegImagePlugin.get_sampling(new) == 2
        assert old.quantization == new.quantization  # type: ignore[attr-defined]


@pytest.mark.parametrize("orientation", [1, 6])
def test_descriptions_are_kept_and_the_thumbnail_is_fresh(tmp_path: Path, orientation: int) -> None:
    image, small = scene(96, 128), io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(small, "JPEG")
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", orientation
    block = with_thumbnail(exif.tobytes().removeprefix(b"Exif\0\0"), small.getvalue())
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    icc = bytes(range(256)) * 400  # more than one segment
    image.save(
        tmp_path / "a.jpg",
        exif=b"Exif\0\0" + block,
        icc_profile=icc,
        xmp=xmp,
        dpi=(240, 240),
        comment=b"hello",
    )
    after, hole = filled(files.read(tmp_path / "a.jpg"))
    files.write(tmp_path / "b.jpg", after, hole)
    with Image.open(tmp_path / "b.jpg") as out:
        assert (out.getexif()[0x010F], out.getexif()[0x0112]) == ("Maker", 1)
        assert out.info["icc_profile"] == icc
        assert out.info["xmp"] == xmp.replace(b'"6"', b'"1"')
        assert out.info["dpi"] == (240, 240)
        assert out.info["comment"] == b"hello"
        data = out.info["exif"].removeprefix(b"Exif\0\0")
    with tifffile.TiffFile(io.BytesIO(data)) as directories:  # an EXIF block is a small TIFF
        tags = directories.pages[1].tags
        start, length = (int(np.ravel(tags[code].value)[0]) for code in (0x0201, 0x0202))
    fresh = Image.open(io.BytesIO(data[start : start + length]))
    expected = ImageOps.contain(Image.fromarray(after.pixels), fresh.size)
    assert fresh.size == expected.size
    assert np.abs(np.asarray(fresh).astype(int) - np.asarray(expected)).mean() < 8
    assert small.getvalue() not in (tmp_path / "b.jpg").read_bytes()


def with_thumbnail(block: bytes, thumbnail: bytes) -> bytes:
    """An EXIF block of one directory, with a second one that points at a JPEG thumbnail."""
    way = "little" if block.startswith(b"II") else "big"
    start = int.from_bytes(block[4:8], way)
    count = int.from_bytes(block[start : start + 2], way)
    link = start + 2 + 12 * count
    at = len(block)
    rows = [(0x0103, 3, 6), (0x0201, 4, at + 2 + 36 + 4), (0x0202, 4, len(thumbnail))]
    second = len(rows).to_bytes(2, way)
    for tag, kind, value in rows:
        size = 2 if kind == 3 else 4
        second += tag.to_bytes(2, way) + kind.to_bytes(2, way) + (1).to_bytes(4, way)
        second += value.to_bytes(size, way) + bytes(4 - size)
    return block[:link] + at.to_bytes(4, way) + block[link + 4 :] + second + bytes(4) + thumbnail


def test_transparency_goes_into_no_jpeg(tmp_path: Path) -> None:
    picture = conversion.from_array(np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(PictureError, match="transparency"):
        files.write(tmp_path / "a.jpg", picture)
