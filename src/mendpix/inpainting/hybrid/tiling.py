"""Run a network over what another filler filled: in one piece, or in pieces without seams.

A refiner is called as ``refine(photo, hole, progress) -> photo`` with a photo ``(H, W, 3)`` whose
hole is filled already, and gives it back improved.
"""

from collections.abc import Callable
from itertools import product

import cv2
import numpy as np

from mendpix.inpainting.windows import Window
from mendpix.types import Hole, Photo, Progress

Refine = Callable[[Photo, Hole, Progress | None], Photo]

AT_ONCE = 640 * 640
"""Pixels that a refiner is given at once."""
SIDE = 512
"""Side of the pieces of what is larger."""
OVERLAP = 96
"""Pixels by which pieces overlap; in the middle half of them one fades into the other."""
MARGIN = 64
"""Pixels around the hole that a refiner gets to see at least."""
SMALLEST = 256
"""Side that a piece has where the picture allows it."""


def refined(
    photo: Photo,
    hole: Hole,
    refine: Refine,
    progress: Progress | None = None,
    most: int | None = None,
) -> Photo:
    """The photo ``(H, W, C)``, its hole ``(H, W)`` gone over by the refiner; it is changed.

    Pieces see the photo as it was given, so the order in which they are done does not matter.
    Greyscale is shown as three equal channels and averaged back; any other number of channels
    one by one.

    Args:
        most: how many pieces may be gone over, those with most missing pixels; the others stay
            as they are. None: all.

    Returns: the photo that was given; pixels outside the hole are as they were.
    """
    if not hole.any():
        return photo
    pieces = tiles(hole)
    box = bounds(pieces)
    chosen = fullest(hole, most)
    changes = []
    for step, piece in enumerate(chosen):
        part = _coloured(photo[piece.slices], hole[piece.slices], refine, progress)
        change = (part - photo[piece.slices]) * _weight(piece, pieces, box)
        changes.append(change[hole[piece.slices]])
        if progress is not None:
            progress((step + 1) / len(chosen))
    for piece, change in zip(chosen, changes, strict=True):
        photo[piece.slices][hole[piece.slices]] += change
    for piece in chosen:
        inside = hole[piece.slices][..., None]
        np.clip(photo[piece.slices], 0, 1, out=photo[piece.slices], where=inside)
    return photo


def fullest(hole: Hole, most: int | None = None) -> list[Window]:
    """The ``most`` pieces with most missing pixels; all of them where None is given."""
    return sorted(tiles(hole), key=lambda piece: -np.count_nonzero(hole[piece.slices]))[:most]


def _weight(piece: Window, pieces: list[Window], box: Window) -> Photo:
    """A piece's share ``(h, w, 1)`` of what all pieces together make of its pixels."""
    own = fade(piece, box)
    total = np.zeros_like(own)
    for other in pieces:
        if piece.touches(other):
            top, left = max(piece.top, other.top), max(piece.left, other.left)
            bottom = min(piece.top + piece.height, other.top + other.height)
            right = min(piece.left + piece.width, other.left + other.width)
            meet = Window(top, left, bottom - top, right - left)
            total[within(meet, piece)] += fade(other, box)[within(meet, other)]
    return own / total


def within(inner: Window, outer: Window) -> tuple[slice, slice]:
    """Where a window lies in one that holds it."""
    top, left = inner.top - outer.top, inner.left - outer.left
    return Window(top, left, inner.height, inner.width).slices


def _coloured(photo: Photo, hole: Hole, refine: Refine, progress: Progress | None) -> Photo:
    """A piece through the refiner, whatever its number of channels."""
    photo, hole = np.ascontiguousarray(photo), np.ascontiguousarray(hole)
    told = None if progress is None else _waiting(progress)
    if photo.shape[2] == 3:
        return refine(photo, hole, told)
    planes = [
        refine(np.repeat(photo[..., index : index + 1], 3, axis=2), hole, told).mean(axis=2)
        for index in range(photo.shape[2])
    ]
    return np.stack(planes, axis=2)


def _waiting(progress: Progress) -> Progress:
    """Lets a piece's own progress stop it, without telling a share that goes back and forth."""
    return lambda share: progress(0.0)


def tiles(hole: Hole) -> list[Window]:
    """Overlapping pieces ``(H, W)`` that hold all that is missing; one where that is small."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    tight = Window(
        int(rows[0]),
        int(columns[0]),
        int(rows[-1] - rows[0]) + 1,
        int(columns[-1] - columns[0]) + 1,
    )
    box = at_least(tight.grow(MARGIN, hole.shape), SMALLEST, hole.shape)
    if box.area <= AT_ONCE:
        return [box]
    spots = product(spans(box.top, box.height), spans(box.left, box.width))
    pieces = [Window(top, left, high, wide) for (top, high), (left, wide) in spots]
    return [piece for piece in pieces if hole[piece.slices].any()]


def at_least(window: Window, side: int, shape: tuple[int, ...]) -> Window:
    """The window, made as high and wide as ``side`` where the picture has room."""
    height, width = (
        min(length, max(side, own))
        for length, own in zip(shape[:2], (window.height, window.width), strict=True)
    )
    top = min(max(0, window.top - (height - window.height) // 2), shape[0] - height)
    left = min(max(0, window.left - (width - window.width) // 2), shape[1] - width)
    return Window(top, left, height, width)


def spans(first: int, length: int) -> list[tuple[int, int]]:
    """Starts and sizes of pieces, :data:`SIDE` at most, that cover a length evenly."""
    count = max(1, -(-(length - OVERLAP) // (SIDE - OVERLAP)))
    size = min(length, -(-(length + (count - 1) * OVERLAP) // count))
    room = length - size
    return [(first + (index * room) // max(1, count - 1), size) for index in range(count)]


def bounds(pieces: list[Window]) -> Window:
    """The smallest window that holds all pieces."""
    box = pieces[0]
    for piece in pieces[1:]:
        box = box.union(piece)
    return box


def fade(piece: Window, box: Window) -> Photo:
    """How much a piece counts, ``(h, w, 1)``: less towards edges that are not the box's own."""
    down = _ramp(piece.height, piece.top > box.top, piece.top + piece.height < box.top + box.height)
    across = _ramp(
        piece.width, piece.left > box.left, piece.left + piece.width < box.left + box.width
    )
    return np.outer(down, across)[..., None]


def _ramp(length: int, rises: bool, falls: bool) -> Photo:
    """One along a side, fading to (nearly) nothing at the ends that lie inside."""
    quarter = OVERLAP / 4
    place = np.arange(length, dtype=np.float32) + 0.5
    ramp = np.ones(length, np.float32)
    for wanted, distance in ((rises, place), (falls, length - place)):
        if wanted:
            ramp *= np.clip((distance - quarter) / (2 * quarter), 1e-3, 1)
    return ramp


def covered(photo: Photo, unusable: Hole) -> Photo:
    """The photo with unusable pixels painted over by the nearest usable ones."""
    if not unusable.any():
        return photo
    _, nearest = cv2.distanceTransformWithLabels(
        unusable.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    usable = ~unusable
    by_label = np.zeros((nearest.max() + 1, photo.shape[2]), np.float32)
    by_label[nearest[usable]] = photo[usable]
    painted = photo.copy()
    painted[unusable] = by_label[nearest[unusable]]
    return painted
