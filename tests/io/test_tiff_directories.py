"""TIFF directories that lead nowhere, in a circle, or claim more than there is."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from mendpix.errors import PictureError
from mendpix.io import exif, files

Entries = list[tuple[int, int, int, int]]
"""Tag, kind, count, value."""

PICTURE = [(256, 4, 1, 8), (257, 4, 1, 6), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
PICTURE += [(273, 4, 1, 4000), (277, 3, 1, 1), (278, 4, 1, 6), (279, 4, 1, 48)]
DEEP = [{258: (258, 3, 1, 16), 279: (279, 4, 1, 96)}.get(one[0], one) for one in PICTURE]
FORMS = [("<", False), (">", False), ("<", True), (">", True)]


def tiff(
    directories: dict[int, tuple[Entries, int]], way: str = "<", big: bool = False, first: int = 16
) -> bytes:
    """A TIFF file of 5000 bytes with these directories: their entries and the next one's offset."""
    content = bytearray(range(250)) * 20
    header = (
        struct.pack(way + "HHHQ", 43, 8, 0, first) if big else struct.pack(way + "HI", 42, first)
    )
    content[: 2 + len(header)] = (b"II" if way == "<" else b"MM") + header
    for offset, (entries, following) in directories.items():
        held = struct.pack(way + ("Q" if big else "H"), len(entries))
        for tag, kind, count, value in entries:
            wide = 8 if big else 4
            inline = count * exif.value_size(kind, 1) <= wide
            form = {1: "B", 3: "H", 4: "I"}[kind] if inline else "Q" if big else "I"
            held += struct.pack(way + "HH" + ("Q" if big else "I"), tag, kind, count)
            held += struct.pack(way + form, value).ljust(wide, b"\0")
        held += struct.pack(way + ("Q" if big else "I"), following)
        content[offset : offset + len(held)] = held
    return bytes(content)


@pytest.mark.parametrize(("way", "big"), FORMS)
def test_a_circle_is_refused(way: str, big: bool) -> None:
    good = tiff({16: (DEEP, 0)}, way, big)
    assert files.parse(good, "p.tif").pixels.shape == (6, 8, 1)
    small: Entries = [(254, 4, 1, 1), *PICTURE]
    for circle in (
        {16: (PICTURE, 16)},
        {16: (PICTURE, 1000), 1000: (small, 16)},
        {16: (PICTURE, 1000), 1000: (small, 2000), 2000: (small, 1000)},
    ):
        with pytest.raises(PictureError, match=r"^p\.tif is damaged .* lead in a circle$"):
            files.parse(tiff(circle, way, big), "p.tif")


@pytest.mark.parametrize(("way", "big"), FORMS)
def test_a_link_past_the_end_ends_the_chain(way: str, big: bool) -> None:
    picture = files.parse(tiff({16: (DEEP, 4_000_000_000)}, way, big), "p.tif")
    assert picture.pixels.shape == (6, 8, 1)
    for first in (0, 4_999, 5_000, 4_000_000_000):
        with pytest.raises(PictureError, match=r"^p\.tif is damaged or cut short"):
            files.parse(tiff({}, way, big, first), "p.tif")


@pytest.mark.parametrize(("way", "big"), FORMS)
@pytest.mark.parametrize("count", [4097, 65535])
def test_a_directory_that_claims_thousands_of_entries(way: str, big: bool, count: int) -> None:
    content = bytearray(tiff({16: (PICTURE, 0)}, way, big))
    struct.pack_into(way + ("Q" if big else "H"), content, 16, count)
    with pytest.raises(PictureError, match=r"^p\.tif is damaged or cut short"):
        files.parse(bytes(content), "p.tif")


def test_values_over_each_other_are_refused() -> None:
    claims: Entries = [(273, 4, 800, 1000 + 4 * number) for number in range(5)]
    with pytest.raises(PictureError, match="its directories claim 16064 bytes of 5000"):
        files.parse(
            tiff({16: ([*PICTURE[:5], *claims, *PICTURE[6:], (700, 1, 48, 0)], 0)}), "p.tif"
        )


def test_a_huge_count_is_no_value() -> None:
    """What runs past the end is left out, and does not stop a picture from being read."""
    claims: Entries = [(270, 2, 4_000_000_000, 100), (34853, 4, 1, 3000)]
    content = tiff({16: ([*PICTURE, *claims], 0), 3000: ([(2, 5, 4_000_000_000, 90)], 0)})
    picture = files.parse(content, "p.tif")
    assert files.encode("q.tif", picture)[0]


def test_many_pages_are_refused_at_once(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "p.tif") as file:
        for _ in range(65):
            file.write(np.zeros((4, 4), np.uint8))
    with pytest.raises(PictureError, match="more than 64 pages; save the one to fill"):
        files.read(tmp_path / "p.tif")


def circular(tag: int) -> bytes:
    """An EXIF block whose directory below its first leads back to it."""
    block = bytearray(b"II*\0" + struct.pack("<IHHHIII", 8, 1, tag, 4, 1, 40, 0) + bytes(80))
    struct.pack_into("<HHHIII", block, 40, 1, tag, 4, 1, 40, 0)
    return bytes(block)


@pytest.mark.parametrize("tag", exif.BELOW)
def test_directories_below_in_a_circle(tag: int, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"^p\.tif is damaged .* lead in a circle$"):
        files.parse(
            tiff({16: ([*PICTURE, (tag, 4, 1, 3000)], 0), 3000: ([(tag, 4, 1, 3000)], 0)}), "p.tif"
        )
    assert exif.upright_block(circular(tag)) == b""
    image = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    for name in ("a.png", "a.jpg", "a.webp"):
        image.save(tmp_path / name, exif=b"Exif\0\0" + circular(tag))
        picture = files.read(tmp_path / name)
        for ending in ("tif", "png", "jpg", "webp"):
            files.write(tmp_path / f"out.{ending}", picture)
            with Image.open(tmp_path / f"out.{ending}") as written:
                assert not written.getexif().get_ifd(tag)


def test_a_thumbnail_that_is_the_picture_itself_is_a_circle() -> None:
    block = bytearray(circular(0x0100))
    struct.pack_into("<I", block, 22, 8)
    assert exif.upright_block(bytes(block), np.zeros((4, 4, 3), np.uint8)) == b""


def test_strips_of_a_thumbnail_over_each_other() -> None:
    """Blanking them one by one would take the square of the block's size."""
    room = bytes(4 * 500)
    sizes = struct.pack("<500I", *[3000] * 500)
    head = b"II*\0" + struct.pack("<IHI", 8, 0, 14)
    first = struct.pack("<HHHIIHHIII", 2, 0x0111, 4, 500, 44, 0x0117, 4, 500, 2044, 0)
    block = (head + first).ljust(44, b"\0") + room + sizes
    assert exif.upright_block(block, np.zeros((4, 4, 3), np.uint8)) == b""
