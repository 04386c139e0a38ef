"""Standard input and output as places of pictures: ``-`` on the command line.

They are the paths `STANDARD_INPUT` and `STANDARD_OUTPUT` on every system; the latter with the
extension of a format (``/dev/stdout.png``).
"""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from mendpix.errors import PictureError

STANDARD_INPUT = Path("/dev/stdin")
STANDARD_OUTPUT = Path("/dev/stdout")
MOST_BYTES = 2_000_000_000
"""That are read from a stream, which may have no end."""


def is_open_stream(path: Path) -> bool:
    """Whether a path stands for a stream that this process holds open: ``<(...)`` of a shell."""
    return path == STANDARD_INPUT or path.parent in (Path("/dev/fd"), Path("/proc/self/fd"))


def is_standard_output(path: Path | None) -> bool:
    """Whether a picture is to go to standard output, whatever its format."""
    return path is not None and path.with_suffix("") == STANDARD_OUTPUT


def read_stream(path: Path) -> bytes:
    """All bytes of an open stream.

    Raises:
        PictureError: there is no end within `MOST_BYTES`.
        OSError: it cannot be read.
    """
    if path == STANDARD_INPUT:
        return _read_to_end(sys.stdin.buffer, path)
    with path.open("rb") as file:
        return _read_to_end(file, path)


def _read_to_end(file: BinaryIO, path: Path) -> bytes:
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise PictureError(f"{path} has more than {MOST_BYTES / 1e9:g} GB; save it to a file")
    return content


def write_standard_output(content: bytes) -> None:
    """Write a whole picture to standard output.

    Raises:
        PictureError: whoever should read it has gone.
    """
    if sys.stdout.isatty():
        raise PictureError("a picture is no text for a terminal; pipe it on, or name an --out")
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        null = os.open(os.devnull, os.O_WRONLY)  # else Python complains once more at its end
        os.dup2(null, sys.stdout.fileno())
        raise PictureError("standard output was closed before all was written") from None
