"""How much memory there is for a process."""

import os
from pathlib import Path

SHARE = 0.5
"""Of the memory that is free, what cached pictures may take: the rest is for training itself."""


NO_LIMIT = 2**62
"""Where nothing tells how much there is."""


def available() -> int | None:
    """Bytes of memory that are free for this process; None where nothing tells."""
    found = [_machine(), _group()]
    return min((value for value in found if value is not None), default=None)


def _machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _group() -> int | None:
    """What a container's limit leaves."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        return None if limit == "max" else max(0, int(limit) - used)
    except (OSError, ValueError):
        return None
