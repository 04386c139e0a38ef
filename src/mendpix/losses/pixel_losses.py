"""Losses on pixels: L1, L2, their form with an overlap frame, and total variation."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.losses.base import (
    Loss,
    LossInputs,
    On,
    Part,
    average_over_processes,
    check_choice,
    disable_autocast,
)

Region = Literal["whole", "hole", "known"]
Divide = Literal["image", "region"]
Reduction = Literal["mean", "sum"]


class PixelLoss(Loss):
    """Weighted L1 or L2 loss: ``sum(W * |x - y|^p)`` over the number of values; p is 1 or 2.

    Sources: the pixel loss of EnhanceNet (p = 2, https://arxiv.org/abs/1612.07919); ``hole`` and
    ``valid`` of Liu et al. 2018, https://arxiv.org/abs/1804.07723, are p = 1 on a region divided
    by the whole image's size; the squared error of Context Encoders' random form is p = 2 with
    ``known_weight`` 10.

    Args:
        power: p, 1 or 2.
        region: which pixels count: ``"whole"``, ``"hole"`` or ``"known"``.
        divide: by the number of values in the ``"image"`` or in the ``"region"`` (averaged over
            the processes of a distributed step; 1 where the region is empty).
        reduction: ``"mean"``, or ``"sum"``: a picture's sum, averaged over the batch.
        known_weight: W of known pixels; 1 in the hole.
        span: length of the range in which the source writes its pictures: 2 for [-1, 1].
        shrink: compare pictures averaged down by this factor: colours and brightness of areas,
            not their texture; places count by their share in the region.
        on, part: which picture is compared.

    Shape:
        as every loss; returns a scalar >= 0.

    Raises:
        ValueError: an option's value is unknown or out of range.
    """

    def __init__(
        self,
        power: int,
        region: Region = "whole",
        divide: Divide = "image",
        reduction: Reduction = "mean",
        known_weight: float = 1.0,
        span: float = 1.0,
        shrink: int = 1,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(on, part)
        check_choice("region", region, ("whole", "hole", "known"))
        check_choice("divide", divide, ("image", "region"))
        check_choice("reduction", reduction, ("mean", "sum"))
        if power not in (1, 2):
            raise ValueError(f"power is {power} but must be 1 or 2")
        check_positive(known_weight=known_weight, span=span)
        if shrink < 1:
            raise ValueError(f"shrink is {shrink} but must be 1 or more")
        self.power = power
        self.region: Region = region
        self.divide: Divide = divide
        self.reduction: Reduction = reduction
        self.known_weight = known_weight
        self.span = span
        self.shrink = shrink

    def compute(self, inputs: LossInputs) -> Tensor:
        """The weighted differences of the region's pixels."""
        picture, target, hole = self.get_picture(inputs), inputs.target, inputs.hole
        if self.shrink > 1:
            picture, target, hole = (F.avg_pool2d(x, self.shrink) for x in (picture, target, hole))
        with disable_autocast(picture):
            # span^p: as if computed on the source's range, for which its weights were chosen.
            error = compute_differences(picture, target, self.power) * self.span**self.power
            inside = select_region(hole, self.region)
            total = (error * inside * self._weights(hole)).sum()
            return total / self._count(picture, inside)

    def _weights(self, hole: Tensor) -> Tensor | float:
        return hole + self.known_weight * (1 - hole) if self.known_weight != 1 else 1.0

    def _count(self, picture: Tensor, inside: Tensor) -> Tensor | float:
        if self.reduction == "sum":
            return float(picture.shape[0])
        if self.divide == "image":
            return float(picture.numel())
        return average_over_processes(inside.sum() * picture.shape[1]).clamp(min=1)


class L1(PixelLoss):
    """Absolute differences of pixels; options and sources as in :class:`PixelLoss`."""

    def __init__(
        self,
        region: Region = "whole",
        divide: Divide = "image",
        reduction: Reduction = "mean",
        known_weight: float = 1.0,
        span: float = 1.0,
        shrink: int = 1,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(1, region, divide, reduction, known_weight, span, shrink, on, part)


class L2(PixelLoss):
    """Squared differences of pixels; options and sources as in :class:`PixelLoss`."""

    def __init__(
        self,
        region: Region = "whole",
        divide: Divide = "image",
        reduction: Reduction = "mean",
        known_weight: float = 1.0,
        span: float = 1.0,
        shrink: int = 1,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(2, region, divide, reduction, known_weight, span, shrink, on, part)


class OverlapL2(Loss):
    """Squared differences in the hole and, weighing more, in a frame of known pixels around it.

    ``mean(W * (x - y)^2)`` over the hole grown by ``overlap`` pixels, W = 1 in the hole and
    ``frame_weight`` in the frame: the reconstruction term of Context Encoders' centre form
    (Pathak et al. 2016, https://arxiv.org/abs/1604.07379, as released). Where the hole is the
    56x56 square, the grown hole is the 64x64 square that the network predicts.

    Args:
        overlap: width of the frame in pixels (the released code's 4; the paper's 7).
        frame_weight: W in the frame.
        span: length of the range in which the source writes its pictures: 2 for [-1, 1].
        on, part: which picture is compared.

    Shape:
        as every loss; returns a scalar >= 0; 0 where nothing is missing.

    Raises:
        ValueError: an overlap below 0, or a weight or span that is not above 0.
    """

    def __init__(
        self,
        overlap: int = 4,
        frame_weight: float = 10.0,
        span: float = 2.0,
        on: On = "output",
        part: Part = "image",
    ) -> None:
        super().__init__(on, part)
        if overlap < 0:
            raise ValueError(f"overlap is {overlap} but must be >= 0")
        check_positive(frame_weight=frame_weight, span=span)
        self.overlap = overlap
        self.frame_weight = frame_weight
        self.span = span

    def compute(self, inputs: LossInputs) -> Tensor:
        """The weighted squared differences in the grown hole."""
        picture = self.get_picture(inputs)
        with disable_autocast(picture):
            grown = dilate(inputs.hole, self.overlap)
            weight = inputs.hole + self.frame_weight * (grown - inputs.hole)
            error = compute_differences(picture, inputs.target, 2) * self.span**2
            count = average_over_processes(grown.sum() * picture.shape[1]).clamp(min=1)
            return (weight * error).sum() / count


class TotalVariation(Loss):
    """Jumps between neighbouring pixels of the filled picture.

    In ``"hole"``: pairs that both lie in the hole or its 1-pixel rim, summed and divided by the
    picture's size: ``L_tv`` of Liu et al. 2018, https://arxiv.org/abs/1804.07723. ``"whole"``:
    the mean over vertical pairs plus the mean over horizontal ones, as ports have it.

    Args:
        tv_region: ``"hole"`` or ``"whole"``.
        on, part: which picture is compared; the composite by default.

    Shape:
        as every loss; returns a scalar >= 0; 0 where the fill is flat and seamless.
    """

    def __init__(
        self,
        tv_region: Literal["hole", "whole"] = "hole",
        on: On = "composite",
        part: Part = "image",
    ) -> None:
        super().__init__(on, part)
        check_choice("tv_region", tv_region, ("hole", "whole"))
        self.tv_region = tv_region

    def compute(self, inputs: LossInputs) -> Tensor:
        """The jumps of the picture."""
        picture = self.get_picture(inputs)
        with disable_autocast(picture):
            down, across = picture.diff(dim=-2).abs(), picture.diff(dim=-1).abs()
            if self.tv_region == "whole":
                return down.sum() / max(down.numel(), 1) + across.sum() / max(across.numel(), 1)
            near = dilate(inputs.hole, 1)
            down = down * near[..., 1:, :] * near[..., :-1, :]
            across = across * near[..., 1:] * near[..., :-1]
            return (down.sum() + across.sum()) / picture.numel()


def compute_differences(picture: Tensor, target: Tensor, power: int) -> Tensor:
    """``|picture - target|`` or its square."""
    difference = picture - target
    return difference.abs() if power == 1 else difference.square()


def select_region(hole: Tensor, region: Region) -> Tensor:
    """1 where a pixel lies in the region ``(N, 1, H, W)``."""
    if region == "whole":
        return torch.ones_like(hole)
    return hole if region == "hole" else 1 - hole


def dilate(hole: Tensor, pixels: int) -> Tensor:
    """The hole grown by so many pixels in all eight directions."""
    if not pixels:
        return hole
    return F.max_pool2d(hole, 2 * pixels + 1, stride=1, padding=pixels)


def check_positive(**numbers: float) -> None:
    """Check that options are above 0.

    Raises:
        ValueError: names the option and its value.
    """
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name} is {value:g} but must be above 0")
