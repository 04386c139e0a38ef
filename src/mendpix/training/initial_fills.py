"""First fills for networks that mend one: a hole and its fill, drawn once for a whole photo.

Such a network (one with a ``start``) is shown photos whose holes a built-in filler has filled.
That filler costs more than a step, so each photo is filled once, all over, and every square cut
from it later shows another part of that fill. Which hole a photo gets follows from the seed and
its file name alone. Fills may be kept in a folder too, from which other runs take them.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mendpix import __version__
from mendpix.errors import MendError, RecipeError
from mendpix.inpainting import registry
from mendpix.types import Hole

Photo = NDArray[np.uint8]
DrawFor = Callable[[tuple[int, int], int], Hole]
"""A hole for a height and width and an index."""


class Start(NamedTuple):
    """A photo's hole ``(H, W)`` and the values ``(M, 3)`` uint8 that fill it first."""

    packed: NDArray[np.uint8]
    values: Photo

    def over(self, photo: Photo) -> tuple[Photo, Hole]:
        """The photo ``(H, W, 3)`` filled, and the hole."""
        shape = photo.shape[:2]
        hole = np.unpackbits(self.packed, count=photo[..., 0].size).reshape(shape).astype(bool)
        filled = photo.copy()
        filled[hole] = self.values
        return filled, hole


class Starts:
    """The first fills of photos, kept once made.

    Args:
        name: of the built-in filler.
        draw: draws a hole.
        seed: of holes and filler.
        options: of the filler.
        several: how many different holes a photo has; a sample takes one of them in turn.
        folder: where fills are kept for other runs, by what they were made of; None: nowhere.

    Raises:
        RecipeError: no such filler, or an option that it does not have.
    """

    def __init__(
        self,
        name: str,
        draw: DrawFor,
        seed: int,
        options: Mapping[str, Any],
        several: int = 1,
        folder: Path | None = None,
    ) -> None:
        try:
            self._fill = registry.load(name, seed=seed, threads=1, **options)
        except MendError as problem:
            raise RecipeError(f"data.start_options: {problem}") from None
        self._draw, self._several, self._folder = draw, several, folder
        self._made_by = json.dumps([__version__, name, seed, dict(options)], sort_keys=True)
        self._kept: dict[tuple[str, int], Start] = {}

    def of(self, file: str, photo: Photo, turn: int = 0) -> tuple[Photo, Hole]:
        """The photo with a hole of its own filled ``(H, W, 3)`` uint8, and that hole ``(H, W)``."""
        key = (file, turn % self._several)
        if key not in self._kept:  # two threads may both make it: the same bytes
            self._kept[key] = self._made(*key, photo)
        return self._kept[key].over(photo)

    def of_square(self, file: str, square: Photo, hole: Hole) -> Photo:
        """A held-out picture's square with its hole filled ``(S, S, 3)`` uint8."""
        key = (file, -1)
        if key not in self._kept:
            self._kept[key] = self._filled(square, hole)
        return self._kept[key].over(square)[0]

    def _made(self, file: str, turn: int, photo: Photo) -> Start:
        digest = hashlib.sha256(f"{file} {turn}".encode()).digest()
        height, width = photo.shape[:2]
        return self._filled(photo, self._draw((height, width), int.from_bytes(digest[:4], "big")))

    def _filled(self, photo: Photo, hole: Hole) -> Start:
        if self._folder is None:
            return self._new(photo, hole)
        parts = (self._made_by.encode(), str(photo.shape).encode(), photo.tobytes(), hole.tobytes())
        path = self._folder / f"{hashlib.sha256(b' '.join(parts)).hexdigest()[:32]}.npy"
        packed = np.packbits(hole)
        try:
            values: Photo = np.load(path)
        except (OSError, ValueError):  # not there, or not whole
            values = self._new(photo, hole).values
            _keep(path, values)
        return Start(packed, values)

    def _new(self, photo: Photo, hole: Hole) -> Start:
        filled = self._fill(photo.astype(np.float32) / np.float32(255), hole)[hole]
        return Start(np.packbits(hole), np.rint(filled.clip(0, 1) * 255).astype(np.uint8))


def _keep(path: Path, values: Photo) -> None:
    """Write a fill for other runs; where that cannot be, this run still has it."""
    draft = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            np.save(file, values)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
