"""The pictures of a run: which can be used, which are held out, and where decoded ones are kept."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from mendpix.errors import PictureError, TrainingError
from mendpix.training import decoding, picture_cache, shards, sources, system_memory
from mendpix.training.picture_cache import CacheEntry, PictureCache, Pixels
from mendpix.training.recipe import DataSettings, Recipe
from mendpix.training.shards import Bytes
from mendpix.training.sources import PictureItem, PictureOrigin

FindDecoded = Callable[[str], Pixels | str | None]

Result = TypeVar("Result")

READ_AHEAD = 64
"""Pictures that are decoded ahead: enough for all threads, few enough to fit memory."""


@dataclass
class PhotoSet:
    """The readable pictures of a folder, split in two.

    Attributes:
        train, held_out: files relative to ``folder``, sorted.
        skipped: what was left out, with the reason.
        lost: what could be read when the run began, and could not any more when it was needed.
        pictures: decoded ones by file, in memory or mapped from disk.
        digests: the hash of each file's bytes.
        notices: what to report about how they are kept.
    """

    folder: Path
    size: int
    options: DataSettings
    name: str = ""
    train: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Pixels] = field(default_factory=dict, repr=False)
    digests: dict[str, str] = field(default_factory=dict, repr=False)
    notices: list[str] = field(default_factory=list)

    def read(self, file: str) -> Pixels:
        """One picture ``(H, W, 3)`` uint8 RGB, short side as the recipe says.

        Raises:
            TrainingError: it could be read when the run began, and cannot be any more; it then
                stands among the ``lost`` ones.
        """
        if file in self.pictures:
            return self.pictures[file]
        picture = self._read(file)
        if isinstance(picture, str):
            self.lost[file] = picture
            raise TrainingError(f"{self.folder / file} can no longer be read: {picture}")
        return picture

    picture = read  # the name of 0.1.0; goes with 0.3

    def _read(self, file: str) -> Pixels | str:
        """The picture, or why it is left out."""
        return self.decode(lambda: shards.read_bytes(self.folder, file))[1]

    def decode(
        self, read: Callable[[], Bytes], find_decoded: FindDecoded | None = None
    ) -> tuple[str, Pixels | str]:
        """The hash of a file's bytes, and its picture, or why it is left out.

        ``find_decoded`` gives what the same bytes, by their hash, were decoded to before.
        """
        digest = ""
        try:
            data = read()
            digest = hashlib.sha256(data.data).hexdigest()
            if find_decoded is not None and (decoded := find_decoded(digest)) is not None:
                return digest, decoded
            picture, _ = decoding.decode(data, "it")
        except (OSError, PictureError, cv2.error) as problem:
            return digest, str(problem).strip().splitlines()[0]
        return digest, self._resize(picture)

    def _resize(self, photo: Pixels) -> Pixels | str:
        height, width = photo.shape[:2]
        short = min(height, width)
        wanted = self.options.short_side or self.size
        if short < self.size:
            return f"{width}x{height} is smaller than the training size {self.size}"
        if short == wanted:
            return photo
        scale = wanted / short
        shape = (max(wanted, round(width * scale)), max(wanted, round(height * scale)))
        # Area averaging where it shrinks, since cubic would alias.
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(photo, shape, interpolation=method), np.uint8)


Photos = PhotoSet
"""The name of 0.1.0, for scripts; goes with 0.3."""


def read_photos(
    folder: Path, recipe: Recipe, threads: int = 4, processes: int = 1, room: int | None = None
) -> PhotoSet:
    """Read every picture once; decode those that can be used; split them by their names' hashes.

    Args:
        folder: a folder tree, or a single tar shard or pipe.
        processes: on this machine, each of which keeps the pictures.
        room: bytes that pictures may take in memory, over all processes, before they are mapped
            from disk instead; half of what is free without it.

    Raises:
        TrainingError: the folder is missing or empty, too few pictures can be used, a stream
            cannot be kept as the recipe says, or the cache cannot be written.
    """
    origin = sources.find_origin(folder)
    photos = PhotoSet(origin.folder, recipe.size, recipe.data, origin.name)
    _check_streams(origin, recipe.data, processes)
    if room is None:
        room = round(
            (system_memory.read_available() or system_memory.NO_LIMIT) * system_memory.CACHE_SHARE
        )
    room //= processes
    with ThreadPoolExecutor(threads) as pool:
        _load(photos, origin, pool, room)
    _finish_split(photos)
    return photos


def open_shared_photos(folder: Path, recipe: Recipe) -> PhotoSet:
    """The pictures of a pipe that another process on this machine has read to the cache on disk.

    Raises:
        TrainingError: there are none.
    """
    origin = sources.find_origin(folder)
    photos = PhotoSet(origin.folder, recipe.size, recipe.data, origin.name)
    cache = PictureCache.open_valid(_find_cache_path(photos, origin))
    if cache is None:
        raise TrainingError(f"{folder} was not read on this machine")
    _add_cached(photos, cache)
    _finish_split(photos)
    return photos


def _check_streams(origin: PictureOrigin, options: DataSettings, processes: int) -> None:
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


def _load(photos: PhotoSet, origin: PictureOrigin, pool: ThreadPoolExecutor, room: int) -> None:
    """Read everything; keep it in memory, or in the cache on disk as the recipe says or needed.

    A run that was to keep pictures in memory writes those it has to disk once they are too many.
    """
    if photos.options.cache == "disk":
        _load_through_cache(photos, origin, lambda old: _iterate_entries(photos, origin, pool, old))
        return
    kept: list[CacheEntry] = []
    size, entries = 0, _iterate_entries(photos, origin, pool, None)
    for entry in entries:
        if photos.options.cache == "none":
            _add_entry(photos, entry)
            continue
        kept.append(entry)
        size += 0 if isinstance(entry.picture, str) else entry.picture.nbytes
        if size > room:
            _load_through_cache(photos, origin, lambda old: chain(kept, entries))
            photos.notices.append(
                f"decoded pictures take more than the {room / 2**30:.2g} GiB of memory that are "
                f"for them: mapped from {_find_cache_path(photos, origin)}"
            )
            return
    for entry in kept:
        _add_entry(photos, entry)


def _load_through_cache(
    photos: PhotoSet,
    origin: PictureOrigin,
    read: Callable[[PictureCache | None], Iterable[CacheEntry]],
) -> None:
    path, stamps = _find_cache_path(photos, origin), {s.name: s.stamp for s in origin.sources}
    with picture_cache.write_cache(path, stamps) as (writer, old):
        if writer is not None:
            for entry in read(old):
                writer.add(entry)
    _add_cached(photos, PictureCache(path))


def _iterate_entries(
    photos: PhotoSet, origin: PictureOrigin, pool: ThreadPoolExecutor, old: PictureCache | None
) -> Iterator[CacheEntry]:
    """Every picture once: from an older cache where its source is unchanged, else decoded."""
    stamps = {} if old is None else old.stamps
    same = {s.name for s in origin.sources if s.kind != "pipe" and stamps.get(s.name) == s.stamp}
    if old is not None:
        yield from (entry for entry in old.entries() if entry.source in same)
    rest = PictureOrigin(
        origin.folder, origin.name, tuple(s for s in origin.sources if s.name not in same)
    )
    yield from map_in_order(
        pool, lambda item: _decode_item(photos, item, old), rest.iterate_items()
    )


def _decode_item(photos: PhotoSet, item: PictureItem, old: PictureCache | None) -> CacheEntry:
    find_decoded = None if old is None else old.find_by_digest
    return CacheEntry(item.file, item.source, *photos.decode(item.read, find_decoded))


def map_in_order(
    pool: ThreadPoolExecutor, work: Callable[[PictureItem], Result], items: Iterable[PictureItem]
) -> Iterator[Result]:
    """``map`` by threads, in order, a bounded number of items ahead."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(pool.submit(work, item))
        if len(pending) >= READ_AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _find_cache_path(photos: PhotoSet, origin: PictureOrigin) -> Path:
    wanted = photos.options.short_side or photos.size
    return picture_cache.find_cache_path(
        (origin.folder.resolve(), origin.name, photos.size, wanted)
    )


def _add_cached(photos: PhotoSet, cache: PictureCache) -> None:
    for entry in cache.entries():
        _add_entry(photos, entry)


def _add_entry(photos: PhotoSet, entry: CacheEntry) -> None:
    file, picture = entry.file, entry.picture
    if isinstance(picture, str):
        photos.skipped[file] = picture
        return
    photos.digests[file] = entry.digest
    (photos.held_out if is_held_out(file, photos.options.held_out) else photos.train).append(file)
    if photos.options.cache != "none":
        photos.pictures[file] = picture


def _finish_split(photos: PhotoSet) -> None:
    """Sort the names, and refuse too few pictures.

    Raises:
        TrainingError: fewer than two pictures can be used.
    """
    photos.train.sort()
    photos.held_out.sort()
    usable, skipped = len(photos.train) + len(photos.held_out), len(photos.skipped)
    if usable < 2:
        why = next(iter(photos.skipped.items()), None)
        hint = f"; {skipped} of {usable + skipped} left out, {why[0]}: {why[1]}" if why else ""
        raise TrainingError(
            f"{photos.folder} has {usable} usable picture(s) but training needs 2 or more{hint}"
        )
    for empty, other in ((photos.train, photos.held_out), (photos.held_out, photos.train)):
        if not empty:  # few files: the hash may put all on one side
            empty.append(other.pop(0))


def is_held_out(file: str, share: float) -> bool:
    """Whether a file is for validation: by the hash of its name alone, so the split never moves."""
    digest = hashlib.sha256(os.fsencode(Path(file).name)).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64
