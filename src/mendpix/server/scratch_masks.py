"""Specks and scratches of a picture as a mask file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mendpix.io import files
from mendpix.io.picture import Picture
from mendpix.masks import holes, scratches


@dataclass(frozen=True, slots=True)
class Marked:
    """A mask as a PNG file, and how many parts it has."""

    name: str
    content: bytes
    count: int


def marked(picture: Picture, sensitivity: float) -> Marked:
    """What is found in a picture, with a sensitivity in [0, 1]."""
    hole = scratches.find(picture, sensitivity)
    name = f"{Path(picture.name).stem}-scratches.png"
    values = np.where(hole, np.uint8(255), np.uint8(0))[..., None]
    content, _ = files.encode(name, Picture(values))
    return Marked(name, content, len(holes.components(hole)))
