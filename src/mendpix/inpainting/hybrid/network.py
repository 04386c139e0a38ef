"""The bundled network as a refiner, and the device that it runs on."""

import os
import platform
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mendpix.errors import MendError, WeightsError
from mendpix.inpainting.hybrid.bands import Refine
from mendpix.types import Hole, Photo, Progress
from mendpix.weights import cards

NETWORK = "mender.onnx"
"""The bundled network's file."""


class BundledNetwork:
    """The network in this package as a refiner, opened in a thread of its own.

    It opens while the picture is read and PatchMatch begins. A pickled copy opens its own.

    Args:
        device: "cpu"; or "auto": an accelerator where PyTorch finds one, else the CPU.
        threads: as for :class:`~mendpix.inpainting.hybrid.filler.HybridFiller`.
    """

    def __init__(self, device: str = "cpu", threads: int | None = None) -> None:
        self.device, self.threads = device, threads
        pool = ThreadPoolExecutor(1, "network")
        self._opening: Future[Any] = pool.submit(open_network, device, threads)
        pool.shutdown(wait=False)

    def __call__(self, photo: Photo, hole: Hole, progress: Progress | None = None) -> Photo:
        """Refine the hole of a filled photo; see :mod:`mendpix.inpainting.hybrid.tiling`."""
        refined: Photo = self._opening.result().refine(photo, hole, progress)
        return refined

    def __reduce__(self) -> tuple[type["BundledNetwork"], tuple[str, int | None]]:
        return BundledNetwork, (self.device, self.threads)


def choose_network(device: str, threads: int | None = None) -> Refine | None:
    """The bundled network on a device; None where the package holds none.

    An accelerator that is asked for by name is looked for now; with "auto" one that seems to be
    there is tried in the background, and the CPU serves where it turns out to be of no use.
    """
    if device not in ("auto", "cpu"):
        refine: Refine = open_accelerated(device, threads).refine
        return refine
    if device == "auto" and has_accelerator_driver() and find_spec("torch") is not None:
        return BundledNetwork("auto", threads)
    return BundledNetwork("cpu", threads) if (cards.BUNDLED / NETWORK).is_file() else None


def open_network(device: str, threads: int | None = None) -> Any:
    """The filler that :class:`BundledNetwork` stands for."""
    from mendpix.inpainting.onnx.filler import OnnxFiller  # importing ONNX Runtime takes a while

    if device == "auto":
        from mendpix.networks.serialization import choose_device

        accelerator = choose_device("auto")
        if accelerator.type != "cpu":
            return open_accelerated(str(accelerator), threads)
    return OnnxFiller(cards.BUNDLED / NETWORK, threads=threads)


def open_accelerated(device: str, threads: int | None = None) -> Any:
    """The bundled network on an accelerator, by PyTorch, or else by ONNX Runtime.

    Raises:
        WeightsError: PyTorch does not find the device.
        MendError: PyTorch is not installed.
    """
    from mendpix.inpainting.onnx import filler

    if find_spec("torch") is not None:
        from mendpix.inpainting.torch import load_filler

        try:
            return load_filler(cards.BUNDLED / "mender.safetensors", device, threads)
        except WeightsError:
            if not filler.runs_on(device):
                raise
    elif not filler.runs_on(device):
        raise MendError(
            f"auto runs on {device} by PyTorch, which is not installed; "
            "run: pip install 'mendpix[train]', or leave the device out"
        )
    return filler.OnnxFiller(cards.BUNDLED / NETWORK, device=device)


DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What the drivers put there: NVIDIA's, the one of Windows under WSL, AMD's."""
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Settings that leave no processor to be seen where they are empty or begin with -1."""


def has_accelerator_driver() -> bool:
    """Whether a graphics processor that PyTorch could use seems to be there.

    Looks for drivers only: importing PyTorch takes seconds, and it has the last word.
    """
    settings = (os.environ.get(name, "0").strip() for name in HIDING)
    if any(not setting or setting.startswith("-1") for setting in settings):
        return False
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return any(Path(driver).exists() for driver in DRIVERS)
