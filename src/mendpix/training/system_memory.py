"""How much memory is free for this process: on the machine, and in its container."""

import os
from pathlib import Path

CACHE_SHARE = 0.5
"""Of the free memory, what cached pictures may take: the rest is for training itself."""

NO_LIMIT = 2**62
"""Where nothing tells how much there is."""


def read_available() -> int | None:
    """Bytes of memory that are free for this process; None where nothing tells."""
    limits = [_read_machine_memory(), _read_cgroup_memory()]
    return min((value for value in limits if value is not None), default=None)


def _read_machine_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _read_cgroup_memory() -> int | None:
    """What a container's limit leaves."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        return None if limit == "max" else max(0, int(limit) - used)
    except (OSError, ValueError):
        return None
