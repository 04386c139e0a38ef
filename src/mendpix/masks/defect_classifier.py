"""Classifies what stands out in a picture as a defect or as the picture's own.

A logistic regression on measures of each part and on their squares gives the odds (Cox 1958,
https://doi.org/10.1111/j.2517-6161.1958.tb00292.x). ``benchmarks/scratches.py --fit PHOTOS`` found
the weights from defects drawn on photographs.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Grey = NDArray[np.uint8]
Values = NDArray[np.float64]

MEASURES = (
    "peak", "contrast", "uneven", "opposite", "crowd", "edge", "slope", "length", "width",
    "usual", "rank",
)  # fmt: skip
"""Of a part; logarithms all, see :func:`measure`."""


@dataclass(frozen=True, slots=True)
class DefectKind:
    """What parts of one kind are, and how defects among them are told.

    Attributes:
        least: how many times what remains nearby a part must reach somewhere.
        most: area of the largest, in pixels of the size at which it is found; 0: any.
        longest: length of the shortest; 0: any.
        rule: by measure, its usual value, its spread, and the weights of what lies between, and of
            its square, in the log of the odds that the part is a defect.
        even: that log for a part whose measures are all as usual.
    """

    ladder: tuple[float, ...]
    most: int
    longest: int
    rule: dict[str, tuple[float, float, float, float]]
    even: float

    def log_odds(self, measured: Values) -> Values:
        """The log of the odds that each part is a defect; ``(n, len(MEASURES))`` to ``(n,)``."""
        mean, spread, weight, square = np.array([self.rule[name] for name in MEASURES]).T
        from_usual = ((measured - mean) / spread).clip(-4, 4)
        return np.asarray(self.even + from_usual @ weight + from_usual**2 @ square)


SPECKS = DefectKind((5.0, 9.0, 16.0), 200, 0, {
    "peak": (2.07, 0.41, 0.13, -0.02),
    "contrast": (3.53, 1.15, 1.98, -0.03),
    "uneven": (3.30, 0.78, -0.53, -0.06),
    "opposite": (-0.96, 1.39, 0.97, 0.27),
    "crowd": (-1.97, 0.47, -0.37, 0.03),
    "edge": (-0.53, 0.48, 0.67, 0.01),
    "slope": (-0.37, 1.09, 1.85, -0.34),
    "length": (2.09, 0.82, -0.08, 0.18),
    "width": (0.85, 0.42, 0.41, -0.16),
    "usual": (2.21, 0.61, -0.97, -0.27),
    "rank": (-0.41, 0.56, 0.13, 0.00),
}, even=-1.46)  # fmt: skip
LINES = DefectKind((2.5, 4.5, 8.0), 0, 20, {
    "peak": (1.53, 0.46, 1.28, 0.03),
    "contrast": (3.52, 0.95, -1.11, 0.10),
    "uneven": (3.36, 0.60, 0.04, 0.01),
    "opposite": (-1.00, 1.12, 0.39, -0.06),
    "crowd": (-1.92, 0.36, -0.66, -0.05),
    "edge": (-0.72, 0.49, 1.01, 0.03),
    "slope": (-0.59, 0.81, -0.38, -0.36),
    "length": (3.69, 0.59, 0.35, 0.03),
    "width": (1.39, 0.44, -0.44, -0.33),
    "usual": (2.36, 0.60, 0.36, -0.17),
    "rank": (-0.69, 0.58, 0.16, 0.01),
}, even=-2.21)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CandidateParts:
    """What stands out: parts numbered from 1.

    Attributes:
        labels: of every pixel of the flattened picture; 0 where nothing stands out.
        places: the pixels that belong to parts, in the flattened picture.
        strength: of these, how many times they reach what remains nearby.
        peak: of each part, the most of that.
        measured: ``(n, len(MEASURES))``.
    """

    labels: NDArray[np.int32]
    places: NDArray[np.intp]
    strength: Plane
    peak: Plane
    measured: Values


@dataclass(frozen=True, slots=True)
class PicturePlanes:
    """A picture at one size, and what was made of it; each ``(H, W)``.

    Attributes:
        grey: its brightness.
        residue, other: what remains of it that is as bright or dark as the part, and the other way.
        usual: what remains on average.
        crowd: the share of the surroundings that stands out.
        steep: its slopes, in levels per pixel.
        steepest: a steep one of these.
        most: much of ``residue``.
        bright: whether the part is brighter than its surroundings.
    """

    grey: Grey
    residue: Grey
    other: Grey
    usual: Plane
    crowd: Plane
    steep: Plane
    steepest: float
    most: float
    bright: bool


def measure(
    labels: NDArray[np.int32], peak: Plane, sides: NDArray[np.int32], planes: PicturePlanes
) -> Values:
    """What tells defects from the picture's own: ``(n, len(MEASURES))``, logarithms.

    Of each part: how far it stands out of what usually remains (peak), of its surroundings in
    levels (contrast), and of all that remains (rank); how uneven its surroundings are; what stands
    out there the other way (opposite, in shares of the contrast); how crowded it is there; how
    steep its rims are (edge, in shares of the picture's steepest; slope, in shares of the
    contrast); its length and width; what usually remains there (usual).
    """
    number = labels.astype(np.float32)
    near = cv2.dilate(number, np.ones((3, 3), np.uint8))
    wide = cv2.dilate(number, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    inside, rim = (
        LabelledRegions(number, len(peak)),
        LabelledRegions(np.where(number, 0, near), len(peak)),
    )
    ring = LabelledRegions(np.where(near, 0, wide), len(peak))
    around = ring.mean(planes.grey)
    spread = np.sqrt((ring.mean(np.square(planes.grey, dtype=np.float32)) - around**2).clip(0))
    contrast = (inside.mean(planes.grey) - around) * (1 if planes.bright else -1)
    contrast = contrast.clip(0.5)
    slope = rim.mean(planes.steep) + 1
    rows = {
        "peak": peak + 1e-3,
        "contrast": contrast,
        "uneven": spread + 1,
        "opposite": (ring.mean(planes.other) + 1) / contrast,
        "crowd": inside.mean(planes.crowd) + 1e-3,
        "edge": slope / (planes.steepest + 1),
        "slope": slope / contrast,
        "length": sides,
        "width": inside.count / sides.clip(1),
        "usual": inside.mean(planes.usual),
        "rank": (inside.mean(planes.residue) + 1) / (planes.most + 1),
    }
    return np.log(np.stack([np.asarray(rows[name], np.float64) for name in MEASURES], axis=1))


class LabelledRegions:
    """Pixels of a picture by the part they belong to, numbered from 1."""

    def __init__(self, numbers: Plane, count: int) -> None:
        self.places = np.flatnonzero(numbers != 0)
        self.of = numbers.ravel()[self.places].astype(np.intp) - 1
        self.number = count
        self.count = np.bincount(self.of, minlength=count).clip(1)

    def mean(self, plane: Grey | Plane) -> Values:
        """Of each part, the mean of a plane."""
        sums = np.bincount(self.of, plane.ravel()[self.places], self.number)
        return np.asarray(sums / self.count)
