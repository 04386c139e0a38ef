"""TorchScript files of the kind ``(image, mask) -> image``, as fillers. A file is a program.

The file of LaMa that most tools pass around is of this kind: image ``(N, 3, H, W)`` in [0, 1],
mask ``(N, 1, H, W)`` with 1 = missing, H and W multiples of 8, picture in [0, 1] out.
"""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mendpix.errors import WeightsError
from mendpix.inpainting.torch import NetworkFiller
from mendpix.networks.types import Prediction
from mendpix.weights import download


class TorchScriptNetwork(nn.Module):
    """A loaded TorchScript program, called as any network here is.

    Shape:
        photo ``(N, 3, H, W)`` in [0, 1], hole ``(N, 1, H, W)``, H and W multiples of 8
        -> ``Prediction.image`` ``(N, 3, H, W)``.
    """

    multiple = 8

    def __init__(self, program: nn.Module, source: str) -> None:
        super().__init__()
        self.program = program
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        """Programs cannot be pickled: a copy opens the file again."""
        return _reopen, (self.source,)

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        try:
            image = self.program(photo, hole)
        except (RuntimeError, NotImplementedError) as problem:
            detail = " ".join(str(problem).split())[-160:]
            raise WeightsError(f"{self.source} cannot run as (image, mask): {detail}") from None
        if not isinstance(image, Tensor) or image.shape != photo.shape:
            output = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise WeightsError(
                f"{self.source} made {output} of a picture {tuple(photo.shape)}; "
                "only programs (image, mask) -> image of the same size fill"
            )
        return Prediction(image)


def is_torchscript(path: Path) -> bool:
    """Whether a file holds TorchScript: a zip archive with code in it."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in f"/{name}" for name in archive.namelist())
    except zipfile.BadZipFile:  # only its end looks like an archive's
        return False


def _open(path: Path) -> nn.Module:
    try:
        with warnings.catch_warnings():  # deprecated, but the only way to open such a file
            warnings.simplefilter("ignore", DeprecationWarning)
            program: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
            return program.eval()
    except (RuntimeError, ValueError) as problem:
        detail = " ".join(str(problem).split())[:160]
        raise WeightsError(f"{path} cannot be opened as TorchScript: {detail}") from None


def _reopen(source: str) -> TorchScriptNetwork:
    return TorchScriptNetwork(_open(Path(source)), source)


def load_torchscript(path: Path, device: str = "auto", threads: int | None = None) -> NetworkFiller:
    """A filler from a TorchScript file, which runs the program in it.

    Args:
        threads: how many PyTorch may use from now on, in the whole process; None: no change.

    Raises:
        WeightsError: it cannot be opened, or a device that is not there.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    card = {"kind": "network", "network": "torchscript", "file": path.name}
    card |= {"sha256": download.hash_file(path)}
    return NetworkFiller(TorchScriptNetwork(_open(path), str(path)), device, card)
