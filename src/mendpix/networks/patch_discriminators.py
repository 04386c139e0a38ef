"""Patch discriminators: SN-PatchGAN (DeepFillv2, CR-Fill) and pix2pix's PatchGAN."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks import weight_init
from mendpix.networks.context_encoder import scale_widths
from mendpix.networks.discriminators import Discriminator
from mendpix.networks.layers import SpectralConv2d
from mendpix.networks.option_ranges import Channels, Levels, Slope
from mendpix.networks.types import DiscriminatorOutput

# SN-PatchGAN, in units of ``options.width``: six 5x5 convolutions of stride 2.
SN_PATCH = (1, 2, 4, 4, 4, 4)

Plane = Literal["hole", "ones", "none"]
"""The fourth input channel, beside the three colours."""


@dataclass(frozen=True, slots=True)
class SNPatchOptions:
    """Options of SN-PatchGAN; the defaults are DeepFillv2's.

    Attributes:
        plane: the fourth input channel: the hole, ones, or none.
        slope: of the leaky ReLU.
        padding: ``same``, TensorFlow's, which pads an even size by one less at the top and
            left; or ``symmetric``, two on every side.
        width: channels of the first layer.
    """

    plane: Plane = "hole"
    slope: Slope = 0.2
    padding: Literal["same", "symmetric"] = "same"
    width: Channels = 64


DEEPFILL = SNPatchOptions()
CRFILL = SNPatchOptions(plane="ones", slope=0.01, padding="symmetric")


class SNPatchGAN(Discriminator):
    """Spectrally normed patch discriminator: each value of its output map is a logit.

    Yu et al. 2019, https://arxiv.org/abs/1806.03589; with ``CRFILL`` the one of Zeng et al. 2021,
    https://arxiv.org/abs/2011.12836

    Shape:
        photo ``(N, 3, H, W)``, hole ``(N, 1, H, W)``
        -> ``logits`` ``(N, 4 * width, H/64, W/64)``, rounded up: the last layer is activated too;
        ``features``: the output of each of the first five layers.
    """

    def __init__(self, options: SNPatchOptions = DEEPFILL) -> None:
        super().__init__()
        self.options = options
        widths = (3 if options.plane == "none" else 4, *scale_widths(SN_PATCH, options.width))
        pad = 2 if options.padding == "symmetric" else 0
        self.convs = nn.ModuleList(SpectralConv2d(a, b, 5, 2, pad) for a, b in pairwise(widths))

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        x = _append_plane(self.prepare_photo(photo, hole), hole, self.options.plane)
        features = []
        for conv in self.convs:
            x = _pad_same(x) if self.options.padding == "same" else x
            x = F.leaky_relu(conv(x), self.options.slope)
            features.append(x)
        return DiscriminatorOutput(features[-1], tuple(features[:-1]))


def _pad_same(x: Tensor, kernel: int = 5, stride: int = 2) -> Tensor:
    """Pad with zeros as TensorFlow's SAME does: the odd one at the bottom and right."""
    pads = []
    for length in (x.shape[3], x.shape[2]):
        total = max(0, (-(-length // stride) - 1) * stride + kernel - length)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


@dataclass(frozen=True, slots=True)
class PatchGANOptions:
    """Options of PatchGAN.

    Attributes:
        layers: convolutions of stride 2 (3 makes the 70x70 receptive field of pix2pix).
        width: channels of the first layer; doubled at each layer up to eight times.
        norm: what normalises between convolution and activation.
        plane: the hole, or ones, as a fourth input channel, or none.
    """

    layers: Levels = 3
    width: Channels = 64
    norm: Literal["batch", "instance", "spectral", "none"] = "batch"
    plane: Plane = "none"


class PatchGAN(Discriminator):
    """pix2pix's fully convolutional discriminator: each output sees one patch.

    Isola et al. 2017, https://arxiv.org/abs/1611.07004

    Shape:
        photo ``(N, 3, H, W)``, hole ``(N, 1, H, W)``; both sides at least ``smallest``
        -> ``logits`` ``(N, 1, h, w)``, about H / 2 ** layers less two;
        ``features``: each layer's output but the last's.

    Raises:
        TensorError: a photo too small for one logit.
    """

    def __init__(self, options: PatchGANOptions = PatchGANOptions()) -> None:
        super().__init__()
        self.options = options
        self.smallest = 3 * 2**options.layers
        units = [min(2**step, 8) for step in range(options.layers + 1)]
        widths = scale_widths(tuple(units), options.width)
        last = len(widths) - 1
        inputs = (3 if options.plane == "none" else 4, *widths)
        self.blocks = nn.ModuleList(
            PatchBlock(a, b, 1 if step == last else 2, options.norm, plain=step == 0)
            for step, (a, b) in enumerate(pairwise(inputs))
        )
        self.last = _conv(widths[-1], 1, 1, options.norm)
        weight_init.normal(self)

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        x = _append_plane(self.prepare_photo(photo, hole), hole, self.options.plane)
        if min(photo.shape[2:]) < self.smallest:
            raise TensorError(
                f"photo is {photo.shape[3]}x{photo.shape[2]} but a PatchGAN of "
                f"{self.options.layers} layers needs {self.smallest} pixels a side; "
                "enlarge it or set options.layers"
            )
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return DiscriminatorOutput(self.last(x), tuple(features))


class PatchBlock(nn.Sequential):
    """4x4 convolution, norm (none where ``plain``: the first layer), leaky ReLU 0.2."""

    def __init__(self, c_in: int, c_out: int, stride: int, norm: str, plain: bool) -> None:
        super().__init__()
        # Batch and instance norm subtract the mean, which makes a bias before them useless.
        bias = plain or norm in ("spectral", "none")
        self.conv = _conv(c_in, c_out, stride, norm, bias)
        if norm == "batch" and not plain:
            self.norm: nn.Module = nn.BatchNorm2d(c_out)
        elif norm == "instance" and not plain:
            self.norm = nn.InstanceNorm2d(c_out)
        self.act = nn.LeakyReLU(0.2)


def _conv(c_in: int, c_out: int, stride: int, norm: str, bias: bool = True) -> nn.Conv2d:
    kind = SpectralConv2d if norm == "spectral" else nn.Conv2d
    return kind(c_in, c_out, 4, stride, 1, bias=bias)


def _append_plane(x: Tensor, hole: Tensor, plane: Plane) -> Tensor:
    """Append the fourth channel that the options ask for."""
    if plane == "none":
        return x
    extra = hole if plane == "hole" else torch.ones_like(hole)
    return torch.cat((x, extra.to(x.dtype)), dim=1)
