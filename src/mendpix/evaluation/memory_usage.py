"""Peak memory of a piece of work."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def measure_peak() -> Iterator[list[float]]:
    """Measures by how many MiB the process's memory peaks above what it holds now.

    Linux resets the peak (``VmHWM``) on request; elsewhere only a new peak of the process shows.
    What a library keeps in its own pools for later work does not show a second time.

    Yields: a list of one number, which holds the MiB once the block has ended.
    """
    growth = [0.0]
    reset = Path("/proc/self/clear_refs")
    _trim()
    try:
        reset.write_text("5")  # sets VmHWM to VmRSS, see proc_pid_clear_refs(5)
        before, name = _read_status("VmRSS"), "VmHWM"
    except OSError:
        before, name = _read_peak(), ""
    yield growth
    growth[0] = max(0.0, (_read_status(name) if name else _read_peak()) - before)


def _trim() -> None:
    """Return freed memory that glibc holds to the system: it would hide a peak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _read_status(name: str) -> float:
    """A line of this process's memory, MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {name}")


def _read_peak() -> float:
    """The largest resident set this process ever had, MiB."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
