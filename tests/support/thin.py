"""Frozen feature networks with few channels and random weights: quick, and at hand everywhere."""

from collections.abc import Iterable

import torch
from torch import Tensor

from mendpix.networks.features import LAYOUTS, FeatureNetwork


def tensors(layout: str, width: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Random tensors of a layout."""
    random = torch.Generator().manual_seed(seed)
    made, channels = {}, 3
    for step in (step for step in LAYOUTS[layout] if step.index >= 0):
        shape = (width, channels, step.kernel, step.kernel)
        gain = (2 / (channels * step.kernel**2)) ** 0.5
        made[f"features.{step.index}.weight"] = torch.randn(shape, generator=random) * gain
        made[f"features.{step.index}.bias"] = torch.randn(width, generator=random) * 0.1
        channels = width
    return made


class Counting(FeatureNetwork):
    """A thin network that counts its passes and says which of them had a gradient."""

    def __init__(self, layout: str = "vgg19", width: int = 4, normalise: bool = True) -> None:
        super().__init__(layout, tensors(layout, width), normalise=normalise)
        self.passes: list[bool] = []

    def forward(
        self, picture: Tensor, layers: Iterable[str], widen: bool = True
    ) -> dict[str, Tensor]:
        self.passes.append(picture.requires_grad and torch.is_grad_enabled())
        return super().forward(picture, layers, widen)
