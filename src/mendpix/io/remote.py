"""Storage at an address that fsspec knows, such as ``s3://bucket/folder``, or in a folder."""

import hashlib
import re
import secrets
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from mendpix.errors import MendError
from mendpix.io.storage import FileStamp, LocalStorage, StorageTree, is_hidden

_ADDRESS = re.compile(r"([a-z][a-z0-9+.]+):/+(.*)", re.DOTALL)

_ATOMIC = frozenset(("abfs", "az", "gcs", "gs", "memory", "oci", "s3", "s3a"))
"""Protocols of object stores, where an object appears whole."""

_CHUNK = 1 << 20

_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "mtime", "updated", "created")
"""What protocols call the version of a file, the best first."""


def restore_address(path: Path | str) -> str:
    """A path as text; an address that went through a `Path` has its two slashes again."""
    match = _ADDRESS.fullmatch(str(path))
    return f"{match[1]}://{match[2]}" if match else str(path)


def is_address(path: Path | str) -> bool:
    """Whether it names a file or folder by a protocol, not by a path."""
    return _ADDRESS.fullmatch(str(path)) is not None


def open_storage(location: Path | str) -> StorageTree:
    """The storage below a folder or an address.

    Raises:
        MendError: fsspec, or its package for the protocol, is not installed.
    """
    address = restore_address(location)
    if address.startswith("file://"):
        return LocalStorage("/" + address.removeprefix("file://").lstrip("/"))
    return FsspecStorage(address) if is_address(address) else LocalStorage(address)


class FsspecStorage:
    """Files below an address, by fsspec; it opens its connection where it is unpickled.

    Args:
        address: such as ``s3://bucket/folder``.

    Raises:
        MendError: a package for the protocol is missing.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        try:
            import fsspec

            self.files, root = fsspec.core.url_to_fs(self.address, use_listings_cache=False)
        except ImportError as missing:
            raise MendError(f"{address} cannot be opened: {missing}") from None
        except ValueError as problem:
            raise MendError(f"{address} cannot be opened: {problem}") from None
        self.root = str(root).rstrip("/")
        self.protocol = self.address.partition(":")[0]

    def __reduce__(self) -> tuple[type["FsspecStorage"], tuple[str]]:
        return FsspecStorage, (self.address,)

    def list_names(self, folder: str) -> list[str]:
        return sorted(name for name in self._find(folder, 1) if name.rpartition("/")[0] == folder)

    def list_tree(self, recursive: bool = True) -> dict[str, FileStamp]:
        found = self._find("", None if recursive else 1)
        shown = sorted(name for name in found if not is_hidden(name))
        return {name: found[name] for name in shown if recursive or "/" not in name}

    def locate(self, name: str) -> str:
        return f"{self.address}/{name}"

    def read(self, name: str) -> bytes:
        content: bytes = self.files.cat_file(self._path(name))
        return content

    def open(self, name: str) -> IO[bytes]:
        file: IO[bytes] = self.files.open(self._path(name), "rb")
        return file

    def write(self, name: str, content: bytes) -> None:
        self._put(name, lambda path: self.files.pipe_file(path, content))

    def upload(self, name: str, file: Path) -> None:
        self._put(name, lambda path: self.files.put_file(str(file), path))

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self.files.rm_file(self._path(name))

    def stamp(self, name: str) -> FileStamp | None:
        try:
            found = self.files.info(self._path(name))
        except FileNotFoundError:
            return None
        return None if found.get("type") == "directory" else _make_stamp(found)

    def digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self.open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def _find(self, folder: str, depth: int | None) -> dict[str, FileStamp]:
        """The files below a folder, by their names below the root."""
        try:
            found = self.files.find(self._path(folder), maxdepth=depth, detail=True)
        except FileNotFoundError:
            return {}
        names = {path.removeprefix(self.root).lstrip("/"): one for path, one in found.items()}
        return {name: _make_stamp(one) for name, one in names.items()}

    def _put(self, name: str, put: Any) -> None:
        """Write under the name at once where that is atomic, else under another one first."""
        path = self._path(name)
        if self.protocol in _ATOMIC:
            put(path)
            return
        parent, _, last = path.rpartition("/")
        self.files.makedirs(parent, exist_ok=True)
        draft = f"{parent}/.{last}.{secrets.token_hex(4)}.part"
        put(draft)
        self.files.mv(draft, path)


def _make_stamp(found: dict[str, Any]) -> FileStamp:
    version = next((found[kind] for kind in _VERSIONS if found.get(kind)), "")
    if isinstance(version, datetime):  # some protocols list times of one kind and tell another
        version = version.timestamp()
    return FileStamp(int(found["size"]), str(version))
