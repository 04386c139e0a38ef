"""Downloads a file: resumes it, checks its hash, and gives it its name only when it is whole."""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from mendpix.errors import DownloadError
from mendpix.io.paths import expand_home, find_cache, find_home

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes that there will be (0: not known)."""

HOME = "MENDPIX_HOME"
"""The environment variable that names the cache folder."""

CHUNK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
TRIES = 4
PAUSE = 0.5  # seconds before the second try; twice as long before each further one
LASTING = range(400, 500)  # answers that asking again does not change


def cache_folder() -> Path:
    """The cache folder: MENDPIX_HOME, else where the platform keeps caches. Not created here.

    Raises:
        DownloadError: neither is known.
    """
    path = os.environ.get(HOME)
    if path:
        return expand_home(path)
    home, local = find_home(), os.environ.get("LOCALAPPDATA")
    if sys.platform == "win32":
        base = Path(local) if local else home and home / "AppData" / "Local"
        folder = base and base / "mendpix" / "Cache"
    elif sys.platform == "darwin":
        folder = home and home / "Library" / "Caches" / "mendpix"
    else:
        cache = find_cache()
        folder = cache and cache / "mendpix"
    if folder is None:
        raise DownloadError(f"no home folder to keep downloads in is known; name one in {HOME}")
    return folder


def fetch(url: str, path: Path, sha256: str, progress: Progress | None = None) -> Path:
    """The file at ``path``, fetched from ``url`` unless it is there.

    What is fetched lies beside it as ``NAME.part`` until it is whole and right; a later call goes
    on from there. Of two processes that want one file, the second waits for the first.

    Args:
        sha256: the hash, or its first digits, in hex.
        progress: called after every piece.

    Raises:
        DownloadError: no connection, no such file, another hash, or a folder that cannot be
            written; one line that names the address.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_part(path.with_name(path.name + ".part")) as part:
            if not path.is_file():
                _fetch(url, part, sha256.lower(), progress)
                part.replace(path)
    except OSError as problem:
        raise DownloadError(
            f"{path} cannot be written: {problem.strerror or problem}; "
            f"make room, or name another folder in {HOME}"
        ) from None
    return path


def _fetch(url: str, part: Path, sha256: str, progress: Progress | None) -> None:
    resumed = part.stat().st_size > 0
    _fill(url, part, progress)
    digest = hash_file(part)
    if resumed and not digest.startswith(sha256):  # its beginning may have been of an older file
        os.truncate(part, 0)
        _fill(url, part, progress)
        digest = hash_file(part)
    if digest.startswith(sha256):
        return
    os.truncate(part, 0)
    raise DownloadError(
        f"{url} has sha256 {digest[: max(len(sha256), 8)]}... but {sha256} was expected; "
        "it is not the file it should be"
    )


def _fill(url: str, part: Path, progress: Progress | None) -> None:
    """Append to ``part`` until it is whole, asking again where the connection breaks."""
    import http.client  # here, as below: a fill, which fetches nothing, should not wait for them
    import urllib.error

    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return _append(url, part, progress)
        except urllib.error.HTTPError as problem:
            problem.close()
            reason = f"the server says {problem.code} {problem.reason}"
            if problem.code in LASTING:
                break
        except urllib.error.URLError as problem:
            reason = str(getattr(problem.reason, "strerror", None) or problem.reason)
        except (ConnectionError, TimeoutError, http.client.HTTPException) as problem:
            reason = str(problem) or type(problem).__name__
    size = part.stat().st_size
    saved = f"; {size} bytes are kept, the next try goes on from there" if size else ""
    raise DownloadError(f"{url} could not be fetched: {reason}{saved}")


def _append(url: str, part: Path, progress: Progress | None) -> None:
    """One connection: what is missing of ``part``, from its end on.

    Raises:
        ConnectionError: it ended early; what came is kept.
    """
    import http.client
    import urllib.error
    import urllib.request

    have = part.stat().st_size
    request = urllib.request.Request(url, headers={"User-Agent": "mendpix"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as problem:
        if have and problem.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            problem.close()
            return  # nothing is missing; the hash says whether that is so
        raise
    with answer, part.open("ab") as file:
        if answer.status != http.client.PARTIAL_CONTENT:
            have = 0
            file.truncate(0)  # the server sends all of it again
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else 0
        have = _copy(answer, file, have, total, progress)
    if have < total:
        raise ConnectionError(f"the connection broke after {have} of {total} bytes")


def _copy(
    answer: IO[bytes], file: BinaryIO, have: int, total: int, progress: Progress | None
) -> int:
    """Piece by piece; returns the bytes that are here then."""
    while piece := _read(answer):
        file.write(piece)
        have += len(piece)
        if progress is not None:
            progress(have, total)
    return have


def _read(answer: IO[bytes]) -> bytes:
    try:
        return answer.read(CHUNK)
    except OSError as problem:  # of the connection, not of the disk
        raise ConnectionError(problem.strerror or str(problem)) from None


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def lock_part(part: Path) -> Iterator[Path]:
    """A partial file that no other process writes meanwhile; the lock goes when the process does.

    Windows has no such locks here: two processes at once may there spoil each other's part, which
    the hash then finds out.
    """
    if sys.platform == "win32":  # an open file could not be renamed there
        part.touch()
        yield part
        return
    import fcntl

    while True:
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_same_file(file, part):
                continue  # whoever held it before moved it away: the lock is on another file
            try:
                yield part
            finally:
                if _is_same_file(file, part) and not part.stat().st_size:
                    part.unlink()
            return


def _is_same_file(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one that the path names now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def show_progress(name: str) -> Iterator[Progress]:
    """A progress bar for one download on the error stream; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, disable=not console.is_terminal) as progress_bar:
        task = progress_bar.add_task(name, total=None)

        def progress(have: int, total: int) -> None:
            progress_bar.update(task, completed=have, total=total or None)

        yield progress
