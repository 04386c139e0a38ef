"""Context Encoders: an encoder, a narrow bottleneck, a decoder (Pathak et al., CVPR 2016).

https://arxiv.org/abs/1604.07379. Values are in [-1, 1] inside; no convolution has a bias (the
released code sets them to 0 at each step).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks import weight_init
from mendpix.networks.corruption import Corruption, Fill, paste_square
from mendpix.networks.layers import ChannelwiseLinear
from mendpix.networks.option_ranges import Channels, Overlap, Side, Units
from mendpix.networks.types import Prediction, check_batch_norm_values, check_input

# Widths in units of ``options.width``. Every step halves (encoder) or doubles (decoder) the map,
# which is 4x4 on both sides of the bottleneck; one more step gives the three colours.
CENTRE = {128: ((1, 1, 2, 4, 8), (8, 4, 2, 1))}
RANDOM = {
    128: ((1, 1, 2, 4, 8), (8, 4, 2, 1, 1)),
    64: ((1, 2, 4, 8), (8, 4, 2, 1)),
}


@dataclass(frozen=True, slots=True)
class ContextEncoderOptions:
    """Options of the centre version.

    Attributes:
        width: channels of the first layer.
        bottleneck: units between encoder and decoder (the released demo has 4000).
        channelwise: put the paper's channel-wise fully connected layer in the bottleneck's place.
        overlap: pixels of the predicted square's frame that stay known (paper 7, code 4).
        fill: what the hole is filled with: the code's ``constants``; ``zero``, the middle of the
            network's own range, a mid-grey; ``white``; ``noise``, uniform, fixed in eval mode.
    """

    width: Channels = 64
    bottleneck: Units = 4000
    channelwise: bool = False
    overlap: Overlap = 4
    fill: Fill = "constants"


@dataclass(frozen=True, slots=True)
class RandomContextEncoderOptions:
    """Options of the random-region version; ``size`` 128 or 64, the rest as for the centre's."""

    size: Side = 128
    width: Channels = 64
    bottleneck: Units = 4000
    channelwise: bool = False
    fill: Fill = "constants"


class DownConv(nn.Sequential):
    """Convolution, batch norm unless ``norm`` is off, leaky ReLU 0.2: half the size."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 2, pad: int = 1, norm: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, pad, bias=False)
        if norm:
            self.norm = nn.BatchNorm2d(c_out)
        self.act = nn.LeakyReLU(0.2)


class UpConv(nn.Sequential):
    """Transposed 4x4 convolution, batch norm, ReLU: twice the size (or 1x1 to 4x4)."""

    def __init__(self, c_in: int, c_out: int, stride: int = 2, pad: int = 1) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(c_in, c_out, 4, stride, pad, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU()


class ChannelwiseBottleneck(nn.Sequential):
    """The paper's bottleneck: each 4x4 map its own matrix, then a 1x1 convolution to mix them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = ChannelwiseLinear(channels, 4, 4)
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()


class EncoderDecoder(nn.Module):
    """The body that Context Encoders and PAN's inpainting network share.

    Args:
        encoder, decoder: channels of each step; the decoder's first is the bottleneck's way out.
        bottleneck: units at 1x1; 0 takes the channel-wise layer at 4x4 instead.
        kernel: of the encoder's convolutions.

    Shape:
        ``(N, 3, S, S)`` in [-1, 1] -> ``(N, 3, T, T)`` in [-1, 1],
        S = 4 * 2 ** len(encoder), T = 4 * 2 ** len(decoder).

    Raises:
        TensorError: training on one picture: at 1x1 batch norm has a single value per channel.
    """

    def __init__(
        self,
        encoder: tuple[int, ...],
        decoder: tuple[int, ...],
        bottleneck: int,
        kernel: int = 4,
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            DownConv(3, encoder[0], kernel, norm=False),
            *(DownConv(a, b, kernel) for a, b in pairwise(encoder)),
        )
        self.bottleneck = _build_bottleneck(encoder[-1], decoder[0], bottleneck)
        self.decoder = nn.Sequential(*(UpConv(a, b) for a, b in pairwise(decoder)))
        self.last = nn.ConvTranspose2d(decoder[-1], 3, 4, 2, 1, bias=False)
        self.narrow = bottleneck > 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        if self.training and self.narrow:  # at 1x1 the batch is all that batch norm averages over
            check_batch_norm_values(x.shape[0])
        return torch.tanh(self.last(self.decoder(self.bottleneck(x))))


def _build_bottleneck(c_in: int, c_out: int, units: int) -> nn.Sequential:
    if not units:
        return ChannelwiseBottleneck(c_in)
    return nn.Sequential(DownConv(c_in, units, 4, 1, 0), UpConv(units, c_out, 1, 0))


def scale_widths(units: tuple[int, ...], width: int) -> tuple[int, ...]:
    """Channels of a row of units for a network of this width."""
    return tuple(unit * width for unit in units)


class ContextEncoder(nn.Module):
    """Predict the centre 64x64 of a 128x128 photo (the first of the released code's two forms).

    ``hole`` is what is missing: the square without its overlap frame, ``hole_side`` pixels wide.
    The prediction takes the whole 64x64 square; elsewhere ``image`` is the photo with the fill
    colour in whatever else the hole names.

    Pathak et al. 2016, https://arxiv.org/abs/1604.07379

    Shape:
        photo ``(N, 3, 128, 128)`` in [0, 1], hole ``(N, 1, 128, 128)``
        -> ``Prediction.image`` ``(N, 3, 128, 128)`` in [0, 1].

    Raises:
        TensorError: another size, or a batch of 1 in training.
    """

    multiple = 128
    size = 128
    hole_shape = "centre"

    def __init__(self, options: ContextEncoderOptions = ContextEncoderOptions()) -> None:
        super().__init__()
        self.options = options
        self.hole_side = self.size // 2 - 2 * options.overlap
        encoder, decoder = CENTRE[self.size]
        self.corruption = Corruption(options.fill)
        self.body = EncoderDecoder(
            scale_widths(encoder, options.width),
            scale_widths(decoder, options.width),
            0 if options.channelwise else options.bottleneck,
        )
        weight_init.normal(self)

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        check_input(photo, hole, self)
        corrupted = self.corruption(photo, hole)
        return Prediction(paste_square(corrupted, self.body(corrupted)))


class RandomContextEncoder(nn.Module):
    """Predict the whole photo, whatever the hole's form (``train_random`` of the released code).

    Pathak et al. 2016, https://arxiv.org/abs/1604.07379

    Shape:
        photo ``(N, 3, S, S)`` in [0, 1], hole ``(N, 1, S, S)``
        -> ``Prediction.image`` ``(N, 3, S, S)`` in [0, 1], S = ``options.size``.

    Raises:
        TensorError: another size, or a batch of 1 in training.
    """

    multiple = 64
    size = 128

    def __init__(
        self, options: RandomContextEncoderOptions = RandomContextEncoderOptions()
    ) -> None:
        super().__init__()
        self.options = options
        if options.size not in RANDOM:
            raise TensorError(f"size is {options.size} but RandomContextEncoder has 128 and 64")
        self.size = self.multiple = options.size
        encoder, decoder = RANDOM[options.size]
        self.corruption = Corruption(options.fill)
        self.body = EncoderDecoder(
            scale_widths(encoder, options.width),
            scale_widths(decoder, options.width),
            0 if options.channelwise else options.bottleneck,
        )
        weight_init.normal(self)

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        check_input(photo, hole, self)
        return Prediction((self.body(self.corruption(photo, hole)) + 1) / 2)
