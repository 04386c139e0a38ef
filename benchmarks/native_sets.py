"""What the native benchmark fills: crops of large photographs at 1:1, or pasted things."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import photographs

Pixels = NDArray[np.uint8]
Hole = NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """A picture to fill, and what is right.

    Attributes:
        name: unique in its set; what stands before the first ``/`` is the photograph.
        kind: what is removed, or what the hole lies in.
        photo: ``(H, W, 3)`` 8-bit RGB as a filler gets it.
        hole: ``(H, W)``, True = missing.
        truth: ``(H, W, 3)`` without the thing.
        region: ``(H, W)``, where the fill is judged: the hole itself, or all that a pasted thing
            changed.
    """

    name: str
    kind: str
    photo: Pixels
    hole: Hole
    truth: Pixels
    region: Hole

    @property
    def photograph(self) -> str:
        return self.name.partition("/")[0]

    def digest(self) -> str:
        """A hash of what a filler gets."""
        return hashlib.sha256(self.photo.tobytes() + self.hole.tobytes()).hexdigest()[:16]


@lru_cache(maxsize=1)
def read_pixels(path: Path) -> Pixels:
    """A photograph ``(H, W, 3)``, 8-bit RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise SystemExit(f"{path} is missing; unpack its package (tools/split_photographs.py)")
    return np.asarray(image, np.uint8)


def read_crops(folder: Path) -> Iterator[Sample]:
    """The guessable crops of the measuring photographs; `folder` holds the unpacked packages."""
    for photograph in photographs.read():
        if photograph.set != "measuring":
            continue
        for index, crop in enumerate(photograph.crops):
            if crop.guessable:
                path = folder / photograph.package / photograph.path
                truth = np.ascontiguousarray(read_pixels(path)[crop.slices])
                hole = crop.hole()
                photo = np.where(hole[..., None], np.uint8(0), truth)
                yield Sample(f"{photograph.name}/{index}", crop.kind, photo, hole, truth, hole)


SETS = {"crops": read_crops}
