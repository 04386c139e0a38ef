"""What a job does to a picture: the same as ``mendpix fill``, from bytes to bytes."""

import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from mendpix.errors import MaskError, MendError
from mendpix.inpainting import api
from mendpix.inpainting.api import MaskOptions
from mendpix.inpainting.registry import CheckedFiller, portion
from mendpix.io import files
from mendpix.io.files import default_extension
from mendpix.io.pairing import ENDING
from mendpix.io.picture import Picture
from mendpix.masks import holes
from mendpix.masks.holes import Reading
from mendpix.server.api_errors import ApiError, of
from mendpix.server.schemas import Failure, Fill
from mendpix.types import Hole, Progress


@dataclass(frozen=True, slots=True)
class Made:
    """A filled picture as a file, and what there is to say about it."""

    name: str
    content: bytes
    picture: Picture
    hole: Hole
    seconds: float
    warnings: tuple[str, ...]
    largest_change: float
    mean_change: float


def made(
    picture: Picture,
    mask: Picture | None,
    how: Fill,
    filler: CheckedFiller,
    progress: Progress | None = None,
) -> Made:
    """Fill a picture and write it in its own format.

    Raises:
        MendError: what the user can put right.
    """
    began = time.perf_counter()
    reading = reading_of(picture, mask, how)
    filled = api.fill_picture(
        picture, reading.hole, filler, opaque=how.from_alpha, progress=progress
    )
    name = Path(picture.name).stem + ENDING + default_extension(picture, how.keep_palette)
    content, written = files.encode(name, filled, reading.hole, how.keep_palette)
    return Made(
        name,
        content,
        filled,
        reading.hole,
        time.perf_counter() - began,
        reading.warnings,
        written.largest_change,
        written.mean_change,
    )


def reading_of(picture: Picture, mask: Picture | None, how: Fill) -> Reading:
    """Where to fill: exactly one of a mask, rectangles and the picture's own alpha says it.

    Raises:
        MaskError: none or several do, or the mask does not fit.
    """
    given = [mask is not None, bool(how.boxes), how.from_alpha]
    if sum(given) != 1:
        raise MaskError(
            f"{sum(given)} of mask, boxes and from_alpha say what to fill; give exactly one"
        )
    options = MaskOptions(how.grow, how.invert, how.fit_mask, how.from_alpha)
    if how.boxes:
        return api.reading_of(drawn(how.boxes, picture.shape), picture, options)
    return api.reading_of(mask, picture, options)


def drawn(boxes: list[tuple[int, int, int, int]], shape: tuple[int, int]) -> Hole:
    """Rectangles (left, top, width, height) as a hole of this shape, clipped to it."""
    hole = np.zeros(shape, bool)
    for left, top, width, height in boxes:
        hole[top : top + height, left : left + width] = True
    return hole


def around(hole: Hole) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of all that is missing; None where nothing is."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    if not rows.size:
        return None
    top, left = int(rows[0]), int(columns[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to fill: what it is called to the client, and how to get it."""

    named: str
    read: Callable[[], Picture]


def each(
    sources: list[Source],
    seeds: list[int],
    fill: Callable[[Picture, int, Progress], Made],
    told: Progress,
    next_picture: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Source, int, Made] | Failure]:
    """Fill every source with every seed; what fails is told and does not stop the rest."""
    count = len(sources) * len(seeds)
    for index, source in enumerate(sources):
        try:
            picture = source.read()
            for step, seed in enumerate(seeds):
                next_picture()
                progress = portion(told, index * len(seeds) + step, count)
                assert progress is not None
                yield source, seed, fill(picture, seed, progress)
        except (MendError, ApiError) as problem:
            refusal = problem if isinstance(problem, ApiError) else of(problem)
            yield Failure(source=source.named, message=refusal.detail)


def hole_ratio(hole: Hole) -> float:
    """The share that is missing."""
    return holes.ratio(hole)


class _Pieces:
    """A file that can only be written to, and gives away what was written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Take a piece."""
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Needed by zipfile; there is nothing to do."""

    def taken(self) -> Iterator[bytes]:
        """What was written since the last time."""
        pieces, self.pieces = self.pieces, []
        yield from pieces


def zipped(contents: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """A ZIP archive of files, piece by piece; not compressed, as pictures are already."""
    sink = _Pieces()
    names: dict[str, int] = {}
    with zipfile.ZipFile(cast(IO[bytes], sink), "w") as archive:
        for name, content in contents:
            count = names[name] = names.get(name, 0) + 1
            path = Path(name)
            unique = name if count == 1 else f"{path.stem}-{count}{path.suffix}"
            archive.writestr(unique, content)
            yield from sink.taken()
    yield from sink.taken()
