"""From a folder of pictures to training samples, each a pure function of (seed, sample index).

Nothing here keeps a position: sample 12,345 of a run is the same whether the run was stopped
before it, runs on one process or on two, or is asked for it twice. So resuming needs the step
alone.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mendpix.errors import TrainingError
from mendpix.training import shards
from mendpix.training.recipe import Data, Recipe
from mendpix.training.starts import Starts

Photo = NDArray[np.uint8]
Hole = NDArray[np.bool_]
Draw = Callable[[int], Hole]
"""A hole for a sample index."""

SUFFIXES = {".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
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


@dataclass
class Photos:
    """The readable pictures of a folder, split in two.

    Attributes:
        train, held_out: files relative to ``folder``, sorted.
        skipped: what was left out, with the reason.
        licences: by file, where a ``manifest.csv`` lies in the folder.
    """

    folder: Path
    size: int
    options: Data
    train: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Photo] = field(default_factory=dict, repr=False)

    def picture(self, file: str) -> Photo:
        """One picture ``(H, W, 3)`` uint8 RGB, short side as the recipe says.

        Raises:
            TrainingError: it could be read when the run began, and cannot be any more.
        """
        if file in self.pictures:
            return self.pictures[file]
        found = self._read(file)
        if isinstance(found, str):
            raise TrainingError(f"{self.folder / file} can no longer be read: {found}")
        return found

    def _read(self, file: str) -> Photo | str:
        """The picture, or why it is left out."""
        try:
            data = shards.content(self.folder, file)
            decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
        except (OSError, cv2.error) as problem:
            return str(problem).strip().splitlines()[0]
        if decoded is None:
            return "no picture that can be decoded"
        return self._resized(np.asarray(decoded, np.uint8))

    def _resized(self, photo: Photo) -> Photo | str:
        height, width = photo.shape[:2]
        short = min(height, width)
        wanted = self.options.short_side or self.size
        if short < self.size:
            return f"{width}x{height} is smaller than the training size {self.size}"
        if short == wanted:
            return photo
        scale = wanted / short
        shape = (max(wanted, round(width * scale)), max(wanted, round(height * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(photo, shape, interpolation=how), np.uint8)


def gather(folder: Path, recipe: Recipe, threads: int = 4) -> Photos:
    """Every readable picture under a folder, decoded once, split by the hash of its file name.

    Raises:
        TrainingError: the folder is missing or empty, or too few pictures can be used.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder} is no folder; give the folder that holds the pictures")
    files = found(folder)
    if not files:
        raise TrainingError(
            f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))}); check the path"
        )
    photos = Photos(folder, recipe.size, recipe.data, licences=licences(folder))
    with ThreadPoolExecutor(threads) as pool:
        for file, read in zip(files, pool.map(photos._read, files), strict=True):
            _sort_in(photos, file, read)
    _check_enough(photos, len(files))
    return photos


def _sort_in(photos: Photos, file: str, read: Photo | str) -> None:
    if isinstance(read, str):
        photos.skipped[file] = read
        return
    if photos.options.cache == "ram":
        photos.pictures[file] = read
    kept = photos.held_out if is_held_out(file, photos.options.held_out) else photos.train
    kept.append(file)


def _check_enough(photos: Photos, count: int) -> None:
    usable = len(photos.train) + len(photos.held_out)
    if usable < 2:
        why = next(iter(photos.skipped.items()), None)
        hint = f"; {len(photos.skipped)} of {count} left out, {why[0]}: {why[1]}" if why else ""
        raise TrainingError(
            f"{photos.folder} has {usable} usable picture(s) but training needs 2 or more{hint}"
        )
    for short, other in ((photos.train, photos.held_out), (photos.held_out, photos.train)):
        if not short:  # few files: the hash may put all on one side
            short.append(other.pop(0))


def found(folder: Path) -> list[str]:
    """Picture files under a folder, loose or in tar shards, hidden ones left out, sorted."""
    files = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    relative = (p.relative_to(folder) for p in files)
    loose = [p.as_posix() for p in relative if not any(n.startswith(".") for n in p.parts)]
    return sorted([*loose, *shards.listed(folder, SUFFIXES)])


def is_held_out(file: str, share: float) -> bool:
    """Whether a file is for validation: by the hash of its name alone, so the split never moves."""
    digest = hashlib.sha256(Path(file).name.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def licences(folder: Path) -> dict[str, str]:
    """Licence by file from the folder's ``manifest.csv`` (columns ``file`` and ``licence``)."""
    path = folder / "manifest.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        return {r["file"]: r["licence"] for r in rows if r.get("file") and r.get("licence")}


def generator(seed: int, index: int, purpose: int = 0) -> np.random.Generator:
    """Random numbers for one sample and one purpose, independent of every other's."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, index]))


class Samples:
    """Training samples by index: the file (each once per epoch), its square, flip and hole."""

    def __init__(
        self, photos: Photos, recipe: Recipe, draw: Draw, starts: Starts | None = None
    ) -> None:
        self.photos, self.recipe, self.draw, self.starts = photos, recipe, draw, starts
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
        return sorted({self.file(index) for index in range(count)})

    def photo(self, index: int, file: str) -> Photo:
        """The sample's square ``(size, size, 3)``."""
        return self._squares(index, [self.photos.picture(file)])[0]

    def started(self, index: int, file: str, starts: Starts) -> tuple[Photo, Hole, Photo]:
        """The sample's square, its hole, and the square with that hole filled first."""
        whole = self.photos.picture(file)
        filled, hole = starts.of(file, whole, index // len(self.photos.train))
        square, gap, first = self._squares(
            index, [whole, hole.astype(np.uint8)[..., None] * 255, filled]
        )
        missing = gap.reshape(square.shape[:2]) > 0
        return square, missing, np.where(missing[..., None], first, square)

    def _squares(self, index: int, layers: Sequence[Photo]) -> list[Photo]:
        """The same square of a photo's layers; with a hole among them, one that shows some."""
        random = generator(self.recipe.seed, index, purpose=2)
        options, size, shape = self.recipe.data, self.recipe.size, layers[0].shape[:2]
        side = min(round(size * random.uniform(*options.scale)), *shape)
        for _ in range(TRIES):
            top, left = (random.integers(0, n - side + 1) for n in shape)
            if options.crop == "centre":
                top, left = ((n - side) // 2 for n in shape)
            cut = [layer[top : top + side, left : left + side] for layer in layers]
            if len(cut) == 1 or LEAST < cut[1].mean() / 255 < MOST:
                break
        if side != size:
            how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
            cut = [np.asarray(cv2.resize(c, (size, size), interpolation=how)) for c in cut]
        flipped = random.random() < options.flip
        return [c[:, ::-1] for c in cut] if flipped else cut

    def batch(self, indices: Sequence[int]) -> Batch:
        """The samples of these indices."""
        files = [self.file(index) for index in indices]
        pairs = list(zip(indices, files, strict=True))
        if self.starts is None:
            pictures = [self.photo(index, file) for index, file in pairs]
            return assembled(pictures, [self.draw(index) for index in indices], files)
        made = [self.started(index, file, self.starts) for index, file in pairs]
        photos, holes, firsts = zip(*made, strict=True)
        return assembled(photos, holes, files, firsts)


def held_out_batches(
    photos: Photos, recipe: Recipe, draw: Draw, starts: Starts | None = None
) -> Iterator[Batch]:
    """The held-out pictures, their centre squares, each with the same hole at every validation."""
    files = photos.held_out[: recipe.validate_count]
    for start in range(0, len(files), recipe.batch):
        names = files[start : start + recipe.batch]
        squares = [_centre(photos.picture(name), recipe.size) for name in names]
        places = range(VALIDATION + start, VALIDATION + start + len(names))
        holes = [draw(index) for index in places]
        firsts = None
        if starts is not None:
            parts = zip(names, squares, holes, strict=True)
            firsts = [starts.of_square(*part) for part in parts]
        yield assembled(squares, holes, names, firsts)


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


class Ahead:
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

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
