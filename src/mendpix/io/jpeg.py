"""JPEG: the same quantisation and subsampling again, and untouched blocks kept as they are.

A JPEG that is decoded and encoded again changes everywhere. Where the package ``jpeglib`` is
installed (the extra ``mendpix[jpeg]``), only the blocks that the hole touches are encoded anew;
the coefficients of all others are copied. An orientation is undone on the coefficients as well.
Marker layout and DCT after ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annexes A
and B; colours after ITU-T T.871 (JFIF), section 7.
"""

import io
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from mendpix.io.picture import Array, Metadata, Picture, turn
from mendpix.io.pillow import join_alpha, open_image
from mendpix.types import Hole

_QUALITY = 95  # for pictures that were no JPEG before
_SEGMENT_SIZE = 65533  # bytes in one segment
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_APP0, _APP1, _APP2, _APP13, _APP14, _COMMENT, _SCAN = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE, 0xDA
_RESOURCES, _THUMBNAILS = b"Photoshop 3.0\0", (0x0409, 0x040C)
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
# The cosines of T.81 A.3.3 as a matrix: coefficients of a block X are C @ X @ C.T.
_COSINES = np.cos((2 * np.arange(8) + 1) * np.arange(8)[:, None] * np.pi / 16) / 2
_COSINES[0] /= np.sqrt(2)
_COSINES = _COSINES.astype(np.float32)


def write(picture: Picture, metadata: Metadata, hole: Hole | None) -> bytes:
    """The whole file, its blocks outside the hole copied from the source where that can be.

    Without a hole, the blocks that still show what the source shows are copied.
    """
    source = _open_source(picture)
    try:
        bare = None if source is None else _copy_blocks(picture, source, hole)
    except OSError:  # jpeglib passes files on through a folder; there is none, or it is full
        bare = None
    return _set_descriptions(bare or _encode_all(picture, source), metadata, picture.content)


def _open_source(picture: Picture) -> JpegImagePlugin.JpegImageFile | None:
    """The JPEG this picture was read from, if it was one."""
    if picture.format != "JPEG" or picture.content is None:
        return None
    source = open_image(picture.content, picture.name)
    return source if isinstance(source, JpegImagePlugin.JpegImageFile) else None


def _encode_all(picture: Picture, source: JpegImagePlugin.JpegImageFile | None) -> bytes:
    """All of it encoded anew by Pillow, with the source's tables and subsampling if it has them.

    Pillow knows three subsamplings; where the source has another, none is the harmless one.
    """
    image = Image.fromarray(join_alpha(replace(picture, alpha=None)))
    buffer = io.BytesIO()
    if source is None:
        image.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
        return buffer.getvalue()
    tables: dict[int, Any] = dict(source.quantization)
    sampling = JpegImagePlugin.get_sampling(source)
    if picture.orientation >= 5:
        tables = {at: np.reshape(table, (8, 8)).T.ravel().tolist() for at, table in tables.items()}
        sampling = 0 if sampling == 1 else sampling  # halved across becomes halved down
    image.save(buffer, "JPEG", qtables=tables, subsampling=max(sampling, 0))
    return buffer.getvalue()


def _copy_blocks(
    picture: Picture, source: JpegImagePlugin.JpegImageFile, hole: Hole | None
) -> bytes | None:
    """The source with new blocks where the hole touches it; None where that cannot be done."""
    try:
        import jpeglib
    except ImportError:
        return None
    if hole is None:
        source.load()
        before = turn(np.asarray(source), picture.orientation)
        hole = (before.reshape(picture.pixels.shape) != picture.pixels).any(axis=-1)
    with tempfile.TemporaryDirectory(prefix="mendpix-") as folder:
        old, new = str(Path(folder, "old.jpg")), str(Path(folder, "new.jpg"))
        # without its descriptions: jpeglib has room for few of them
        Path(old).write_bytes(_set_descriptions(picture.content or b"", None))
        coefficients = jpeglib.read_dct(old)
        if not _is_supported(coefficients, picture):
            return None
        _replace_blocks(coefficients, picture, hole)
        coefficients.write_dct(new, flags=["+OPTIMIZE_CODING"])
        return Path(new).read_bytes()


def _is_supported(coefficients: Any, picture: Picture) -> bool:
    """Whether these are coefficients of grey or YCbCr in the picture's size."""
    kinds = {1: "JCS_GRAYSCALE", 3: "JCS_YCbCr"}
    size = (coefficients.height, coefficients.width)
    factors = np.asarray(coefficients.samp_factor)
    return (
        size == picture.stored_shape
        and str(coefficients.jpeg_color_space).endswith(kinds[picture.pixels.shape[2]])
        and not (factors.max(axis=0) % factors).any()
    )


def _replace_blocks(coefficients: Any, picture: Picture, hole: Hole) -> None:
    """Turn the coefficients upright and put new blocks where the hole is."""
    names = ("Y", "Cb", "Cr")[: picture.pixels.shape[2]]
    factors = np.asarray(coefficients.samp_factor).reshape(-1, 2)
    tables, which = np.asarray(coefficients.qt), coefficients.quant_tbl_no
    grids = [
        turn_blocks(np.asarray(getattr(coefficients, name)), picture.orientation) for name in names
    ]
    if not _keeps_grid(factors, coefficients, picture.orientation):
        hole = np.ones_like(hole)
    if picture.orientation >= 5:
        factors, tables = factors[:, ::-1].copy(), tables.swapaxes(1, 2).copy()
    weights = _TO_YCC if len(names) == 3 else np.ones((1, 1), np.float32)
    for at, grid in enumerate(grids):
        step = tuple((factors.max(axis=0) // factors[at]).tolist())
        blocks = _read_blocks(picture.pixels, weights[at], step, hole, grid.shape[:2])
        for rows, columns, values in blocks:
            level = 128 if at == 0 else 0  # the middle of Y and of grey is not zero
            frequencies = _COSINES @ (values - level) @ _COSINES.T
            table = np.maximum(tables[which[at]], 1)  # 0: a damaged file
            grid[rows, columns] = np.rint(frequencies / table)
        setattr(coefficients, names[at], grid)
    coefficients.content, coefficients.path = None, None  # else it copies from the source
    coefficients.markers = []
    coefficients.height, coefficients.width = picture.shape
    coefficients.block_dims = np.array([grid.shape[:2] for grid in grids], np.int32)
    coefficients.samp_factor, coefficients.qt = factors, tables


def _keeps_grid(factors: Array, coefficients: Any, orientation: int) -> bool:
    """Whether no side that is mirrored ends inside a block, so that the grid stays in place."""
    down, across = 8 * factors.max(axis=0)
    rows, columns = orientation in (3, 4, 6, 7), orientation in (2, 3, 7, 8)
    return not ((rows and coefficients.height % down) or (columns and coefficients.width % across))


def turn_blocks(grid: Array, orientation: int) -> Array:
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
    return np.ascontiguousarray(blocks)


def _read_blocks(
    pixels: NDArray[np.uint8],
    weights: NDArray[np.float32],
    step: tuple[int, ...],
    hole: Hole,
    size: tuple[int, ...],
) -> Iterator[tuple[Array, Array, NDArray[np.float32]]]:
    """Places and values ``(N, 8, 8)`` of the blocks that the hole touches, some at a time.

    A value is the weighted sum of the channels, averaged over ``step`` pixels.
    """
    high, wide = (8 * length for length in step)
    rows, columns = np.nonzero(_blocks_in_hole(hole, high, wide, size))
    for at in range(0, len(rows), 4096):  # bounds the memory
        some, others = rows[at : at + 4096], columns[at : at + 4096]
        down = np.minimum(some[:, None] * high + np.arange(high), pixels.shape[0] - 1)
        across = np.minimum(others[:, None] * wide + np.arange(wide), pixels.shape[1] - 1)
        values = pixels[down[:, :, None], across[:, None, :]] @ weights
        yield some, others, values.reshape(-1, 8, step[0], 8, step[1]).mean(axis=(2, 4))


def _blocks_in_hole(hole: Hole, high: int, wide: int, blocks: tuple[int, ...]) -> Hole:
    """Which blocks of ``high`` x ``wide`` pixels have a pixel in the hole."""
    padded = np.zeros((blocks[0] * high, blocks[1] * wide), bool)
    height, width = min(hole.shape[0], len(padded)), min(hole.shape[1], padded.shape[1])
    padded[:height, :width] = hole[:height, :width]
    return np.asarray(padded.reshape(blocks[0], high, blocks[1], wide).any(axis=(1, 3)))


def read_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and data of the segments before the first scan, the rest of the file with it."""
    at = 2
    while at + 4 <= len(content):
        if content[at + 1] == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
        if marker == _SCAN:
            yield marker, content[at:]
            return
        yield marker, content[at + 4 : at + 2 + length]
        at += 2 + length


def _set_descriptions(bare: bytes, metadata: Metadata | None, source: bytes | None = None) -> bytes:
    """The file with our descriptions, and the source's captions, in place of its own."""
    parts = [
        b"\xff\xd8",
        *(_description_segments(metadata) if metadata else ()),
        *_caption_segments(source or b""),
    ]
    for marker, body in read_segments(bare):
        if marker == _SCAN:
            parts.append(body)
        elif not (_APP0 <= marker < _APP14 or marker in (0xEF, _COMMENT)):
            parts.append(_segment(marker, body))
    return b"".join(parts)


def _description_segments(metadata: Metadata) -> Iterator[bytes]:
    across, down = (min(65535, max(1, round(value))) for value in metadata.dpi or (1, 1))
    yield _segment(
        _APP0, b"JFIF\0\1\1" + struct.pack(">BHHBB", bool(metadata.dpi), across, down, 0, 0)
    )
    if metadata.exif and len(metadata.exif) <= _SEGMENT_SIZE - len(_EXIF):
        yield _segment(_APP1, _EXIF + metadata.exif)
    if metadata.xmp and len(metadata.xmp) <= _SEGMENT_SIZE - len(_XMP):
        yield _segment(_APP1, _XMP + metadata.xmp)
    if metadata.icc:
        step = _SEGMENT_SIZE - len(_ICC) - 2
        pieces = [metadata.icc[at : at + step] for at in range(0, len(metadata.icc), step)]
        for number, piece in enumerate(pieces, 1):
            yield _segment(_APP2, _ICC + bytes([number, len(pieces)]) + piece)
    for key, value in metadata.text:
        if key in ("Comment", "Description"):
            yield _segment(_COMMENT, value.encode()[:_SEGMENT_SIZE])


def _caption_segments(source: bytes) -> Iterator[bytes]:
    """The IPTC captions and keywords of a JPEG, without the thumbnails that stand among them."""
    for marker, body in read_segments(source):
        if marker == _APP13 and body.startswith(_RESOURCES):
            yield _segment(marker, _RESOURCES + b"".join(_drop_thumbnails(body)))


def _drop_thumbnails(body: bytes) -> Iterator[bytes]:
    """Image resource blocks: signature, number, name and data, both padded to even lengths."""
    at = len(_RESOURCES)
    while body[at : at + 4] == b"8BIM" and at + 12 <= len(body):
        number, name = struct.unpack_from(">HB", body, at + 4)
        start = at + 6 + (name + 2) // 2 * 2
        (size,) = struct.unpack_from(">I", body, start)
        end = start + 4 + (size + 1) // 2 * 2
        if number not in _THUMBNAILS:
            yield body[at:end]
        at = end


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
