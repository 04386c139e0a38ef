"""Decoded pictures on the accelerator: squares are cut there, and no picture travels at a step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.training import system_memory
from mendpix.training.picture_cache import Photo


class Square(NamedTuple):
    """The square of a picture that a sample shows."""

    top: int
    left: int
    side: int
    mirrored: bool


class Resident:
    """Pictures one after another in one tensor on a device.

    Args:
        pictures: ``(H, W, 3)`` uint8, of any sizes, by file.
        files: which of them.
    """

    def __init__(
        self, pictures: Mapping[str, Photo], files: Iterable[str], device: torch.device
    ) -> None:
        kept = {file: pictures[file] for file in files}
        total = sum(picture.size for picture in kept.values())
        self._flat = torch.empty(total, dtype=torch.uint8, device=device)
        self._places: dict[str, tuple[int, int, int]] = {}
        end = 0
        for file, picture in kept.items():
            start, end = end, end + picture.size
            self._flat[start:end] = torch.from_numpy(np.array(picture)).flatten()
            self._places[file] = (start, *picture.shape[:2])

    def shape(self, file: str) -> tuple[int, int]:
        """Height and width of a picture."""
        return self._places[file][1:]

    def cut(self, files: Sequence[str], squares: Sequence[Square], size: int) -> Tensor:
        """A square of each file's picture, resized ``(N, 3, size, size)`` in [0, 1]."""
        cuts = [self._cut(f, s, size) for f, s in zip(files, squares, strict=True)]
        return torch.stack(cuts).float() / 255

    def _cut(self, file: str, square: Square, size: int) -> Tensor:
        start, height, width = self._places[file]
        whole = self._flat[start : start + 3 * height * width].view(height, width, 3)
        top, left, side, mirrored = square
        cut = whole[top : top + side, left : left + side].permute(2, 0, 1)
        if side != size:
            cut = resized(cut, size)
        return cut.flip(2) if mirrored else cut


def resized(square: Tensor, size: int) -> Tensor:
    """A square ``(3, S, S)`` uint8 at another size: smooth both ways, as the CPU's does it nearly.

    OpenCV averages areas where it shrinks; here a triangle weighs them, so values differ a little.
    """
    how = "bilinear" if square.shape[-1] > size else "bicubic"
    wide = F.interpolate(square[None].float(), (size, size), mode=how, antialias=how == "bilinear")
    return wide[0].round().clamp(0, 255).to(torch.uint8)


def room(device: torch.device) -> int:
    """Bytes of a device that pictures may take: half of what is free."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    elif device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    else:
        free = system_memory.available() or system_memory.NO_LIMIT
    return round(free * system_memory.SHARE)


def placed(
    pictures: dict[str, Photo], files: Sequence[str], device: torch.device
) -> "Resident | None":
    """Pictures moved to a device, their copies in memory given up; None where they do not fit."""
    if sum(pictures[file].nbytes for file in files) > room(device):
        return None
    resident = Resident(pictures, files, device)
    for file in files:
        del pictures[file]
    return resident
