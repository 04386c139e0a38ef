"""Pictures inside tar shards (WebDataset's layout): random access, or one pass where that fails.

A plain shard is indexed once, header by header; after that a picture is one read at a known
offset. What has no random access, a compressed shard or a pipe, is a stream: it is read once,
from its beginning to its end, and its pictures must be kept (see :mod:`.photos`). Either way
samples stay a function of their index, and a run resumes exactly, as with loose files. A picture in
a shard is called ``SHARD.tar/NAME``, below the folder like any other.
"""

import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".tar"
COMPRESSED_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
MAGIC_NUMBERS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""What gzip, bzip2, xz and zstd files begin with."""

DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)

Bytes = NDArray[np.uint8]


class MemberLocation(NamedTuple):
    """Where a member's bytes lie in its shard."""

    offset: int
    size: int


def is_shard(path: Path) -> bool:
    """Whether a file or pipe is a tar shard, by its name."""
    name = path.name.lower()
    return name.endswith((SUFFIX, *COMPRESSED_SUFFIXES)) and (path.is_file() or path.is_fifo())


def is_stream(path: Path) -> bool:
    """Whether a shard can only be read from its beginning to its end."""
    if path.is_fifo() or path.name.lower().endswith(COMPRESSED_SUFFIXES):
        return True
    with path.open("rb") as file:
        return file.read(6).startswith(MAGIC_NUMBERS)


def index_members(shard: Path) -> dict[str, MemberLocation]:
    """The files in a shard and where they lie; empty where it is no plain tar file."""
    about = shard.stat()
    return _index_members(shard, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4096)
def _index_members(shard: Path, size: int, changed: int) -> dict[str, MemberLocation]:
    members: dict[str, MemberLocation] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isfile() and member.offset_data + member.size <= size:
                    members[member.name.removeprefix("./")] = MemberLocation(
                        member.offset_data, member.size
                    )
    except (tarfile.TarError, OSError, EOFError):
        pass  # what came before the damage is kept
    return members


def iterate_stream(shard: Path) -> Iterator[tuple[str, Bytes | str]]:
    """Names and bytes of a stream's files in one pass; an error that ends it comes last, as text.

    Each name comes once: of files with the same name the first counts.
    """
    seen: set[str] = set()
    try:
        with tarfile.open(shard, "r|*") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                file = tar.extractfile(member) if member.isfile() else None
                if file is None or name in seen:
                    continue
                seen.add(name)
                data = file.read()
                if len(data) < member.size:
                    raise EOFError("it ends in the middle of a file")
                yield name, np.frombuffer(data, np.uint8)
                tar.members.clear()  # type: ignore[attr-defined]  # a list of all would only grow
    except DAMAGE as problem:
        yield "", f"the shard breaks off: {problem}"


def read_bytes(folder: Path, file: str) -> Bytes:
    """The bytes of a file, loose or in a shard that is read by place.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    shard, separator, name = file.partition(f"{SUFFIX}/")
    path = folder / f"{shard}{SUFFIX}"
    if not separator or path.is_dir():
        return np.fromfile(folder / file, np.uint8)
    location = index_members(path).get(name)
    if location is None:
        raise FileNotFoundError(f"{path.name} no longer holds {name}")
    return np.fromfile(path, np.uint8, location.size, offset=location.offset)
