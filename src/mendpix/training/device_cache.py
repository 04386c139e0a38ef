"""Decoded pictures on the accelerator: squares are cut there, and no picture travels at a step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.training import system_memory
from mendpix.training.picture_cache import Pixels


class CropSquare(NamedTuple):
    """The square of a picture that a sample shows."""

    top: int
    left: int
    side: int
    mirrored: bool


class DevicePictures:
    """Pictures one after another in one tensor on a device.

    Args:
        pictures: ``(H, W, 3)`` uint8, of any sizes, by file.
        files: which of them.
    """

    def __init__(
        self, pictures: Mapping[str, Pixels], files: Iterable[str], device: torch.device
    ) -> None:
        chosen = {file: pictures[file] for file in files}
        total = sum(picture.size for picture in chosen.values())
        # One tensor: thousands of small ones would each waste part of an allocator's block.
        self._flat = torch.empty(total, dtype=torch.uint8, device=device)
        self._index: dict[str, tuple[int, int, int]] = {}
        end = 0
        for file, picture in chosen.items():
            start, end = end, end + picture.size
            self._flat[start:end] = torch.from_numpy(np.array(picture)).flatten()
            self._index[file] = (start, *picture.shape[:2])

    def shape(self, file: str) -> tuple[int, int]:
        """Height and width of a picture."""
        return self._index[file][1:]

    def cut(self, files: Sequence[str], squares: Sequence[CropSquare], size: int) -> Tensor:
        """A square of each file's picture, resized ``(N, 3, size, size)`` in [0, 1]."""
        cuts = [self._cut_one(f, s, size) for f, s in zip(files, squares, strict=True)]
        return torch.stack(cuts).float() / 255

    def _cut_one(self, file: str, square: CropSquare, size: int) -> Tensor:
        start, height, width = self._index[file]
        picture = self._flat[start : start + 3 * height * width].view(height, width, 3)
        top, left, side, mirrored = square
        cut = picture[top : top + side, left : left + side].permute(2, 0, 1)
        if side != size:
            cut = resize_square(cut, size)
        return cut.flip(2) if mirrored else cut


def resize_square(square: Tensor, size: int) -> Tensor:
    """A square ``(3, S, S)`` uint8 at another size, nearly as the CPU's samples are resized.

    OpenCV averages areas where it shrinks; here a triangle weighs them, so values differ a little.
    """
    mode = "bilinear" if square.shape[-1] > size else "bicubic"
    antialias = mode == "bilinear"
    resized = F.interpolate(square[None].float(), (size, size), mode=mode, antialias=antialias)
    return resized[0].round().clamp(0, 255).to(torch.uint8)


def measure_room(device: torch.device) -> int:
    """Bytes of a device that pictures may take: a share of what is free."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    elif device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    else:
        free = system_memory.read_available() or system_memory.NO_LIMIT
    return round(free * system_memory.CACHE_SHARE)


def move_to_device(
    pictures: dict[str, Pixels], files: Sequence[str], device: torch.device
) -> DevicePictures | None:
    """Move pictures to a device, giving up their copies in memory; None where they do not fit."""
    if sum(pictures[file].nbytes for file in files) > measure_room(device):
        return None
    moved = DevicePictures(pictures, files, device)
    for file in files:
        del pictures[file]
    return moved
