"""Training samples from pictures, each a pure function of (seed, sample index).

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
from mendpix.training.device_cache import CropSquare, DevicePictures
from mendpix.training.initial_fills import InitialFills
from mendpix.training.photos import PhotoSet
from mendpix.training.picture_cache import Pixels
from mendpix.training.recipe import Recipe
from mendpix.types import Hole

HoleSampler = Callable[[int], Hole]
"""A hole for a sample index."""

Result = TypeVar("Result")

VALIDATION = 1 << 40
"""Sample indices of held-out pictures begin here, far from those of training."""

TRIES, MIN_MISSING, MAX_MISSING = 8, 0.03, 0.7
"""A square of a photo that has its hole already: places tried, and the share that may be missing.

Below it there is nothing to learn, above it nothing to learn from.
"""


class Batch(NamedTuple):
    """Pictures of one step on one process: ``(N, 3, H, W)`` in [0, 1], ``(N, 1, H, W)``, files.

    ``initial_fill`` is the photo with its hole filled, where the network refines such a fill.
    """

    photo: Tensor
    hole: Tensor
    files: list[str]
    initial_fill: Tensor | None = None

    @property
    def network_input(self) -> Tensor:
        """The picture that the network is given beside the hole."""
        return self.photo if self.initial_fill is None else self.initial_fill

    def select(self, places: slice) -> "Batch":
        """Some of its pictures."""
        fill = None if self.initial_fill is None else self.initial_fill[places]
        return Batch(self.photo[places], self.hole[places], self.files[places], fill)


def make_generator(seed: int, index: int, purpose: int = 0) -> np.random.Generator:
    """Random numbers for one sample and one purpose, independent of every other's.

    Philox is counter-based: streams with different keys or counters never meet.
    """
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, index]))


class Samples:
    """Training samples by index: the file (each once per epoch), its square, flip and hole.

    Args:
        sample_hole: draws a sample's hole.
        initial_fills: for networks that refine one.
        on_device: the pictures on the accelerator, where they are kept there.
    """

    def __init__(
        self,
        photos: PhotoSet,
        recipe: Recipe,
        sample_hole: HoleSampler,
        initial_fills: InitialFills | None = None,
        on_device: DevicePictures | None = None,
    ) -> None:
        self.photos, self.recipe, self.sample_hole = photos, recipe, sample_hole
        self.initial_fills, self.on_device = initial_fills, on_device
        self._epoch: tuple[int, list[int]] = (-1, [])

    def get_file(self, index: int) -> str:
        """The file of a sample."""
        files = self.photos.train
        epoch, place = divmod(index, len(files))
        known, order = self._epoch  # read once: other threads may be in another epoch
        if known != epoch:
            random = make_generator(self.recipe.seed, epoch, purpose=1)
            order = random.permutation(len(files)).tolist()
            self._epoch = (epoch, order)
        return files[order[place]]

    def list_files_read(self, steps: int) -> list[str]:
        """The files that so many steps have learned from, sorted."""
        count = min(steps * self.recipe.batch, len(self.photos.train))
        files = {self.get_file(index) for index in range(count)}
        return sorted(files - self.photos.lost.keys())

    def cut_photo(self, index: int, file: str) -> Pixels:
        """The sample's square ``(size, size, 3)``."""
        return self._cut_layers(index, [self.photos.read(file)])[0]

    def cut_filled(self, index: int, file: str, fills: InitialFills) -> tuple[Pixels, Hole, Pixels]:
        """The sample's square, its hole, and the square with that hole filled initially."""
        photo = self.photos.read(file)
        filled, hole = fills.fill_photo(file, photo, index // len(self.photos.train))
        hole_map = hole.astype(np.uint8)[..., None] * 255
        square, hole_square, fill = self._cut_layers(index, [photo, hole_map, filled])
        missing = hole_square.reshape(square.shape[:2]) > 0
        # Resizing blurs the fill into its surroundings: known pixels are the photo's own.
        return square, missing, np.where(missing[..., None], fill, square)

    def choose_square(
        self, index: int, shape: tuple[int, int], hole_map: Pixels | None = None
    ) -> CropSquare:
        """Where a sample's square lies in its picture; given a hole map, where it shows some."""
        random = make_generator(self.recipe.seed, index, purpose=2)
        options = self.recipe.data
        side = min(round(self.recipe.size * random.uniform(*options.scale)), *shape)
        for _ in range(TRIES):
            top, left = (int(random.integers(0, n - side + 1)) for n in shape)
            if options.crop == "centre":
                top, left = ((n - side) // 2 for n in shape)
            if hole_map is None:
                break
            missing = hole_map[top : top + side, left : left + side].mean() / 255
            if MIN_MISSING < missing < MAX_MISSING:
                break
        return CropSquare(top, left, side, bool(random.random() < options.flip))

    def _cut_layers(self, index: int, layers: Sequence[Pixels]) -> list[Pixels]:
        """The same square of a photo's layers, of which the second is a hole map."""
        photo, size = layers[0], self.recipe.size
        hole_map = layers[1] if len(layers) > 1 else None
        top, left, side, mirrored = self.choose_square(index, photo.shape[:2], hole_map)
        cut = [layer[top : top + side, left : left + side] for layer in layers]
        if side != size:
            method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
            cut = [np.asarray(cv2.resize(c, (size, size), interpolation=method)) for c in cut]
        return [c[:, ::-1] for c in cut] if mirrored else cut

    def load_batch(self, indices: Sequence[int]) -> Batch:
        """The samples of these indices."""
        if self.on_device is not None:
            return self._cut_on_device(self.on_device, indices)
        fills = self.initial_fills
        if fills is None:
            pairs = [self._read_or_replace(index, self.cut_photo) for index in indices]
            files, squares = map(list, zip(*pairs, strict=True))
            return collate(squares, [self.sample_hole(index) for index in indices], files)
        cut = partial(self.cut_filled, fills=fills)
        samples = [self._read_or_replace(index, cut) for index in indices]
        photos, holes, filled = zip(*(sample for _, sample in samples), strict=True)
        return collate(photos, holes, [file for file, _ in samples], filled)

    def _read_or_replace(
        self, index: int, read: Callable[[int, str], Result]
    ) -> tuple[str, Result]:
        """What is read of a sample's file; where that can no longer be read, of the next one.

        A run goes on for days: one file that goes bad meanwhile must not end it.
        """
        for offset in range(len(self.photos.train)):
            file = self.get_file(index + offset)
            if file in self.photos.lost:
                continue
            try:
                return file, read(index, file)
            except TrainingError:
                if file not in self.photos.lost:
                    raise
        raise TrainingError(f"no picture of {self.photos.folder} can be read any more")

    def _cut_on_device(self, pictures: DevicePictures, indices: Sequence[int]) -> Batch:
        files = [self.get_file(index) for index in indices]
        squares = [
            self.choose_square(index, pictures.shape(file))
            for index, file in zip(indices, files, strict=True)
        ]
        holes = torch.from_numpy(np.stack([self.sample_hole(index) for index in indices]))
        photo = pictures.cut(files, squares, self.recipe.size)
        return Batch(photo, holes[:, None].float(), files)


def iterate_held_out(
    photos: PhotoSet,
    recipe: Recipe,
    sample_hole: HoleSampler,
    initial_fills: InitialFills | None = None,
) -> Iterator[Batch]:
    """The held-out pictures, their centre squares, each with the same hole at every validation.

    Raises:
        TrainingError: none of them can be read any more.
    """
    files = list(enumerate(photos.held_out[: recipe.validate_count], start=VALIDATION))
    is_empty = True
    for start in range(0, len(files), recipe.batch):
        readable = list(_read_available(photos, files[start : start + recipe.batch]))
        if not readable:
            continue
        is_empty = False
        names = [name for _, name, _ in readable]
        squares = [_cut_centre(picture, recipe.size) for _, _, picture in readable]
        holes = [sample_hole(index) for index, _, _ in readable]
        filled = None
        if initial_fills is not None:
            parts = zip(names, squares, holes, strict=True)
            filled = [initial_fills.fill_square(*part) for part in parts]
        yield collate(squares, holes, names, filled)
    if is_empty:
        raise TrainingError(f"no held-out picture of {photos.folder} can be read any more")


def _read_available(
    photos: PhotoSet, files: Sequence[tuple[int, str]]
) -> Iterator[tuple[int, str, Pixels]]:
    """Numbers, names and pictures, without those that cannot be read any more."""
    for index, file in files:
        if file in photos.lost:
            continue
        try:
            yield index, file, photos.read(file)
        except TrainingError:
            continue


def _cut_centre(photo: Pixels, size: int) -> Pixels:
    top, left = ((n - size) // 2 for n in photo.shape[:2])
    return photo[top : top + size, left : left + size]


def collate(
    photos: Sequence[Pixels],
    holes: Sequence[Hole],
    files: list[str],
    filled: Sequence[Pixels] | None = None,
) -> Batch:
    """Arrays as one batch of tensors."""
    missing = torch.from_numpy(np.stack(holes))[:, None]
    initial_fill = None if filled is None else _to_tensor(filled)
    return Batch(_to_tensor(photos), missing.float(), files, initial_fill)


def _to_tensor(photos: Sequence[Pixels]) -> Tensor:
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255


class Prefetcher:
    """Loads batches in threads, a few steps ahead of their use."""

    def __init__(self, load: Callable[[int], Batch], start: int, stop: int, depth: int = 3) -> None:
        self._load, self._stop, self._depth = load, stop, depth
        self._pool = ThreadPoolExecutor(max(1, depth), thread_name_prefix="batches")
        self._pending: dict[int, Future[Batch]] = {}
        self._submit(start)

    def take(self, step: int) -> Batch:
        """The batch of a step; asks for the next ones."""
        self._submit(step)
        return self._pending.pop(step).result()

    def close(self) -> None:
        """Drop what was asked for and wait for what is being loaded."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, start: int) -> None:
        for step in range(start, min(start + self._depth + 1, self._stop)):
            if step not in self._pending:
                self._pending[step] = self._pool.submit(self._load, step)

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
