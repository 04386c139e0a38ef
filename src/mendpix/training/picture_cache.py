"""Decoded pictures in one file that is mapped into memory: decoded once, however often used.

The file holds the pictures' bytes one after another, then an index, then the index's length and a
mark. It is written beside its place and renamed when whole; processes that want the same one wait
for each other. A picture is taken over from an older file where its source has kept size and time,
or where the bytes it was decoded from have the same hash; the rest is decoded anew.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import TrainingError
from mendpix.weights import download

Pixels = NDArray[np.uint8]
"""``(H, W, 3)`` RGB, 8 bits a value, as pictures are kept."""
Stamps = Mapping[str, tuple[int, int]]
"""Size and time of change by source."""

MARK = b"mendpix1"
TAIL = 8 + len(MARK)


class CacheEntry(NamedTuple):
    """A picture's name, source, the hash of its file's bytes, and itself or why there is none."""

    file: str
    source: str
    digest: str
    picture: Pixels | str


class PictureCache:
    """A finished file of pictures, mapped into memory: only what is looked at is read."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(-TAIL, os.SEEK_END)
            tail = file.read(TAIL)
            if tail[8:] != MARK:
                raise ValueError(f"{path} is no file of pictures, or not whole")
            length = int.from_bytes(tail[:8], "little")
            file.seek(-TAIL - length, os.SEEK_END)
            index = json.loads(file.read(length))
        self.path = path
        self.stamps: dict[str, tuple[int, int]] = {k: tuple(v) for k, v in index["sources"].items()}
        self._rows: dict[str, list[Any]] = index["pictures"]
        self._bytes = np.asarray(np.memmap(path, np.uint8, "r"))
        self._by_digest = {row[1]: file for file, row in self._rows.items() if row[1]}

    @classmethod
    def open_valid(cls, path: Path) -> "PictureCache | None":
        """Open the file at a path; None where there is none, or none that is whole."""
        try:
            return cls(path)
        except (OSError, ValueError, KeyError):
            return None

    def entries(self) -> Iterator[CacheEntry]:
        """Everything in it, without copying a picture."""
        for file, (source, digest, *_) in self._rows.items():
            yield CacheEntry(file, source, digest, self.read(file))

    def read(self, file: str) -> Pixels | str:
        """A picture ``(H, W, 3)`` uint8, read-only; or why there is none."""
        _, _, place, *more = self._rows[file]
        if isinstance(place, str):
            return place
        height, width = more
        return self._bytes[place : place + 3 * height * width].reshape(height, width, 3)

    def find_by_digest(self, digest: str) -> Pixels | str | None:
        """What was decoded from bytes with this hash before, if anything was."""
        file = self._by_digest.get(digest)
        return None if file is None else self.read(file)


class CacheWriter:
    """Writes a file of pictures: one after another, then the index."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rows: dict[str, list[Any]] = {}
        self._end = 0

    def add(self, entry: CacheEntry) -> None:
        """Append a picture."""
        picture = entry.picture
        if isinstance(picture, str):
            self._rows[entry.file] = [entry.source, entry.digest, picture]
            return
        height, width, _ = picture.shape
        self._rows[entry.file] = [entry.source, entry.digest, self._end, height, width]
        self._file.write(np.ascontiguousarray(picture).data)
        self._end += picture.size

    def finish(self, stamps: Stamps) -> None:
        """Append the index, which makes the file whole."""
        index = json.dumps({"sources": dict(stamps), "pictures": self._rows}).encode()
        self._file.write(index + len(index).to_bytes(8, "little") + MARK)
        self._file.flush()
        os.fsync(self._file.fileno())


def find_cache_path(parts: Sequence[object]) -> Path:
    """The file for pictures that these parts identify: their folder, the sizes they are kept in."""
    key = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:20]
    return download.cache_folder() / "pictures" / f"{key}.bin"


@contextmanager
def write_cache(
    path: Path, stamps: Stamps
) -> Iterator[tuple[CacheWriter | None, PictureCache | None]]:
    """A writer, and the older file to take over from, which it replaces where the body succeeds.

    The writer is None where the older file is current, perhaps written by another process that
    was waited for. The partial file has a fixed name: it carries the lock, and what a killed
    process leaves, which may be gigabytes, is overwritten by the next one.

    Raises:
        TrainingError: the folder cannot be written, or is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with download.lock_part(path.with_suffix(".part")) as part:
            old = PictureCache.open_valid(path)
            if old is not None and _is_current(old, stamps):
                yield None, old
                return
            try:
                with part.open("wb") as file:
                    writer = CacheWriter(file)
                    yield writer, old
                    writer.finish(stamps)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as problem:
        raise TrainingError(
            f"decoded pictures cannot be kept in {path.parent}: {problem.strerror or problem}; "
            f"make room, name another folder in {download.HOME}, or set data.cache to 'none'"
        ) from None


def _is_current(old: PictureCache, stamps: Stamps) -> bool:
    """Whether every source is as it was; a pipe never is."""
    return old.stamps == dict(stamps) and (-1, -1) not in stamps.values()
