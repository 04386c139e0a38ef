"""What a folder of pictures is made of: loose files, shards, and streams read in one pass."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from mendpix.errors import TrainingError
from mendpix.training import shards
from mendpix.training.shards import Bytes

SUFFIXES = {".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

Kind = Literal["file", "shard", "stream", "pipe"]


class Source(NamedTuple):
    """A file with one picture or many.

    Attributes:
        name: below the folder; a picture in it is called so, or ``NAME/PICTURE``.
        stamp: size and time of the last change; a file that keeps them is taken for unchanged.
            Of a pipe, which is never the same again, -1 and -1.
    """

    name: str
    path: Path
    kind: Kind
    stamp: tuple[int, int]


class Item(NamedTuple):
    """A picture's name, the source it lies in, and how to get its bytes.

    ``content`` raises OSError where it cannot be read.
    """

    file: str
    source: str
    content: Callable[[], Bytes]


@dataclass(frozen=True)
class Origin:
    """Where pictures come from: a folder tree, or one shard or pipe.

    Attributes:
        folder: what names are relative to.
        name: what cards call it.
        sources: sorted by name.
        single: whether it is one shard or pipe; what else lies in ``folder`` is another's.
    """

    folder: Path
    name: str
    sources: tuple[Source, ...]
    single: bool = False

    @property
    def streams(self) -> tuple[Source, ...]:
        """Those that can only be read in one pass."""
        return tuple(s for s in self.sources if s.kind in ("stream", "pipe"))

    def items(self) -> Iterator[Item]:
        """Every picture, source by source."""
        for source in self.sources:
            yield from items(source)


def is_pipe(photos: Path) -> bool:
    """Whether this is a pipe, or holds one."""
    return photos.exists() and any(source.kind == "pipe" for source in origin(photos).sources)


def origin(photos: Path) -> Origin:
    """What lies under a folder tree, hidden files left out; or a single shard or pipe.

    Raises:
        TrainingError: there is nothing, or nothing that may be a picture.
    """
    if photos.is_fifo() and not shards.is_shard(photos):  # a shell's <(...), or /dev/stdin
        return Origin(photos.parent, "pipe", (Source("pipe", photos, "pipe", (-1, -1)),), True)
    if shards.is_shard(photos):
        return Origin(photos.parent, photos.name, (_source(photos.parent, photos),), True)
    if not photos.is_dir():
        raise TrainingError(f"{photos} is no folder; give the folder that holds the pictures")
    found = (p for p in photos.rglob("*") if _may_hold_pictures(p, photos))
    sources = tuple(sorted(_source(photos, path) for path in found))
    if not sources:
        raise TrainingError(
            f"{photos} holds no pictures ({', '.join(sorted(SUFFIXES))}); check the path"
        )
    return Origin(photos, photos.resolve().name, sources)


def found(folder: Path) -> list[str]:
    """Picture files under a folder that can be read by place, loose or in tar shards, sorted."""
    sources = origin(folder).sources
    listed = (items(source) for source in sources if source.kind in ("file", "shard"))
    return sorted(item.file for inner in listed for item in inner)


def _may_hold_pictures(path: Path, folder: Path) -> bool:
    if any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    return (path.suffix.lower() in SUFFIXES and path.is_file()) or shards.is_shard(path)


def _source(folder: Path, path: Path) -> Source:
    name, about = path.relative_to(folder).as_posix(), path.stat()
    if path.is_fifo():
        return Source(name, path, "pipe", (-1, -1))
    kind: Kind = "file"
    if shards.is_shard(path):
        kind = "stream" if shards.is_stream(path) else "shard"
    return Source(name, path, kind, (about.st_size, about.st_mtime_ns))


def items(source: Source) -> Iterator[Item]:
    """The pictures of a source. One of which nothing can be read is named itself, and fails."""
    if source.kind == "file":
        yield Item(source.name, source.name, _at(source.path.parent, source.path.name))
        return
    if source.kind == "shard":
        yield from _placed(source)
        return
    count = 0
    for name, data in shards.passed(source.path):
        if isinstance(data, str):
            count += 1
            yield Item(source.name, source.name, _failing(data))
        elif _is_picture(name):
            count += 1
            yield Item(f"{source.name}/{name}", source.name, _ready(data))
    if not count:
        yield Item(source.name, source.name, _failing("it holds no pictures"))


def _placed(source: Source) -> Iterable[Item]:
    folder, inside = source.path.parent, source.path.name
    names = sorted(name for name in shards.places(source.path) if _is_picture(name))
    if not shards.places(source.path):
        yield Item(source.name, source.name, _failing("it is no tar file that can be read"))
    for name in names:
        yield Item(f"{source.name}/{name}", source.name, _at(folder, f"{inside}/{name}"))


def _is_picture(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _at(folder: Path, file: str) -> Callable[[], Bytes]:
    return lambda: shards.content(folder, file)


def _ready(data: Bytes) -> Callable[[], Bytes]:
    return lambda: data


def _failing(why: str) -> Callable[[], Bytes]:
    def content() -> Bytes:
        raise OSError(why)

    return content
