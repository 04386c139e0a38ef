"""Detect specks and scratches of a picture and encode them as a mask file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mendpix.io import files
from mendpix.io.picture import Picture
from mendpix.masks import holes, scratches


@dataclass(frozen=True, slots=True)
class ScratchMask:
    """A mask as a PNG file, and its number of connected components."""

    name: str
    content: bytes
    count: int


def find_scratch_mask(picture: Picture, sensitivity: float) -> ScratchMask:
    """Detect specks and scratches with a sensitivity in [0, 1]."""
    hole = scratches.find(picture, sensitivity)
    name = f"{Path(picture.name).stem}-scratches.png"
    values = np.where(hole, np.uint8(255), np.uint8(0))[..., None]
    content, _ = files.encode(name, Picture(values))
    return ScratchMask(name, content, len(holes.components(hole)))
