"""JPEG: the same quantisation and subsampling again, and untouched blocks kept as they are.

A JPEG that is decoded and encoded again changes everywhere. So only the blocks that the hole
touches are encoded anew; the coefficients of all others are copied (the package ``jpegio``, which
needs a folder for temporary files). A JPEG that its EXIF orientation turns stays as it is stored:
mirroring a side that ends inside a block would shift all blocks.
DCT after ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex A; colours after ITU-T
T.871 (JFIF), section 7.
"""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from mendpix.io import exif, jpeg_parts, losses
from mendpix.io.jpeg_segments import set_descriptions
from mendpix.io.picture import Array, Metadata, Picture, turn_back
from mendpix.io.pillow import join_alpha, open_image
from mendpix.types import Hole

_QUALITY = 95  # for pictures that were no JPEG before
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)


class _Colours(NamedTuple):
    """How channels become components: weights ``(components, channels)`` and middle levels."""

    weights: NDArray[np.float32]
    levels: tuple[int, ...]


_COLOURS = {  # by libjpeg's number of the colour space
    1: _Colours(np.ones((1, 1), np.float32), (128,)),
    2: _Colours(np.eye(3, dtype=np.float32), (128, 128, 128)),
    3: _Colours(_TO_YCC, (128, 0, 0)),
}
# The cosines of T.81 A.3.3 as a matrix: coefficients of a block X are C @ X @ C.T.
_COSINES = np.cos((2 * np.arange(8) + 1) * np.arange(8)[:, None] * np.pi / 16) / 2
_COSINES[0] /= np.sqrt(2)
_COSINES = _COSINES.astype(np.float32)


def write(picture: Picture, metadata: Metadata, hole: Hole | None) -> tuple[bytes, tuple[str, ...]]:
    """The whole file, its blocks outside the hole copied from the source where that can be.

    Without a hole, the blocks that still show what the source shows are copied; with an empty one,
    the file is the source.

    Returns: the file, and remarks.
    """
    source = _open_source(picture)
    if source is None:
        stored = join_alpha(replace(picture, alpha=None))
        metadata, lost = losses.drop_foreign(picture, metadata, "JPEG")
        content = set_descriptions(_encode_all(stored, None), metadata)
        return content, losses.describe([*lost, *jpeg_parts.find_oversized(metadata)])
    if hole is not None and not hole.any():
        return picture.content or b"", ()
    if picture.orientation != 1:
        described = exif.set_orientation(picture, picture.orientation)
        metadata = replace(metadata, exif=described.exif, xmp=described.xmp)
    metadata, extension, lost = jpeg_parts.drop_parts(picture, metadata, "JPEG")
    bare, remarks = _copy_blocks(picture, source, hole), []
    if bare is None:
        remarks.append(_explain_encoding())
        stored = turn_back(join_alpha(replace(picture, alpha=None)), picture.orientation)
        bare = _encode_all(stored, source)
    lost += jpeg_parts.find_oversized(metadata)
    return set_descriptions(bare, metadata, extension), (*losses.describe(lost), *remarks)


def _explain_encoding() -> str:
    try:
        import jpegio  # noqa: F401
    except ImportError:
        return (
            "all of the JPEG is encoded anew; to keep untouched blocks: pip install 'mendpix[jpeg]'"
        )
    return "all of the JPEG is encoded anew: its blocks cannot be copied"


def _open_source(picture: Picture) -> JpegImagePlugin.JpegImageFile | None:
    """The JPEG this picture was read from, if it was one."""
    if picture.format != "JPEG" or picture.content is None:
        return None
    source = open_image(picture.content, picture.name)
    return source if isinstance(source, JpegImagePlugin.JpegImageFile) else None


def _encode_all(stored: Array, source: JpegImagePlugin.JpegImageFile | None) -> bytes:
    """All of it encoded anew by Pillow, with the source's tables and subsampling if it has them.

    Pillow knows three subsamplings; where the source has another, none is the harmless one.
    """
    image, buffer = Image.fromarray(stored), io.BytesIO()
    if source is None:
        image.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
        return buffer.getvalue()
    is_rgb = source.info.get("adobe_transform") == 0 and "jfif" not in source.info
    image.save(
        buffer,
        "JPEG",
        qtables=dict(source.quantization),
        subsampling=max(JpegImagePlugin.get_sampling(source), 0),
        keep_rgb=is_rgb and image.mode == "RGB",
    )
    return buffer.getvalue()


def _copy_blocks(
    picture: Picture, source: JpegImagePlugin.JpegImageFile, hole: Hole | None
) -> bytes | None:
    """The source with new blocks where the hole touches it; None where that cannot be done."""
    try:
        import jpegio
    except ImportError:
        return None
    pixels = turn_back(picture.pixels, picture.orientation)
    if hole is None:
        source.load()
        stored = (np.asarray(source).reshape(pixels.shape) != pixels).any(axis=-1)
    else:
        stored = turn_back(hole, picture.orientation)
    try:
        with tempfile.TemporaryDirectory(prefix="mendpix-") as folder:
            old, new = str(Path(folder, "old.jpg")), str(Path(folder, "new.jpg"))
            # without its descriptions, which are none of a codec's business
            Path(old).write_bytes(set_descriptions(picture.content or b"", None))
            coefficients = jpegio.read(old)
            if not _is_supported(coefficients, pixels):
                return None
            _replace_blocks(coefficients, pixels, stored, source.quantization)
            coefficients.optimize_coding = True
            jpegio.write(coefficients, new)
            return Path(new).read_bytes()
    except (OSError, RuntimeError, ValueError):  # no folder, no room, or damage
        return None


def _is_supported(coefficients: Any, pixels: Array) -> bool:
    """Whether these are coefficients of these colours, in this size."""
    colours = _COLOURS.get(coefficients.jpeg_color_space)
    factors = _sampling_factors(coefficients)
    return (
        (coefficients.image_height, coefficients.image_width) == pixels.shape[:2]
        and colours is not None
        and colours.weights.shape == (len(factors), pixels.shape[2])
        and not (factors.max(axis=0) % factors).any()
    )


def _sampling_factors(coefficients: Any) -> Array:
    """Down and across, of each component."""
    return np.array([(one.v_samp_factor, one.h_samp_factor) for one in coefficients.comp_info])


def _replace_blocks(
    coefficients: Any, pixels: Array, hole: Hole, tables: dict[int, list[int]]
) -> None:
    """Put new blocks where the hole is, all as the file stores them."""
    weights, levels = _COLOURS[coefficients.jpeg_color_space]
    factors = _sampling_factors(coefficients)
    for at, values in enumerate(coefficients.coef_arrays):
        high, wide = values.shape
        grid = values.reshape(high // 8, 8, wide // 8, 8).swapaxes(1, 2)
        step = tuple((factors.max(axis=0) // factors[at]).tolist())
        table = np.reshape(tables[coefficients.comp_info[at].quant_tbl_no], (8, 8))
        for rows, columns, blocks in _read_blocks(pixels, weights[at], step, hole, grid.shape[:2]):
            frequencies = _COSINES @ (blocks - levels[at]) @ _COSINES.T
            grid[rows, columns] = np.rint(frequencies / np.maximum(table, 1))  # 0: damaged


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
