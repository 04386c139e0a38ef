"""What the native benchmark fills: crops of large photographs at 1:1, or pasted things."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import photographs

Pixels = NDArray[np.uint8]
Hole = NDArray[np.bool_]

THINGS = ("object", "sign", "thin")
"""Kinds of crops whose hole lies over a thing to be removed."""


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
        shows_truth: what the hole hides is what belongs there; False where a thing stands in it,
            which a good fill does not bring back.
    """

    name: str
    kind: str
    photo: Pixels
    hole: Hole
    truth: Pixels
    region: Hole
    shows_truth: bool = True

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


def read_crops(folder: Path, limit: int | None = None) -> Iterator[Sample]:
    """The guessable crops of the measuring photographs; `folder` holds the unpacked packages."""
    places = [
        (photograph, index)
        for photograph in photographs.read()
        if photograph.set == "measuring"
        for index, crop in enumerate(photograph.crops)
        if crop.guessable
    ]
    kinds = [photograph.crops[index].kind for photograph, index in places]
    names = [f"{photograph.name}/{index}" for photograph, index in places]
    for position in balance(kinds, names, limit):
        photograph, index = places[position]
        crop = photograph.crops[index]
        path = folder / photograph.package / photograph.path
        truth = np.ascontiguousarray(read_pixels(path)[crop.slices])
        hole = crop.hole()
        photo = np.where(hole[..., None], np.uint8(0), truth)
        shows = crop.kind not in THINGS
        yield Sample(names[position], crop.kind, photo, hole, truth, hole, shows)


def balance(kinds: list[str], names: list[str], limit: int | None) -> list[int]:
    """Places of `limit` names, as many of each kind as there are, chosen by the names' hash."""
    by_kind: dict[str, list[int]] = {}
    for place in sorted(range(len(names)), key=lambda place: hash_name(names[place])):
        by_kind.setdefault(kinds[place], []).append(place)
    rounds = zip_longest(*(by_kind[kind] for kind in sorted(by_kind)))
    return sorted([place for turn in rounds for place in turn if place is not None][:limit])


def hash_name(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def read_pastes(folder: Path, limit: int | None = None) -> Iterator[Sample]:
    """Things pasted into the photographs, each removed with an exact and with a loose mask.

    The pictures that things are cut from lie in the folder that MENDPIX_SHARED names.
    """
    import paste_removal

    things = Path(os.environ["MENDPIX_SHARED"]) / "photos"
    return paste_removal.read_samples(folder, limit, things)


SETS = {"crops": read_crops, "pastes": read_pastes}
