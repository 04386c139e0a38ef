"""Tiled refinement: run a network over what another filler filled, in tiles without seams.

A refiner is called as ``refine(photo, hole, progress) -> photo`` with a photo ``(H, W, 3)`` whose
hole is filled already, and returns the photo with the hole improved.
"""

from functools import reduce
from itertools import product

import cv2
import numpy as np

from mendpix.inpainting.hybrid.bands import Refine, blur_within
from mendpix.inpainting.windows import Window, bounding_window
from mendpix.types import Hole, Photo, Progress, sub_range

AT_ONCE = 640 * 640
"""Pixels that a refiner is given at once."""
SIDE = 512
"""Side of the tiles of what is larger."""
OVERLAP = 96
"""Pixels by which tiles overlap; in the middle half of them one fades into the other."""
MARGIN = 64
"""Pixels around the hole that a refiner gets to see at least."""
SMALLEST = 256
"""Side that a tile has where the picture allows it."""

_FADE = 5.0  # pixels over which a step at the rim is spread into the fill


def refine_tiles(
    photo: Photo,
    hole: Hole,
    refine: Refine,
    progress: Progress | None = None,
    count: int | None = None,
) -> Photo:
    """Refine the hole ``(H, W)`` of a photo ``(H, W, C)``; overwrites the photo there.

    Tiles see the photo as it was given, so their order does not matter.

    Args:
        count: how many tiles may be refined, those with most missing pixels; the others stay as
            they are. None: all.

    Returns: the photo that was given; pixels outside the hole are as they were.
    """
    if not hole.any():
        return photo
    tiles = make_tiles(hole)
    chosen = fullest_tiles(hole, count)
    changes = []
    for step, tile in enumerate(chosen):
        part = sub_range(progress, step / len(chosen), 1 / len(chosen))
        inputs = np.ascontiguousarray(photo[tile.slices]), np.ascontiguousarray(hole[tile.slices])
        if photo.shape[2] == 3:
            output = refine(*inputs, part)
        else:
            output = _refine_planes(refine, *inputs, part)
        change = output - photo[tile.slices]
        if len(tiles) > 1:
            change = change * _weight(tile, tiles)
        changes.append(change[hole[tile.slices]])
        if part is not None:
            part(1.0)
    for tile, values in zip(chosen, changes, strict=True):
        photo[tile.slices][hole[tile.slices]] += values
    for tile in chosen:
        inside = hole[tile.slices][..., None]
        np.clip(photo[tile.slices], 0, 1, out=photo[tile.slices], where=inside)
    return photo


def fullest_tiles(hole: Hole, count: int | None = None) -> list[Window]:
    """The ``count`` tiles with most missing pixels, fullest first; None: all of them."""
    tiles = make_tiles(hole)
    missing = [np.count_nonzero(hole[tile.slices]) for tile in tiles]
    order = np.argsort(np.negative(missing), kind="stable")
    return [tiles[place] for place in order[:count]]


def _weight(tile: Window, tiles: list[Window]) -> Photo:
    """A tile's share ``(h, w, 1)`` of what all tiles together make of its pixels."""
    box = reduce(Window.union, tiles)
    own = fade(tile, box)
    total = np.zeros_like(own)
    for other in tiles:
        if tile.touches(other):
            top, left = max(tile.top, other.top), max(tile.left, other.left)
            bottom = min(tile.top + tile.height, other.top + other.height)
            right = min(tile.left + tile.width, other.left + other.width)
            overlap = Window(top, left, bottom - top, right - left)
            total[within(overlap, tile)] += fade(other, box)[within(overlap, other)]
    return own / total


def within(inner: Window, outer: Window) -> tuple[slice, slice]:
    """Where a window lies in one that holds it."""
    top, left = inner.top - outer.top, inner.left - outer.left
    return Window(top, left, inner.height, inner.width).slices


def _refine_planes(refine: Refine, photo: Photo, hole: Hole, progress: Progress | None) -> Photo:
    """Refine a tile of other than three channels: each by itself, as three equal ones."""
    count = photo.shape[2]
    planes = [
        refine(
            np.repeat(photo[..., index : index + 1], 3, axis=2),
            hole,
            sub_range(progress, index / count, 1 / count),
        ).mean(axis=2)
        for index in range(count)
    ]
    return np.stack(planes, axis=2)


def make_tiles(hole: Hole) -> list[Window]:
    """Overlapping tiles ``(H, W)`` that hold all that is missing; one where that is small."""
    window = bounding_window(hole).grow(MARGIN, hole.shape)
    box = at_least(window, SMALLEST, hole.shape)
    if box.area <= AT_ONCE:
        return [box]
    spots = product(spans(box.top, box.height), spans(box.left, box.width))
    tiles = [Window(top, left, high, wide) for (top, high), (left, wide) in spots]
    return [tile for tile in tiles if hole[tile.slices].any()]


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
    """Starts and sizes of tiles, :data:`SIDE` at most, that cover a length evenly."""
    count = max(1, -(-(length - OVERLAP) // (SIDE - OVERLAP)))
    size = min(length, -(-(length + (count - 1) * OVERLAP) // count))
    room = length - size
    return [(first + (index * room) // max(1, count - 1), size) for index in range(count)]


def fade(tile: Window, box: Window) -> Photo:
    """How much a tile counts, ``(h, w, 1)``: less towards edges that are not the box's own."""
    down = _ramp(tile.height, tile.top > box.top, tile.top + tile.height < box.top + box.height)
    across = _ramp(tile.width, tile.left > box.left, tile.left + tile.width < box.left + box.width)
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


def paint_over(photo: Photo, unusable: Hole) -> Photo:
    """The photo with unusable pixels replaced by their nearest usable neighbours."""
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


def level_rim(photo: Photo, hole: Hole) -> Photo:
    """Make the fill of a photo ``(H, W, C)`` meet its rim at the brightness found there.

    What the colours just outside and just inside differ by is added to the fill, less and less
    towards its middle. So an outline that one small pixel hides does not come back enlarged.
    """
    outside, inside = blur_within(photo, ~hole, 2.0), blur_within(photo, hole, 2.0)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    step = blur_within(outside - inside, hole & (depth <= 1.5), 4.0)
    level = photo.copy()
    level[hole] += (step * np.exp(-depth / _FADE)[..., None])[hole]
    return np.asarray(np.clip(level, 0, 1), np.float32)
