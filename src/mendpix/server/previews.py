"""Small or partial views of pictures, 8 bits, for a page: TIFF, 16 bits and HEIC included."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.io.metadata import viewable
from mendpix.io.picture import Picture
from mendpix.server.api_errors import ApiError

MOST_PIXELS = 4_194_304
"""Of one view."""

KINDS: dict[str, tuple[str, dict[str, int]]] = {
    "png": ("image/png", {"compress_level": 1}),
    "jpeg": ("image/jpeg", {"quality": 90}),
    "webp": ("image/webp", {"quality": 90, "method": 0}),
}
"""Of each kind of view: its media type, and how it is written."""


def region(
    picture: Picture, box: tuple[int, int, int, int], level: int, kind: str = "png"
) -> bytes:
    """The rectangle (left, top, width, height) of a picture, shrunk by two to the ``level``.

    Raises:
        Refusal: 404 for a rectangle outside the picture, 413 for a view that is too large.
    """
    left, top, width, height = box
    cut = (slice(top, top + height), slice(left, left + width))
    pixels = picture.pixels[cut]
    rows, columns = pixels.shape[:2]
    if not rows or not columns:
        high, wide = picture.shape
        raise ApiError(404, f"the rectangle at {left},{top} lies outside the {wide}x{high} picture")
    size = (-(-columns // 2**level), -(-rows // 2**level))
    if size[0] * size[1] > MOST_PIXELS:
        raise ApiError(
            413, f"the view would be {size[0]}x{size[1]}; ask for a smaller one or a higher level"
        )
    alpha = None if picture.alpha is None else picture.alpha[cut]
    return _written(_shrunk(_eight(pixels, alpha), size), picture.metadata.icc, kind)


def whole(picture: Picture, side: int, kind: str = "webp") -> bytes:
    """The picture, its longer side at most ``side`` pixels."""
    height, width = picture.shape
    factor = min(1.0, side / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    values = _shrunk(_eight(picture.pixels, picture.alpha), size)
    return _written(values, picture.metadata.icc, kind)


def _eight(pixels: NDArray[np.generic], alpha: NDArray[np.generic] | None) -> NDArray[np.uint8]:
    """8-bit values ``(H, W, 1 to 4)``; of channels that have no colour, the first."""
    shown = viewable(pixels)
    shown = shown[..., :3] if shown.shape[2] >= 3 else shown[..., :1]
    if alpha is None:
        return np.ascontiguousarray(shown)
    return np.concatenate([shown, viewable(alpha[..., None])], axis=2)


def _shrunk(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (values.shape[1], values.shape[0]) == size:
        return values
    small = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small if small.ndim == 3 else small[..., None]


def _written(values: NDArray[np.uint8], icc: bytes | None, kind: str) -> bytes:
    count = values.shape[2]
    image = Image.fromarray(values[..., 0] if count == 1 else values)
    if kind == "jpeg" and count in (2, 4):
        image = image.convert("L" if count == 2 else "RGB")
    if kind == "webp" and count < 3:
        image = image.convert("RGB" if count == 1 else "RGBA")
    buffer = io.BytesIO()
    _, options = KINDS[kind]
    profile = {"icc_profile": icc} if icc and count >= 3 else {}
    image.save(buffer, kind.upper(), **options, **profile)
    return buffer.getvalue()
