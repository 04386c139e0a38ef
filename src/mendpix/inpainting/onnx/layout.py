"""How an exported network lays pictures out: the order of axes, a fixed height and width."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.errors import WeightsError
from mendpix.types import Hole, Photo

LAYOUTS = ("NCHW", "NHWC")
"""What a description can say; a graph whose shapes tell needs none."""


def find_axes(shape: Sequence[Any], channels: int, layout: str, source: str) -> str:
    """The axes of an input or output with this shape, one letter each, such as "NHWC".

    Args:
        shape: lengths; of free axes None or a name.
        channels: of the picture.
        layout: what the description says, "" where it says nothing: then channels are last where
            the shape has their number there and not in front.

    Raises:
        WeightsError: there are other axes than a picture's.
    """
    rank = len(shape)
    if rank == 4:
        last = layout == "NHWC" if layout else shape[3] == channels and shape[1] != channels
        return "NHWC" if last else "NCHW"
    if rank == 3 and channels == 1 and not (shape[2] == 1 and shape[0] != 1):
        return "NHW"
    if rank == 3:
        last = layout == "NHWC" if layout else shape[2] == channels and shape[0] != channels
        return "HWC" if last else "CHW"
    if rank == 2 and channels == 1:
        return "HW"
    raise WeightsError(
        f"{source} has {rank} axes but a picture of {channels} channels has 3 or 4; "
        "export it with axes (N, C, H, W) or (N, H, W, C)"
    )


def find_size(shape: Sequence[Any], axes: str) -> tuple[int, int] | None:
    """The fixed height and width of a shape; None where one of them is free."""
    height, width = shape[axes.index("H")], shape[axes.index("W")]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def arrange(picture: NDArray[Any], axes: str) -> NDArray[Any]:
    """A picture ``(1, C, H, W)`` with other axes."""
    if "C" not in axes:
        picture = picture[:, 0]
    elif axes.endswith("C"):
        picture = picture.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(picture if "N" in axes else picture[0])


def restore(output: NDArray[Any], shape: tuple[int, int], layout: str) -> NDArray[Any]:
    """An output of any layout as ``(1, 3, H, W)``; as it is where it is no picture of this size."""
    batch = output[None] if output.ndim == 3 else output
    if batch.ndim == 4 and batch.shape == (1, *shape, 3) and layout != "NCHW":
        return batch.transpose(0, 3, 1, 2)
    return batch


def pad_to(photo: Photo, hole: Hole, size: tuple[int, int]) -> tuple[Photo, Hole]:
    """A square picture and its hole, mirrored to the right and below up to an oblong size."""
    down, across = size[0] - photo.shape[0], size[1] - photo.shape[1]
    edges = ((0, down), (0, across))
    return np.pad(photo, (*edges, (0, 0)), "symmetric"), np.pad(hole, edges, "symmetric")
