"""Context Encoders' and PAN's discriminators: one logit for a picture, or for its centre.

All take photos in [0, 1] and work in [-1, 1]; none ends in a sigmoid (losses do that). A
network's output may leave [0, 1], so values are not checked here.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks import weight_init
from mendpix.networks.context_encoder import scale_widths
from mendpix.networks.corruption import crop_centre
from mendpix.networks.option_ranges import Channels, Side
from mendpix.networks.types import DiscriminatorOutput, check_device, check_hole, check_photo

# Context Encoders: channels in units of ``options.width``, by the side of the picture judged.
# Convolutions are 4x4 of stride 2, so that every row ends at 4x4.
CONTEXT_ENCODER = {64: (1, 2, 4, 8), 128: (1, 1, 2, 4, 8)}

# PAN, in units of ``options.width``: channels, stride, and whether a feature is tapped.
PAN = (
    (1, 1, True),
    (2, 2, False),
    (2, 1, False),
    (4, 2, True),
    (4, 1, False),
    (8, 2, True),
    (8, 1, False),
    (8, 2, True),
)

Part = Literal["whole", "centre"]


class Discriminator(nn.Module):
    """Base class: input checks, and scaling from [0, 1] to [-1, 1].

    Shape:
        photo ``(N, 3, H, W)`` in [0, 1], hole ``(N, 1, H, W)``, 1 = missing
        -> :class:`~mendpix.networks.types.DiscriminatorOutput`.
    """

    def prepare_photo(self, photo: Tensor, hole: Tensor, size: int | None = None) -> Tensor:
        """Check the inputs; return the photo in [-1, 1].

        Raises:
            TensorError: shapes, dtypes or devices do not fit, or the photo is not size x size.
        """
        check_photo(photo, values=False)
        check_hole(hole, photo, values=False)
        check_device(photo, self)
        if size is not None and tuple(photo.shape[2:]) != (size, size):
            raise TensorError(
                f"photo is {photo.shape[3]}x{photo.shape[2]} but this {type(self).__name__} "
                f"judges {size}x{size} only; crop or resize it, or set options.size"
            )
        return photo * 2 - 1


@dataclass(frozen=True, slots=True)
class ContextDiscriminatorOptions:
    """Options of Context Encoders' discriminator.

    Attributes:
        part: ``centre``, the square of half the side; ``whole``, for the random-region version.
        size: side of the photos; 64 or 128 is judged.
        width: channels of the first layer.
    """

    part: Part = "centre"
    size: Side = 128
    width: Channels = 64


class ContextBlock(nn.Sequential):
    """4x4 convolution of stride 2, batch norm, leaky ReLU 0.2; no bias."""

    def __init__(self, c_in: int, c_out: int, norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False)
        if norm:
            self.norm = nn.BatchNorm2d(c_out)
        self.act = nn.LeakyReLU(0.2)


class ContextDiscriminator(Discriminator):
    """Context Encoders' discriminator, of the centre square alone or of the whole picture.

    Pathak et al. 2016, https://arxiv.org/abs/1604.07379

    Shape:
        photo ``(N, 3, S, S)``, hole ``(N, 1, S, S)`` (not looked at), S = ``options.size``
        -> ``logits`` ``(N, 1)``; ``features``: the output of each block.

    Raises:
        TensorError: a size for which there is no layer table, or a photo of another size.
    """

    def __init__(
        self, options: ContextDiscriminatorOptions = ContextDiscriminatorOptions()
    ) -> None:
        super().__init__()
        self.options = options
        side = options.size // 2 if options.part == "centre" else options.size
        if side not in CONTEXT_ENCODER:
            raise TensorError(
                f"options.size {options.size} means judging {side}x{side} ({options.part}) "
                "but only 64x64 and 128x128 are known; set options.size or options.part"
            )
        widths = scale_widths(CONTEXT_ENCODER[side], options.width)
        blocks = [ContextBlock(a, b) for a, b in pairwise(widths)]
        self.blocks = nn.ModuleList([ContextBlock(3, widths[0], norm=False), *blocks])
        self.last = nn.Conv2d(widths[-1], 1, 4, bias=False)
        weight_init.normal(self)

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        x = self.prepare_photo(photo, hole, self.options.size)
        features = []
        x = crop_centre(x) if self.options.part == "centre" else x
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return DiscriminatorOutput(self.last(x).flatten(1), tuple(features))


@dataclass(frozen=True, slots=True)
class PANDiscriminatorOptions:
    """Options of PAN's discriminator.

    Attributes:
        part: ``whole``; ``centre`` for inpainting, where the first convolution is unpadded and
            the last one keeps the size.
        size: side of the photos: 256 in the released code, 128 with ``centre``.
        width: channels of the first layer.
        first: what follows the first convolution: ``tanh`` and N(0, 0.5) as in the released
            code, or ``lrelu`` and N(0, 0.02) as in the port that quotes the paper.
    """

    part: Part = "whole"
    size: Side = 256
    width: Channels = 64
    first: Literal["tanh", "lrelu"] = "tanh"


class PANBlock(nn.Sequential):
    """3x3 convolution, batch norm, leaky ReLU 0.2."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        self.act = nn.LeakyReLU(0.2)


class PANDiscriminator(Discriminator):
    """PAN's discriminator, whose tapped layers D_1..D_4 the perceptual adversarial loss compares.

    Wang et al. 2018, https://arxiv.org/abs/1706.09138. Features are taken after activation.

    Shape:
        photo ``(N, 3, S, S)``, hole ``(N, 1, S, S)`` (not looked at), S = ``options.size``
        -> ``logits`` ``(N, 1)``; ``features`` with 1, 4, 8, 8 times ``options.width`` channels
        at 1, 1/4, 1/8, 1/16 of the judged size.

    Raises:
        TensorError: a photo of another size.
    """

    def __init__(self, options: PANDiscriminatorOptions = PANDiscriminatorOptions()) -> None:
        super().__init__()
        self.options = options
        square, width = options.part == "centre", options.width
        self.first = nn.Conv2d(3, width, 3, 1, 0 if square else 1)
        self.act = nn.Tanh() if options.first == "tanh" else nn.LeakyReLU(0.2)
        self.blocks = nn.ModuleList(
            PANBlock(a[0] * width, b[0] * width, b[1]) for a, b in pairwise(PAN)
        )
        self.thin = nn.Conv2d(PAN[-1][0] * width, 8, 3, 1 if square else 2, 1)
        self.last = nn.Linear(8 * _last_map_side(options) ** 2, 1)
        weight_init.normal(self)
        if options.first == "tanh":
            weight_init.normal(self.first, 0.5)

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        x = self.prepare_photo(photo, hole, self.options.size)
        x = self.act(self.first(crop_centre(x) if self.options.part == "centre" else x))
        features = [x]
        for block, (_, _, tapped) in zip(self.blocks, PAN[1:], strict=True):
            x = block(x)
            if tapped:
                features.append(x)
        return DiscriminatorOutput(self.last(self.thin(x).flatten(1)), tuple(features))


def _last_map_side(options: PANDiscriminatorOptions) -> int:
    """Side of the map that the fully connected layer takes."""
    if options.part == "centre":  # unpadded first layer: 2 less; four strides of 2, rounded up
        return -(-(options.size // 2 - 2) // 16)
    return -(-options.size // 32)  # five strides of 2, rounded up
