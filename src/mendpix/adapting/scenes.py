"""Windows of a picture with holes drawn into what is known of it, filled by PatchMatch."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix import drawing, refining
from mendpix.errors import MaskError
from mendpix.patchmatch import Options, PatchMatch
from mendpix.windows import Window

Photo = NDArray[np.float32]
Hole = NDArray[np.bool_]
Random = np.random.Generator

KINDS: dict[str | drawing.Generator, float] = {
    "lama-thin": 1.0,
    "lama-medium": 1.5,
    "lama-thick": 1.0,
}
"""The kinds of holes that the bundled network was trained with, and their shares."""
DRAWN = 8
"""Holes drawn at a time, of which the one is taken whose depth is nearest to the real hole's."""
SIDE = 512
"""Of the windows that holes are drawn into."""
APART = 8
"""Pixels between a drawn hole and the real one."""
LEAST, NARROWEST = 64 * 64, 32
"""Known pixels, and pixels along the short side, below which there is nothing to learn from."""
TRIES = 16
"""Windows looked at until one has room for a hole."""
FILL = Options(rounds=3, last_rounds=1, sweeps=1)
"""PatchMatch's part in drawn holes, as in the training of the bundled network."""


class Scene(NamedTuple):
    """A window of the picture, or a square of it, with holes drawn into it.

    ``shown`` ``(h, w, 3)`` is filled wherever ``missing`` ``(h, w)``; ``drawn`` is the part of that
    of which ``truth`` knows better.
    """

    truth: Photo
    shown: Photo
    missing: Hole
    drawn: Hole

    def part(self, window: Window) -> "Scene":
        """What lies in a window of it."""
        cut = window.slices
        return Scene(self.truth[cut], self.shown[cut], self.missing[cut], self.drawn[cut])

    def mirrored(self) -> "Scene":
        """Left and right exchanged."""
        truth, shown = self.truth[:, ::-1], self.shown[:, ::-1]
        return Scene(truth, shown, self.missing[:, ::-1], self.drawn[:, ::-1])


class Scenes:
    """Windows of a picture with holes drawn into what is known: by number, always the same.

    Args:
        photo: ``(H, W, 3)`` float32 in [0, 1]; known pixels that are NaN are unusable.
        hole: ``(H, W)``, True = missing, not all of it.
        seed: of places, holes and fills.
        threads: of PatchMatch.

    Raises:
        MaskError: too little is known.
    """

    def __init__(self, photo: Photo, hole: Hole, seed: int = 0, threads: int | None = None) -> None:
        self.photo, self.hole, self.seed, self.threads = photo, hole, seed, threads
        self.unusable = ~np.isfinite(photo).all(axis=2) & ~hole
        known = np.count_nonzero(~hole & ~self.unusable)
        if known < LEAST or min(hole.shape) < NARROWEST:
            raise MaskError(self._too_little(f"{known} are known and {LEAST} needed"))
        self.depth = depth(hole)
        self.near = _surroundings(hole)

    def scene(self, number: int) -> Scene:
        """The window of a number, from 0 on.

        Raises:
            MaskError: no window has room for a hole.
        """
        window, drawn = self._chosen(number)
        unusable, missing = self.unusable[window.slices], self.hole[window.slices] | drawn
        photo = self.photo[window.slices].copy()
        photo[missing] = 0
        fill = PatchMatch(self.seed + number, threads=self.threads, options=FILL)
        shown = refining.covered(fill(photo, missing), unusable)
        truth = np.where(drawn[..., None], self.photo[window.slices], shown)
        return Scene(truth, shown, missing, drawn)

    def _chosen(self, number: int) -> tuple[Window, Hole]:
        """A window, near the real hole where that leaves room, and what is drawn into it."""
        for turn in range(TRIES):
            area = self.near if turn < TRIES // 2 else Window(0, 0, *self.hole.shape)
            window = _placed(generator(self.seed, 0, number * TRIES + turn), area)
            drawn = self._drawn(window, (number * TRIES + turn) * DRAWN)
            if drawn is not None:
                return window, drawn
        raise MaskError(self._too_little("no window has room for another hole"))

    def _drawn(self, window: Window, first: int) -> Hole | None:
        """Of some holes in the window's known part the one that is nearest in depth."""
        hole = self.hole[window.slices].astype(np.uint8)
        apart = cv2.dilate(hole, np.ones((2 * APART + 1, 2 * APART + 1), np.uint8)) == 0
        free = apart & ~self.unusable[window.slices]
        kinds = drawing.mixture(KINDS)
        several = (
            drawing.draw(kinds, free.shape, self.seed, first + i) & free for i in range(DRAWN)
        )
        fitting = [drawn for drawn in several if drawn.any()]
        return min(fitting, key=lambda drawn: abs(np.log(depth(drawn) / self.depth)), default=None)

    def _too_little(self, why: str) -> str:
        height, width = self.hole.shape
        return f"too little of {width}x{height} pixels to adapt to ({why}); leave out --adapt"


def depth(hole: Hole) -> float:
    """Pixels from the rim of a hole ``(H, W)`` to its middle."""
    return float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max())


def generator(seed: int, purpose: int, index: int) -> Random:
    """Random numbers for one purpose and index, independent of every other's."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 1, index]))


def _surroundings(hole: Hole) -> Window:
    """The hole with half a window's side on every side, and at least one window."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    tight = Window(top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1)
    return refining.at_least(tight.grow(SIDE // 2, hole.shape), SIDE, hole.shape)


def _placed(random: Random, area: Window) -> Window:
    """A window somewhere in an area."""
    height, width = min(SIDE, area.height), min(SIDE, area.width)
    top = area.top + int(random.integers(area.height - height + 1))
    left = area.left + int(random.integers(area.width - width + 1))
    return Window(top, left, height, width)
