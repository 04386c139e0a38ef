"""Pictures inside tar shards (WebDataset's layout), read by place: one file for thousands.

A shard is walked through once, header by header; after that a picture is one read at a known
place, so samples stay a function of their index and a run resumes exactly, as with loose files.
A picture in a shard is called ``SHARD.tar/NAME``, below the folder like any other.
"""

import tarfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".tar"


class Place(NamedTuple):
    """Where a member's bytes lie in its shard."""

    offset: int
    size: int


def listed(folder: Path, suffixes: set[str]) -> list[str]:
    """Pictures in the shards under a folder, as ``SHARD.tar/NAME``, sorted.

    A shard that is damaged gives what lies before the damage; one of which nothing can be read
    is named itself, so that it is among the files that are reported and left out.
    """
    names: list[str] = []
    for shard in sorted(folder.rglob(f"*{SUFFIX}")):
        inside = shard.relative_to(folder).as_posix()
        if not shard.is_file() or any(part.startswith(".") for part in Path(inside).parts):
            continue
        kept = [n for n in places(shard) if Path(n).suffix.lower() in suffixes]
        names += [f"{inside}/{name}" for name in kept if not Path(name).name.startswith(".")]
        if not places(shard):
            names.append(inside)
    return sorted(names)


def places(shard: Path) -> dict[str, Place]:
    """The files in a shard and where they lie; empty where it is no tar file."""
    about = shard.stat()
    return _places(shard, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4096)
def _places(shard: Path, size: int, changed: int) -> dict[str, Place]:
    found: dict[str, Place] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isfile() and member.offset_data + member.size <= size:
                    found[member.name.removeprefix("./")] = Place(member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError):
        pass  # what came before the damage is kept
    return found


def content(folder: Path, file: str) -> NDArray[np.uint8]:
    """The bytes of a file, loose or in a shard.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    shard, mark, name = file.partition(f"{SUFFIX}/")
    path = folder / f"{shard}{SUFFIX}"
    if not mark or path.is_dir():
        return np.fromfile(folder / file, np.uint8)
    place = places(path).get(name)
    if place is None:
        raise FileNotFoundError(f"{path.name} no longer holds {name}")
    return np.fromfile(path, np.uint8, place.size, offset=place.offset)
