"""Pictures as metrics take them: composited, brought to 8 bits, one pair after the other."""

from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.networks.types import check_hole, check_photo, composite

On = Literal["composite", "output"]
Bits = Literal["", "round", "truncate"]
Array = NDArray[Any]

GREY = (0.2125, 0.7154, 0.0721)
"""Rec. 709's weights of luminance, scikit-image's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture and its truth.

    Attributes:
        made, true: ``(H, W, C)``, contiguous, 0..255: uint8 where both are of 8 bits, so that sums
            over them are exact, else float64.
        hole: ``(H, W)`` uint8, 1 = missing.
    """

    made: Array
    true: Array
    hole: NDArray[np.uint8]

    def as_grey(self) -> "Pair":
        """Of luminance, ``(H, W, 1)`` float64, not rounded."""
        return Pair(_grey(self.made), _grey(self.true), self.hole)

    def changed(self) -> NDArray[np.uint8]:
        """``(H, W)``: not 0 where any channel differs."""
        wrong = cv2.absdiff(self.made, self.true)
        nothing = np.zeros(self.true.shape[2])
        return np.asarray(cv2.bitwise_not(cv2.inRange(wrong, nothing, nothing)), np.uint8)


@dataclass(slots=True)
class Pictures:
    """A batch of predictions with their targets and holes, prepared once for every metric.

    Args:
        prediction, target: ``(N, 3, H, W)``, floating in [0, 1] (the prediction is cut off there),
            or uint8 in 0..255.
        hole: ``(N, 1, H, W)``, 1 = missing.

    Raises:
        TensorError: shapes or values that do not fit each other.
    """

    prediction: Tensor
    target: Tensor
    hole: Tensor
    _pairs: dict[tuple[On, Bits], list[Pair]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.prediction.shape != self.target.shape:
            raise TensorError(
                f"prediction is {tuple(self.prediction.shape)} but target "
                f"{tuple(self.target.shape)}; give one prediction for each target"
            )
        if self.target.dtype != torch.uint8:
            check_photo(self.target, name="target")
        if not self.hole.is_floating_point():
            self.hole = self.hole.to(torch.float32)
        check_hole(self.hole, self.target)
        self.prediction, self.target = self.prediction.detach(), self.target.detach()

    def pairs(self, on: On = "composite", bits: Bits = "") -> list[Pair]:
        """Each picture with its truth, as arrays on the CPU."""
        if (on, bits) not in self._pairs:
            sides = [_arrays(side, bits) for side in (self.prediction, self.target)]
            holes = _channels_last(self.hole).to("cpu", torch.uint8).numpy()[..., 0]
            triples = zip(sides[0], sides[1], np.ascontiguousarray(holes), strict=True)
            self._pairs[on, bits] = [_pair(*triple, on=on) for triple in triples]
        return self._pairs[on, bits]

    def tensors(self, on: On = "composite", bits: Bits = "") -> tuple[Tensor, Tensor]:
        """Prediction and target, ``(N, 3, H, W)`` float32 in [0, 1], where they were."""
        made, true = (_floats(side, bits) for side in (self.prediction, self.target))
        return composite(made, true, self.hole) if on == "composite" else made, true


def _pair(made: Array, true: Array, hole: NDArray[np.uint8], on: On) -> Pair:
    if made.dtype != true.dtype:
        made, true = made.astype(np.float64), true.astype(np.float64)
    if on == "composite":
        made = np.asarray(cv2.copyTo(made, hole, true.copy()))
    return Pair(made, true, hole)


def _grey(side: Array) -> Array:
    red, green, blue = (weight * side[..., place] for place, weight in enumerate(GREY))
    return np.asarray(red + green + blue)[..., None]


def _arrays(side: Tensor, bits: Bits) -> Array:
    """``(N, H, W, 3)``, 0..255: uint8, or float64 where nothing was rounded."""
    side = _channels_last(side).cpu()
    if side.dtype != torch.uint8:
        side = side.double().clamp(0, 1) * 255
        side = _rounded(side, bits).to(torch.uint8) if bits else side
    return np.ascontiguousarray(side.numpy())


def _floats(side: Tensor, bits: Bits) -> Tensor:
    if side.dtype == torch.uint8:
        return side.to(torch.float32) / 255
    side = side.clamp(0, 1)
    return (_rounded(wide(side) * 255, bits) / 255).float() if bits else side.float()


def _rounded(levels: Tensor, bits: Bits) -> Tensor:
    # Values that came from 8 bits in float32 may lie a little below their level.
    return levels.round() if bits == "round" else (levels + 1e-4).floor()


def levels(pictures: Tensor) -> Tensor:
    """``(N, 3, H, W)`` uint8, rounded where they are not yet.

    Raises:
        TensorError: neither uint8 nor in [0, 1].
    """
    if pictures.dtype == torch.uint8:
        return pictures
    check_photo(pictures, name="picture")
    return (pictures.double().clamp(0, 1) * 255).round().to(torch.uint8)


def wide(values: Tensor) -> Tensor:
    """In float64, where the device knows it: Apple's GPUs do not."""
    return values if values.device.type == "mps" else values.double()


def _channels_last(batch: Tensor) -> Tensor:
    return batch.permute(0, 2, 3, 1)
