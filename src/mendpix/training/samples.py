"""From a folder of pictures to training samples, each a pure function of (seed, sample index).

Nothing here keeps a position: sample 12,345 of a run is the same whether the run was stopped
before it, runs on one process or on two, or is asked for it twice. So resuming needs the step
alone.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from mendpix.errors import TrainingError
from mendpix.training.device_cache import Resident, Square
from mendpix.training.initial_fills import Starts
from mendpix.training.photos import Photos, gather, is_held_out
from mendpix.training.picture_cache import Photo
from mendpix.training.recipe import Recipe
from mendpix.training.sources import SUFFIXES, found
from mendpix.types import Hole

__all__ = [
    "SUFFIXES",
    "Batch",
    "Draw",
    "Hole",
    "Photo",
    "Photos",
    "Prefetcher",
    "Samples",
    "assembled",
    "found",
    "gather",
    "generator",
    "held_out_batches",
    "is_held_out",
]

Draw = Callable[[int], Hole]
"""A hole for a sample index."""

Made = TypeVar("Made")

VALIDATION = 1 << 40
"""Sample indices of held-out pictures begin here, far from those of training."""

TRIES, LEAST, MOST = 8, 0.03, 0.7
"""A square of a photo that has its hole already: places tried, and how much may be missing."""


class Batch(NamedTuple):
    """Pictures of one step on one process: ``(N, 3, H, W)`` in [0, 1], ``(N, 1, H, W)``, files.

    ``started`` is the photo with its hole filled first, where the network mends such a fill.
    """

    photo: Tensor
    hole: Tensor
    files: list[str]
    started: Tensor | None = None

    @property
    def shown(self) -> Tensor:
        """What the network is shown."""
        return self.photo if self.started is None else self.started

    def part(self, places: slice) -> "Batch":
        """Some of its pictures."""
        started = None if self.started is None else self.started[places]
        return Batch(self.photo[places], self.hole[places], self.files[places], started)


def generator(seed: int, index: int, purpose: int = 0) -> np.random.Generator:
    """Random numbers for one sample and one purpose, independent of every other's."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, index]))


class Samples:
    """Training samples by index: the file (each once per epoch), its square, flip and hole.

    Args:
        starts: first fills, for networks that mend one.
        resident: the pictures on the accelerator, where they are kept there.
    """

    def __init__(
        self,
        photos: Photos,
        recipe: Recipe,
        draw: Draw,
        starts: Starts | None = None,
        resident: Resident | None = None,
    ) -> None:
        self.photos, self.recipe, self.draw, self.starts = photos, recipe, draw, starts
        self.resident = resident
        self._epoch: tuple[int, list[int]] = (-1, [])

    def file(self, index: int) -> str:
        """The file of a sample."""
        files = self.photos.train
        epoch, place = divmod(index, len(files))
        known, order = self._epoch  # read once: other threads may be in another epoch
        if known != epoch:
            random = generator(self.recipe.seed, epoch, purpose=1)
            order = random.permutation(len(files)).tolist()
            self._epoch = (epoch, order)
        return files[order[place]]

    def read(self, steps: int) -> list[str]:
        """The files that so many steps have learned from, sorted."""
        count = min(steps * self.recipe.batch, len(self.photos.train))
        files = {self.file(index) for index in range(count)}
        return sorted(files - self.photos.lost.keys())

    def photo(self, index: int, file: str) -> Photo:
        """The sample's square ``(size, size, 3)``."""
        return self._layers(index, [self.photos.picture(file)])[0]

    def started(self, index: int, file: str, starts: Starts) -> tuple[Photo, Hole, Photo]:
        """The sample's square, its hole, and the square with that hole filled first."""
        whole = self.photos.picture(file)
        filled, hole = starts.of(file, whole, index // len(self.photos.train))
        square, gap, first = self._layers(
            index, [whole, hole.astype(np.uint8)[..., None] * 255, filled]
        )
        missing = gap.reshape(square.shape[:2]) > 0
        return square, missing, np.where(missing[..., None], first, square)

    def square(self, index: int, shape: tuple[int, int], gap: Photo | None = None) -> Square:
        """Where a sample's square lies in its picture; given a gap map, where it shows some."""
        random = generator(self.recipe.seed, index, purpose=2)
        options = self.recipe.data
        side = min(round(self.recipe.size * random.uniform(*options.scale)), *shape)
        for _ in range(TRIES):
            top, left = (int(random.integers(0, n - side + 1)) for n in shape)
            if options.crop == "centre":
                top, left = ((n - side) // 2 for n in shape)
            if gap is None:
                break
            if LEAST < gap[top : top + side, left : left + side].mean() / 255 < MOST:
                break
        return Square(top, left, side, bool(random.random() < options.flip))

    def _layers(self, index: int, layers: Sequence[Photo]) -> list[Photo]:
        """The same square of a photo's layers, of which the second is a gap map."""
        whole, size = layers[0], self.recipe.size
        gap = layers[1] if len(layers) > 1 else None
        top, left, side, mirrored = self.square(index, whole.shape[:2], gap)
        cut = [layer[top : top + side, left : left + side] for layer in layers]
        if side != size:
            how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
            cut = [np.asarray(cv2.resize(c, (size, size), interpolation=how)) for c in cut]
        return [c[:, ::-1] for c in cut] if mirrored else cut

    def batch(self, indices: Sequence[int]) -> Batch:
        """The samples of these indices."""
        if self.resident is not None:
            return self._resident_batch(self.resident, indices)
        starts = self.starts
        if starts is None:
            taken = [self._taken(index, self.photo) for index in indices]
            files, pictures = map(list, zip(*taken, strict=True))
            return assembled(pictures, [self.draw(index) for index in indices], files)
        begun = [self._taken(i, partial(self.started, starts=starts)) for i in indices]
        files = [file for file, _ in begun]
        photos, holes, firsts = zip(*(made for _, made in begun), strict=True)
        return assembled(photos, holes, files, firsts)

    def _taken(self, index: int, take: Callable[[int, str], Made]) -> tuple[str, Made]:
        """What is made of a sample's file; where that cannot be read any more, of the next one.

        A run goes on for days: one file that goes bad meanwhile must not end it.
        """
        for further in range(len(self.photos.train)):
            file = self.file(index + further)
            if file in self.photos.lost:
                continue
            try:
                return file, take(index, file)
            except TrainingError:
                if file not in self.photos.lost:
                    raise
        raise TrainingError(f"no picture of {self.photos.folder} can be read any more")

    def _resident_batch(self, resident: Resident, indices: Sequence[int]) -> Batch:
        files = [self.file(index) for index in indices]
        squares = [self.square(i, resident.shape(f)) for i, f in zip(indices, files, strict=True)]
        missing = torch.from_numpy(np.stack([self.draw(index) for index in indices]))[:, None]
        return Batch(resident.cut(files, squares, self.recipe.size), missing.float(), files)


def held_out_batches(
    photos: Photos, recipe: Recipe, draw: Draw, starts: Starts | None = None
) -> Iterator[Batch]:
    """The held-out pictures, their centre squares, each with the same hole at every validation.

    Raises:
        TrainingError: none of them can be read any more.
    """
    files = list(enumerate(photos.held_out[: recipe.validate_count], start=VALIDATION))
    empty = True
    for start in range(0, len(files), recipe.batch):
        shown = list(_readable(photos, files[start : start + recipe.batch]))
        if not shown:
            continue
        empty = False
        names = [name for _, name, _ in shown]
        squares = [_centre(picture, recipe.size) for _, _, picture in shown]
        holes = [draw(index) for index, _, _ in shown]
        firsts = None
        if starts is not None:
            parts = zip(names, squares, holes, strict=True)
            firsts = [starts.of_square(*part) for part in parts]
        yield assembled(squares, holes, names, firsts)
    if empty:
        raise TrainingError(f"no held-out picture of {photos.folder} can be read any more")


def _readable(photos: Photos, files: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, Photo]]:
    """Numbers, names and pictures, without those that cannot be read any more."""
    for index, file in files:
        if file in photos.lost:
            continue
        try:
            yield index, file, photos.picture(file)
        except TrainingError:
            continue


def _centre(photo: Photo, size: int) -> Photo:
    top, left = ((n - size) // 2 for n in photo.shape[:2])
    return photo[top : top + size, left : left + size]


def assembled(
    photos: Sequence[Photo],
    holes: Sequence[Hole],
    files: list[str],
    firsts: Sequence[Photo] | None = None,
) -> Batch:
    """Arrays as one batch of tensors."""
    missing = torch.from_numpy(np.stack(holes))[:, None]
    started = None if firsts is None else _tensor(firsts)
    return Batch(_tensor(photos), missing.float(), files, started)


def _tensor(photos: Sequence[Photo]) -> Tensor:
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255


class Prefetcher:
    """Batches by step, made by threads a few steps ahead of their use."""

    def __init__(self, make: Callable[[int], Batch], start: int, stop: int, depth: int = 3) -> None:
        self._make, self._stop, self._depth = make, stop, depth
        self._pool = ThreadPoolExecutor(max(1, depth), thread_name_prefix="batches")
        self._waiting: dict[int, Future[Batch]] = {}
        self._ask(start)

    def take(self, step: int) -> Batch:
        """The batch of a step; asks for the next ones."""
        self._ask(step)
        return self._waiting.pop(step).result()

    def close(self) -> None:
        """Drop what was asked for and wait for what is being made."""
        self._pool.shutdown(cancel_futures=True)

    def _ask(self, start: int) -> None:
        for step in range(start, min(start + self._depth + 1, self._stop)):
            if step not in self._waiting:
                self._waiting[step] = self._pool.submit(self._make, step)

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
