"""The pictures of a run: which can be used, which are held out, and where decoded ones are kept."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from mendpix.errors import TrainingError
from mendpix.training import picture_cache, shards, sources, system_memory
from mendpix.training.picture_cache import Cache, Entry, Photo
from mendpix.training.recipe import Data, Recipe
from mendpix.training.shards import Bytes
from mendpix.training.sources import Item, Origin

Known = Callable[[str], Photo | str | None]

Made = TypeVar("Made")

WAITING = 64
"""Pictures that are read ahead of the one that is kept next."""


@dataclass
class Photos:
    """The readable pictures of a folder, split in two.

    Attributes:
        train, held_out: files relative to ``folder``, sorted.
        skipped: what was left out, with the reason.
        lost: what could be read when the run began, and could not any more when it was needed.
        pictures: decoded ones by file, in memory or mapped from disk.
        digests: the hash of each file's bytes.
        words: what to say about how they are kept.
    """

    folder: Path
    size: int
    options: Data
    name: str = ""
    train: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Photo] = field(default_factory=dict, repr=False)
    digests: dict[str, str] = field(default_factory=dict, repr=False)
    words: list[str] = field(default_factory=list)

    def picture(self, file: str) -> Photo:
        """One picture ``(H, W, 3)`` uint8 RGB, short side as the recipe says.

        Raises:
            TrainingError: it could be read when the run began, and cannot be any more; it then
                stands among the ``lost`` ones.
        """
        if file in self.pictures:
            return self.pictures[file]
        found = self._read(file)
        if isinstance(found, str):
            self.lost[file] = found
            raise TrainingError(f"{self.folder / file} can no longer be read: {found}")
        return found

    def _read(self, file: str) -> Photo | str:
        """The picture, or why it is left out."""
        return self.decoded(lambda: shards.content(self.folder, file))[1]

    def decoded(
        self, content: Callable[[], Bytes], known: Known | None = None
    ) -> tuple[str, Photo | str]:
        """The hash of a file's bytes, and its picture, or why it is left out.

        ``known`` is asked for what the same bytes came to before.
        """
        digest = ""
        try:
            data = content()
            digest = hashlib.sha256(data.data).hexdigest()
            before = known(digest) if known is not None else None
            if before is not None:
                return digest, before
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
        except (OSError, cv2.error) as problem:
            return digest, str(problem).strip().splitlines()[0]
        if picture is None:
            return digest, "no picture that can be decoded"
        return digest, self._resized(np.asarray(picture, np.uint8))

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


def gather(
    folder: Path, recipe: Recipe, threads: int = 4, processes: int = 1, room: int | None = None
) -> Photos:
    """Every readable picture, decoded once, split by the hash of its file name.

    Args:
        folder: a folder tree, or a single tar shard or pipe.
        processes: on this machine, each of which keeps the pictures.
        room: bytes that pictures may take in memory, over all processes, before they are mapped
            from disk instead; half of what is free without it.

    Raises:
        TrainingError: the folder is missing or empty, too few pictures can be used, a stream
            cannot be kept as the recipe says, or the cache cannot be written.
    """
    origin = sources.origin(folder)
    photos = Photos(origin.folder, recipe.size, recipe.data, origin.name)
    _check_streams(origin, recipe.data, processes)
    if room is None:
        room = round((system_memory.available() or system_memory.NO_LIMIT) * system_memory.SHARE)
    room //= processes
    with ThreadPoolExecutor(threads) as pool:
        _keep(photos, origin, pool, room)
    _settle(photos)
    return photos


def shared(folder: Path, recipe: Recipe) -> Photos:
    """The pictures of a pipe that another process on this machine has read to the cache on disk.

    Raises:
        TrainingError: there are none.
    """
    origin = sources.origin(folder)
    photos = Photos(origin.folder, recipe.size, recipe.data, origin.name)
    kept = Cache.opened(_cache_path(photos, origin))
    if kept is None:
        raise TrainingError(f"{folder} was not read on this machine")
    _adopt(photos, kept)
    _settle(photos)
    return photos


def _check_streams(origin: Origin, options: Data, processes: int) -> None:
    if not origin.streams:
        return
    first = origin.streams[0]
    if options.cache == "none":
        raise TrainingError(
            f"{first.name} can only be read from its beginning to its end, so its pictures must be "
            "kept: set data.cache to 'ram' or 'disk', or unpack it to a plain .tar"
        )
    if processes > 1 and options.cache != "disk" and any(s.kind == "pipe" for s in origin.streams):
        raise TrainingError(
            f"{first.name} is a pipe that one process alone can read, but there are {processes}; "
            "set data.cache to 'disk', which they share"
        )


def _keep(photos: Photos, origin: Origin, pool: ThreadPoolExecutor, room: int) -> None:
    """Read everything; keep it in memory, or in the cache on disk where that is wished or needed.

    A run that was to keep pictures in memory writes those it has to disk once they are too many.
    """
    if photos.options.cache == "disk":
        _keep_on_disk(photos, origin, lambda old: _entries(photos, origin, pool, old))
        return
    held: list[Entry] = []
    taken, coming = 0, _entries(photos, origin, pool, None)
    for entry in coming:
        if photos.options.cache == "none":
            _sort_in(photos, entry)
            continue
        held.append(entry)
        taken += 0 if isinstance(entry.found, str) else entry.found.nbytes
        if taken > room:
            _keep_on_disk(photos, origin, lambda old: chain(held, coming))
            photos.words.append(
                f"decoded pictures take more than the {room / 2**30:.2g} GiB of memory that are "
                f"for them: mapped from {_cache_path(photos, origin)}"
            )
            return
    for entry in held:
        _sort_in(photos, entry)


def _keep_on_disk(
    photos: Photos, origin: Origin, read: Callable[[Cache | None], Iterable[Entry]]
) -> None:
    path, stamps = _cache_path(photos, origin), {s.name: s.stamp for s in origin.sources}
    with picture_cache.writing(path, stamps) as (draft, old):
        if draft is not None:
            for entry in read(old):
                draft.add(entry)
    _adopt(photos, Cache(path))


def _entries(
    photos: Photos, origin: Origin, pool: ThreadPoolExecutor, old: Cache | None
) -> Iterator[Entry]:
    """Every picture once: from an older cache where its source is unchanged, else decoded."""
    stamps = {} if old is None else old.stamps
    same = {s.name for s in origin.sources if s.kind != "pipe" and stamps.get(s.name) == s.stamp}
    if old is not None:
        yield from (entry for entry in old.entries() if entry.source in same)
    rest = Origin(
        origin.folder, origin.name, tuple(s for s in origin.sources if s.name not in same)
    )
    yield from in_order(pool, lambda item: _entry(photos, item, old), rest.items())


def _entry(photos: Photos, item: Item, old: Cache | None) -> Entry:
    known = None if old is None else old.of_digest
    return Entry(item.file, item.source, *photos.decoded(item.content, known))


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], Made], items: Iterable[Item]
) -> Iterator[Made]:
    """Work done by threads on what comes, a bounded number ahead, given back in order."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= WAITING:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _cache_path(photos: Photos, origin: Origin) -> Path:
    wanted = photos.options.short_side or photos.size
    return picture_cache.path_of((origin.folder.resolve(), origin.name, photos.size, wanted))


def _adopt(photos: Photos, kept: Cache) -> None:
    for entry in kept.entries():
        _sort_in(photos, entry)


def _sort_in(photos: Photos, entry: Entry) -> None:
    file, found = entry.file, entry.found
    if isinstance(found, str):
        photos.skipped[file] = found
        return
    photos.digests[file] = entry.digest
    (photos.held_out if is_held_out(file, photos.options.held_out) else photos.train).append(file)
    if photos.options.cache != "none":
        photos.pictures[file] = found


def _settle(photos: Photos) -> None:
    """Sort the names, and refuse what is too little.

    Raises:
        TrainingError: fewer than two pictures can be used.
    """
    photos.train.sort()
    photos.held_out.sort()
    usable, left = len(photos.train) + len(photos.held_out), len(photos.skipped)
    if usable < 2:
        why = next(iter(photos.skipped.items()), None)
        hint = f"; {left} of {usable + left} left out, {why[0]}: {why[1]}" if why else ""
        raise TrainingError(
            f"{photos.folder} has {usable} usable picture(s) but training needs 2 or more{hint}"
        )
    for short, other in ((photos.train, photos.held_out), (photos.held_out, photos.train)):
        if not short:  # few files: the hash may put all on one side
            short.append(other.pop(0))


def is_held_out(file: str, share: float) -> bool:
    """Whether a file is for validation: by the hash of its name alone, so the split never moves."""
    digest = hashlib.sha256(Path(file).name.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64
