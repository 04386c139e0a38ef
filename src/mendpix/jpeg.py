"""JPEG: the same quantisation and subsampling again, and untouched blocks kept as they are.

A JPEG that is decoded and encoded again changes everywhere. Where the package ``jpeglib`` is
installed (the extra ``mendpix[jpeg]``), only the 8x8 blocks that the hole touches are encoded anew;
the coefficients of all others are copied. An orientation is undone on the coefficients as well.
Marker layout after ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B.
"""

import io
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from mendpix.metadata import Metadata
from mendpix.picture import Array, Hole, Picture, turn
from mendpix.pillow import joined

_QUALITY = 95  # for pictures that were no JPEG before
_ROOM = 65533  # bytes in one segment
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_APP0, _APP1, _APP2, _APP14, _COMMENT, _SCAN = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xDA


def write(picture: Picture, said: Metadata, hole: Hole | None) -> bytes:
    """The whole file, its blocks outside the hole copied from the source where that can be."""
    image = Image.fromarray(joined(replace(picture, alpha=None)))
    source = _source(picture)
    bare = _encoded(image, picture, source)
    if source is not None and hole is not None:
        bare = _kept(picture, bare, hole) or bare
    return _dressed(bare, said)


def _source(picture: Picture) -> JpegImagePlugin.JpegImageFile | None:
    """The JPEG this picture was read from, if it was one."""
    if picture.format != "JPEG" or picture.content is None:
        return None
    source = Image.open(io.BytesIO(picture.content), formats=["JPEG"])
    return source if isinstance(source, JpegImagePlugin.JpegImageFile) else None


def _encoded(
    image: Image.Image, picture: Picture, source: JpegImagePlugin.JpegImageFile | None
) -> bytes:
    buffer = io.BytesIO()
    if source is None:
        image.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
        return buffer.getvalue()
    tables: dict[int, Any] = dict(source.quantization)
    if picture.orientation >= 5:
        tables = {at: _transposed(table) for at, table in tables.items()}
    sampling = JpegImagePlugin.get_sampling(source)
    image.save(buffer, "JPEG", qtables=tables, subsampling=sampling if sampling >= 0 else 2)
    return buffer.getvalue()


def _transposed(table: list[int]) -> list[int]:
    return [int(value) for value in np.reshape(table, (8, 8)).T.ravel()]


def _kept(picture: Picture, bare: bytes, hole: Hole) -> bytes | None:
    """``bare`` with the source's coefficients wherever the hole is not; None where that fails."""
    try:
        import jpeglib
    except ImportError:
        return None
    with tempfile.TemporaryDirectory(prefix="mendpix-") as folder:
        old, new, out = (Path(folder) / name for name in ("old.jpg", "new.jpg", "out.jpg"))
        old.write_bytes(picture.content or b"")
        new.write_bytes(bare)
        before, after = jpeglib.read_dct(str(old)), jpeglib.read_dct(str(new))
        if not _transplant(before, after, picture.orientation, hole):
            return None
        after.write_dct(str(out), flags=["+OPTIMIZE_CODING"])
        return out.read_bytes()


def _transplant(before: Any, after: Any, orientation: int, hole: Hole) -> bool:
    """Copy coefficients of blocks outside the hole into ``after``; False where grids differ."""
    factors = np.asarray(after.samp_factor).tolist()
    names = ("Y", "Cb", "Cr") if after.has_chrominance else ("Y",)
    if not _fits(before, after, orientation):
        return False
    grids = []
    for at, name in enumerate(names):
        known = turned(getattr(before, name), orientation)
        grid = getattr(after, name)
        table = np.asarray(before.get_component_qt(at))
        table = table.T if orientation >= 5 else table
        if known.shape != grid.shape or not np.array_equal(table, after.get_component_qt(at)):
            return False
        down, across = (factors[0][axis] // factors[at][axis] for axis in (0, 1))
        touched = _touched(hole, 8 * down, 8 * across, grid.shape[:2])
        grids.append(np.where(touched[..., None, None], grid, known))
    for name, grid in zip(names, grids, strict=True):
        setattr(after, name, grid)
    return True


def _fits(before: Any, after: Any, orientation: int) -> bool:
    """Whether colours are as expected and no mirrored side ends inside a block."""
    if str(before.jpeg_color_space) != str(after.jpeg_color_space):
        return False
    down, across = 8 * np.asarray(before.samp_factor).max(axis=0)
    rows, columns = orientation in (3, 4, 6, 7), orientation in (2, 3, 7, 8)
    return not (rows and before.height % down) and not (columns and before.width % across)


def turned(grid: Array, orientation: int) -> Array:
    """Blocks of coefficients ``(rows, columns, 8, 8)`` turned upright like the pixels they hold.

    Mirroring changes the sign of the odd frequencies along its axis.
    """
    blocks = turn(grid, orientation)
    if orientation >= 5:
        blocks = blocks.swapaxes(2, 3)
    sign = np.where(np.arange(8) % 2, -1, 1).astype(grid.dtype)
    if orientation in (3, 4, 7, 8):
        blocks = blocks * sign[:, None]
    if orientation in (2, 3, 6, 7):
        blocks = blocks * sign
    return blocks


def _touched(hole: Hole, high: int, wide: int, blocks: tuple[int, int]) -> Hole:
    """Which blocks of ``high`` x ``wide`` pixels have a pixel in the hole."""
    padded = np.zeros((blocks[0] * high, blocks[1] * wide), bool)
    height, width = min(hole.shape[0], len(padded)), min(hole.shape[1], padded.shape[1])
    padded[:height, :width] = hole[:height, :width]
    touched: Hole = padded.reshape(blocks[0], high, blocks[1], wide).any(axis=(1, 3))
    return touched


def segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and data of the segments before the first scan, the rest of the file with it."""
    at = 2
    while at + 4 <= len(content):
        marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
        if marker == _SCAN:
            yield marker, content[at:]
            return
        yield marker, content[at + 4 : at + 2 + length]
        at += 2 + length


def _dressed(bare: bytes, said: Metadata) -> bytes:
    """The file with our descriptions in place of those the encoder wrote."""
    parts = [b"\xff\xd8", *_descriptions(said)]
    for marker, body in segments(bare):
        if marker == _SCAN:
            parts.append(body)
        elif not (_APP0 <= marker < _APP14 or marker == _COMMENT):
            parts.append(_segment(marker, body))
    return b"".join(parts)


def _descriptions(said: Metadata) -> Iterator[bytes]:
    across, down = (min(65535, max(1, round(value))) for value in said.dpi or (1, 1))
    yield _segment(_APP0, b"JFIF\0\1\1" + struct.pack(">BHHBB", bool(said.dpi), across, down, 0, 0))
    if said.exif and len(said.exif) <= _ROOM - len(_EXIF):
        yield _segment(_APP1, _EXIF + said.exif)
    if said.xmp and len(said.xmp) <= _ROOM - len(_XMP):
        yield _segment(_APP1, _XMP + said.xmp)
    if said.icc:
        step = _ROOM - len(_ICC) - 2
        pieces = [said.icc[at : at + step] for at in range(0, len(said.icc), step)]
        for number, piece in enumerate(pieces, 1):
            yield _segment(_APP2, _ICC + bytes([number, len(pieces)]) + piece)
    for key, value in said.text:
        if key in ("Comment", "Description"):
            yield _segment(_COMMENT, value.encode()[:_ROOM])


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
