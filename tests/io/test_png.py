"""PNG of many kinds, against Pillow and OpenCV."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mendpix.errors import PictureError
from mendpix.io import conversion, files

VALUES = np.random.default_rng(3).integers(0, 256, (7, 10, 3), dtype=np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw(bits: int, colour: int, size: tuple[int, int], rows: bytes, *more: bytes) -> bytes:
    """A PNG file of unfiltered rows."""
    header = struct.pack(">IIBBBBB", size[1], size[0], bits, colour, 0, 0, 0)
    step = len(rows) // size[0]
    lines = b"".join(b"\0" + rows[at : at + step] for at in range(0, len(rows), step))
    parts = [
        chunk(b"IHDR", header),
        *more,
        chunk(b"IDAT", zlib.compress(lines)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_with_a_transparent_level(tmp_path: Path, bits: int) -> None:
    levels = np.array([[0, 1, 0, 1, 1, 0, 0, 1]] * 2, np.uint8)
    packed = np.packbits(
        np.unpackbits(levels[..., None], axis=-1)[..., -bits:].reshape(2, -1), axis=-1
    )
    key = chunk(b"tRNS", struct.pack(">H", 1))
    (tmp_path / "a.png").write_bytes(raw(bits, 0, (2, 8), packed.tobytes(), key))
    picture = files.read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels[..., 0], levels * (255 // (2**bits - 1)))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, 255 * (1 - levels))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour(tmp_path: Path, bits: int) -> None:
    values = VALUES.astype(">u2") * 257 if bits == 16 else VALUES
    key = chunk(b"tRNS", values[2, 3].astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(raw(bits, 2, (7, 10), values.tobytes(), key))
    picture = files.read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, values)
    assert picture.alpha is not None
    assert np.argwhere(picture.alpha == 0).tolist() == [[2, 3]]
    files.write(tmp_path / "b.png", picture)
    assert (
        conversion.count_changes(picture, files.read(tmp_path / "b.png"), np.zeros((7, 10), bool))
        == 0
    )


def test_sixteen_bits_are_not_cut_to_eight(tmp_path: Path) -> None:
    deep = np.arange(7 * 10 * 4, dtype=np.uint16).reshape(7, 10, 4) * 231
    rows = deep.astype(">u2").tobytes()
    (tmp_path / "a.png").write_bytes(raw(16, 6, (7, 10), rows))
    picture = files.read(tmp_path / "a.png")
    np.testing.assert_array_equal(conversion.to_array(picture, deep), deep)


def test_a_damaged_chunk_is_told(tmp_path: Path) -> None:
    content = bytearray(raw(16, 2, (7, 10), (VALUES.astype(">u2") * 257).tobytes()))
    content[50] ^= 1
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match="damaged"):
        files.read(tmp_path / "a.png")


@pytest.mark.parametrize("colours", [2, 3, 16, 200])
def test_keep_palette_takes_the_nearest_colours(tmp_path: Path, colours: int) -> None:
    image = Image.fromarray(np.kron(VALUES, np.ones((3, 3, 1), np.uint8))).quantize(colours)
    image.save(tmp_path / "a.png")
    picture = files.read(tmp_path / "a.png")
    hole = np.zeros(picture.shape, bool)
    hole[4:9, 4:9] = True
    pixels = picture.pixels.copy()
    pixels[hole] = pixels[0, 0] ^ 1
    files.write(tmp_path / "b.png", picture.replace(pixels=pixels), hole, keep_palette=True)
    again = files.read(tmp_path / "b.png")
    assert conversion.count_changes(picture, again, hole) == 0
    seen = {tuple(colour) for colour in picture.pixels.reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in again.pixels.reshape(-1, 3).tolist()} <= seen
    assert (again.pixels[hole] == again.pixels[5, 5]).all()


def test_keep_palette_needs_one(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="has no palette"):
        files.write(tmp_path / "a.png", conversion.from_array(VALUES), keep_palette=True)
