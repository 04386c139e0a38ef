"""Layers that several networks share: partial, gated, channel-wise linear, spectrally normed."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.errors import TensorError

Size = int | tuple[int, int]
Parts = Tensor | Sequence[Tensor]


class PartialConv2d(nn.Conv2d):
    """Convolve the known values only; return features and the smaller hole.

    Where a window holds ``s > 0`` known values of ``n`` in all, the output is
    ``W (x * valid) * n / s + bias`` and known; where it holds none, the output is 0, without
    bias, and missing. What padding adds counts as missing.
    Liu et al. 2018, eq. 1-2, https://arxiv.org/abs/1804.07723

    The paper's count runs over all input channels. It is taken here of one map, the sum of
    ``valid`` over the channels: the same whole numbers for any hole, for one channel's work.

    Shape:
        x: ``(N, c_in, H, W)``, or parts whose channels add up to ``c_in``, joined in order.
        hole: 1 = missing, one tensor for each part: ``(N, 1, H, W)`` or with as many channels as
            the part (a batch of 1 is broadcast). None: nothing is missing but the padding, which
            is partial convolution based padding, https://arxiv.org/abs/1811.11718
        returns: ``(N, c_out, h, w)`` and the new hole ``(N, 1, h, w)``.

    Raises:
        TensorError: a hole of other than one channel or the part's, or of another size.
    """

    def forward(self, x: Parts, hole: Parts | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        if hole is None:
            whole = x if isinstance(x, Tensor) else torch.cat(list(x), dim=1)
            features, valid = self.convolve_known(whole, whole.new_ones(1, 1, *whole.shape[2:]), 1)
            return features, 1 - valid
        parts = _as_list(x)
        valids = [1 - gap.to(parts[0].dtype) for gap in _as_list(hole)]
        _check_holes(parts, valids)
        known = [part * valid for part, valid in zip(parts, valids, strict=True)]
        total, entries = sum_channels(valids, [part.shape[1] for part in parts])
        joined = known[0] if len(known) == 1 else torch.cat(known, dim=1)
        features, valid = self.convolve_known(joined, total, entries)
        return features, 1 - valid

    def convolve_known(self, known: Tensor, total: Tensor, entries: int) -> tuple[Tensor, Tensor]:
        """Convolve an input that is masked already, so that a network masks each tensor once.

        Args:
            known: ``(N, c_in, H, W)``, 0 where missing.
            total: ``(N, 1, H, W)``, how many of ``entries`` values are known at each place.
            entries: how many values ``total`` counts at a place where all are known.

        Returns: features, and where they are valid ``(N, 1, h, w)``.
        """
        if self.padding_mode != "zeros":
            raise ValueError(
                f"padding_mode is {self.padding_mode!r} but padding is missing: 'zeros'"
            )
        gain, valid = self.compute_gain(total, entries)
        # Without bias: eq. 1 scales W^T (X * M) alone, and adds b afterwards.
        features = self._conv_forward(known, self.weight, None)
        if gain.dtype != features.dtype:  # a gain above fp16's maximum would give inf * 0 = NaN
            gain = gain.clamp_(max=torch.finfo(features.dtype).max).to(features.dtype)
        features = features.mul_(gain)
        if self.bias is not None:
            shift = self.bias.to(features.dtype)[:, None, None]
            features = (features + shift).mul_(valid.to(features.dtype))  # 0 where s = 0: no bias
        return features, valid.to(known.dtype)

    @torch.no_grad()
    def compute_gain(self, total: Tensor, entries: int) -> tuple[Tensor, Tensor]:
        """The factor of eq. 1 for each window, and the updated mask of eq. 2.

        The factor is ``n / s``, 0 where nothing is known. In float32 at least, also under
        autocast: half precision has no whole numbers above 2048.
        """
        total = total if total.dtype == torch.float64 else total.float()
        window = total.new_ones(1, 1, *self.kernel_size)
        with torch.autocast(total.device.type, enabled=False):
            count = F.conv2d(total, window, None, self.stride, self.padding, self.dilation)
        # Holes are binary in the paper; a fractional one scales the output, as in the released
        # layer, whose 1e-8 against division by zero this is, too.
        valid = count.clamp(max=1)
        return (valid * (window.numel() * entries)).div_(count.add_(1e-8)), valid


def _check_holes(parts: Sequence[Tensor], valids: Sequence[Tensor]) -> None:
    """Check that there is one hole for each part, with one channel or the part's."""
    if len(parts) != len(valids):
        raise TensorError(f"x has {len(parts)} parts but hole has {len(valids)}; give one for each")
    for part, valid in zip(parts, valids, strict=True):
        if valid.shape[1] not in (1, part.shape[1]):
            raise TensorError(
                f"hole has {valid.shape[1]} channels but x has {part.shape[1]}; give 1 or as many"
            )
        if valid.shape[2:] != part.shape[2:] or len(valid) not in (1, len(part)):
            raise TensorError(
                f"hole has shape {tuple(valid.shape)} but x has {tuple(part.shape)}; "
                "give the hole x's height, width and batch"
            )


class PartialPadConv2d(PartialConv2d):
    """Partial convolution based padding: the border is missing instead of 0.

    A drop-in for ``nn.Conv2d``. Each output is scaled by window size over the number of window
    places inside the picture. Liu et al. 2018, https://arxiv.org/abs/1811.11718

    Shape:
        x: ``(N, c_in, H, W)`` -> ``(N, c_out, h, w)``.
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


def sum_channels(valids: Sequence[Tensor], channels: Sequence[int]) -> tuple[Tensor, int]:
    """Count known values at each place over the channels of parts that are concatenated.

    Args:
        valids: for each part ``(N, 1, H, W)``, or with the part's channels.
        channels: each part's channels. One part under a single-channel map is counted as one
            value: the ratio is the same.

    Returns: the sum ``(N, 1, H, W)`` and the number it reaches where all is known.
    """
    if len(valids) == 1 and valids[0].shape[1] == 1:
        return valids[0], 1
    total: Tensor | None = None
    for valid, width in zip(valids, channels, strict=True):
        wide = valid if valid.dtype == torch.float64 else valid.float()
        part = wide * width if wide.shape[1] == 1 else wide.sum(dim=1, keepdim=True)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("a sum over channels needs at least one part")
    return total, sum(channels)


def _as_list(parts: Parts) -> list[Tensor]:
    return [parts] if isinstance(parts, Tensor) else list(parts)


class GatedConv2d(nn.Module):
    """Gated convolution: half the channels are gates, by which the other half is multiplied.

    ``act(first half) * sigmoid(second half)``; Yu et al. 2019, https://arxiv.org/abs/1806.03589

    Args:
        c_conv: channels of the convolution, an even number; half as many come out.
        act: ``nn.ELU()`` unless given.
        upsample: double height and width by nearest neighbours before the convolution.

    Shape:
        x: ``(N, c_in, H, W)`` -> ``(N, c_conv / 2, h, w)``; padded to keep ``h = H / stride``.
    """

    def __init__(
        self,
        c_in: int,
        c_conv: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        *,
        act: nn.Module | None = None,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(c_in, c_conv, kernel, stride, padding, dilation)
        self.act = nn.ELU() if act is None else act
        self.upsample = upsample

    def forward(self, x: Tensor) -> Tensor:
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        value, gate = self.conv(x).chunk(2, dim=1)
        out: Tensor = self.act(value) * torch.sigmoid(gate)
        return out


class ChannelwiseLinear(nn.Module):
    """Channel-wise fully connected layer: one matrix over the places of each channel.

    ``m`` maps of ``n x n`` take ``m * n^4`` weights where a full layer takes ``m^2 * n^4``; a
    1x1 convolution usually follows to mix the channels. Pathak et al. 2016, section 3,
    https://arxiv.org/abs/1604.07379

    Shape:
        x: ``(N, channels, height, width)`` -> the same.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        places = height * width
        self.weight = nn.Parameter(torch.empty(channels, places, places))
        self.bias = nn.Parameter(torch.empty(channels, 1, places))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as ``nn.Linear`` does: uniform within 1 / sqrt(inputs of each value)."""
        bound = self.weight.shape[1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(2).transpose(0, 1)  # (channels, N, places)
        mixed = torch.baddbmm(self.bias.to(rows.dtype), rows, self.weight.to(rows.dtype))
        return mixed.transpose(0, 1).reshape(x.shape)


class SpectralConv2d(nn.Conv2d):
    """Convolution under spectral norm: its weight matrix over its largest singular value.

    The singular value is tracked by one step of power iteration per forward pass in training.
    Miyato et al. 2018, algorithm 1, https://arxiv.org/abs/1802.05957

    Shape:
        x: ``(N, c_in, H, W)`` -> ``(N, c_out, h, w)``.
        u, v: ``(c_out,)`` and ``(c_in * kernel * kernel,)``, the singular vectors.
    """

    u: Tensor
    v: Tensor

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(c_in, c_out, kernel, stride, padding, dilation, bias=bias)
        self.register_buffer("u", F.normalize(torch.randn(c_out), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(self.weight[0].numel()), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self._conv_forward(x, self.normalise_weight(), self.bias)
        return out

    def normalise_weight(self) -> Tensor:
        """The weight over its largest singular value; updates the estimate in training."""
        matrix = self.weight.flatten(1)
        with torch.autocast(matrix.device.type, enabled=False):
            if self.training:
                self._iterate_power(matrix)
            # Clones: a second forward pass before the first's backward changes u and v in place.
            sigma = torch.dot(self.u.clone(), matrix.mv(self.v.clone()))
            normed: Tensor = self.weight / sigma
        return normed

    @torch.no_grad()
    def _iterate_power(self, matrix: Tensor) -> None:
        self.v.copy_(F.normalize(matrix.t().mv(self.u), dim=0, eps=1e-12))
        self.u.copy_(F.normalize(matrix.mv(self.v), dim=0, eps=1e-12))
