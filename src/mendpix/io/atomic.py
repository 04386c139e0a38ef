"""Atomic writes: a file is replaced whole, or stays as it was."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

DRAFTS = ".mendpix-*"
"""What the names of temporary files match."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path``, which replaces it once the block has succeeded.

    Its name is unique, so that several processes can write the same file; the last one wins. It
    has the permissions of the file it replaces, or those of any new file, whatever the writer
    gave it. If the block raises, it is removed and ``path`` stays as it was. A link stays one:
    what it points at is replaced.

    Raises:
        OSError: the file cannot be written or replaced.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".mendpix-{secrets.token_hex(6)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)  # takes the umask, which cannot be read without setting it
        mode = (path if path.exists() else temporary).stat().st_mode
        yield temporary
        with temporary.open("r+b") as file:  # else a power cut could leave an empty file
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):  # such as a file where the folder belongs
            temporary.unlink(missing_ok=True)
