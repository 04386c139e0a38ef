"""The bundled network: refines a training-free fill in one pass.

A residual U-Net. Its input is the hole and a photo whose hole a built-in filler (``start``) has
filled; its output is added to that fill. So it has to learn neither copying nor texture, and
untrained it returns its input.
"""

from dataclasses import dataclass
from itertools import cycle, islice, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.networks.option_ranges import Blocks, Channels
from mendpix.networks.types import Prediction, check_input

# One row per level, from half the picture's size to a sixteenth: channels in units of
# ``options.width``, residual blocks in the encoder (the deepest level's number is an option), and
# in the decoder. Dilations are those of the deepest level's blocks, in turn, for a receptive field
# of some 200 pixels to every side.
LEVELS = ((2, 1, 1), (4, 1, 1), (8, 2, 1), (12, 0, 0))
DILATIONS = (1, 2, 4, 1)

LEAKY_SLOPE = 0.1
"""Negative slope of the leaky ReLU."""


@dataclass(frozen=True, slots=True)
class RefinementOptions:
    """Options of the bundled network.

    Attributes:
        width: channels at full size; 16 needs 6.8 GFLOPs (two per multiplication) at 256x256.
        blocks: residual blocks at the deepest level; three more need a GFLOP more. Training can
            go on from weights of fewer blocks: a new block is the identity before it learns.
        start: name of the built-in filler that fills the hole first.
    """

    width: Channels = 16
    blocks: Blocks = 4
    start: str = "patchmatch"


class ResidualBlock(nn.Module):
    """Residual block of two 3x3 convolutions, the second initialised to 0.

    With ``global_context``, the residual's channels are scaled by a function of their mean and
    standard deviation over the map (as squeeze-and-excitation does by the mean).
    """

    def __init__(self, channels: int, dilation: int = 1, global_context: bool = False) -> None:
        super().__init__()
        self.first = _conv(channels, channels, dilation=dilation)
        self.second = _conv(channels, channels, gain=0.0)
        self.around = nn.Linear(2 * channels, channels) if global_context else None

    def forward(self, x: Tensor) -> Tensor:
        added = F.leaky_relu(self.first(F.leaky_relu(x, LEAKY_SLOPE)), LEAKY_SLOPE)
        if self.around is not None:
            mean = added.mean((2, 3))
            spread = (added - mean[..., None, None]).square().mean((2, 3)).add(1e-6).sqrt()
            scale = torch.sigmoid(self.around(torch.cat((mean, spread), 1))) * 2
            added = added * scale[..., None, None]
        refined: Tensor = x + self.second(added)
        return refined


class RefinementNet(nn.Module):
    """A residual U-Net at 1/2 to 1/16 of the picture's size that corrects a first fill.

    This project's own, see docs/models/mender.md.

    Shape:
        photo ``(N, 3, H, W)`` in [0, 1], its hole already filled by ``start``; hole
        ``(N, 1, H, W)``; H and W multiples of 16 -> ``Prediction.image`` ``(N, 3, H, W)``, not
        clipped.

    Raises:
        TensorError: a size that is no multiple; values, dtypes or devices that do not fit.
    """

    multiple = 16

    def __init__(self, options: RefinementOptions = RefinementOptions()) -> None:
        super().__init__()
        self.options = options
        self.start = options.start
        widths = [units * options.width for units, _, _ in LEVELS]
        self.entry = _conv(16, widths[0])
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))
        self.encoder = nn.ModuleList(
            _build_blocks(width, count) for width, (_, count, _) in zip(widths, LEVELS, strict=True)
        )
        self.encoder[-1] = _build_deepest_blocks(widths[-1], options.blocks)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(
            _build_blocks(width, count)
            for width, (_, _, count) in zip(widths[:-1], LEVELS[:-1], strict=True)
        )
        self.full = _conv(widths[0] + 4, options.width)
        self.exit = _conv(options.width, 3, gain=0.0)

    def starts_as_identity(self, key: str) -> bool:
        """Whether a parameter belongs to a residual block, which adds 0 before it learns."""
        return key.startswith(("encoder.", "decoder."))

    def forward(self, photo: Tensor, hole: Tensor) -> Prediction:
        check_input(photo, hole, self)
        inputs = torch.cat((photo * 2 - 1, hole), 1)
        x = self.entry(F.pixel_unshuffle(inputs, 2))
        maps = []
        for place, blocks in enumerate(self.encoder):
            x = blocks(x)
            if place < len(self.down):
                maps.append(x)
                x = self.down[place](F.leaky_relu(x, LEAKY_SLOPE))
        for place in reversed(range(len(self.up))):
            x = F.interpolate(self.up[place](x), scale_factor=2.0, mode="nearest")
            x = self.decoder[place](x + maps[place])
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = torch.cat((F.leaky_relu(x, LEAKY_SLOPE), inputs), 1)  # at full size
        x = F.leaky_relu(self.full(x), LEAKY_SLOPE)
        return Prediction(photo + self.exit(x))


def _build_blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


def _build_deepest_blocks(channels: int, count: int) -> nn.Sequential:
    dilations = islice(cycle(DILATIONS), count)
    return nn.Sequential(*(ResidualBlock(channels, d, global_context=True) for d in dilations))


def _conv(
    c_in: int, c_out: int, stride: int = 1, dilation: int = 1, gain: float = 1.0
) -> nn.Conv2d:
    conv = nn.Conv2d(c_in, c_out, 3, stride, dilation, dilation)
    nn.init.kaiming_normal_(conv.weight, LEAKY_SLOPE)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.mul_(gain)
    return conv
