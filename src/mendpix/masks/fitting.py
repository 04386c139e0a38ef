"""A hole of another size than its picture: scaled to it, or put at one of its corners."""

import cv2
import numpy as np

from mendpix.errors import MaskError, did_you_mean
from mendpix.io.picture import Picture
from mendpix.masks.holes import bounding_box
from mendpix.types import Hole

ANCHORS = {
    "top-left": (0.0, 0.0),
    "top": (0.0, 0.5),
    "top-right": (0.0, 1.0),
    "left": (0.5, 0.0),
    "centre": (0.5, 0.5),
    "right": (0.5, 1.0),
    "bottom-left": (1.0, 0.0),
    "bottom": (1.0, 0.5),
    "bottom-right": (1.0, 1.0),
}
"""Where a mask at its own size lies: the shares of the free rows above and columns before it."""

_STRETCH = 0.01  # of one side against the other: what rounding of a small mask may bring


def fit_hole(hole: Hole, picture: Picture, fit: bool, anchor: str) -> tuple[Hole, list[str]]:
    """A hole of another size than its picture, fitted to it, and warnings.

    Args:
        fit: scale it (nearest).
        anchor: one of `ANCHORS`, to put it there at its own size; "" for none.

    Raises:
        MaskError: neither or both are asked for, the mask lies as the photo is stored and not as
            displayed, or marks what lies outside of the photo.
    """
    if fit and anchor:
        raise MaskError(f"--fit-mask and --anchor {anchor} are both given; choose one of them")
    if anchor and anchor not in ANCHORS:
        raise MaskError(f"there is no anchor {anchor!r}; {did_you_mean(anchor, ANCHORS)}")
    if hole.shape == picture.shape:
        return hole, []
    (h, w), (height, width) = hole.shape, picture.shape
    if anchor:
        return _place(hole, picture.shape, anchor), []
    if hole.shape == picture.stored_shape:
        raise MaskError(
            f"mask is {w}x{h}, as the photo is stored, but the photo is displayed as "
            f"{width}x{height} (EXIF orientation {picture.orientation}); turn the mask upright too"
        )
    if not fit:
        raise MaskError(
            f"mask is {w}x{h} but photo is {width}x{height}; "
            "resize the mask, or let --fit-mask do it, or --anchor put it at a corner"
        )
    size = (width, height)
    fitted = cv2.resize(hole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    stretch = (width / w) / (height / h)
    if abs(stretch - 1) <= _STRETCH:
        return fitted > 0, []
    return fitted > 0, [
        f"the mask is {w}x{h} and was stretched to the photo's other aspect ratio, "
        f"{width}x{height}; --anchor puts it at a corner at its own size"
    ]


def _place(hole: Hole, shape: tuple[int, int], anchor: str) -> Hole:
    """The hole at its own size in a picture of ``shape``; what it does not mark may stand over."""
    free = [whole - own for whole, own in zip(shape, hole.shape, strict=True)]
    down, across = (
        round(space * share) for space, share in zip(free, ANCHORS[anchor], strict=True)
    )
    top, left, height, width = bounding_box(hole)
    placed = np.zeros(shape, bool)
    y, x = top + down, left + across
    if y < 0 or x < 0 or y + height > shape[0] or x + width > shape[1]:
        raise MaskError(
            f"the mask marks {width}x{height} pixels of its {hole.shape[1]}x{hole.shape[0]}, some "
            f"of which lie outside of the photo, {shape[1]}x{shape[0]}, with --anchor {anchor}; "
            "give another anchor, or a smaller mask"
        )
    placed[y : y + height, x : x + width] = hole[top : top + height, left : left + width]
    return placed
