"""The one folder that requests may look into: no name leads out of it, and no link is followed."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mendpix.io.pairing import SUFFIXES
from mendpix.server.api_errors import ApiError

MOST_ENTRIES = 5000
LONGEST_PATH = 1024
DEEPEST = 32
# What Windows would read as a device, wherever the server runs; with any extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.I)
_FORBIDDEN = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]' if os.name == "nt" else r"[\\\x00-\x1f\x7f]")
_CAN_WALK = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture file in the folder; ``path`` is relative to it, with slashes."""

    path: str
    name: str
    bytes: int
    modified: float


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a folder; ``more`` says that it holds more than is listed."""

    path: str
    folders: tuple[str, ...]
    pictures: tuple[Entry, ...]
    more: bool


def parts(path: str) -> list[str]:
    """The names in a relative path, none of which can mean another place.

    Raises:
        Refusal: 404 for anything else: absolute, ``..``, hidden, a drive, a device, a backslash.
    """
    if path == "":
        return []
    names = path.split("/")
    if len(path) > LONGEST_PATH or len(names) > DEEPEST or not all(map(_plain, names)):
        raise ApiError(404, "there is no such file in the folder")
    return names


def _plain(name: str) -> bool:
    if not name or name.startswith(".") or name.endswith((".", " ")):
        return False
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return not _FORBIDDEN.search(name) and not _DEVICES.fullmatch(name)


class SafeDirectory:
    """A folder that is only read, and only below its top."""

    def __init__(self, folder: Path) -> None:
        self.top = Path(os.path.realpath(folder))

    def read(self, path: str, most: int) -> bytes:
        """A picture file's bytes.

        Raises:
            Refusal: 404 where there is no such picture, 413 where it is larger than ``most``.
        """
        names = parts(path)
        if not names or Path(names[-1]).suffix.lower() not in SUFFIXES:
            raise ApiError(404, "there is no such picture in the folder")
        with self._opened(names, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)) as handle:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ApiError(404, "there is no such picture in the folder")
            if found.st_size > most:
                raise ApiError(
                    413,
                    f"{names[-1]} has {found.st_size / 1e6:.0f} MB but at most {most / 1e6:.0f} "
                    "are taken; make it smaller",
                )
            with os.fdopen(os.dup(handle), "rb") as file:
                return file.read(most)

    def listing(self, path: str) -> Listing:
        """What lies in a folder, by name.

        Raises:
            Refusal: 404 where there is no such folder.
        """
        names = parts(path)
        folders, pictures = [], []
        with self._opened(names, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)) as handle:
            with os.scandir(handle if _CAN_WALK else self.top.joinpath(*names)) as found:
                entries = sorted(found, key=lambda entry: entry.name.casefold())
            for entry in entries[:MOST_ENTRIES]:
                where = "/".join([*names, entry.name])
                if not _plain(entry.name) or entry.is_symlink():
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(where)
                elif _is_picture(entry):
                    about = entry.stat(follow_symlinks=False)
                    pictures.append(Entry(where, entry.name, about.st_size, about.st_mtime))
        more = len(entries) > MOST_ENTRIES
        return Listing(path, tuple(folders), tuple(pictures), more)

    @contextmanager
    def _opened(self, names: list[str], flags: int) -> Iterator[int]:
        """The file or folder, opened name by name without following a link anywhere."""
        try:
            handle = self._walk(names, flags) if _CAN_WALK else self._resolve(names, flags)
        except OSError:
            raise ApiError(404, "there is no such file in the folder") from None
        try:
            yield handle
        finally:
            os.close(handle)

    def _walk(self, names: list[str], flags: int) -> int:
        handle = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        for index, name in enumerate(names):
            last = index == len(names) - 1
            how = (flags if last else os.O_RDONLY | os.O_DIRECTORY) | os.O_NOFOLLOW
            try:
                below = os.open(name, how, dir_fd=handle)
            finally:
                os.close(handle)
            handle = below
        return handle

    def _resolve(self, names: list[str], flags: int) -> int:
        """Where a system cannot walk by handles: the resolved path must be the one spelt."""
        path = self.top.joinpath(*names)
        if os.path.normcase(os.path.realpath(path)) != os.path.normcase(path):
            raise FileNotFoundError
        if path.is_dir():  # has no handle there; the null device stands for it
            return os.open(os.devnull, os.O_RDONLY)
        return os.open(path, flags | getattr(os, "O_BINARY", 0))


def _is_picture(entry: "os.DirEntry[str]") -> bool:
    return entry.is_file(follow_symlinks=False) and Path(entry.name).suffix.lower() in SUFFIXES
