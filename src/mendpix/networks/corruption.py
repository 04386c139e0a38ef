"""Corruption of the network's input (what is painted over the hole), and the centre square."""

from typing import Literal

import torch
from torch import Tensor, nn

# What Context Encoders' released code writes into the hole, R, G, B of 255: ImageNet's means with
# the channels in another order. Weights were trained with it, so it is kept. PAN's does the same.
CONSTANTS = (117.0, 104.0, 123.0)

Fill = Literal["constants", "zero", "white", "noise"]

NOISE_TILE = 128  # side of the noise that is repeated in eval mode


class Corruption(nn.Module):
    """Paint the hole with a constant colour or noise.

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
        self.register_buffer("colour", _hole_colour(fill), persistent=False)

    def forward(self, photo: Tensor, hole: Tensor) -> Tensor:
        return (photo * 2 - 1) * (1 - hole) + self._fill_values(photo) * hole

    def _fill_values(self, photo: Tensor) -> Tensor:
        if not self.noise:
            return self.colour.to(photo.dtype)
        if self.training:
            return torch.rand_like(photo) * 2 - 1
        height, width = photo.shape[2:]
        tiles = (1, 1, -(-height // NOISE_TILE), -(-width // NOISE_TILE))
        return self.colour.to(photo.dtype).tile(tiles)[..., :height, :width]


def _hole_colour(fill: Fill) -> Tensor:
    if fill == "constants":
        return torch.tensor(CONSTANTS).view(1, 3, 1, 1) / 127.5 - 1
    if fill == "noise":
        generator = torch.Generator().manual_seed(0)  # so that eval mode is deterministic
        return torch.rand(1, 3, NOISE_TILE, NOISE_TILE, generator=generator) * 2 - 1
    return torch.full((1, 3, 1, 1), {"zero": 0.0, "white": 1.0}[fill])


def crop_centre(photo: Tensor) -> Tensor:
    """The centre square of half the side: ``(N, C, S, S) -> (N, C, S/2, S/2)``."""
    height, width = photo.shape[-2] // 4, photo.shape[-1] // 4
    return photo[..., height : 3 * height, width : 3 * width]


def paste_square(picture: Tensor, square: Tensor) -> Tensor:
    """Paste ``square`` into the centre of a copy of ``picture``; scale [-1, 1] to [0, 1].

    Shape:
        ``(N, 3, S, S)``, ``(N, 3, S/2, S/2)`` -> ``(N, 3, S, S)``.
    """
    image = picture.to(square.dtype, copy=True)
    crop_centre(image).copy_(square)
    return (image + 1) / 2
