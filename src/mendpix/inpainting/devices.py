"""Whether a graphics processor is there that PyTorch could use, told without importing PyTorch.

Importing it takes seconds, which a fill on the CPU should not have to wait for.
"""

import os
import platform
import sys
from pathlib import Path

DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What the drivers put there: NVIDIA's, the one of Windows under WSL, AMD's."""
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Settings that leave no processor to be seen where they are empty or begin with -1."""


def likely() -> bool:
    """Whether there seems to be one; PyTorch has the last word."""
    if any(_hides(os.environ.get(name)) for name in HIDING):
        return False
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return any(Path(device).exists() for device in DEVICES)


def _hides(setting: str | None) -> bool:
    return setting is not None and (not setting.strip() or setting.strip().startswith("-1"))
