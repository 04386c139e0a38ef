"""Fill pictures of awkward shapes while every index of the loops is checked; run as a program.

With ``NUMBA_BOUNDSCHECK=1`` the compiled loops raise on an index beyond its array, with
``NUMBA_DISABLE_JIT=1`` NumPy does, and :class:`Strict` on negative ones too, which both take to
count from the end. Arguments: the longest side in pixels, and how many seeds.
"""

import os
import sys
from collections.abc import Callable, Iterator
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.inpainting.patchmatch import Options, PatchMatch, numba_cache

Hole = NDArray[np.bool_]
EASY = Options(rounds=1, last_rounds=1, sweeps=1, peel_tries=1)


class Strict(np.ndarray[Any, Any]):
    """An array whose negative indices raise."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(checked(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(checked(key), value)


def checked(key: Any) -> Any:
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, (int, np.integer)) and part < 0:
            raise IndexError(f"negative index {key}")
    return key


def strict(loop: Callable[..., None]) -> Callable[..., None]:
    def call(*values: Any) -> None:
        loop(*(v.view(Strict) if isinstance(v, np.ndarray) else v for v in values))

    return call


def known_parts(height: int, width: int) -> Iterator[tuple[str, Any]]:
    """Names and indices of what is known of a picture."""
    for count in (1, 2, 7):
        yield f"first {count} rows", np.s_[:count]
        yield f"last {count} rows", np.s_[-count:]
        yield f"first {count} columns", np.s_[:, :count]
        yield f"last {count} columns", np.s_[:, -count:]
        yield f"upper left {count}", np.s_[:count, :count]
        yield f"lower right {count}", np.s_[-count:, -count:]
    yield "middle pixel", np.s_[height // 2, width // 2]
    yield "middle row", np.s_[height // 2]
    yield "middle column", np.s_[:, width // 2]
    yield "both ends", np.s_[:: max(1, height - 1), :: max(1, width - 1)]


def shapes(longest: int) -> list[tuple[int, int]]:
    shorter = [(1, 1), (1, 5), (5, 1), (2, 2), (3, 5), (5, 3), (7, 7), (8, 5)]
    longer = [(9, 12), (17, 20), (40, 8), (8, 40), (1, 60), (60, 2)]
    return [shape for shape in shorter + longer if max(shape) <= longest]


def holes(height: int, width: int) -> Iterator[tuple[str, Hole]]:
    for name, known in known_parts(height, width):
        hole = np.ones((height, width), np.bool_)
        hole[known] = False
        if hole.any() and not hole.all():
            yield name, hole


def main(longest: int, seeds: int) -> int:
    """How many fills were made.

    Raises:
        IndexError: an index left its array.
    """
    count = 0
    for height, width in shapes(longest):
        photo = np.random.default_rng(0).random((height, width, 3), np.float32)
        for name, hole in holes(height, width):
            for seed, guide in product(range(seeds), (None, photo[::-1, ::-1])):
                filled = PatchMatch(seed, guide, 1, EASY)(photo, hole)
                assert np.isfinite(filled).all(), (height, width, name, seed)
                count += 1
    return count + restrict_sources()


def restrict_sources() -> int:
    """How many fills were made whose sources are one patch, in every corner of small pictures."""
    count = 0
    for height, width in ((5, 12), (12, 5), (11, 13)):
        photo = np.random.default_rng(0).random((height, width, 3), np.float32)
        for rows, columns in product((np.s_[:5], np.s_[-5:]), repeat=2):
            sources = np.zeros((height, width), np.bool_)
            sources[rows, columns] = True
            hole = ~sources
            hole[::3, ::3] = False
            filled = PatchMatch(0, None, 1, EASY)(photo, hole, sources=sources)
            assert np.isfinite(filled).all()
            count += 1
    return count


if __name__ == "__main__":
    kernels = numba_cache.kernels()
    if "NUMBA_DISABLE_JIT" in os.environ:
        names = kernels.__all__
        numba_cache._loaded = SimpleNamespace(**{n: strict(getattr(kernels, n)) for n in names})
    print(main(int(sys.argv[1]), int(sys.argv[2])))
