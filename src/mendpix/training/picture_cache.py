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

Photo = NDArray[np.uint8]
Stamps = Mapping[str, tuple[int, int]]
"""Size and time of change by source."""

MARK = b"mendpix1"
TAIL = 8 + len(MARK)


class Entry(NamedTuple):
    """A picture's name, its source, the hash of its file's bytes, and the picture or why not."""

    file: str
    source: str
    digest: str
    found: Photo | str


class Cache:
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
    def opened(cls, path: Path) -> "Cache | None":
        """The file at a path; None where there is none, or none that is whole."""
        try:
            return cls(path)
        except (OSError, ValueError, KeyError):
            return None

    def entries(self) -> Iterator[Entry]:
        """All that it holds."""
        for file, (source, digest, *_) in self._rows.items():
            yield Entry(file, source, digest, self.found(file))

    def found(self, file: str) -> Photo | str:
        """A picture ``(H, W, 3)`` uint8, read-only; or why there is none."""
        _, _, place, *more = self._rows[file]
        if isinstance(place, str):
            return place
        height, width = more
        return self._bytes[place : place + 3 * height * width].reshape(height, width, 3)

    def of_digest(self, digest: str) -> Photo | str | None:
        """What was decoded from bytes with this hash before, if anything was."""
        file = self._by_digest.get(digest)
        return None if file is None else self.found(file)


class Draft:
    """A file of pictures while it is written."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self.path = file, path
        self._rows: dict[str, list[Any]] = {}
        self._end = 0

    def add(self, entry: Entry) -> None:
        """Write a picture behind the others."""
        found = entry.found
        if isinstance(found, str):
            self._rows[entry.file] = [entry.source, entry.digest, found]
            return
        height, width, _ = found.shape
        self._rows[entry.file] = [entry.source, entry.digest, self._end, height, width]
        self._file.write(np.ascontiguousarray(found).data)
        self._end += found.size

    def finish(self, stamps: Stamps) -> None:
        """Write the index: now the file is whole."""
        index = json.dumps({"sources": dict(stamps), "pictures": self._rows}).encode()
        self._file.write(index + len(index).to_bytes(8, "little") + MARK)
        self._file.flush()
        os.fsync(self._file.fileno())


def path_of(parts: Sequence[object]) -> Path:
    """Where the pictures lie that these parts name: the folder, the sizes they are kept in."""
    key = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:20]
    return download.home() / "pictures" / f"{key}.bin"


@contextmanager
def writing(path: Path, stamps: Stamps) -> Iterator[tuple[Draft | None, Cache | None]]:
    """A draft to write, and the older file to take over from; renamed where the body succeeds.

    The draft is None where the older file is as wanted, perhaps by another process that was
    waited for.

    Raises:
        TrainingError: the folder cannot be written, or is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with download.held(path.with_suffix(".part")) as part:
            old = Cache.opened(path)
            if old is not None and _is_current(old, stamps):
                yield None, old
                return
            try:
                with part.open("wb") as file:
                    draft = Draft(file, path)
                    yield draft, old
                    draft.finish(stamps)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as problem:
        raise TrainingError(
            f"decoded pictures cannot be kept in {path.parent}: {problem.strerror or problem}; "
            f"make room, name another folder in {download.HOME}, or set data.cache to 'none'"
        ) from None


def _is_current(old: Cache, stamps: Stamps) -> bool:
    """Whether every source is as it was; a pipe never is."""
    return old.stamps == dict(stamps) and (-1, -1) not in stamps.values()
