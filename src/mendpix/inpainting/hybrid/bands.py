"""What a network's correction may take from a fill: its low frequencies freely, texture not.

A network trained for small distances answers doubt with haze: it evens out texture that it cannot
foresee. What it knows better than the first fill (brightness, colour, soft shapes) lies in the low
frequencies. So the low band of its correction is kept, and the rest is scaled, place by place, by
the largest factor at which the fill keeps :data:`KEEP` of the first fill's energy in each band.
"""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

from mendpix.types import Hole, Photo, Progress

Refine = Callable[[Photo, Hole, Progress | None], Photo]

LOW = 4.0
"""Standard deviation in pixels of the Gaussian that parts low from high."""
KEEP = 0.9
"""Share of a band's energy (root mean square) in the first fill that has to remain."""
WIDTHS = (1.0, 2.0, LOW)
"""Standard deviations between which the bands lie: differences of Gaussians."""
NEAR = 8.0
"""Standard deviation in pixels of the place over which energy is measured."""


def refine_limited(
    refine: Refine, photo: Photo, hole: Hole, progress: Progress | None = None
) -> Photo:
    """Refine the hole of a filled photo, and leave out what would make it hazy; a refiner itself.

    Returns: a new photo ``(H, W, C)``, outside the hole as it was.
    """
    change = refine(photo, hole, progress) - photo
    return photo + limit_change(photo, change, hole)


def limit_change(photo: Photo, change: Photo, hole: Hole) -> Photo:
    """A network's change to the fill of a photo, without what would make it hazy.

    Args:
        photo: ``(H, W, C)`` before the network, its hole filled.
        change: ``(H, W, C)``, what the network would add.
        hole: ``(H, W)``, True = missing; where it is False the change does not count.

    Returns: ``(H, W, C)``, 0 outside the hole.
    """
    low = blur_within(change, hole, LOW) * hole[..., None]
    high = (change - low) * hole[..., None]
    share = np.ones(hole.shape, np.float32)
    for before, start, more in zip(*map(_split, (photo, photo + low, high)), strict=True):
        share = np.minimum(share, solve_share(before, start, more, hole))
    # steps in the share would show as edges
    share = blur_within(share[..., None], hole, LOW / 2)
    return np.asarray(low + share * high, np.float32)


def solve_share(before: Photo, start: Photo, more: Photo, hole: Hole) -> Photo:
    """The largest share ``(H, W)`` at which a band, ``start + share * more``, keeps its energy.

    Energy is a quadratic in the share, above what is wanted up to its smaller root.
    """
    wanted = KEEP**2 * _energy(before, before, hole)
    constant = _energy(start, start, hole) - wanted
    linear, square = _energy(start, more, hole), _energy(more, more, hole)
    root = np.sqrt(np.maximum(linear**2 - square * constant, 0))
    smaller = (-linear - root) / np.maximum(square, 1e-12)
    enough = constant + 2 * linear + square >= 0
    return np.asarray(np.where(enough, 1, np.clip(smaller, 0, 1)), np.float32)


def blur_within(values: Photo, where: Hole, width: float) -> Photo:
    """Gaussian means ``(H, W, C)`` over the pixels of ``where`` alone; 0 far from them."""
    weight = where.astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(weight, (0, 0), width), 1e-4)
    planes = (values[..., index] * weight for index in range(values.shape[2]))
    return np.dstack([cv2.GaussianBlur(plane, (0, 0), width) / share for plane in planes])


def _split(photo: Photo) -> list[Photo]:
    """The bands of a photo ``(H, W, C)``, fine to coarse."""
    levels = [photo, *(_blur(photo, width) for width in WIDTHS)]
    return [fine - coarse for fine, coarse in pairwise(levels)]


def _blur(photo: Photo, width: float) -> Photo:
    planes = (np.ascontiguousarray(photo[..., index]) for index in range(photo.shape[2]))
    return np.dstack([cv2.GaussianBlur(plane, (0, 0), width) for plane in planes])


def _energy(one: Photo, other: Photo, hole: Hole) -> Photo:
    """Mean product over the channels and the hole's pixels near each place, ``(H, W)``."""
    product = (one * other).mean(axis=2, keepdims=True)
    return blur_within(product, hole, NEAR)[..., 0]
