"""A picture file's bytes as pixels to learn from: upright, 8 bits, and only what can be seen."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import PictureError
from mendpix.io import conversion, files
from mendpix.training.picture_cache import Pixels
from mendpix.training.shards import Bytes

GRID = 256
"""Cells along the longer side in which the largest opaque part is looked for."""


def decode(content: Bytes, name: str) -> tuple[Pixels, float]:
    """The pixels ``(H, W, 3)`` uint8 RGB, upright, and the share that was fully transparent.

    What lies under full transparency is no truth to learn from: the largest opaque rectangle is
    returned.

    Raises:
        PictureError: it cannot be decoded, or nothing of it is opaque.
    """
    if not content.size:
        raise PictureError(f"{name} is empty (0 bytes)")
    if content[:2].tobytes() == b"\xff\xd8":  # JPEG has no alpha, and OpenCV is faster
        decoded = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB)
        if decoded is None:
            raise PictureError("no picture that can be decoded")
        return np.asarray(decoded, np.uint8), 0.0
    picture = files.parse(content.tobytes(), name)
    pixels = conversion.as_rgb8(picture.pixels)
    if picture.alpha is None or (picture.alpha > 0).all():
        return pixels, 0.0
    rows, columns = find_opaque_rectangle(picture.alpha > 0)
    if rows.start == rows.stop:
        raise PictureError(f"{name} is transparent everywhere")
    share = 1 - np.count_nonzero(picture.alpha) / picture.alpha.size
    return np.ascontiguousarray(pixels[rows, columns]), share


def find_opaque_rectangle(opaque: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The largest rectangle of True, to within a cell of :data:`GRID`; empty where there is none.

    Args:
        opaque: ``(H, W)``.
    """
    step = -(-max(opaque.shape) // GRID)
    height, width = (length // step for length in opaque.shape)
    cells = opaque[: height * step, : width * step].reshape(height, step, width, step)
    heights = np.zeros(width, int)
    best, place = 0, (0, 0, 0, 0)
    for row, whole in enumerate(np.asarray(cells.all(axis=(1, 3)))):
        heights = np.where(whole, heights + 1, 0)  # whole cells above each, this row included
        area, left, right, high = _find_largest_bar(heights)
        if area > best:
            best, place = area, (row + 1 - high, row + 1, left, right)
    top, bottom, left, right = (step * edge for edge in place)
    return slice(top, bottom), slice(left, right)


def _find_largest_bar(heights: NDArray[np.int_]) -> tuple[int, int, int, int]:
    """Area, ends and height of the largest rectangle under a histogram, by a stack of bars."""
    best, stack = (0, 0, 0, 0), [(-1, 0)]  # left end and height of bars that still grow
    for right, height in enumerate([*heights.tolist(), 0]):
        left = right
        while stack[-1][1] > height:
            left, high = stack.pop()
            best = max(best, ((right - left) * high, left, right, high))
        if stack[-1][1] < height:
            stack.append((left, height))
    return best
