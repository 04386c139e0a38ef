"""Inception's features of pictures for FID, KID and IDS, by three conventions of resizing.

=============  ===================================================================
``clean``      clean-fid: Pillow's bicubic resize of each channel in float, then (x - 128) / 128
``pytorch``    pytorch-fid: bilinear resize between pixel centres, no smoothing, then 2 x - 1
``stylegan``   NVIDIA's TorchScript (MAT, CoMod): bilinear between corners, then (x - 128) / 128
=============  ===================================================================

The network is the same, its features are not: numbers of two conventions are not comparable.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.metrics.picture_pairs import to_8_bits
from mendpix.networks.features import inception_network

Convention = Literal["clean", "pytorch", "stylegan"]
Features = NDArray[np.float32]

SIDE = 299
WIDTH = 2048


def prepare_clean(picture: Tensor) -> Tensor:
    """Resize as clean-fid: Pillow's bicubic, which antialiases when it shrinks."""
    size, kind = (SIDE, SIDE), Image.Resampling.BICUBIC
    planes = picture.float().cpu().numpy()[0]
    resized = [np.asarray(Image.fromarray(plane).resize(size, kind)) for plane in planes]
    return (torch.from_numpy(np.stack(resized))[None] - 128) / 128


def prepare_pytorch(picture: Tensor) -> Tensor:
    """Resize as pytorch-fid: bilinear, without antialiasing."""
    small = F.interpolate(picture.float() / 255, (SIDE, SIDE), mode="bilinear")
    return 2 * small - 1


def prepare_stylegan(picture: Tensor) -> Tensor:
    """Resize as TensorFlow 1: pixel i is read at i * size / 299, edges are repeated."""
    return (_resize_axis(_resize_axis(picture.float(), 2), 3) - 128) / 128


def _resize_axis(picture: Tensor, dim: int) -> Tensor:
    size = picture.shape[dim]
    at = torch.arange(SIDE, dtype=torch.float64, device=picture.device) * size / SIDE
    low = at.long()
    share = (at - low).to(picture).view(-1, *[1] * (3 - dim))
    first = picture.index_select(dim, low)
    return first + share * (picture.index_select(dim, (low + 1).clamp(max=size - 1)) - first)


PREPARE: dict[Convention, Callable[[Tensor], Tensor]] = {
    "clean": prepare_clean,
    "pytorch": prepare_pytorch,
    "stylegan": prepare_stylegan,
}


class Inception:
    """Inception's features of pictures, passed singly: batches change no digit.

    Args:
        convention: a name of :data:`PREPARE`.
        device: where the network runs.

    Raises:
        ValueError: there is no such convention.
        WeightsError: the network is not at hand, or not the one it should be.
    """

    def __init__(self, convention: Convention = "clean", device: str = "cpu") -> None:
        if convention not in PREPARE:
            raise ValueError(f"convention is {convention!r} but must be one of {[*PREPARE]}")
        self.prepare = PREPARE[convention]
        self.device = device
        self.network = inception_network.load()

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Features:
        """Features ``(N, 2048)`` of ``(N, 3, H, W)``: uint8, or in [0, 1] and rounded to 8 bits.

        Raises:
            TensorError: another shape or range.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3:
            raise TensorError(f"pictures are {tuple(pictures.shape)} but must be (N, 3, H, W)")
        self.network.to(self.device)
        rows = [self._row(to_8_bits(one)) for one in pictures.detach().split(1)]  # type: ignore[no-untyped-call]
        return np.concatenate([np.empty((0, WIDTH), np.float32), *rows])

    def _row(self, picture: Tensor) -> Features:
        prepared = self.prepare(picture).contiguous().to(self.device)
        row: Tensor = self.network(prepared)
        return row.float().cpu().numpy()


@cache
def load_shared(convention: Convention) -> Inception:
    """Load the features of a convention; the same object for all callers.

    Raises:
        WeightsError: as :class:`Inception`.
    """
    return Inception(convention)
