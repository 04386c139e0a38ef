"""AVIF: 8, 10 and 12 bits, read and written without loss by OpenCV, described by Pillow's names.

Pillow would cut 10 and 12 bits to 8, and its own encoding changes pixels.
"""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.io import isobmff, pillow
from mendpix.io.picture import Array, Metadata, Picture

DEPTHS = (10, 12)
"""Bits of a channel that are kept as 16."""


def read(content: bytes, image: Image.Image, name: str) -> Picture:
    """The picture as stored; ``image`` is the same file, opened and loaded by Pillow."""
    metadata = pillow.read_metadata(image)
    if not metadata.icc:
        colour, light = isobmff.read_colour(content), isobmff.read_light(content)
        metadata = replace(metadata, colour=colour, chunks=light)
    depth = isobmff.read_depth(content)
    if depth not in DEPTHS:
        return replace(pillow.to_picture(image, name), metadata=metadata)
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.shape[:2] != image.size[::-1]:
        raise ValueError(f"its {depth}-bit pixels cannot be decoded")
    picture = pillow.split_alpha(_swap(_widen(values, depth)), name)
    return replace(picture, metadata=metadata, depth=depth)


def _swap(values: Array) -> Array:
    """OpenCV's order of channels, BGR, as RGB, and back."""
    count = values.shape[2] if values.ndim == 3 else 1
    return values if count < 3 else np.ascontiguousarray(values[..., [2, 1, 0, 3][:count]])


def _widen(values: Array, depth: int) -> NDArray[np.uint16]:
    """Levels of 10 or 12 bits over 16: the next, so that `_narrow` gives them back."""
    most = 2**depth - 1
    table = (np.arange(most + 1, dtype=np.uint64) * 65535 + most // 2) // most
    return np.asarray(table.astype(np.uint16)[values])


def _narrow(values: NDArray[np.uint16], depth: int) -> NDArray[np.uint16]:
    """The nearest level of 10 or 12 bits."""
    most = 2**depth - 1
    table = (np.arange(65536, dtype=np.uint64) * most + 32767) // 65535
    return np.asarray(table.astype(np.uint16)[values])


def write(picture: Picture, metadata: Metadata) -> bytes:
    """The whole file, lossless, with its own 8, 10 or 12 bits.

    Grey with alpha becomes RGB with alpha.
    """
    depth = 8 if picture.pixels.dtype == np.uint8 else picture.depth
    pixels, alpha = picture.pixels, picture.alpha
    if alpha is not None and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    values = pillow.join_alpha(replace(picture, pixels=pixels))
    if depth != 8:
        values = _narrow(values, depth)
    kinds, blocks = _list_blocks(metadata)
    options = [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 100]
    done, content = cv2.imencodeWithMetadata(".avif", _swap(values), kinds, blocks, options)
    if not done:
        raise ValueError("it cannot be encoded")
    return isobmff.replace_code_points(content.tobytes(), metadata.colour)


def _list_blocks(metadata: Metadata) -> tuple[list[int], list[NDArray[np.uint8]]]:
    """Kinds of descriptions and their bytes, as OpenCV takes them."""
    named: list[tuple[int, bytes | None]] = [
        (cv2.IMAGE_METADATA_EXIF, metadata.exif),
        (cv2.IMAGE_METADATA_XMP, metadata.xmp),
        (cv2.IMAGE_METADATA_ICCP, metadata.icc),
    ]
    given: list[tuple[int, Any]] = [(kind, block) for kind, block in named if block]
    kinds = [kind for kind, _ in given]
    return kinds, [np.frombuffer(block, np.uint8) for _, block in given]
