"""Selects the thing under a point, so that it can be removed without drawing its outline.

GrabCut (Rother et al. 2004, https://doi.org/10.1145/1015706.1015720) on a small view: the colours
around the point begin the foreground, what is unlike them the background; graph cuts in turn with
fits of both mixtures of colours move the border. A thing that is small in the view is selected
once more in a view of its own.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.io.picture import Array, grey_to_rgb, to_8_bits
from mendpix.masks.holes import bounding_box
from mendpix.types import Hole

Point = tuple[float, float]
"""x and y, from the left and top edge, in pixels."""

_VIEW = 512  # pixels of the longer side of the view that is cut
_ROUNDS = 5
_SEED = 0.012  # radius of what is sure around a point, as a share of the view
_SMALL = 0.4  # a thing whose longer side is below this share of the view is looked at more closely
_MARGIN = 0.6  # around a thing, as a share of its longer side, is looked at
_THRESHOLDS = tuple(range(6, 70, 4))  # distances in OpenCV's 8-bit Lab
_SMALLEST = 4  # times the area of the seeds that a thing takes at least
_LARGEST = 0.4  # share of the view that a thing may take


def select(pixels: Array, points: Sequence[Point]) -> Hole:
    """The things under all points: ``(H, W)``, True = selected.

    Args:
        pixels: ``(H, W, C)``, as displayed; any number type.

    Raises:
        MaskError: no point, or one outside the picture.
    """
    height, width = pixels.shape[:2]
    if not points:
        raise MaskError("no point is given; say where with --at X,Y")
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise MaskError(f"the point {x:g},{y:g} lies outside of the photo, {width}x{height}")
    hole = _select_in(pixels, points, (0, 0, height, width))
    box = _surround(hole, points)
    small = max(box[2:]) < _SMALL * max(height, width)
    if not small or max(height, width) <= _VIEW:
        return hole
    closer = np.zeros_like(hole)
    top, left, high, wide = box
    closer[top : top + high, left : left + wide] = _select_in(pixels, points, box)
    return closer if closer.any() else hole


def _surround(hole: Hole, points: Sequence[Point]) -> tuple[int, int, int, int]:
    """A box around what is selected and all points, with a margin."""
    marked = hole.copy()
    for x, y in points:
        marked[int(y), int(x)] = True
    top, left, high, wide = bounding_box(marked)
    margin = round(_MARGIN * max(high, wide)) + 8
    y0, x0 = max(0, top - margin), max(0, left - margin)
    y1, x1 = (
        min(end, start + size + margin)
        for end, start, size in zip(hole.shape, (top, left), (high, wide), strict=True)
    )
    return y0, x0, y1 - y0, x1 - x0


def _select_in(pixels: Array, points: Sequence[Point], box: tuple[int, int, int, int]) -> Hole:
    """What is selected inside a box ``(top, left, height, width)``, of that size."""
    top, left, height, width = box
    part = grey_to_rgb(to_8_bits(pixels[top : top + height, left : left + width]))[..., :3]
    scale = min(1.0, _VIEW / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    view = cv2.resize(np.ascontiguousarray(part), size, interpolation=cv2.INTER_AREA)
    seeds = _mark_seeds(
        view.shape[:2], [((x - left) * scale, (y - top) * scale) for x, y in points]
    )
    selected = _keep_touching(_cut(view, seeds), seeds)
    full = cv2.resize(selected.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full >= 0.5)


def _mark_seeds(shape: tuple[int, ...], points: Sequence[Point]) -> Hole:
    seeds = np.zeros(shape, np.uint8)
    radius = max(2, round(_SEED * max(shape)))
    for x, y in points:
        cv2.circle(seeds, (int(x), int(y)), radius, 1, -1)
    return seeds > 0


def _cut(view: NDArray[np.uint8], seeds: Hole) -> Hole:
    """GrabCut in a window around what is like the seeds; what lies outside is background."""
    alike = _find_alike(view, seeds)
    top, left, height, width = bounding_box(alike)
    margin = round(_MARGIN * max(height, width)) + 4
    rows = slice(max(0, top - margin), top + height + margin)
    columns = slice(max(0, left - margin), left + width + margin)
    labels = np.where(alike, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)[rows, columns]
    border = np.ones(labels.shape, bool)
    border[2:-2, 2:-2] = False
    labels[border & (labels == cv2.GC_PR_BGD)] = cv2.GC_BGD
    labels[seeds[rows, columns]] = cv2.GC_FGD
    if (labels % 2 == 1).all():  # nothing is unlike: a mixture needs some background
        return alike
    cv2.setRNGSeed(0)  # the mixtures begin with random clusters
    window = np.ascontiguousarray(view[rows, columns])
    mixtures = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(window, labels, None, *mixtures, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    selected = np.zeros(seeds.shape, bool)
    selected[rows, columns] = labels % 2 == 1  # sure and probable foreground
    return selected


def _find_alike(view: NDArray[np.uint8], seeds: Hole) -> Hole:
    """What hangs together with the seeds and differs from them by less than a threshold in Lab.

    The threshold rises until the part leaks into its surroundings, which its area tells by its
    largest leap; a part of more than a share of the view is surroundings.
    """
    lab = cv2.cvtColor(cv2.GaussianBlur(view, (0, 0), 2), cv2.COLOR_RGB2LAB).astype(np.float32)
    known = lab[seeds]
    distance = np.full(seeds.shape, np.inf, np.float32)
    for colour in known[:: len(known) // 12 + 1]:  # several points may lie on different colours
        np.minimum(distance, np.linalg.norm(lab - colour, axis=2), out=distance)
    parts = [_keep_touching(distance <= threshold, seeds) for threshold in _THRESHOLDS]
    areas = np.array([part.mean() for part in parts])
    leaps = areas[1:] / areas[:-1]
    leaps[(areas[:-1] > _LARGEST) | (areas[:-1] < _SMALLEST * seeds.mean())] = 0
    return parts[int(leaps.argmax())] if leaps.any() else seeds


def _keep_touching(marked: Hole, seeds: Hole) -> Hole:
    """The parts of a hole that a seed lies in."""
    count, labels = cv2.connectedComponents((marked | seeds).astype(np.uint8), connectivity=4)
    keep = np.zeros(count, bool)
    keep[labels[seeds]] = True
    return np.asarray(keep[labels])
