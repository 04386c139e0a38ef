"""Holes made of a folder of masks: objects pasted anywhere, and irregular masks varied."""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.io.formats import SUFFIXES
from mendpix.masks.generate.base import (
    TRIES,
    Canvas,
    Random,
    Span,
    as_hole,
    blank_canvas,
    draw_integer,
    unit_length,
)
from mendpix.types import Hole


@lru_cache(maxsize=16)
def list_masks(folder: Path) -> tuple[Path, ...]:
    """The masks of a folder tree, sorted; listed once.

    Raises:
        MaskError: no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise MaskError(f"{folder} is no folder; name the one that holds the masks")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise MaskError(f"{folder} holds no masks ({', '.join(sorted(SUFFIXES))}); check the path")
    return tuple(paths)


@lru_cache(maxsize=4096)
def _load_packed(path: Path, level: float, white: bool) -> tuple[NDArray[np.uint8], int, int]:
    """A mask's hole with eight pixels in a byte, and its size."""
    data = np.fromfile(path, np.uint8)
    levels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if levels is None:
        raise MaskError(f"{path} is no mask that can be read; take it out of the folder")
    hole = np.asarray(levels) >= level * 255
    return np.packbits(hole == white), hole.shape[0], hole.shape[1]


def _pick_mask(folder: Path | None, level: float, white: bool, random: Random) -> Canvas:
    """One of a folder's masks, as a canvas."""
    if folder is None:
        raise MaskError("these holes are made of masks; say folder=... to name where they lie")
    paths = list_masks(folder)
    packed, height, width = _load_packed(paths[random.integers(len(paths))], level, white)
    return np.unpackbits(packed, count=height * width).reshape(height, width)


@dataclass(frozen=True, slots=True)
class Objects:
    """Shapes of objects, resized and pasted anywhere, also partly outside (CR-Fill).

    Attributes:
        folder: segmentation masks, one object each, white = object.
        spread: standard deviation of the size about the mask's own, at which it would fill the
            picture's short side; held between the two values of ``size``.
        least: an object that covers less of the picture is drawn again.
    """

    folder: Path | None = None
    spread: float = 0.5
    size: tuple[float, float] = (0.5, 2.0)
    least: float = 0.001
    level: float = 0.5

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        for _ in range(TRIES):
            canvas = blank_canvas(height, width)
            _paste(canvas, self._draw_shape(height, width, random), random)
            if np.count_nonzero(canvas) >= self.least * canvas.size:
                return as_hole(canvas)
        raise MaskError(f"the masks of {self.folder} are all but empty; is white the object there?")

    def _draw_shape(self, height: int, width: int, random: Random) -> Canvas:
        """An object, cut to its box."""
        mask = _pick_mask(self.folder, self.level, True, random)
        scale = float(np.clip(random.normal(1, self.spread), *self.size))
        scale *= min(height, width) / min(mask.shape)
        left, top, wide, high = cv2.boundingRect(mask)
        if not wide:
            return mask[:0, :0]
        size = (max(1, round(wide * scale)), max(1, round(high * scale)))
        box = mask[top : top + high, left : left + wide]
        return np.asarray(cv2.resize(box, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _paste(canvas: Canvas, shape: Canvas, random: Random) -> None:
    """Add a shape with its centre anywhere on the canvas."""
    spans, cuts = [], []
    for side, length in zip(canvas.shape, shape.shape, strict=True):
        start = int(random.integers(side)) - length // 2
        spans.append(slice(max(0, start), max(0, start + length)))
        cuts.append(slice(max(0, -start), max(0, min(length, side - start))))
    canvas[spans[0], spans[1]] |= shape[cuts[0], cuts[1]]


@dataclass(frozen=True, slots=True)
class Varied:
    """Irregular masks of a folder: turned, moved, cropped, their holes dilated.

    What the authors of partial convolutions did to masks of motion between video frames (ECCV
    2018, https://arxiv.org/abs/1804.07723). Note that they published masks for training with
    white = known and masks for testing with white = hole: ``white`` says which these are.

    Attributes:
        folder: the masks.
        white: what white means, ``"hole"`` or ``"known"``.
        level: share of white from which a pixel counts as white.
        kernel: diameter in pixels by which holes are dilated.
        zoom: how much larger than the picture the mask is laid over it.
        shift: how far its middle is moved, as a share of the picture's sides.
    """

    folder: Path | None = None
    white: str = "hole"
    level: float = 0.6
    kernel: Span = (9, 49)
    zoom: tuple[float, float] = (1.0, 1.5)
    shift: float = 0.25
    reference: int = 512

    def __call__(self, height: int, width: int, random: Random) -> Hole:
        if self.white not in ("hole", "known"):
            raise MaskError(f"white is {self.white!r}; say 'hole' or 'known'")
        for _ in range(TRIES):
            mask = _pick_mask(self.folder, self.level, self.white == "hole", random)
            turned = self._transform(mask, height, width, random)
            radius = (
                draw_integer(random, self.kernel) * unit_length(height, width, self.reference) / 2
            )
            hole = _dilate(turned, radius)
            if hole.any() and not hole.all():
                return hole
        raise MaskError(f"the masks of {self.folder} leave nothing known, or mark nothing")

    def _transform(self, mask: Canvas, height: int, width: int, random: Random) -> Canvas:
        """Turn a mask by any angle, zoom and shift it; beyond its own border all is known."""
        scale = random.uniform(*self.zoom) * max(height, width) / min(mask.shape)
        angle = random.uniform(0, 2 * pi)
        c, s = scale * cos(angle), scale * sin(angle)
        y, x = (mask.shape[0] - 1) / 2, (mask.shape[1] - 1) / 2
        down, across = random.uniform(-self.shift, self.shift, 2) * (height, width)
        centre = ((width - 1) / 2 + across, (height - 1) / 2 + down)
        matrix = np.array([[c, -s, centre[0] - c * x + s * y], [s, c, centre[1] - s * x - c * y]])
        turned = cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST)
        return np.asarray(turned, np.uint8)


def _dilate(canvas: Canvas, radius: float) -> Hole:
    """All within a radius of the hole."""
    if not canvas.any():
        return as_hole(canvas)
    distance = cv2.distanceTransform(1 - canvas, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance <= radius, np.bool_)
