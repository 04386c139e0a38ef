"""Holes: masks read and doctored, their parts, their size, and growing them.

A mask is a file or an array that marks what to fill; a hole is the bool array it becomes,
``(H, W)``, True = missing, on the picture as displayed.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError, PictureError
from mendpix.io import conversion
from mendpix.io.conversion import Array, Picture
from mendpix.masks.tightness import shows_object
from mendpix.types import Hole

# The hole-ratio buckets in which this field reports: more than the first, up to the second.
BUCKETS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
INVERTED = 0.8  # a mask that covers more is probably the wrong way round
_NEAR = 16 / 255  # how far from black or white a level may be and not be called grey


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A hole ``(H, W)``, and what the doctor has to say about its mask, one line each."""

    hole: Hole
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """A connected part of a hole (8 neighbours): its box and its area, in pixels."""

    top: int
    left: int
    height: int
    width: int
    area: int


def ratio(hole: Hole) -> float:
    """The share of pixels that are missing, in [0,1]."""
    return float(np.count_nonzero(hole)) / hole.size


def bucket(share: float) -> str | None:
    """The label of the bucket a hole ratio falls into, such as ``"(0.01,0.1]"``, else None."""
    for low, high in BUCKETS:
        if low < share <= high:
            return f"({low:g},{high:g}]"
    return None


def components(hole: Hole) -> list[Component]:
    """The hole's connected parts, from top to bottom."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    found = [
        Component(top, left, high, wide, area) for left, top, wide, high, area in boxes[1:].tolist()
    ]
    return sorted(found, key=lambda part: (part.top, part.left))


def dilate(hole: Hole, pixels: int) -> Hole:
    """The hole and all that lies within ``pixels`` of it, by Euclidean distance of centres."""
    if pixels < 0:
        raise MaskError(f"a hole cannot grow by {pixels} pixels; give 0 or more")
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    if pixels == 0 or not rows.size:
        return hole.copy()
    box = (  # all that can change
        slice(max(0, rows[0] - pixels), rows[-1] + pixels + 1),
        slice(max(0, columns[0] - pixels), columns[-1] + pixels + 1),
    )
    known = (~hole[box]).astype(np.uint8)
    distance = cv2.distanceTransform(known, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    grown = hole.copy()
    grown[box] = distance <= pixels + 0.25 / pixels  # the next distance is 0.5 / pixels further
    return grown


def read(
    path: Path | str,
    picture: Picture,
    *,
    invert: bool = False,
    grow: int = 0,
    fit: bool = False,
) -> Reading:
    """Read a mask file for a picture; `from_picture` says how.

    Raises:
        PictureError: a mask file that cannot be read.
        MaskError: a mask of another size (unless ``fit``), or one that leaves nothing known.
    """
    return from_picture(conversion.read(path), picture, invert=invert, grow=grow, fit=fit)


def from_array(
    mask: Array,
    picture: Picture,
    *,
    invert: bool = False,
    grow: int = 0,
    fit: bool = False,
) -> Reading:
    """A hole from ``(H, W)`` or ``(H, W, 1 to 4)`` values: bool, integers or float.

    Integers of other types than uint16 are levels up to 255.

    Raises: what `read` raises.
    """
    mask = np.asarray(mask)
    if mask.dtype == np.bool_:
        mask = mask.astype(np.uint8) * np.uint8(255)
    elif mask.dtype.kind in "iu" and mask.dtype != np.uint16:
        mask = mask.clip(0, 255).astype(np.uint8)
    try:
        marked = conversion.from_array(mask)
    except PictureError as problem:
        raise MaskError(f"as a mask, {problem}") from None
    return from_picture(marked, picture, invert=invert, grow=grow, fit=fit)


def from_picture(
    mask: Picture,
    picture: Picture,
    *,
    invert: bool = False,
    grow: int = 0,
    fit: bool = False,
) -> Reading:
    """A hole from a mask, by fixed rules, with what is odd about it.

    Levels of half of white and above (128, 32768, 0.5) are missing; in colour the largest channel
    counts, and where the mask has alpha, every pixel that is opaque (by half and above) and not
    black. Then comes inverting, then fitting, then growing.
    """
    hole, warnings = _marked(mask)
    hole = _sized(~hole if invert else hole, picture, fit)
    way_out = "leave --invert out" if invert else "try --invert"
    doctored = _doctored(dilate(hole, grow), hole, picture, way_out)
    return replace(doctored, warnings=(*warnings, *doctored.warnings))


def from_alpha(picture: Picture, *, invert: bool = False, grow: int = 0) -> Reading:
    """The hole where a picture's own alpha is below half.

    Raises:
        MaskError: a picture without alpha, or with nothing opaque.
    """
    if picture.alpha is None:
        raise MaskError(f"{picture.name} has no alpha to take the hole from; give a mask")
    hole = (_levels(picture.alpha) < 0.5) ^ invert
    way_out = "leave --invert out" if invert else "try --invert"
    return _doctored(dilate(hole, grow), hole, picture, way_out, rim=False)


def _levels(values: Array) -> NDArray[np.float64] | NDArray[np.float32]:
    """Values as a share of white; in float32, 128 of 255 and 32768 of 65535 are above half."""
    return np.divide(values, conversion.white(values.dtype), dtype=np.float32)


def marked(mask: Picture) -> Hole:
    """What a mask marks by those rules, without a doctor's look at it."""
    return _marked(mask)[0]


def _marked(mask: Picture) -> tuple[Hole, list[str]]:
    brightest = mask.pixels.max(axis=-1)
    if mask.alpha is None:
        levels = _levels(brightest)
        hole = levels >= 0.5
        rule = "those of half of white and more count as hole"
        return hole, [*_between(levels, "grey", rule), *_dim(hole, brightest)]
    opacity = _levels(mask.alpha)
    hole = (opacity >= 0.5) & (brightest > 0)
    levels = np.where(opacity >= 0.5, _levels(brightest), 0)
    return hole, [
        *_between(opacity, "half transparent", "those of half opacity and more count as hole"),
        *_between(levels, "grey", "in a mask with alpha all that is not black counts as hole"),
    ]


def _between(levels: NDArray[Any], what: str, rule: str) -> list[str]:
    """A remark where levels are neither black nor white."""
    count = int(np.count_nonzero((levels > _NEAR) & (levels < 1 - _NEAR)))
    if not count:
        return []
    share = 100 * count / levels.size
    return [f"{count} mask pixels ({share:.2g} %) are {what}; {rule}"]


def _dim(hole: Hole, brightest: Array) -> list[str]:
    """A hint for masks of 0 and 1, which are black to the eye."""
    top = brightest.max()
    if hole.any() or not top:
        return []
    white = conversion.white(brightest.dtype)
    return [f"the mask's largest value is {top:g}; mark the hole with {white:g}"]


def _sized(hole: Hole, picture: Picture, fit: bool) -> Hole:
    if hole.shape == picture.shape:
        return hole
    (h, w), (height, width) = hole.shape, picture.shape
    if hole.shape == picture.stored_shape:
        raise MaskError(
            f"mask is {w}x{h}, as the photo is stored, but the photo is displayed as "
            f"{width}x{height} (EXIF orientation {picture.orientation}); turn the mask upright too"
        )
    if not fit:
        raise MaskError(
            f"mask is {w}x{h} but photo is {width}x{height}; "
            "resize the mask, or let --fit-mask do it"
        )
    size = (width, height)
    fitted = cv2.resize(hole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(fitted > 0)


def _doctored(hole: Hole, drawn: Hole, picture: Picture, way_out: str, rim: bool = True) -> Reading:
    """The hole and what is odd about it, before (``drawn``) and after it grew.

    Raises:
        MaskError: nothing is known.
    """
    share = ratio(hole)
    if share == 1 > ratio(drawn):
        raise MaskError("the grown hole covers everything; give a smaller --grow")
    if share == 1:
        raise MaskError(f"the mask marks everything, so nothing is left to fill from; {way_out}")
    if share == 0:
        return Reading(hole, ("the mask marks nothing: there is nothing to fill",))
    if share > INVERTED:
        inverted = f"the mask marks {100 * share:.0f} % of the photo: probably inverted, {way_out}"
        return Reading(hole, (inverted,))
    if rim and shows_object(picture.pixels, hole):
        tight = "the hole is tight: its rim still shows what it covers; try --grow 3"
        return Reading(hole, (tight,))
    return Reading(hole)
