"""What is done to the hole before a network sees it, and the square that some predict."""

from typing import Literal

import torch
from torch import Tensor, nn

# What Context Encoders' released code writes into the hole, R, G, B of 255 (ImageNet's means,
# their order scrambled: errata to arXiv 1604.07379); PAN's writes the same.
CONSTANTS = (117.0, 104.0, 123.0)

Fill = Literal["constants", "zero", "white", "noise"]

STILL = 128  # side of the noise that is used, repeated, in eval mode


class Corruption(nn.Module):
    """Write a constant colour, or noise, over what is missing.

    Args:
        fill: the released code's ``constants``; ``zero``, the middle of the network's own range,
            a mid-grey; ``white``; ``noise``, uniform over that range, new at every call in
            training and always the same in eval mode.

    Shape:
        photo ``(N, 3, H, W)`` in [0, 1], hole ``(N, 1, H, W)`` -> ``(N, 3, H, W)`` in [-1, 1].
    """

    colour: Tensor

    def __init__(self, fill: Fill) -> None:
        super().__init__()
        self.noise = fill == "noise"
        self.register_buffer("colour", _colour(fill), persistent=False)

    def forward(self, photo: Tensor, hole: Tensor) -> Tensor:
        return (photo * 2 - 1) * (1 - hole) + self._over(photo) * hole

    def _over(self, photo: Tensor) -> Tensor:
        if not self.noise:
            return self.colour.to(photo.dtype)
        if self.training:
            return torch.rand_like(photo) * 2 - 1
        height, width = photo.shape[2:]
        tiles = (1, 1, -(-height // STILL), -(-width // STILL))
        return self.colour.to(photo.dtype).tile(tiles)[..., :height, :width]


def _colour(fill: Fill) -> Tensor:
    if fill == "constants":
        return torch.tensor(CONSTANTS).view(1, 3, 1, 1) / 127.5 - 1
    if fill == "noise":
        still = torch.Generator().manual_seed(0)  # a filler gives the same picture twice
        return torch.rand(1, 3, STILL, STILL, generator=still) * 2 - 1
    return torch.full((1, 3, 1, 1), {"zero": 0.0, "white": 1.0}[fill])


def centre(photo: Tensor) -> Tensor:
    """The centre square of half the side: ``(N, C, S, S) -> (N, C, S/2, S/2)``."""
    height, width = photo.shape[-2] // 4, photo.shape[-1] // 4
    return photo[..., height : 3 * height, width : 3 * width]


def set_square(seen: Tensor, square: Tensor) -> Tensor:
    """``seen`` with ``square`` in its centre, from [-1, 1] to [0, 1].

    Shape:
        ``(N, 3, S, S)``, ``(N, 3, S/2, S/2)`` -> ``(N, 3, S, S)``.
    """
    image = seen.to(square.dtype, copy=True)
    centre(image).copy_(square)
    return (image + 1) / 2
