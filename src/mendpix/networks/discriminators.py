"""The papers' discriminators: who judges a picture, or part of it, as real or made.

All take photos in [0, 1] and work in [-1, 1]; none ends in a sigmoid (losses do that). A
picture that a network made may leave [0, 1], so values are not checked here.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import TensorError
from ..prediction import Judgement, check_hole, check_photo, check_place
from . import initial
from .context_encoder import scaled
from .corruption import centre
from .layers import SpectralConv2d

# Context Encoders, in units of ``options.width``, by side of what is judged: 4x4, stride 2.
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

# SN-PatchGAN, in units of ``options.width``: six 5x5 convolutions of stride 2.
SN_PATCH = (1, 2, 4, 4, 4, 4)

Plane = Literal["hole", "ones", "none"]


@dataclass(frozen=True, slots=True)
class ContextDiscriminatorOptions:
    """``size``: side of the photos; ``width``: channels of the first layer."""

    size: int = 128
    width: int = 64


class _Judge(nn.Module):
    """What all have in common: the checks, and the way from [0, 1] to [-1, 1]."""

    size: int | None = None

    def _seen(self, photo: Tensor, hole: Tensor) -> Tensor:
        check_photo(photo, values=False)
        check_hole(hole, photo, values=False)
        check_place(photo, self)
        if self.size is not None and tuple(photo.shape[2:]) != (self.size, self.size):
            raise TensorError(
                f"photo is {photo.shape[3]}x{photo.shape[2]} but this {type(self).__name__} "
                f"judges {self.size}x{self.size} only; crop or resize it, or set options.size"
            )
        return photo * 2 - 1


class _Block(nn.Sequential):
    """4x4 convolution of stride 2, batch norm, leaky ReLU 0.2; no bias."""

    def __init__(self, c_in: int, c_out: int, norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False)
        if norm:
            self.norm = nn.BatchNorm2d(c_out)
        self.act = nn.LeakyReLU(0.2)


class ContextDiscriminator(_Judge):
    """Context Encoders' judge of the centre square alone, knowing nothing of what surrounds it.

    Pathak et al. 2016, https://arxiv.org/abs/1604.07379

    Shape:
        photo ``(N, 3, S, S)``, hole ``(N, 1, S, S)`` (not looked at), S = ``options.size``
        -> ``logits`` ``(N, 1)``; ``features``: the output of every block but the last.
    """

    centred = True

    def __init__(
        self, options: ContextDiscriminatorOptions = ContextDiscriminatorOptions()
    ) -> None:
        super().__init__()
        self.options = options
        self.size = options.size
        side = options.size // 2 if self.centred else options.size
        if side not in CONTEXT_ENCODER:
            raise TensorError(
                f"{type(self).__name__} of size {options.size} would judge {side}x{side}; "
                "64x64 and 128x128 are known"
            )
        widths = scaled(CONTEXT_ENCODER[side], options.width)
        blocks = [_Block(a, b) for a, b in pairwise(widths)]
        self.blocks = nn.ModuleList([_Block(3, widths[0], norm=False), *blocks])
        self.last = nn.Conv2d(widths[-1], 1, 4, bias=False)
        initial.normal(self)

    def forward(self, photo: Tensor, hole: Tensor) -> Judgement:
        x = self._seen(photo, hole)
        if self.centred:
            x = centre(x)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return Judgement(self.last(x).flatten(1), tuple(features))


class RandomContextDiscriminator(ContextDiscriminator):
    """Context Encoders' judge of whole pictures, for the random-region version.

    Shape:
        photo ``(N, 3, S, S)``, hole ``(N, 1, S, S)`` (not looked at), S = ``options.size``, 128
        or 64 -> ``logits`` ``(N, 1)``; ``features``: the output of every block but the last.
    """

    centred = False


@dataclass(frozen=True, slots=True)
class PANDiscriminatorOptions:
    """Of the judge of whole pictures.

    Attributes:
        size: side of the photos, a multiple of 32.
        width: channels of the first layer.
        first: what follows the first convolution: ``tanh`` and N(0, 0.5) as in the released
            code, or ``lrelu`` and N(0, 0.02) as in the paper's table.
    """

    size: int = 256
    width: int = 64
    first: Literal["tanh", "lrelu"] = "tanh"


@dataclass(frozen=True, slots=True)
class PANSquareDiscriminatorOptions:
    """Of the judge of the centre square; ``size`` is the photo's, twice the square's."""

    size: int = 128
    width: int = 64
    first: Literal["tanh", "lrelu"] = "tanh"


class _PANBlock(nn.Sequential):
    """3x3 convolution, batch norm, leaky ReLU 0.2; the first one tanh and no norm by default."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        self.act = nn.LeakyReLU(0.2)


class PANDiscriminator(_Judge):
    """PAN's judge, whose four tapped layers D_1..D_4 also say what looks alike.

    Wang et al. 2018, https://arxiv.org/abs/1706.09138. Features are taken after activation.

    Shape:
        photo ``(N, 3, S, S)``, hole ``(N, 1, S, S)`` (not looked at), S = ``options.size``
        -> ``logits`` ``(N, 1)``; ``features`` with 1, 4, 8, 8 times ``options.width`` channels,
        at 1, 1/4, 1/8, 1/16 of the judged size.
    """

    centred = False

    def __init__(
        self,
        options: PANDiscriminatorOptions | PANSquareDiscriminatorOptions | None = None,
    ) -> None:
        super().__init__()
        self.options = options or PANDiscriminatorOptions()
        self.size = self.options.size
        self._build(self.options.width, self.options.first)
        initial.normal(self)
        if self.options.first == "tanh":
            initial.normal(self.first, 0.5)

    def _build(self, width: int, first: str) -> None:
        self.first = nn.Conv2d(3, width, 3, 1, 0 if self.centred else 1)
        self.act = nn.Tanh() if first == "tanh" else nn.LeakyReLU(0.2)
        units = pairwise(PAN)
        self.blocks = nn.ModuleList(_PANBlock(a[0] * width, b[0] * width, b[1]) for a, b in units)
        self.thin = nn.Conv2d(PAN[-1][0] * width, 8, 3, 1 if self.centred else 2, 1)
        self.last = nn.Linear(8 * self._places(), 1)

    def _places(self) -> int:
        """Pixels of the map before the fully connected layer."""
        assert self.size is not None
        judged = self.size // 2 - 2 if self.centred else self.size
        halvings = 4 if self.centred else 5
        for _ in range(halvings):
            judged = -(-judged // 2)
        return judged**2

    def forward(self, photo: Tensor, hole: Tensor) -> Judgement:
        x = self._seen(photo, hole)
        x = self.act(self.first(centre(x) if self.centred else x))
        features = [x]
        for block, (_, _, tapped) in zip(self.blocks, PAN[1:], strict=True):
            x = block(x)
            if tapped:
                features.append(x)
        return Judgement(self.last(self.thin(x).flatten(1)), tuple(features))


class PANSquareDiscriminator(PANDiscriminator):
    """PAN's judge for inpainting: it sees the centre square alone, 64x64 of 128x128.

    Shape: as for :class:`PANDiscriminator`, of the centre square; the first convolution is
    unpadded, so the square loses two pixels there.
    """

    centred = True

    def __init__(
        self, options: PANSquareDiscriminatorOptions = PANSquareDiscriminatorOptions()
    ) -> None:
        super().__init__(options)
