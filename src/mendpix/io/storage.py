"""The files of a job behind a few verbs, so that a folder and an object store can serve alike."""

import hashlib
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from mendpix.io.atomic import atomic_write


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells without reading a file that it may have changed.

    Attributes:
        size: in bytes.
        version: the time of its last change in nanoseconds, or an object store's ETag.
    """

    size: int
    version: str


class Storage(Protocol):
    """Files by name, ``/`` between folders; names are relative to the storage's own root."""

    def list_names(self, folder: str) -> list[str]:
        """The files directly in a folder, sorted; none where there is no such folder."""
        ...

    def read(self, name: str) -> bytes:
        """The content of a file; raises FileNotFoundError where there is none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all, with the folders above it."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file that may be gone already."""
        ...

    def stamp(self, name: str) -> FileStamp | None:
        """Its size and version now; None where there is no such file."""
        ...

    def digest(self, name: str) -> str:
        """The sha256 of its content in hex; raises FileNotFoundError where there is none."""
        ...


class StorageTree(Storage, Protocol):
    """A storage that also serves jobs of many machines."""

    def list_tree(self, recursive: bool = True) -> dict[str, FileStamp]:
        """The files below the root with their stamps, sorted by name, without hidden ones."""
        ...

    def locate(self, name: str) -> str:
        """The full path or address of a file."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """A file to read from its begin; raises FileNotFoundError where there is none."""
        ...

    def upload(self, name: str, file: Path) -> None:
        """Write a file that lies on this machine, whole or not at all."""
        ...


def is_hidden(name: str) -> bool:
    """Whether a file or a folder on the way to it begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))


class LocalStorage:
    """Files under a folder; an absolute name stands for itself."""

    def __init__(self, root: Path | str = "") -> None:
        self.root = Path(root)

    def list_names(self, folder: str) -> list[str]:
        path = self.root / folder
        if not path.is_dir():
            return []
        return sorted(f"{folder}/{file.name}" for file in path.iterdir() if file.is_file())

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            draft.write_bytes(content)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def stamp(self, name: str) -> FileStamp | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            found = (self.root / name).stat()
            return FileStamp(found.st_size, str(found.st_mtime_ns))
        return None

    def digest(self, name: str) -> str:
        with (self.root / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def list_tree(self, recursive: bool = True) -> dict[str, FileStamp]:
        found = self.root.rglob("*") if recursive else self.root.glob("*")
        names = [path.relative_to(self.root).as_posix() for path in found if path.is_file()]
        stamps = {name: self.stamp(name) for name in sorted(names) if not is_hidden(name)}
        return {name: stamp for name, stamp in stamps.items() if stamp is not None}

    def locate(self, name: str) -> str:
        return str((self.root / name).absolute())

    def open(self, name: str) -> IO[bytes]:
        return (self.root / name).open("rb")

    def upload(self, name: str, file: Path) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            shutil.copyfile(file, draft)
