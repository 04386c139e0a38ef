"""Initial fills for networks that refine one: a hole and its fill, computed once per photo.

Such a network (one with a ``start``) is shown photos whose holes a built-in filler has filled.
That filler costs more than a step, so each photo is filled once, all over, and every square cut
from it later shows another part of that fill. Which hole a photo gets follows from the seed and
its file name alone. Fills may be kept in a folder too, from which other runs take them.
"""

import contextlib
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
from mendpix.io.atomic import atomic_write
from mendpix.training.picture_cache import Pixels
from mendpix.types import Hole

DrawHole = Callable[[tuple[int, int], int], Hole]
"""A hole for a height and width and an index."""


class InitialFill(NamedTuple):
    """A photo's hole ``(H, W)``, packed to bits, and the values ``(M, 3)`` uint8 that fill it."""

    packed_hole: NDArray[np.uint8]
    values: Pixels

    def apply(self, photo: Pixels) -> tuple[Pixels, Hole]:
        """The photo ``(H, W, 3)`` with its hole filled, and the hole."""
        bits = np.unpackbits(self.packed_hole, count=photo[..., 0].size)
        hole = bits.reshape(photo.shape[:2]).astype(bool)
        filled = photo.copy()
        filled[hole] = self.values
        return filled, hole


class InitialFills:
    """The initial fills of photos, each computed once.

    Args:
        name: of the built-in filler.
        draw: draws a hole.
        seed: of holes and filler.
        options: of the filler.
        holes_per_photo: how many different holes a photo has; its samples take them in turn.
        folder: where fills are kept for other runs, by what they were made of; None: nowhere.

    Raises:
        RecipeError: no such filler, or an option that it does not have.
    """

    def __init__(
        self,
        name: str,
        draw: DrawHole,
        seed: int,
        options: Mapping[str, Any],
        holes_per_photo: int = 1,
        folder: Path | None = None,
    ) -> None:
        if name == "auto":  # never by what has been fetched here: fills are compared and kept
            options = {"generator": "none", **options}
        try:
            self._filler = registry.load(name, seed=seed, threads=1, **options)
        except MendError as problem:
            raise RecipeError(f"data.start_options: {problem}") from None
        self._draw, self._holes_per_photo, self._folder = draw, holes_per_photo, folder
        # Another version may fill otherwise, so its fills are not taken over.
        generator = getattr(self._filler.inner, "generator", None)
        parts = dict(options) | ({"generator": generator.sha256} if generator else {})
        self._maker = json.dumps([__version__, name, seed, parts], sort_keys=True)
        self._fills: dict[tuple[str, int], InitialFill] = {}

    def fill_photo(self, file: str, photo: Pixels, turn: int = 0) -> tuple[Pixels, Hole]:
        """The photo with a hole of its own filled ``(H, W, 3)`` uint8, and that hole ``(H, W)``."""
        key = (file, turn % self._holes_per_photo)
        if key not in self._fills:  # two threads may both compute it: the same bytes
            self._fills[key] = self._load_or_compute(photo, self._draw_for(*key, photo))
        return self._fills[key].apply(photo)

    def fill_square(self, file: str, square: Pixels, hole: Hole) -> Pixels:
        """A held-out picture's square with its hole filled ``(S, S, 3)`` uint8."""
        key = (file, -1)
        if key not in self._fills:
            self._fills[key] = self._load_or_compute(square, hole)
        return self._fills[key].apply(square)[0]

    def _draw_for(self, file: str, turn: int, photo: Pixels) -> Hole:
        digest = hashlib.sha256(os.fsencode(f"{file} {turn}")).digest()
        height, width = photo.shape[:2]
        return self._draw((height, width), int.from_bytes(digest[:4], "big"))

    def _load_or_compute(self, photo: Pixels, hole: Hole) -> InitialFill:
        if self._folder is None:
            return InitialFill(np.packbits(hole), self._compute(photo, hole))
        path = self._folder / f"{self._hash_inputs(photo, hole)}.npy"
        try:
            values: Pixels = np.load(path)
        except (OSError, ValueError):  # not there, or not whole
            values = self._compute(photo, hole)
            _store(path, values)
        return InitialFill(np.packbits(hole), values)

    def _hash_inputs(self, photo: Pixels, hole: Hole) -> str:
        parts = (self._maker.encode(), str(photo.shape).encode(), photo.tobytes(), hole.tobytes())
        return hashlib.sha256(b" ".join(parts)).hexdigest()[:32]

    def _compute(self, photo: Pixels, hole: Hole) -> Pixels:
        filled = self._filler(photo.astype(np.float32) / np.float32(255), hole)[hole]
        values: Pixels = np.rint(filled.clip(0, 1) * 255).astype(np.uint8)
        return values


def _store(path: Path, values: Pixels) -> None:
    """Write a fill for other runs; where that cannot be, this run still has it."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.save(file, values)
