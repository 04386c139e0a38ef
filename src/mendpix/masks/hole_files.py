"""Holes as mask files: 8-bit PNG, 255 = missing."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mendpix.errors import PictureError
from mendpix.io import conversion, files
from mendpix.types import Hole


def write(path: Path, hole: Hole) -> None:
    """Write a hole, and the folder it lies in where that is missing.

    Raises:
        PictureError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise PictureError(f"{path.parent} cannot be made: {problem.strerror}") from None
    files.write(path, conversion.from_array(hole.astype(np.uint8) * np.uint8(255)))


def check(path: Path, others: Iterable[object]) -> None:
    """Refuse a hole's file before any work.

    Args:
        others: of the same fill; only paths and strings are looked at.

    Raises:
        PictureError: it is no PNG, or one of the others.
    """
    if path.suffix.lower() != ".png":
        raise PictureError(f"{path}: a hole is written as PNG; name a .png file")
    taken = {os.path.realpath(other) for other in others if isinstance(other, str | Path)}
    if os.path.realpath(path) in taken:
        raise PictureError(f"{path} is another file of this fill; write the hole elsewhere")
