"""``mendpix.fill`` for batches of tensors. Imported only where somebody has imported PyTorch."""

import warnings
from typing import Any

import numpy as np

from mendpix.errors import MaskError, TensorError
from mendpix.inpainting.base import Filler
from mendpix.inpainting.filling import fill_as_told, read_hole
from mendpix.inpainting.options import FillOptions
from mendpix.io.picture import Picture
from mendpix.types import Progress, sub_range


def fill_tensor(
    photo: Any, mask: Any, filler: Filler, options: FillOptions, progress: Progress | None
) -> list[Any]:
    """Fill a batch ``(N, C, H, W)``; the known values are the tensor's own.

    Returns: a batch for each of ``options.tries``.

    Raises:
        TensorError: a tensor that is no such batch, or not of floating point.
        MaskError: a mask that does not fit.
    """
    if photo.ndim != 4 or not photo.is_floating_point():
        raise TensorError(
            f"photo is {photo.dtype} of shape {tuple(photo.shape)} but must be floating point "
            "(N, C, H, W)"
        )
    count = len(photo)
    outputs = [photo.detach().clone() for _ in range(options.tries)]
    for index, one in enumerate(photo):
        pixels = one.detach().float().cpu().numpy().transpose(1, 2, 0)
        picture = Picture(np.ascontiguousarray(pixels))
        reading = read_hole(_select_mask(mask, index, count), picture, options)
        for text in reading.warnings:
            warnings.warn(text, stacklevel=3)
        part = sub_range(progress, index / count, 1 / count)
        hole = photo.new_tensor(reading.hole, dtype=photo.bool().dtype)
        fills = fill_as_told(picture, reading.hole, filler, options, part)
        for output, filled in zip(outputs, fills, strict=True):
            output[index][:, hole] = photo.new_tensor(filled.pixels[reading.hole].T)
    return outputs


def _select_mask(mask: Any, index: int, count: int) -> Any:
    """The mask of one photo of a batch: a tensor's own slice, or what serves all of them."""
    if not hasattr(mask, "detach"):
        return mask
    if mask.ndim != 4 or mask.shape[1] != 1 or mask.shape[0] not in (1, count):
        raise MaskError(
            f"mask has shape {tuple(mask.shape)} but must be ({count}, 1, H, W) or (1, 1, H, W)"
        )
    one = mask[index if mask.shape[0] > 1 else 0, 0].detach().float().cpu().numpy()
    return one >= 0.5
