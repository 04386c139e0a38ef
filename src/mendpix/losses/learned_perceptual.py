"""LPIPS as a loss, on VGG-16's features."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mendpix.losses.base import LossInputs, On, Part, check_choice, disable_autocast
from mendpix.losses.feature_losses import FeatureLoss
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.lpips_heads import LAYERS, load_heads

CHUNK = 1 << 17
"""Values compared at a time: half a megabyte, which stays in the processor's cache."""
NORM_OFFSET = 1e-2
"""Added to a feature vector's squared norm: bounds the gradient where nothing fires."""


class LearnedPerceptual(FeatureLoss):
    """``sum_l mean_hw sum_c w_lc (a_lc - b_lc)^2`` on features of unit length: LPIPS as a loss.

    Zhang et al. 2018, https://arxiv.org/abs/1801.03924, with the released heads w >= 0 of VGG-16.
    AlexNet, the network of the metric most papers report, is not offered: training on a metric
    overfits to it. Norms are ``sqrt(|a|^2 + 0.01)`` where the metric has ``|a| + 1e-10``, whose
    gradient is unbounded where nothing fires.

    Args:
        network: ``"vgg16"``, or a feature network of that layout.
        divide: ``"image"``: the mean over all places, as the metric takes it. ``"hole"``: that
            divided by the missing share of the batch, so that small holes weigh as much.
        shrink: compare the pictures averaged down by this factor: a quarter of the cost at 2, and
            a larger receptive field; finer detail is left to other terms.
        share: compare only this share of a batch, its first pictures, at least one: for an
            expensive term beside a cheap one on all.
        on, part: as in :class:`FeatureLoss`.

    Shape:
        as every loss; returns a scalar >= 0.

    Raises:
        ValueError: another network, a factor below 1, a share outside (0, 1].
        WeightsError: weights or heads that are not at hand.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg16",
        divide: Literal["image", "hole"] = "image",
        shrink: int = 1,
        share: float = 1.0,
        on: On = "composite",
        part: Part = "image",
    ) -> None:
        check_choice("divide", divide, ("image", "hole"))
        if isinstance(network, str):
            check_choice("network", network, ("vgg16",))
        layers = dict.fromkeys(LAYERS["vgg16"], 1.0)
        super().__init__(network, layers, on=on, part=part)
        if shrink < 1 or not 0 < share <= 1:
            raise ValueError(
                f"shrink is {shrink} and share {share:g} but must be 1 or more and in (0, 1]"
            )
        self.divide: Literal["image", "hole"] = divide
        self.shrink, self.share = shrink, share
        self.heads = dict(zip(LAYERS["vgg16"], load_heads("vgg16"), strict=True))

    def request_features(self, inputs: LossInputs) -> None:
        """Share the forward passes over whole pictures of whole batches; others are not shared."""
        if self._shares_features:
            super().request_features(inputs)

    def compute(self, inputs: LossInputs) -> Tensor:
        """The mean distance of the batch, or of its share."""
        predicted, expected = self._compute_features(inputs)
        with disable_autocast(inputs.target):
            parts = [
                _distance(predicted[name], expected[name], head)
                for name, head in self.heads.items()
            ]
            total = torch.stack(parts).sum()
            missing = self._select_share(inputs.hole).mean().clamp(min=1e-3)
            return total if self.divide == "image" else total / missing

    @property
    def _shares_features(self) -> bool:
        return self.shrink == 1 and self.share == 1

    def _compute_features(self, inputs: LossInputs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if self._shares_features:
            predicted = inputs.compute_maps(self.network, self.layers, self.part, self.on)
            return predicted, inputs.compute_target_maps(self.network, self.layers)
        predicted = self.network(self._shrink(self.get_picture(inputs)), self.layers, widen=False)
        with torch.no_grad():
            return predicted, self.network(self._shrink(inputs.target), self.layers, widen=False)

    def _select_share(self, batch: Tensor) -> Tensor:
        return batch[: max(1, round(self.share * len(batch)))]

    def _shrink(self, pictures: Tensor) -> Tensor:
        return F.avg_pool2d(self._select_share(pictures), self.shrink)


def _distance(predicted: Tensor, expected: Tensor, head: Tensor) -> Tensor:
    head = head.to(predicted.device, torch.promote_types(predicted.dtype, torch.float32))
    distance: Tensor = _Distance.apply(predicted, expected, head)  # type: ignore[no-untyped-call]
    return distance


class _Distance(torch.autograd.Function):
    """The mean over places of the weighted squared difference of unit vectors.

    Written by hand, since these maps are large and memory bandwidth is the limit: value and
    gradient of a few rows at a time are computed while they are in the cache. With u = a / |a|
    and pull = w (u - v), the gradient in a is ``2 (pull - u (u . pull)) / |a|``.
    """

    @staticmethod
    def forward(ctx: Any, predicted: Tensor, expected: Tensor, head: Tensor) -> Tensor:
        gradient = torch.empty_like(predicted) if ctx.needs_input_grad[0] else None
        totals = []
        for part in _cut_rows(predicted):
            one, inverse = _normalise(predicted[part].to(head, copy=True))
            error = one - _normalise(expected[part].to(head, copy=True))[0]
            pull = error * head
            totals.append((error.mul_(pull)).sum())
            if gradient is not None:
                along = error.copy_(one).mul_(pull).sum(1, keepdim=True)
                gradient[part] = pull.addcmul_(one, along, value=-1).mul_(inverse)
        places = predicted[:, 0].numel()
        ctx.gradient, ctx.scale = gradient, 2 / places
        return torch.stack(totals).sum() / places

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        return ctx.gradient * (upstream * ctx.scale), None, None


def _cut_rows(maps: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Slices of a few rows of one picture's maps each."""
    count, channels, height, width = maps.shape
    rows = max(1, CHUNK // (channels * width))
    for place in range(count):
        for top in range(0, height, rows):
            yield slice(place, place + 1), slice(None), slice(top, top + rows)


def _normalise(x: Tensor) -> tuple[Tensor, Tensor]:
    """Scale vectors to unit length, overwriting ``x``; also returns the factors."""
    inverse = x.square().sum(1, keepdim=True).add_(NORM_OFFSET).rsqrt_()
    return x.mul_(inverse), inverse
