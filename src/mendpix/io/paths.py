"""Paths as people write them: home folders, and names that are nearly those of a neighbour."""

import os
import re
from difflib import get_close_matches
from pathlib import Path

from mendpix.errors import MendError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.]+:/")  # a Path has one slash where an address has two


def expand_home(name: str | Path) -> Path:
    """The path, with ``~`` and ``~user`` at its start as that user's home folder.

    Raises:
        MendError: there is no such user, or nobody knows where the home folder is.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:
        user = Path(name).parts[0]
        raise MendError(f"{name}: {user} has no home folder here; write the path in full") from None


def find_home() -> Path | None:
    """The user's home folder; None where neither HOME nor the system's list of users has one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def find_cache() -> Path | None:
    """The user's folder for caches, as on Linux; None where it is not known."""
    cache, home = os.environ.get("XDG_CACHE_HOME"), find_home()
    return Path(cache) if cache else home and home / ".cache"


def suggest_neighbour(path: Path) -> str:
    """ "; did you mean ...?" with what lies beside a path and is named almost like it, or ""."""
    if _ADDRESS.match(str(path)):
        return "; what lies at an address is filled by --engine ray"
    try:
        names = [other.name for other in path.parent.iterdir() if other.name != path.name]
    except OSError:
        return ""
    close = get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def is_same_file(photo: str, mask: Path | str) -> bool:
    """Whether both are one file; a stream that was read has no second content, so it counts."""
    try:
        return Path(photo).samefile(mask)
    except (OSError, ValueError):  # a photo from memory, or no such mask
        return False
