"""Line strokes: continue an edge, a wire or a plank through the hole before the rest is filled.

Structure propagation in the sense of Sun et al. 2005 (https://doi.org/10.1145/1073204.1073274),
along strokes somebody drew: a narrow band around each stroke is copied from the stroke's own
extensions on both sides of the hole. From then on the band is known, to every filler alike.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.inpainting.hybrid.tiling import paint_over
from mendpix.inpainting.strokes import HALF_WIDTH, Floats, Gap, Stroke, find_band, find_gaps
from mendpix.inpainting.windows import Window
from mendpix.types import Hole, Photo

_OVERLAP = 12  # pixels before the hole's rim over which a shift is compared
_CHOICES = 48  # shifts along the stroke that are compared
_ASIDE = np.arange(
    -3, 3.5, 0.5, dtype=np.float32
)  # how far an edge may leave the stroke, per shift
_FARTHEST = 6  # pixels by which the edges on both sides of the hole may lie apart
_SMOOTH = 3.0  # pixels across the band over which both sides' brightness is evened out
_BLEND = 4.0  # pixels along the band over which one side's copy turns into the other's


def draw_lines(
    photo: Photo, hole: Hole, strokes: Sequence[Stroke], usable: Hole | None = None
) -> tuple[Photo, Hole]:
    """Copy bands along strokes into a hole.

    Args:
        photo: ``(H, W, C)``, known values in [0, 1].
        hole: ``(H, W)``, True = missing.
        strokes: later ones stop at the bands of earlier ones.
        usable: ``(H, W)``, what may be copied; None: all that is known.

    Returns: a new photo, and the pixels ``(H, W)`` of the hole that the bands fill.

    Raises:
        MaskError: a stroke crosses no hole, or nothing is known along it beyond the hole.
    """
    known = ~hole if usable is None else usable & ~hole
    drawn, band = photo.copy(), np.zeros_like(hole)
    for stroke in strokes:
        for gap in find_gaps(stroke, hole, known):
            rows, columns = find_band(stroke, gap, hole & ~band)
            window = _frame(stroke, gap, hole.shape)
            here = Propagation(photo[window.slices], known[window.slices], stroke.move(window), gap)
            drawn[rows, columns] = here.fill(rows - window.top, columns - window.left)
            band[rows, columns] = True
    return drawn, band


def _frame(stroke: Stroke, gap: Gap, shape: tuple[int, ...]) -> Window:
    """All that may be copied into a gap, and the gap."""
    most = gap.end - gap.start + _CHOICES + 2 * _OVERLAP
    along = np.arange(gap.start - min(gap.before, most), gap.end + min(gap.after, most) + 1)
    x, y = stroke.locate(along.astype(np.float32), np.zeros(len(along), np.float32))
    top, left = max(0, int(y.min())), max(0, int(x.min()))
    window = Window(top, left, int(y.max()) + 1 - top, int(x.max()) + 1 - left)
    return window.grow(3 * HALF_WIDTH, shape)


class Propagation:
    """One gap being filled: a copy of each side's extension, evened out, joined in the middle.

    Args:
        photo: ``(H, W, C)``.
        known: ``(H, W)``, what may be copied.
    """

    def __init__(self, photo: Photo, known: Hole, stroke: Stroke, gap: Gap) -> None:
        # Interpolation near the rim must not see what lies in the hole.
        self.photo, self.stroke, self.gap = paint_over(photo, ~known), stroke, gap
        self.length = max(1, gap.end - gap.start)
        self.known = known
        self.sides = [
            (sign, rim, extent)
            for sign, rim, extent in ((1, gap.start, gap.before), (-1, gap.end, gap.after))
            if extent
        ]
        self.profiles = {sign: self._average(sign, rim, extent) for sign, rim, extent in self.sides}
        self.offset = (
            find_offset(self.profiles[1], self.profiles[-1]) if len(self.sides) == 2 else 0
        )

    def fill(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Photo:
        """Values ``(n, C)`` of pixels in the gap."""
        along, aside = self.stroke.measure(columns.astype(np.float64), rows.astype(np.float64))
        copies = [
            self._copy_side(sign, rim, extent, along, aside, rows, columns)
            for sign, rim, extent in self.sides
        ]
        if len(copies) == 1:
            return copies[0]
        middle = self._find_seam(copies[0], copies[1], along)
        share = np.clip((along - middle) / _BLEND + 0.5, 0, 1)[:, None]
        return np.asarray((1 - share) * copies[0] + share * copies[1], np.float32)

    def _sample(self, along: Floats, aside: Floats) -> Photo:
        """Interpolated values ``(..., C)`` beside the stroke."""
        x, y = self.stroke.locate(along, aside)
        shape = x.shape
        planes = [
            cv2.remap(
                np.ascontiguousarray(self.photo[..., index]),
                _fold(x),
                _fold(y),
                cv2.INTER_LANCZOS4,
                borderMode=cv2.BORDER_REPLICATE,
            ).reshape(-1)[: x.size]
            for index in range(self.photo.shape[2])
        ]
        values = np.clip(np.stack(planes, axis=-1), 0, 1).reshape(*shape, -1)
        return np.asarray(values, np.float32)

    def _read_strip(self, sign: int, rim: int, first: int, last: int, aside: Floats) -> Photo:
        """Values ``(last - first, aside, C)`` of one side, counted from the rim outwards."""
        out = (rim - sign * (1 + np.arange(first, last))).astype(np.float32)
        return self._sample(*np.meshgrid(out, aside, indexing="ij"))

    def _average(self, sign: int, rim: int, extent: int) -> Photo:
        """What lies beside the stroke near the rim, ``(2 * HALF_WIDTH + 1, C)``."""
        aside = np.arange(-HALF_WIDTH, HALF_WIDTH + 1, dtype=np.float32)
        strip = self._read_strip(sign, rim, 0, min(extent, _OVERLAP), aside)
        return np.asarray(strip.mean(axis=0), np.float32)

    def _copy_side(
        self,
        sign: int,
        rim: int,
        extent: int,
        along: Floats,
        aside: Floats,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
    ) -> Photo:
        """The gap's pixels copied from one side's extension, moved along the stroke."""
        inwards = sign * (along - rim)  # pixels from this side's rim
        share = np.clip(inwards / self.length, 0, 1)
        shift, sideways = self._choose_shift(sign, rim, extent)
        ideal = sign * self.offset / self.length  # of the edge aside, per pixel from this rim
        turn = (ideal - sideways / shift) * inwards if shift else ideal * inwards
        if shift and np.abs(turn).max(initial=0) < 0.5 and len(self.stroke.points) == 2:
            values = self._copy_whole(sign * shift, sideways, rows, columns)
        else:
            back = _bounce(inwards, extent) if not shift else shift - inwards
            at = (rim - sign * np.maximum(back, 0)).astype(np.float32)
            aside_there = (aside - turn - (sideways if shift else 0)).astype(np.float32)
            values = self._sample(at, aside_there)
        if len(self.sides) == 1:
            return values
        step = self._even_out(sign)
        places = np.clip(np.rint(aside).astype(int) + HALF_WIDTH, 0, 2 * HALF_WIDTH)
        return np.asarray(np.clip(values + share[:, None] * step[places], 0, 1), np.float32)

    def _copy_whole(
        self, shift: float, sideways: float, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> Photo:
        """Pixels copied over a whole number of pixels, so that their grain stays."""
        one, other = self.stroke.locate(
            np.array([0.0, shift], np.float32), np.array([0.0, sideways], np.float32)
        )
        right, down = round(float(one[1] - one[0])), round(float(other[1] - other[0]))
        height, width = self.known.shape
        at = (rows - down).clip(0, height - 1), (columns - right).clip(0, width - 1)
        return np.asarray(self.photo[at], np.float32)

    def _choose_shift(self, sign: int, rim: int, extent: int) -> tuple[int, float]:
        """How far to copy from, and how far aside, so that what meets at the rim is alike.

        Returns: 0, 0 where the known part is shorter than the gap.
        """
        least = self.length + 2
        most = min(extent - _OVERLAP, least + _CHOICES)
        if most < least:
            return 0, 0.0
        aside = np.arange(-HALF_WIDTH, HALF_WIDTH + 1, dtype=np.float32)
        rim_strip = self._read_strip(sign, rim, 0, _OVERLAP, aside)
        best, choice = np.inf, (least, 0.0)
        for sideways in _ASIDE:
            strip = self._read_strip(sign, rim, least, most + _OVERLAP, aside - sideways)
            for shift in range(least, most + 1):
                part = strip[shift - least : shift - least + _OVERLAP]
                cost = float(np.square(part - rim_strip).mean())
                cost = (cost + 1e-5) * (1 + self._measure_rounding(sign * shift, float(sideways)))
                if cost < best:
                    best, choice = cost, (shift, float(sideways))
        return choice

    def _measure_rounding(self, shift: float, sideways: float) -> float:
        """The squared distance aside of a shift from whole pixels."""
        if len(self.stroke.points) > 2:
            return 0.0
        ahead = np.diff(self.stroke.points, axis=0)[0] / self.stroke.length
        exact = shift * ahead + sideways * np.array([-ahead[1], ahead[0]])
        wrong = np.rint(exact) - exact
        return 4.0 * float((wrong @ np.array([-ahead[1], ahead[0]])) ** 2)

    def _even_out(self, sign: int) -> Photo:
        """What this side's brightness lacks to be the other's, ``(2 * HALF_WIDTH + 1, C)``."""
        own, other = self.profiles[sign], self.profiles[-sign]
        places = np.arange(len(own)) + sign * self.offset
        moved = [np.interp(places, np.arange(len(own)), other[:, i]) for i in range(own.shape[1])]
        step = np.stack(moved, axis=1).astype(np.float32) - own
        return _blur(step)

    def _find_seam(self, one: Photo, other: Photo, along: Floats) -> float:
        """Where along the gap both copies are most alike, in its middle half."""
        places = np.rint(along).astype(int) - self.gap.start
        inside = (places >= 0) & (places <= self.length)
        wrong = np.abs(one - other).mean(axis=1)
        count = np.bincount(places[inside], minlength=self.length + 1)
        total = np.bincount(places[inside], wrong[inside], minlength=self.length + 1)
        cost = np.convolve(total / np.maximum(count, 1), np.ones(5) / 5, "same")
        low, high = self.length // 4, max(self.length // 4 + 1, 3 * self.length // 4)
        return float(self.gap.start + low + int(np.argmin(cost[low:high])))


def _bounce(inwards: Floats, extent: int) -> Floats:
    """Distances back and forth over a known part of ``extent`` pixels, from the rim outwards."""
    last = max(1, extent - 1)
    return np.asarray(last - np.abs(np.maximum(inwards, 0) % (2 * last) - last), np.float32)


def _blur(step: Photo) -> Photo:
    """Averages across the band ``(n, C)``."""
    planes = [
        cv2.GaussianBlur(step[:, i : i + 1], (1, 13), _SMOOTH, sigmaY=_SMOOTH)
        for i in range(step.shape[1])
    ]
    return np.asarray(np.hstack(planes), np.float32)


def _fold(values: Floats) -> Floats:
    """Values as rows short enough for OpenCV, the last padded."""
    rows = -(-values.size // 1024)
    return np.resize(values.reshape(-1), (rows, 1024)).astype(np.float32)


def find_offset(before: Photo, after: Photo) -> float:
    """How far aside the edge after a gap lies of that before it, in half pixels.

    Args:
        before, after: ``(n, C)``, averages beside the stroke.
    """
    places = np.arange(len(before), dtype=np.float32)
    best, offset = np.inf, 0.0
    for step in np.arange(-_FARTHEST, _FARTHEST + 0.5, 0.5):
        inside = (places + step >= 0) & (places + step <= len(before) - 1)
        moved = np.stack(
            [np.interp(places + step, places, after[:, i]) for i in range(after.shape[1])], axis=1
        )
        one, other = before[inside], moved[inside]
        wrong = (one - one.mean(axis=0)) - (other - other.mean(axis=0))
        cost = (float(np.square(wrong).mean()) + 1e-5) * (1 + 0.03 * abs(step))
        if cost < best:
            best, offset = cost, float(step)
    return offset
