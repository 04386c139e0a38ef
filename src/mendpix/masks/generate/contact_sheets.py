"""Holes as files, and many of them on one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.io import conversion, files
from mendpix.masks.generate.base import Generator
from mendpix.masks.generate.kinds import draw
from mendpix.types import Hole

_GAP = 4  # pixels of grey between the holes of a sheet
_GREY = 96


@dataclass(frozen=True, slots=True)
class DrawnMasks:
    """Mask files and their hole ratios.

    Attributes:
        masks: their files, white = hole.
        ratios: the share of each that is missing.
        preview: the contact sheet, where one was asked for.
    """

    masks: tuple[Path, ...]
    ratios: tuple[float, ...]
    preview: Path | None = None


def arrange_sheet(holes: Sequence[Hole], columns: int | None = None) -> NDArray[np.uint8]:
    """A contact sheet ``(H, W)``, white = hole, of holes of one size, row by row.

    Args:
        columns: holes in a row; as many as rows where left out.

    Raises:
        MaskError: no holes, or holes of different sizes.
    """
    sizes = {hole.shape for hole in holes}
    if len(sizes) != 1:
        raise MaskError(f"a sheet shows holes of one size, but these have {len(sizes)}")
    height, width = next(iter(sizes))
    columns = columns or ceil(len(holes) ** 0.5)
    rows = ceil(len(holes) / columns)
    shape = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP)
    page = np.full(shape, _GREY, np.uint8)
    for place, hole in enumerate(holes):
        row, column = divmod(place, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        page[top : top + height, left : left + width] = _levels(hole)
    return page


def draw_folder(
    kind: str | Generator,
    count: int,
    size: int | tuple[int, int],
    folder: Path | str,
    seed: int = 0,
    preview: bool = False,
    options: Mapping[str, Any] | None = None,
) -> DrawnMasks:
    """Draw holes into a folder as mask files ``KIND-00000.png`` and so on.

    Args:
        preview: also write a contact sheet ``FOLDER-preview.png`` beside the folder, so that no
            one takes it for a mask.

    Raises:
        MaskError: what :func:`~mendpix.masks.generate.draw` raises, or a count below 1.
        PictureError: the folder cannot be written.
    """
    if count < 1:
        raise MaskError(f"count is {count}; draw 1 hole or more")
    folder = Path(folder)
    holes = [draw(kind, size, seed, index, options) for index in range(count)]
    _create_folder(folder)
    stem = kind if isinstance(kind, str) else type(kind).__name__.lower()
    paths = tuple(folder / f"{stem}-{index:05d}.png" for index in range(count))
    for path, hole in zip(paths, holes, strict=True):
        files.write(path, conversion.from_array(_levels(hole)))
    page = folder.with_name(f"{folder.resolve().name}-preview.png") if preview else None
    if page is not None:
        files.write(page, conversion.from_array(arrange_sheet(holes)))
    return DrawnMasks(paths, tuple(float(hole.mean()) for hole in holes), page)


def _levels(hole: Hole) -> NDArray[np.uint8]:
    return hole.astype(np.uint8) * np.uint8(255)


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise MaskError(f"{folder} cannot be made: {problem.strerror}; name another") from None
