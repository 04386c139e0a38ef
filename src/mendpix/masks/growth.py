"""How far a thing's edge reaches outside the hole that covers it: what ``grow="auto"`` takes.

Penumbra, sharpening halos and JPEG blocks make a picture change faster across the rim of a tight
hole than further out. Differences along the rim's outward normals, at several lags, are averaged
by their distance from the hole; in a picture without an edge there, they do not depend on it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.io.picture import Array, encode
from mendpix.masks.holes import dilate
from mendpix.types import Hole

Values = NDArray[np.float32]

LIMIT = 24
"""The most pixels that a hole grows by."""
_LOOK = 40  # pixels outwards that are looked at
_LAGS = (1, 2, 4, 8)  # short ones see halos, long ones soft shadows of defocus
_MOST = 1500  # pixels looked at in each ring: more tell no more
_FEWEST = 24  # of a ring, below which it says nothing
_NEAR = 12  # parts of a hole that are closer, as letters are, decide together
# Of what is usual further out: what the changes must reach near the rim, and what they have to
# fall to. Half a level of 255 is added to both, since nobody sees less.
_PEAK, _TAIL, _UNSEEN = 1.7, 1.3, 0.5 / 255


def grow(pixels: Array, hole: Hole) -> tuple[Hole, int]:
    """Grow each part of a hole as far as the edge of what it covers reaches.

    Returns: the hole, and the most pixels that any part of it grew by.

    Args:
        pixels: ``(H, W, C)``, any number type; NaN and Inf are not looked at.
        hole: ``(H, W)``, True = missing.
    """
    near = cv2.dilate(hole.astype(np.uint8), np.ones((2 * _NEAR + 1, 2 * _NEAR + 1), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    grown, most = hole.copy(), 0
    for number in range(1, count):
        left, top, width, height = boxes[number, :4].tolist()
        rows = slice(max(0, top - _LOOK), top + height + _LOOK)
        columns = slice(max(0, left - _LOOK), left + width + _LOOK)
        part = hole[rows, columns] & (labels[rows, columns] == number)
        reach = find_reach(pixels[rows, columns], part, hole[rows, columns])
        grown[rows, columns] |= dilate(part, reach)
        most = max(most, reach)
    return grown, most


def find_reach(pixels: Array, part: Hole, hole: Hole) -> int:
    """How many pixels outside a part of a hole the edge of what it covers still shows.

    Args:
        pixels: ``(H, W, C)``.
        part: ``(H, W)``, the part of the hole that is asked for.
        hole: ``(H, W)``, all that is missing.
    """
    changes = measure_changes(pixels, part, hole)
    return max(_find_fall(row) for row in changes)


def _find_fall(changes: Values) -> int:
    """The ring up to which changes of one lag stand out, 0 where they do not."""
    rings = np.flatnonzero(np.isfinite(changes))
    if len(rings) < 12:
        return 0
    usual = float(np.nanpercentile(changes[4:], 30))
    peak = float(np.nanmax(changes[:4])) if np.isfinite(changes[:4]).any() else 0.0
    if peak < _PEAK * usual + _UNSEEN:
        return 0
    calm = ~(changes > _TAIL * usual + _UNSEEN)
    first = int(np.flatnonzero(changes == peak)[0])
    falls = np.flatnonzero(calm[first:-1] & calm[first + 1 :])
    reach = first + int(falls[0]) if falls.size else _LOOK
    return reach if reach <= LIMIT else 0  # what changes as far as this is the surroundings' own


def measure_changes(pixels: Array, part: Hole, hole: Hole) -> Values:
    """Mean absolute differences ``(lags, rings)`` along the outward normals; NaN where unknown.

    Ring 0 is all that lies within a pixel of the part.
    """
    values = encode(pixels, hole)
    finite = np.asarray(np.isfinite(pixels).all(axis=-1))
    rows, columns, normals, distance = _pick_places(part, hole)
    ring = np.ceil(distance - 0.01).astype(np.intp) - 1
    output = np.full((len(_LAGS), _LOOK), np.nan, np.float32)
    away = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    for index, lag in enumerate(_LAGS):
        y = np.rint(rows + lag * normals[0]).astype(np.intp)
        x = np.rint(columns + lag * normals[1]).astype(np.intp)
        good = (y >= 0) & (y < hole.shape[0]) & (x >= 0) & (x < hole.shape[1])
        at = (rows[good], columns[good])
        to = (y[good], x[good])
        further = away[to] > distance[good] + lag - 1.5  # else another part is near
        further &= finite[at] & finite[to]
        step = np.abs(values[at] - values[to]).mean(axis=-1)[further]
        rings = ring[good][further]
        sums, counts = (np.bincount(rings, w, minlength=_LOOK)[:_LOOK] for w in (step, None))
        np.divide(sums, counts, out=output[index], where=counts >= _FEWEST, casting="unsafe")
    return output


def _pick_places(
    part: Hole, hole: Hole
) -> tuple[NDArray[np.intp], NDArray[np.intp], tuple[Values, Values], Values]:
    """Known pixels near a part, the directions away from it, and the distances."""
    distance, labels = cv2.distanceTransformWithLabels(
        (~part).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    near = ~hole & (distance <= _LOOK)
    rows, columns = np.nonzero(near)
    step = len(rows) // (_MOST * _LOOK) + 1
    rows, columns = rows[::step], columns[::step]
    places = np.nonzero(part)
    order = np.empty((int(labels.max()) + 1, 2), np.intp)
    order[labels[places]] = np.stack(places, axis=1)
    nearest = order[labels[rows, columns]]
    down, right = rows - nearest[:, 0], columns - nearest[:, 1]
    length = np.hypot(down, right).astype(np.float32)
    normals = ((down / length).astype(np.float32), (right / length).astype(np.float32))
    return rows, columns, normals, length
