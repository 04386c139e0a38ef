"""The metrics' inputs: pictures composited, quantised to 8 bits, as tensors or pairs of arrays."""

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
"""Weights of luminance, those of scikit-image's ``rgb2gray``."""


@dataclass(frozen=True, slots=True)
class PicturePair:
    """One predicted picture and its target.

    Attributes:
        prediction, target: ``(H, W, C)``, contiguous, 0..255: uint8 where both are of 8 bits, so
            that sums over them are exact, else float64.
        hole: ``(H, W)`` uint8, 1 = missing.
    """

    prediction: Array
    target: Array
    hole: NDArray[np.uint8]

    def to_grey(self) -> "PicturePair":
        """Convert to luminance, ``(H, W, 1)`` float64, not rounded."""
        return PicturePair(_grey(self.prediction), _grey(self.target), self.hole)

    def find_changes(self) -> NDArray[np.uint8]:
        """``(H, W)``: not 0 where any channel differs."""
        error = cv2.absdiff(self.prediction, self.target)
        zero = np.zeros(self.target.shape[2])
        return np.asarray(cv2.bitwise_not(cv2.inRange(error, zero, zero)), np.uint8)


@dataclass(slots=True)
class PictureBatch:
    """A batch of predictions with their targets and holes, prepared once for several metrics.

    Args:
        prediction, target: ``(N, 3, H, W)``, floating point in [0, 1] (to which the prediction is
            clipped), or uint8 in 0..255.
        hole: ``(N, 1, H, W)``, 1 = missing.

    Raises:
        TensorError: shapes or values that do not fit each other.
    """

    prediction: Tensor
    target: Tensor
    hole: Tensor
    _pairs: dict[tuple[On, Bits], list[PicturePair]] = field(default_factory=dict, repr=False)

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

    def get_pairs(self, on: On = "composite", bits: Bits = "") -> list[PicturePair]:
        """Each picture with its target, as arrays on the CPU."""
        if (on, bits) not in self._pairs:
            sides = [_arrays(side, bits) for side in (self.prediction, self.target)]
            holes = _channels_last(self.hole).to("cpu", torch.uint8).numpy()[..., 0]
            triples = zip(sides[0], sides[1], np.ascontiguousarray(holes), strict=True)
            self._pairs[on, bits] = [_pair(*triple, on=on) for triple in triples]
        return self._pairs[on, bits]

    def get_tensors(self, on: On = "composite", bits: Bits = "") -> tuple[Tensor, Tensor]:
        """Prediction and target, ``(N, 3, H, W)`` float32 in [0, 1], on their own device."""
        prediction, target = (_floats(side, bits) for side in (self.prediction, self.target))
        return composite(prediction, target, self.hole) if on == "composite" else prediction, target


def _pair(prediction: Array, target: Array, hole: NDArray[np.uint8], on: On) -> PicturePair:
    if prediction.dtype != target.dtype:
        prediction, target = prediction.astype(np.float64), target.astype(np.float64)
    if on == "composite":
        prediction = np.asarray(cv2.copyTo(prediction, hole, target.copy()))
    return PicturePair(prediction, target, hole)


def _grey(side: Array) -> Array:
    red, green, blue = (weight * side[..., place] for place, weight in enumerate(GREY))
    return np.asarray(red + green + blue)[..., None]


def _arrays(side: Tensor, bits: Bits) -> Array:
    """``(N, H, W, 3)``, 0..255: uint8, or float64 if floating point and not quantised."""
    side = _channels_last(side).cpu()
    if side.dtype != torch.uint8:
        side = side.double().clamp(0, 1) * 255
        side = _quantise(side, bits).to(torch.uint8) if bits else side
    return np.ascontiguousarray(side.numpy())


def _floats(side: Tensor, bits: Bits) -> Tensor:
    if side.dtype == torch.uint8:
        return side.to(torch.float32) / 255
    side = side.clamp(0, 1)
    return (_quantise(to_float64(side) * 255, bits) / 255).float() if bits else side.float()


def _quantise(to_8_bits: Tensor, bits: Bits) -> Tensor:
    # Values that came from 8 bits in float32 may lie a little below their level.
    return to_8_bits.round() if bits == "round" else (to_8_bits + 1e-4).floor()


def to_8_bits(pictures: Tensor) -> Tensor:
    """Convert pictures ``(N, 3, H, W)`` to uint8, by rounding.

    Raises:
        TensorError: neither uint8 nor in [0, 1].
    """
    if pictures.dtype == torch.uint8:
        return pictures
    check_photo(pictures, name="picture")
    return (pictures.double().clamp(0, 1) * 255).round().to(torch.uint8)


def to_float64(values: Tensor) -> Tensor:
    """Convert to float64, where the device has it: Apple's GPUs do not."""
    return values if values.device.type == "mps" else values.double()


def _channels_last(batch: Tensor) -> Tensor:
    return batch.permute(0, 2, 3, 1)
