"""The large photographs for measuring and training, as ``photographs.json`` describes them.

No pixels are kept here: the photographs come from Debian packages (``tools/split_photographs.py``
checks an unpacked copy). Coordinates are pixels of the photograph, x to the right, y down. A hole
is what a person brushed: strokes, each a line of round dabs.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from math import pi, sqrt
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MANIFEST = Path(__file__).with_name("photographs.json")

Hole = NDArray[np.bool_]


@dataclass(frozen=True)
class Stroke:
    """A brush of a radius drawn along points."""

    points: tuple[tuple[int, int], ...]
    radius: int


@dataclass(frozen=True)
class Crop:
    """A window at 1:1 with one hole in it.

    Attributes:
        kind: object, sign, thin, structure, texture or smooth: what is removed, or, where nothing
            stands out, what the hole lies in.
        what: the same in a few words.
        guessable: a person could say what belongs there; decided before any fill was seen.
    """

    x: int
    y: int
    w: int
    h: int
    kind: str
    what: str
    guessable: bool
    strokes: tuple[Stroke, ...]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window in its photograph."""
        return slice(self.y, self.y + self.h), slice(self.x, self.x + self.w)

    def hole(self) -> Hole:
        """The hole ``(h, w)``, True = missing."""
        canvas = np.zeros((self.h, self.w), np.uint8)
        for stroke in self.strokes:
            points = [(x - self.x, y - self.y) for x, y in stroke.points]
            for point in points:
                cv2.circle(canvas, point, stroke.radius, 1, -1)
            for start, stop in pairwise(points):
                cv2.line(canvas, start, stop, 1, 2 * stroke.radius)
        return canvas > 0

    def radius(self) -> float:
        """The radius of a disc of the hole's area, in pixels."""
        return sqrt(int(self.hole().sum()) / pi)


@dataclass(frozen=True)
class Photograph:
    """A file in a Debian package; ``dhash`` is the difference hash of its 9x8 grey thumbnail."""

    name: str
    set: str
    package: str
    version: str
    path: str
    sha256: str
    width: int
    height: int
    licence: str
    author: str
    dhash: str
    crops: tuple[Crop, ...]


def read(path: Path = MANIFEST) -> list[Photograph]:
    """All photographs of the manifest."""
    table = json.loads(path.read_text("utf-8"))
    return [photograph_of(entry) for entry in table["photographs"]]


def photograph_of(entry: dict[str, Any]) -> Photograph:
    return Photograph(**{**entry, "crops": tuple(crop_of(crop) for crop in entry["crops"])})


def crop_of(entry: dict[str, Any]) -> Crop:
    strokes = tuple(
        Stroke(tuple((x, y) for x, y in stroke["points"]), stroke["radius"])
        for stroke in entry["strokes"]
    )
    return Crop(**{**entry, "strokes": strokes})
