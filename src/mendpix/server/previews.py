"""8-bit previews and regions of any picture (TIFF, 16 bits, HEIC too), for a browser."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.io.picture import Picture, to_8_bits
from mendpix.server.api_errors import ApiError

MAX_PIXELS = 4_194_304
"""Of one preview."""

FORMATS: dict[str, tuple[str, dict[str, int]]] = {
    "png": ("image/png", {"compress_level": 1}),
    "jpeg": ("image/jpeg", {"quality": 90}),
    "webp": ("image/webp", {"quality": 90, "method": 0}),
}
"""Media type and Pillow's encoder options of each format."""


def render_region(
    picture: Picture, box: tuple[int, int, int, int], level: int, kind: str = "png"
) -> bytes:
    """Encode the rectangle (left, top, width, height), downscaled by 2^level.

    Raises:
        ApiError: 404 for a rectangle outside the picture, 413 if the result is too large.
    """
    left, top, width, height = box
    window = (slice(top, top + height), slice(left, left + width))
    pixels = picture.pixels[window]
    rows, columns = pixels.shape[:2]
    if not rows or not columns:
        high, wide = picture.shape
        raise ApiError(404, f"the rectangle at {left},{top} lies outside the {wide}x{high} picture")
    size = (-(-columns // 2**level), -(-rows // 2**level))
    if size[0] * size[1] > MAX_PIXELS:
        raise ApiError(
            413, f"the view would be {size[0]}x{size[1]}; ask for a smaller one or a higher level"
        )
    alpha = None if picture.alpha is None else picture.alpha[window]
    return _encode(_shrink(_to_8_bit(pixels, alpha), size), picture.metadata.icc, kind)


def render_preview(picture: Picture, side: int, kind: str = "webp") -> bytes:
    """Encode the whole picture, downscaled to at most ``side`` pixels on its longer side."""
    height, width = picture.shape
    factor = min(1.0, side / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    values = _shrink(_to_8_bit(picture.pixels, picture.alpha), size)
    return _encode(values, picture.metadata.icc, kind)


def _to_8_bit(pixels: NDArray[np.generic], alpha: NDArray[np.generic] | None) -> NDArray[np.uint8]:
    """8-bit values ``(H, W, 1 to 4)``: grey or RGB, then alpha; further channels are dropped."""
    colours = to_8_bits(pixels)
    colours = colours[..., :3] if colours.shape[2] >= 3 else colours[..., :1]
    if alpha is None:
        return np.ascontiguousarray(colours)
    return np.concatenate([colours, to_8_bits(alpha[..., None])], axis=2)


def _shrink(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (values.shape[1], values.shape[0]) == size:
        return values
    small = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small if small.ndim == 3 else small[..., None]


def _encode(values: NDArray[np.uint8], icc: bytes | None, kind: str) -> bytes:
    count = values.shape[2]
    image = Image.fromarray(values[..., 0] if count == 1 else values)
    if kind == "jpeg" and count in (2, 4):
        image = image.convert("L" if count == 2 else "RGB")
    if kind == "webp" and count < 3:
        image = image.convert("RGB" if count == 1 else "RGBA")
    buffer = io.BytesIO()
    _, options = FORMATS[kind]
    profile = {"icc_profile": icc} if icc and count >= 3 else {}
    image.save(buffer, kind.upper(), **options, **profile)
    return buffer.getvalue()
