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
from mendpix.io import conversion, files
from mendpix.io.picture import Picture, turn_back
from mendpix.types import Hole

needs_jpegio = pytest.mark.skipif(
    importlib.util.find_spec("jpegio") is None, reason="jpegio (mendpix[jpeg]) is not installed"
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


@needs_jpegio
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


@needs_jpegio
def test_without_a_folder_for_passing_files_all_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the file system is read-only: jpegio, which keeps blocks, needs such a folder."""
    before = saved(tmp_path / "a.jpg", (101, 131), "4:2:0")
    after, hole = filled(before)
    kept, _ = files.encode("b.jpg", after, hole)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    content, written = files.encode("b.jpg", after, hole)
    assert content != kept
    again = files.parse(content, "b.jpg")
    known = np.abs(before.pixels[~hole].astype(int) - again.pixels[~hole])
    assert written.largest_change == known.max() > 0


@needs_jpegio
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "grey"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_what_exif_turns_stays_as_it_is_stored(
    tmp_path: Path, sampling: str, orientation: int
) -> None:
    """Sides that end inside a block: mirrored, all of them would have to be encoded anew."""
    before = saved(tmp_path / "a.jpg", (101, 131), sampling, orientation)
    after, hole = filled(before)
    files.write(tmp_path / "b.jpg", after, hole)
    near = np.zeros_like(hole)
    near[12:74, 16:84] = True  # its blocks of up to 16 pixels from either end, and one of chroma
    again = files.read(tmp_path / "b.jpg")
    assert conversion.count_changes(before, again, near) == 0
    assert conversion.count_changes(before, again, hole) > 0
    with Image.open(tmp_path / "b.jpg") as out:
        assert (out.size, out.getexif()[0x0112]) == ((131, 101), orientation)


@needs_jpegio
def test_rgb_stays_rgb(tmp_path: Path) -> None:
    scene(101, 131).save(tmp_path / "a.jpg", quality=75, keep_rgb=True)
    before = files.read(tmp_path / "a.jpg")
    after, hole = filled(before)
    files.write(tmp_path / "b.jpg", after, hole)
    near = np.zeros_like(hole)
    near[32:56, 40:64] = True
    assert conversion.count_changes(before, files.read(tmp_path / "b.jpg"), near) == 0
    with Image.open(tmp_path / "b.jpg") as out:
        assert out.info["adobe_transform"] == 0


def test_nothing_marked_is_the_same_file(tmp_path: Path) -> None:
    before = saved(tmp_path / "a.jpg", (101, 131), "4:2:0", 6)
    files.write(tmp_path / "b.jpg", before, np.zeros(before.shape, bool))
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()


def test_without_jpegio_the_change_is_said(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "jpegio", None)
    before = saved(tmp_path / "a.jpg", (101, 131), "4:2:0")
    after, hole = filled(before)
    written = files.write(tmp_path / "b.jpg", after, hole)
    again = files.read(tmp_path / "b.jpg")
    known = np.abs(before.pixels[~hole].astype(int) - again.pixels[~hole])
    assert (written.largest_change, written.mean_change) == (known.max(), known.mean())
    assert 0 < written.mean_change < 3
    assert "mendpix[jpeg]" in written.remarks[0]
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
        assert (out.getexif()[0x010F], out.getexif()[0x0112]) == ("Maker", orientation)
        assert out.info["icc_profile"] == icc
        assert out.info["xmp"] == xmp.replace(b'"6"', b'"%d"' % orientation)
        assert out.info["dpi"] == (240, 240)
        assert out.info["comment"] == b"hello"
        data = out.info["exif"].removeprefix(b"Exif\0\0")
    with tifffile.TiffFile(io.BytesIO(data)) as directories:  # an EXIF block is a small TIFF
        tags = directories.pages[1].tags
        start, length = (int(np.ravel(tags[code].value)[0]) for code in (0x0201, 0x0202))
    fresh = Image.open(io.BytesIO(data[start : start + length]))
    expected = ImageOps.contain(Image.fromarray(turn_back(after.pixels, orientation)), fresh.size)
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
