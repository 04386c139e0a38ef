"""U-Net of partial convolutions (Liu et al., ECCV 2018), https://arxiv.org/abs/1804.07723

Every convolution takes known values only, and the hole shrinks from layer to layer. Each decoder
step upsamples features and mask and concatenates the encoder's of that size, each with its own
hole. The paper's network has 8 levels at 512x512; 7 suit 256x256.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.errors import TensorError
from mendpix.networks.layers import PartialConv2d, sum_channels
from mendpix.networks.option_ranges import Channels, Deviation, Levels, Mean
from mendpix.networks.types import Prediction, check_input

# One row per level: kernel of the encoder's convolution (stride 2), and its channels in units of
# ``options.width``. Deeper levels repeat the last row. The decoder's kernels are 3 and its
# channels those of the level it returns to; the first level has no norm.
LEVELS = ((7, 1), (5, 2), (5, 4), (3, 8))


@dataclass(frozen=True, slots=True)
class PartialUNetOptions:
    """Options of the U-Net; defaults are the paper's.

    Attributes:
        levels: how often the map is halved; height and width must be multiples of 2 ** levels.
        width: channels of the first level.
        mean, std: the network works on ``(photo - mean) / std``, per channel (R, G, B).
    """

    levels: Levels = 8
    width: Channels = 64
    mean: tuple[Mean, Mean, Mean] = (0.0, 0.0, 0.0)
    std: tuple[Deviation, Deviation, Deviation] = (1.0, 1.0, 1.0)


class MaskedFeatures(NamedTuple):
    """Features ``(N, C, H, W)``, 0 where missing, and their valid places ``(N, 1, H, W)``."""

    x: Tensor
    valid: Tensor

    def upsample(self) -> "MaskedFeatures":
        """Twice the size, by nearest neighbours, so that the mask stays binary."""
        x, valid = (F.interpolate(part, scale_factor=2, mode="nearest") for part in self)
        return MaskedFeatures(x, valid)


class PartialBlock(nn.Module):
    """Partial convolution, batch norm, activation; the output is 0 where still missing.

    Args:
        norm, act: None leaves the step out; a block without norm has a bias if ``bias`` says so.

    Shape:
        one or more :class:`Known` of equal size, together ``c_in`` channels -> one Known.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int = 1,
        *,
        norm: bool = True,
        act: nn.Module | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv = PartialConv2d(c_in, c_out, kernel, stride, kernel // 2, bias=bias)
        nn.init.kaiming_normal_(self.conv.weight)
        self.norm = nn.BatchNorm2d(c_out) if norm else None
        self.act = act

    def forward(self, *parts: MaskedFeatures) -> MaskedFeatures:
        total, entries = sum_channels(
            [part.valid for part in parts], [part.x.shape[1] for part in parts]
        )
        x = parts[0].x if len(parts) == 1 else torch.cat([part.x for part in parts], dim=1)
        x, valid = self.conv.convolve_known(x, total, entries)
        if self.norm is not None:  # its shift moves missing places off 0; activations keep 0
            x = self.norm(x).mul_(valid.to(x.dtype))
        return MaskedFeatures(x if self.act is None else self.act(x), valid)


class PartialUNet(nn.Module):
    """The network of partial convolutions; its output is linear, not clipped.

    Liu et al. 2018, https://arxiv.org/abs/1804.07723

    Shape:
        photo ``(N, 3, H, W)`` in [0, 1], hole ``(N, 1, H, W)``, H and W multiples of 2 ** levels
        -> ``Prediction.image`` ``(N, 3, H, W)``, [0, 1] nominally. Places that no known pixel
        reaches are ``mean``.

    Raises:
        TensorError: a size that is no multiple; values, kinds or devices that do not fit; training
            on one picture whose deepest map is a single place, where batch norm has one value per
            channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, options: PartialUNetOptions = PartialUNetOptions()) -> None:
        super().__init__()
        self.options = options
        rows = [LEVELS[min(level, len(LEVELS) - 1)] for level in range(options.levels)]
        widths = [3, *(units * options.width for _, units in rows)]
        self.encoder = nn.ModuleList(
            PartialBlock(c_in, c_out, kernel, 2, norm=c_in != 3, act=nn.ReLU(inplace=True))
            for (kernel, _), (c_in, c_out) in zip(rows, pairwise(widths), strict=True)
        )
        deeper = list(pairwise(widths))[:0:-1]  # (skip, below), bottom first
        self.decoder = nn.ModuleList(
            PartialBlock(skip + below, skip, 3, act=nn.LeakyReLU(0.2, inplace=True))
            for skip, below in deeper
        )
        self.last = PartialBlock(widths[1] + 3, 3, 3, norm=False, bias=True)
        self.register_buffer("mean", torch.tensor(options.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(options.std).view(3, 1, 1), persistent=False)
        self.norm_frozen = False

    @property
    def multiple(self) -> int:
        return 1 << self.options.levels

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        check_input(photo, hole, self)
        valid = 1 - hole
        known = MaskedFeatures((photo - self.mean) / self.std * valid, valid)
        skips = [known]
        for block in self.encoder:
            self._check_batch_norm(photo, skips[-1])
            skips.append(block(skips[-1]))
        known = skips.pop()
        for block in (*self.decoder, self.last):
            known = block(known.upsample(), skips.pop())
        return Prediction(known.x * self.std + self.mean)

    def freeze_encoder_norm(self, frozen: bool = True) -> None:
        """Keep the encoder's batch norms as they are, in training too: the paper's second phase.

        Holes bias the statistics of a batch. The norms then use their running statistics, which
        no longer move, and their weights get no gradient; the decoder's go on learning.
        """
        self.norm_frozen = frozen
        for norm in self._encoder_norms():
            norm.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> "PartialUNet":
        super().train(mode)
        if self.norm_frozen:
            for norm in self._encoder_norms():
                norm.eval()
        return self

    def _encoder_norms(self) -> list[nn.Module]:
        return [module for module in self.encoder.modules() if isinstance(module, nn.BatchNorm2d)]

    def _check_batch_norm(self, photo: Tensor, above: MaskedFeatures) -> None:
        single = above.x.shape[0] == 1 and above.x.shape[2:] == (2, 2)
        if single and self.training and not self.norm_frozen:
            size = 2 * self.multiple
            raise TensorError(
                f"one photo of {photo.shape[2]}x{photo.shape[3]} cannot train {self.options.levels}"
                f" levels: the deepest batch norm sees one value; give 2 photos or {size}x{size}"
            )
