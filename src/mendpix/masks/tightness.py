"""Whether a hole is drawn too tight: the pixels at its rim still show what it covers.

Antialiasing, blur and JPEG spread an object a pixel or two beyond its outline. A filler that
copies from the rim copies that halo, and a ghost of the object stays.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.io import picture as pictures
from mendpix.types import Hole

Values = NDArray[np.float32]

_POINTS = 4000  # of the outline: more tell no more
_FEWEST = 40  # points with contrast, below which nothing is said
_DEPTHS = (-3, -2, -1)  # where along the normal the object is looked at, in pixels
_AWAY = (7, 8, 9)  # and where its surroundings
_NEAR, _FAR = range(1, 4), range(4, 7)  # steps outwards that a halo shows in, and that compare
_CONTRAST = 0.08  # object against surroundings, as a share of white
# One near step must take this share of the contrast, and be this often the far steps. Measured on
# 72 photos: a warning for none of 216 scattered masks, 2.5 % of random shapes, 1 to 6 % of cut-outs
# grown by 1 or 2 pixels; for 90 % of those drawn a pixel too small, 77 % of those drawn exactly on
# a soft edge, 52 % on a sharp one.
_SHARE, _GAIN = 0.06, 4.0
_BLUR = 9  # pixels that a blurred hole's slope is told from, to every side


def shows_object(pixels: NDArray[np.generic], hole: Hole) -> bool:
    """Whether the rim outside the hole shows the same thing as the inside of it.

    Args:
        pixels: ``(H, W, C)``, uint8, uint16 or float.
        hole: ``(H, W)``, True = missing.
    """
    if not hole.any():
        return False
    box = _around(hole)
    profile, contrast = _profiles(pixels[box], hole[box])
    if len(contrast) < _FEWEST:
        return False
    steps = (profile[:, :-1] - profile[:, 1:]).mean(axis=0)
    near = max(steps[at - 1] for at in _NEAR)
    far = float(np.mean([abs(steps[at - 1]) for at in _FAR]))
    return bool(near > _SHARE and near > _GAIN * far)


def _around(hole: Hole) -> tuple[slice, slice]:
    """The hole's box and what is looked at around it, so that a large photo costs no more."""
    margin = _AWAY[-1] + 3
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )


def _profiles(pixels: NDArray[np.generic], hole: Hole) -> tuple[Values, Values]:
    """How much of the inside shows 1 to 7 pixels outside, ``(points, 7)``, and the contrasts.

    1 is the colour inside and 0 that of the surroundings, along the line between them.
    """
    rows, columns, normals = _outline(hole)
    reach = range(_DEPTHS[0], _AWAY[-1] + 1)
    places = [(rows + normals[0] * at, columns + normals[1] * at) for at in reach]
    at_y = np.rint(np.stack([place[0] for place in places], 1)).astype(int)
    at_x = np.rint(np.stack([place[1] for place in places], 1)).astype(int)
    inside = ((at_y >= 0) & (at_y < hole.shape[0]) & (at_x >= 0) & (at_x < hole.shape[1])).all(1)
    at_y, at_x = at_y[inside], at_x[inside]
    fit = hole[at_y, at_x]
    good = ~fit[:, 1 - _DEPTHS[0] :].any(axis=1) & fit[:, :3].all(axis=1)
    values = pictures.encode(pixels[at_y[good], at_x[good]], fit[good])[0]
    thing, ground = values[:, :3].mean(axis=1), values[:, -3:].mean(axis=1)
    direction = thing - ground
    contrast = np.sqrt((direction**2).sum(axis=1) / pixels.shape[2])
    clear = contrast > _CONTRAST
    span = (direction[clear] ** 2).sum(axis=1)[:, None]
    outer = values[clear, 1 - _DEPTHS[0] : 8 - _DEPTHS[0]] - ground[clear, None]
    return (outer * direction[clear, None]).sum(axis=-1) / span, contrast[clear]


def _outline(hole: Hole) -> tuple[Values, Values, tuple[Values, Values]]:
    """Points of the hole's outline and their normals, which point outwards."""
    inner = hole & (cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    rows, columns = np.nonzero(inner)
    step = len(rows) // _POINTS + 1
    rows, columns = rows[::step], columns[::step]
    high, wide = _outwards(hole, rows, columns)
    length = np.maximum(np.hypot(high, wide), 1e-6).astype(np.float32)
    return rows.astype(np.float32), columns.astype(np.float32), (high / length, wide / length)


def _outwards(hole: Hole, rows: NDArray[Any], columns: NDArray[Any]) -> tuple[Values, Values]:
    """Down and to the right, how the blurred hole fades at the places: minus its derivatives."""
    size = 2 * _BLUR + 1
    bell = cv2.getGaussianKernel(size, 2.0, cv2.CV_32F)[:, 0]
    slope = np.gradient(bell)
    padded = cv2.copyMakeBorder(
        hole.astype(np.uint8), _BLUR, _BLUR, _BLUR, _BLUR, cv2.BORDER_REFLECT_101
    )
    around = np.lib.stride_tricks.sliding_window_view(padded, (size, size))[rows, columns]
    high = np.einsum("nyx,y,x->n", around, slope, bell)
    wide = np.einsum("nyx,y,x->n", around, bell, slope)
    return high.astype(np.float32), wide.astype(np.float32)
