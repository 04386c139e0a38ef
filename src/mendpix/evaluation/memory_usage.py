"""How much memory a piece of work takes."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def growth() -> Iterator[list[float]]:
    """Measures by how many MiB the process's memory peaks above what it holds now.

    Linux forgets the peak of before when told so; elsewhere only a new peak of the process shows.
    What a library keeps to itself for its next work does not show a second time.
    """
    grown = [0.0]
    reset = Path("/proc/self/clear_refs")
    _trim()
    try:
        reset.write_text("5")
        held, name = _status("VmRSS"), "VmHWM"
    except OSError:
        held, name = _peak(), ""
    yield grown
    grown[0] = max(0.0, (_status(name) if name else _peak()) - held)


def _trim() -> None:
    """Give back what was freed but is kept, as glibc does when told so: it would hide a peak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _status(name: str) -> float:
    """A line of this process's memory, MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {name}")


def _peak() -> float:
    """Most memory that this process ever held, MiB."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
