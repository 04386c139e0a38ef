"""CR-Fill: a gated two-stage generator and its contextual reconstruction branch (ICCV 2021).

Zeng, Lin, Lu, Patel, https://arxiv.org/abs/2011.12836. The first stage predicts a coarse picture;
two encoders take it, and one decoder predicts the fine picture. In training a branch rebuilds
the picture once more by copying known patches whose features in the second encoder are similar;
it is not used when filling. Values are in [-1, 1] inside.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks.contextual_reconstruction import AS_SHIPPED, ContextualOptions, reconstruct
from mendpix.networks.layers import GatedConv2d
from mendpix.networks.option_ranges import Channels
from mendpix.networks.types import Prediction, check_input, composite


class ConvSpec(NamedTuple):
    """One gated convolution: its released name, and its channels in units of ``options.width``.

    ``c_conv`` are the convolution's channels, half of which are gates; 0 stands for the last
    layer: three colours, no gate.
    """

    name: str
    c_conv: float
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    upsample: bool = False
    relu: bool = False


COARSE = (
    ConvSpec("conv1", 1, kernel=5),
    ConvSpec("conv2_downsample", 2, stride=2),
    ConvSpec("conv3", 2),
    ConvSpec("conv4_downsample", 4, stride=2),
    ConvSpec("conv5", 4),
    ConvSpec("conv6", 4),
    ConvSpec("conv7_atrous", 4, dilation=2),
    ConvSpec("conv8_atrous", 4, dilation=4),
    ConvSpec("conv9_atrous", 4, dilation=8),
    ConvSpec("conv10_atrous", 4, dilation=16),
    ConvSpec("conv11", 4),
    ConvSpec("conv12", 4),
    ConvSpec("conv13_upsample_conv", 2, upsample=True),
    ConvSpec("conv14", 2),
    ConvSpec("conv15_upsample_conv", 1, upsample=True),
    ConvSpec("conv16", 0.5),
    ConvSpec("conv17", 0),
)
FAR = (  # the encoder with dilated convolutions, for a large receptive field
    ConvSpec("xconv1", 1, kernel=5),
    ConvSpec("xconv2_downsample", 1, stride=2),
    ConvSpec("xconv3", 2),
    ConvSpec("xconv4_downsample", 2, stride=2),
    ConvSpec("xconv5", 4),
    ConvSpec("xconv6", 4),
    ConvSpec("xconv7_atrous", 4, dilation=2),
    ConvSpec("xconv8_atrous", 4, dilation=4),
    ConvSpec("xconv9_atrous", 4, dilation=8),
    ConvSpec("xconv10_atrous", 4, dilation=16),
)
MATCH = (  # the encoder whose output the branch compares
    ConvSpec("pmconv1", 1, kernel=5),
    ConvSpec("pmconv2_downsample", 1, stride=2),
    ConvSpec("pmconv3", 2),
    ConvSpec("pmconv4_downsample", 4, stride=2),
    ConvSpec("pmconv5", 4),
    ConvSpec("pmconv6", 4, relu=True),
)
REFINE = (ConvSpec("pmconv9", 4), ConvSpec("pmconv10", 4))
FINE = (
    ConvSpec("allconv11", 4),
    ConvSpec("allconv12", 4),
    ConvSpec("allconv13_upsample_conv", 2, upsample=True),
    ConvSpec("allconv14", 2),
    ConvSpec("allconv15_upsample_conv", 1, upsample=True),
    ConvSpec("allconv16", 0.5),
    ConvSpec("allconv17", 0),
)

# The branch is a U-Net of two levels; after copying, two more convolutions.
OUTER = (ConvSpec("bconv1", 1, kernel=5),)
MIDDLE = (ConvSpec("bconv2_downsample", 2, stride=2), ConvSpec("bconv3", 2))
INNER = (
    ConvSpec("bconv4_downsample", 4, stride=2),
    ConvSpec("conv13_upsample_conv", 2, upsample=True),
)
UP_MIDDLE = (ConvSpec("conv14", 2), ConvSpec("conv15_upsample_conv", 1, upsample=True))
UP_OUTER = (ConvSpec("conv16", 1),)
REBUILD = (ConvSpec("conv16_2", 1), ConvSpec("conv17", 0))

PATCH = 16  # pixels under 4x4 places of the compared features


@dataclass(frozen=True, slots=True)
class CRFillOptions:
    """Options of CR-Fill; defaults are the released code's.

    Attributes:
        width: channels of the first convolution (cnum), a multiple of 4.
        branch: build the contextual reconstruction branch; without it the network only fills.
        contextual: how the branch compares and copies.
    """

    width: Channels = 48
    branch: bool = True
    contextual: ContextualOptions = field(default=AS_SHIPPED)


class Stage(nn.Module):
    """Convolutions in sequence, under their released names.

    A released key ``conv1.weight`` is ``coarse.conv1.conv.weight`` here: the layer's name comes
    last but one, so keys map one to one (:mod:`mendpix.networks.released_formats`). In two-stage
    files the generator's names follow ``baseg.`` and the others are the branch's.

    Shape:
        ``(N, c_in, H, W)`` -> ``(N, c_out, H', W')``.
    """

    def __init__(self, rows: Iterable[ConvSpec], c_in: int, width: int) -> None:
        super().__init__()
        for row in rows:
            self.add_module(row.name, _layer(row, c_in, width))
            c_in = int(row.c_conv * width) // 2
        self.c_out = c_in

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x


def _layer(row: ConvSpec, c_in: int, width: int) -> nn.Module:
    if not row.c_conv:
        last = nn.Sequential()
        last.add_module("conv", nn.Conv2d(c_in, 3, row.kernel, padding=row.kernel // 2))
        last.add_module("act", nn.Tanh())
        return last
    act = nn.ReLU() if row.relu else nn.ELU()
    size = (row.kernel, row.stride, row.dilation)
    return GatedConv2d(c_in, int(row.c_conv * width), *size, act=act, upsample=row.upsample)


class CRFill(nn.Module):
    """CR-Fill's generator, with its branch in training.

    ``branch_enabled`` False turns the branch off, for the training stages before the last.

    Zeng et al. 2021, https://arxiv.org/abs/2011.12836

    Shape:
        photo ``(N, 3, H, W)`` in [0, 1], hole ``(N, 1, H, W)``, H and W multiples of 4
        -> ``Prediction`` with ``image`` and ``coarse`` ``(N, 3, H, W)`` in [0, 1], ``features``
        the compared map ``(N, 2 width, H / 4, W / 4)``, and in training ``aux``, the branch's
        picture; in eval mode None. Where the branch works, H and W are at least 16.

    Raises:
        TensorError: a size that is no multiple, or too small for the branch; values, kinds or
            devices that do not fit.
    """

    multiple = 4

    def __init__(self, options: CRFillOptions = CRFillOptions()) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.coarse = Stage(COARSE, 5, width)
        self.far = Stage(FAR, 3, width)
        self.match = Stage(MATCH, 3, width)
        self.refine = Stage(REFINE, self.match.c_out, width)
        self.fine = Stage(FINE, self.far.c_out + self.refine.c_out, width)
        self.branch = ReconstructionBranch(options) if options.branch else None
        self.branch_enabled = options.branch

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        check_input(photo, hole, self)
        known = (photo * 2 - 1) * (1 - hole)
        coarse = self.coarse(torch.cat([known, torch.ones_like(hole), hole], dim=1))
        filled = composite(coarse, known, hole)
        features = self.match(filled)
        fine = self.fine(torch.cat([self.far(filled), self.refine(features)], dim=1))
        aux = None
        if self.branch is not None and self.training and self.branch_enabled:
            _check_patches(photo)
            aux = _to_unit_range(self.branch(composite(fine, known, hole), hole, features))
        return Prediction(_to_unit_range(fine), _to_unit_range(coarse), aux, (features,))


class ReconstructionBranch(nn.Module):
    """Encode the filled picture, copy known patches where features match, decode it again.

    Shape:
        picture ``(N, 3, H, W)`` in [-1, 1], hole ``(N, 1, H, W)``,
        features ``(N, C, H / 4, W / 4)`` -> ``(N, 3, H, W)`` in [-1, 1].
    """

    def __init__(self, options: CRFillOptions) -> None:
        super().__init__()
        self.options = options.contextual
        width = options.width
        self.outer = Stage(OUTER, 3, width)
        self.middle = Stage(MIDDLE, self.outer.c_out, width)
        self.inner = Stage(INNER, self.middle.c_out, width)
        self.up_middle = Stage(UP_MIDDLE, self.inner.c_out + self.middle.c_out, width)
        self.up_outer = Stage(UP_OUTER, self.up_middle.c_out + self.outer.c_out, width)
        self.rebuild = Stage(REBUILD, self.up_outer.c_out, width)

    def forward(self, picture: Tensor, hole: Tensor, features: Tensor) -> Tensor:
        outer = self.outer(picture)
        middle = self.middle(outer)
        x = self.up_middle(torch.cat([self.inner(middle), middle], dim=1))
        x = self.up_outer(torch.cat([x, outer], dim=1))
        out: Tensor = self.rebuild(reconstruct(features, hole, x, self.options))
        return out


def _check_patches(photo: Tensor) -> None:
    """Check that a photo holds at least one patch of 4x4 features."""
    height, width = photo.shape[2:]
    if min(height, width) < PATCH:
        raise TensorError(
            f"photo is {width}x{height} but CR-Fill's branch compares {PATCH}x{PATCH} patches; "
            "give larger photos, or build CRFillOptions(branch=False)"
        )


def _to_unit_range(picture: Tensor) -> Tensor:
    return (picture + 1) / 2


UNUSED = ("sconv1.weight", "sconv1.bias", "sconv2.weight", "sconv2.bias")
"""Tensors in released two-stage files that no computation reads: an unused similarity encoder."""
