"""The pictures of a folder: loose files, members of shards, and streams read in one pass."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from mendpix.errors import TrainingError
from mendpix.io.formats import SUFFIXES
from mendpix.training import shards
from mendpix.training.shards import Bytes

SourceKind = Literal["file", "shard", "stream", "pipe"]


class PictureSource(NamedTuple):
    """A file with one picture or many.

    Attributes:
        name: below the folder; a picture in it is called so, or ``NAME/PICTURE``.
        stamp: size and time of the last change; a file that keeps them counts as unchanged.
            -1 and -1 for a pipe, which is never the same again.
    """

    name: str
    path: Path
    kind: SourceKind
    stamp: tuple[int, int]


class PictureItem(NamedTuple):
    """A picture's name, the source it lies in, and how to get its bytes.

    ``read`` raises OSError where it cannot be read.
    """

    file: str
    source: str
    read: Callable[[], Bytes]


@dataclass(frozen=True)
class PictureOrigin:
    """Where pictures come from: a folder tree, or one shard or pipe.

    Attributes:
        folder: what names are relative to.
        name: what cards call it.
        sources: sorted by name.
        single: whether it is one shard or pipe; what else lies in ``folder`` is another's.
    """

    folder: Path
    name: str
    sources: tuple[PictureSource, ...]
    single: bool = False

    @property
    def streams(self) -> tuple[PictureSource, ...]:
        """Those that can only be read in one pass."""
        return tuple(s for s in self.sources if s.kind in ("stream", "pipe"))

    def iterate_items(self) -> Iterator[PictureItem]:
        """Every picture, source by source."""
        for source in self.sources:
            yield from iterate_items(source)


def is_pipe(photos: Path) -> bool:
    """Whether this is a pipe, or holds one."""
    return photos.exists() and any(source.kind == "pipe" for source in find_origin(photos).sources)


def find_origin(photos: Path) -> PictureOrigin:
    """Find what lies under a folder tree, hidden files left out; or a single shard or pipe.

    Raises:
        TrainingError: there is nothing, or nothing that may be a picture.
    """
    if photos.is_fifo() and not shards.is_shard(photos):  # a shell's <(...), or /dev/stdin
        source = PictureSource("pipe", photos, "pipe", (-1, -1))
        return PictureOrigin(photos.parent, "pipe", (source,), single=True)
    if shards.is_shard(photos):
        source = _describe_source(photos.parent, photos)
        return PictureOrigin(photos.parent, photos.name, (source,), single=True)
    if not photos.is_dir():
        raise TrainingError(f"{photos} is no folder; give the folder that holds the pictures")
    paths = (path for path in _walk(photos) if _may_hold_pictures(path, photos))
    sources = tuple(sorted(_describe_source(photos, path) for path in paths))
    if not sources:
        raise TrainingError(
            f"{photos} holds no pictures ({', '.join(sorted(SUFFIXES))}); check the path"
        )
    return PictureOrigin(photos, photos.resolve().name, sources)


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder, linked folders too, each folder once."""
    seen: set[Path] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        if real in seen:  # a link to where the walk has been
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place) / file for file in files)


def list_pictures(folder: Path) -> list[str]:
    """Picture files under a folder with random access, loose or in tar shards, sorted."""
    sources = find_origin(folder).sources
    by_source = (iterate_items(source) for source in sources if source.kind in ("file", "shard"))
    return sorted(item.file for inner in by_source for item in inner)


def _may_hold_pictures(path: Path, folder: Path) -> bool:
    if any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    return (path.suffix.lower() in SUFFIXES and path.is_file()) or shards.is_shard(path)


def _describe_source(folder: Path, path: Path) -> PictureSource:
    name, status = path.relative_to(folder).as_posix(), path.stat()
    if path.is_fifo():
        return PictureSource(name, path, "pipe", (-1, -1))
    kind: SourceKind = "file"
    if shards.is_shard(path):
        kind = "stream" if shards.is_stream(path) else "shard"
    return PictureSource(name, path, kind, (status.st_size, status.st_mtime_ns))


def iterate_items(source: PictureSource) -> Iterator[PictureItem]:
    """The pictures of a source; an unreadable shard yields itself, as an item that fails."""
    if source.kind == "file":
        read = _make_reader(source.path.parent, source.path.name)
        yield PictureItem(source.name, source.name, read)
        return
    if source.kind == "shard":
        yield from _iterate_shard(source)
        return
    count = 0
    for name, data in shards.iterate_stream(source.path):
        if isinstance(data, str):
            count += 1
            yield PictureItem(source.name, source.name, _make_failure(data))
        elif _is_picture(name):
            count += 1
            yield PictureItem(f"{source.name}/{name}", source.name, _make_constant(data))
    if not count:
        yield PictureItem(source.name, source.name, _make_failure("it holds no pictures"))


def _iterate_shard(source: PictureSource) -> Iterator[PictureItem]:
    folder, shard = source.path.parent, source.path.name
    members = shards.index_members(source.path)
    if not members:
        yield PictureItem(
            source.name, source.name, _make_failure("it is no tar file that can be read")
        )
    for name in sorted(filter(_is_picture, members)):
        read = _make_reader(folder, f"{shard}/{name}")
        yield PictureItem(f"{source.name}/{name}", source.name, read)


def _is_picture(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _make_reader(folder: Path, file: str) -> Callable[[], Bytes]:
    return lambda: shards.read_bytes(folder, file)


def _make_constant(data: Bytes) -> Callable[[], Bytes]:
    return lambda: data


def _make_failure(why: str) -> Callable[[], Bytes]:
    def fail() -> Bytes:
        raise OSError(why)

    return fail
