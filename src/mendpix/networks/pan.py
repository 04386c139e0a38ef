"""PAN's image transformation networks (Wang, Xu, Wang, Tao, TIP 2018).

https://arxiv.org/abs/1706.09138. Values are in [-1, 1] inside. Layer plans are those of the
released code, or of a port that quotes the paper's table.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from mendpix.networks import weight_init
from mendpix.networks.context_encoder import EncoderDecoder, scale_widths
from mendpix.networks.corruption import Corruption, Fill, paste_square
from mendpix.networks.option_ranges import Channels, Dropout, Overlap, Units
from mendpix.networks.types import Prediction, check_batch_norm_values, check_input


class UNetPlan(NamedTuple):
    """A U-Net's channels in units of ``options.width``: each step down halves, each up doubles.

    Attributes:
        down, up: channels of the convolutions, and of the transposed ones before the colours.
        skips: how many steps up are concatenated with the convolution of the same size.
        narrow: the last step down has a ReLU and no batch norm.
    """

    down: tuple[int, ...]
    up: tuple[int, ...]
    skips: int
    narrow: bool = False


PLANS = {
    "code": UNetPlan((1, 2, 4, 8, 8, 8), (8, 8, 4, 2, 1), 4),
    "port": UNetPlan((1, 2, 4, 8, 8, 8), (8, 4, 2, 1, 1), 4),
    "facades": UNetPlan((1, 2, 4, 8, 8, 8, 8, 8), (8, 8, 8, 8, 4, 2, 1), 7, narrow=True),
}

INPAINTING = ((1, 1, 2, 4, 8), (8, 4, 2, 1))


@dataclass(frozen=True, slots=True)
class PANOptions:
    """Options of the U-Net.

    Attributes:
        plan: ``code``, the six steps of the released code; ``port``, the same with the narrower
            decoder of the port; ``facades``, the eight steps of the released training script.
        width: channels of the first layer.
        first_norm: batch norm after the first convolution (the port has none).
        dropout: share of channels' values dropped after the first three steps up (0.5 in the
            released ``unet``, 0 in the default ``unet_nodrop``).
        fill: colour of the hole; see :class:`~mendpix.networks.corruption.Corruption`.
    """

    plan: Literal["code", "port", "facades"] = "code"
    width: Channels = 64
    first_norm: bool = True
    dropout: Dropout = 0.0
    fill: Fill = "constants"


@dataclass(frozen=True, slots=True)
class PANInpaintingOptions:
    """Options of the inpainting network, as for the Context Encoder."""

    width: Channels = 64
    bottleneck: Units = 4000
    overlap: Overlap = 4
    fill: Fill = "constants"


class UNetDown(nn.Module):
    """3x3 convolution of stride 2; its output before and after batch norm and activation.

    Shape:
        ``(N, c_in, H, W)`` -> two of ``(N, c_out, H/2, W/2)``.
    """

    def __init__(self, c_in: int, c_out: int, norm: bool = True, narrow: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, 2, 1, bias=not norm)
        self.norm = nn.BatchNorm2d(c_out) if norm else None
        self.act = nn.ReLU() if narrow else nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.conv(x)
        if self.norm is None:
            return raw, self.act(raw)
        if self.training:
            check_batch_norm_values(raw.shape[0] * raw.shape[2] * raw.shape[3])
        return raw, self.act(self.norm(raw))


class UNetUp(nn.Module):
    """Transposed 4x4 convolution, batch norm, concatenated skip, ReLU: twice the size.

    Shape:
        x ``(N, c_in, H, W)``, skip ``(N, c_skip, 2H, 2W)`` or None
        -> ``(N, c_out + c_skip, 2H, 2W)``.
    """

    def __init__(self, c_in: int, c_out: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = self.dropout(self.norm(self.conv(x)))
        return torch.relu(x if skip is None else torch.cat((x, skip), dim=1))


class PANUNet(nn.Module):
    """PAN's image transformation network, a U-Net; its input's hole is painted over.

    Skips take the convolution's own output, before batch norm and activation.

    Wang et al. 2018, https://arxiv.org/abs/1706.09138

    Shape:
        photo ``(N, 3, H, W)`` in [0, 1], hole ``(N, 1, H, W)``; H and W multiples of
        ``multiple``: 64, or 256 with the plan ``facades``.
        -> ``Prediction.image`` ``(N, 3, H, W)`` in [0, 1].

    Raises:
        TensorError: another size; training where batch norm sees one value per channel.
    """

    multiple = 64

    def __init__(self, options: PANOptions = PANOptions()) -> None:
        super().__init__()
        self.options = options
        plan = PLANS[options.plan]
        self.multiple = 2 ** len(plan.down)
        self.skips = plan.skips
        self.corruption = Corruption(options.fill)
        down, up = scale_widths(plan.down, options.width), scale_widths(plan.up, options.width)
        self.down = nn.ModuleList(_build_down(down, options.first_norm, plan.narrow))
        self.up = nn.ModuleList(_build_up(down, up, plan.skips, options.dropout))
        self.last = nn.ConvTranspose2d(_count_joined_channels(down, up, plan.skips)[-1], 3, 4, 2, 1)
        weight_init.normal(self)
        weight_init.normal(self.down[0], 0.05)  # the released code's, for the first layer alone

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        check_input(photo, hole, self)
        x = self.corruption(photo, hole)
        raws: list[Tensor] = []
        for down in self.down:
            raw, x = down(x)
            raws.append(raw)
        for step, up in enumerate(self.up):
            x = up(x, raws[-2 - step] if step < self.skips else None)
        return Prediction((torch.tanh(self.last(x)) + 1) / 2)


def _build_down(widths: tuple[int, ...], first_norm: bool, narrow: bool) -> list[UNetDown]:
    last = len(widths) - 1
    return [
        UNetDown(c_in, c_out, norm, narrow and step == last)
        for step, (c_in, c_out) in enumerate(pairwise((3, *widths)))
        for norm in [first_norm if step == 0 else not (narrow and step == last)]
    ]


def _build_up(
    down: tuple[int, ...], up: tuple[int, ...], skips: int, dropout: float
) -> list[UNetUp]:
    inputs = (down[-1], *_count_joined_channels(down, up, skips))
    return [
        UNetUp(c_in, c_out, dropout if step < 3 else 0.0)
        for step, (c_in, c_out) in enumerate(zip(inputs, up, strict=False))
    ]


def _count_joined_channels(
    down: tuple[int, ...], up: tuple[int, ...], skips: int
) -> tuple[int, ...]:
    """Channels after each step up, the skip's included."""
    return tuple(width + (down[-2 - step] if step < skips else 0) for step, width in enumerate(up))


class PANInpainting(nn.Module):
    """Predict the centre 64x64 of a 128x128 photo: Context Encoder with 3x3 encoder kernels.

    ``hole`` and ``image`` are as for :class:`~mendpix.networks.context_encoder.ContextEncoder`.

    Wang et al. 2018, https://arxiv.org/abs/1706.09138

    Shape:
        photo ``(N, 3, 128, 128)`` in [0, 1], hole ``(N, 1, 128, 128)``
        -> ``Prediction.image`` ``(N, 3, 128, 128)`` in [0, 1].

    Raises:
        TensorError: another size, or a batch of 1 in training.
    """

    multiple = 128
    size = 128
    hole_shape = "centre"

    def __init__(self, options: PANInpaintingOptions = PANInpaintingOptions()) -> None:
        super().__init__()
        self.options = options
        self.hole_side = self.size // 2 - 2 * options.overlap
        encoder, decoder = (scale_widths(units, options.width) for units in INPAINTING)
        self.corruption = Corruption(options.fill)
        self.body = EncoderDecoder(encoder, decoder, options.bottleneck, kernel=3)
        weight_init.normal(self)
        weight_init.normal(self.body.encoder[0], 0.05)

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        check_input(photo, hole, self)
        corrupted = self.corruption(photo, hole)
        return Prediction(paste_square(corrupted, self.body(corrupted)))
