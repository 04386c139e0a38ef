"""Read-only access to one folder: no path leads out of it, and no symbolic link is followed."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mendpix.io.formats import SUFFIXES
from mendpix.server.api_errors import ApiError

MAX_ENTRIES = 5000
MAX_PATH_LENGTH = 1024
MAX_DEPTH = 32
# Windows reads these names as devices, with any extension; refused on every system.
_DEVICE_NAMES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.I
)
_FORBIDDEN_CHARACTERS = re.compile(
    r'[\\:*?"<>|\x00-\x1f\x7f]' if os.name == "nt" else r"[\\\x00-\x1f\x7f]"
)
_HAS_OPENAT = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


@dataclass(frozen=True, slots=True)
class PictureEntry:
    """A picture file; ``path`` is relative to the folder, with slashes."""

    path: str
    name: str
    bytes: int
    modified: float


@dataclass(frozen=True, slots=True)
class DirectoryListing:
    """The sub-folders and pictures of a folder; ``more``: the list is truncated."""

    path: str
    folders: tuple[str, ...]
    pictures: tuple[PictureEntry, ...]
    more: bool


def split_path(path: str) -> list[str]:
    """Split a relative path into plain names.

    Raises:
        ApiError: 404 for an absolute path, ``..``, hidden files, drives, devices and backslashes.
    """
    if path == "":
        return []
    names = path.split("/")
    if len(path) > MAX_PATH_LENGTH or len(names) > MAX_DEPTH or not all(map(_is_plain_name, names)):
        raise ApiError(404, "there is no such file in the folder")
    return names


def _is_plain_name(name: str) -> bool:
    if not name or name.startswith(".") or name.endswith((".", " ")):
        return False
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return not _FORBIDDEN_CHARACTERS.search(name) and not _DEVICE_NAMES.fullmatch(name)


class SafeDirectory:
    """A folder whose pictures can be listed and read."""

    def __init__(self, folder: Path) -> None:
        self.root = Path(os.path.realpath(folder))

    def read(self, path: str, max_bytes: int) -> bytes:
        """Read a picture file.

        Raises:
            ApiError: 404 if there is no such picture, 413 if it has more than ``max_bytes``.
        """
        names = split_path(path)
        if not names or Path(names[-1]).suffix.lower() not in SUFFIXES:
            raise ApiError(404, "there is no such picture in the folder")
        with self._open(names, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)) as handle:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ApiError(404, "there is no such picture in the folder")
            if status.st_size > max_bytes:
                raise ApiError(
                    413,
                    f"{names[-1]} has {status.st_size / 1e6:.0f} MB "
                    f"but at most {max_bytes / 1e6:.0f} are taken; make it smaller",
                )
            with os.fdopen(os.dup(handle), "rb") as file:
                return file.read(max_bytes)

    def list_folder(self, path: str) -> DirectoryListing:
        """List a folder, sorted by name.

        Raises:
            ApiError: 404 if there is no such folder.
        """
        names = split_path(path)
        folders, pictures = [], []
        with self._open(names, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)) as handle:
            with os.scandir(handle if _HAS_OPENAT else self.root.joinpath(*names)) as scan:
                entries = sorted(scan, key=lambda entry: entry.name.casefold())
            for entry in entries[:MAX_ENTRIES]:
                relative = "/".join([*names, entry.name])
                if not _is_plain_name(entry.name) or entry.is_symlink():
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(relative)
                elif _is_picture(entry):
                    status = entry.stat(follow_symlinks=False)
                    pictures.append(
                        PictureEntry(relative, entry.name, status.st_size, status.st_mtime)
                    )
        more = len(entries) > MAX_ENTRIES
        return DirectoryListing(path, tuple(folders), tuple(pictures), more)

    @contextmanager
    def _open(self, names: list[str], flags: int) -> Iterator[int]:
        """Open a file or folder name by name, without following symbolic links."""
        try:
            handle = self._walk(names, flags) if _HAS_OPENAT else self._resolve(names, flags)
        except OSError:
            raise ApiError(404, "there is no such file in the folder") from None
        try:
            yield handle
        finally:
            os.close(handle)

    def _walk(self, names: list[str], flags: int) -> int:
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
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
        """For systems without openat: the resolved path must be the one given."""
        path = self.root.joinpath(*names)
        if os.path.normcase(os.path.realpath(path)) != os.path.normcase(path):
            raise FileNotFoundError
        if path.is_dir():  # Windows opens no folders; the null device stands for it
            return os.open(os.devnull, os.O_RDONLY)
        return os.open(path, flags | getattr(os, "O_BINARY", 0))


def _is_picture(entry: "os.DirEntry[str]") -> bool:
    return entry.is_file(follow_symlinks=False) and Path(entry.name).suffix.lower() in SUFFIXES
