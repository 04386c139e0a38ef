"""The learned perceptual distance as a loss: VGG-16's features, weighed as people see."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mendpix.losses.base import LossInputs, On, Part, choose, full_precision
from mendpix.losses.features import FeatureLoss
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.lpips_heads import LAYERS, heads

PART = 1 << 17
"""Values that are compared at once: half a megabyte stays in the cache."""
FLAT = 1e-2
"""Added to a feature vector's squared length: where nothing fires, the slope stays small."""


class LearnedPerceptual(FeatureLoss):
    """``sum_l mean_hw sum_c w_lc (a_lc - b_lc)^2`` on features of unit length: LPIPS as a loss.

    Zhang et al. 2018, https://arxiv.org/abs/1801.03924, with the released heads w >= 0 of VGG-16.
    The metric's own network, AlexNet, is not offered: who trains on the judge learns to please it.
    Lengths are ``sqrt(|a|^2 + 0.01)`` where the metric has ``|a| + 1e-10``: its slope at places
    where nothing fires is unbounded.

    Args:
        network: ``"vgg16"``, or a feature network of that layout.
        divide: ``"image"``: the mean over all places, as the metric takes it. ``"hole"``: that
            divided by the missing share of the batch, so that small holes teach as much.
        shrink: compare the pictures averaged down by this factor: a quarter of the cost at 2, and
            a larger view; detail finer than that is then some other term's.
        share: judge only this share of a batch, its first pictures, and at least one: a dear
            term beside a cheap one that judges all.
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
        choose("divide", divide, ("image", "hole"))
        if isinstance(network, str):
            choose("network", network, ("vgg16",))
        layers = dict.fromkeys(LAYERS["vgg16"], 1.0)
        super().__init__(network, layers, on=on, part=part)
        if shrink < 1 or not 0 < share <= 1:
            raise ValueError(
                f"shrink is {shrink} and share {share:g} but must be 1 or more and in (0, 1]"
            )
        self.divide: Literal["image", "hole"] = divide
        self.shrink, self.share = shrink, share
        self.heads = dict(zip(LAYERS["vgg16"], heads("vgg16"), strict=True))

    def announce(self, scene: LossInputs) -> None:
        """Share the passes over whole pictures of whole batches; others are this term's own."""
        if self._sees_all:
            super().announce(scene)

    def judge(self, scene: LossInputs) -> Tensor:
        """The mean distance of the batch, or of its share."""
        made, wanted = self._features(scene)
        with full_precision(scene.target):
            parts = [_distance(made[name], wanted[name], head) for name, head in self.heads.items()]
            total = torch.stack(parts).sum()
            missing = self._seen(scene.hole).mean().clamp(min=1e-3)
            return total if self.divide == "image" else total / missing

    @property
    def _sees_all(self) -> bool:
        return self.shrink == 1 and self.share == 1

    def _features(self, scene: LossInputs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if self._sees_all:
            made = scene.maps(self.network, self.layers, self.part, self.on)
            return made, scene.target_maps(self.network, self.layers)
        made = self.network(self._small(self.picture(scene)), self.layers, widen=False)
        with torch.no_grad():
            return made, self.network(self._small(scene.target), self.layers, widen=False)

    def _seen(self, batch: Tensor) -> Tensor:
        return batch[: max(1, round(self.share * len(batch)))]

    def _small(self, pictures: Tensor) -> Tensor:
        return F.avg_pool2d(self._seen(pictures), self.shrink)


def _distance(made: Tensor, wanted: Tensor, head: Tensor) -> Tensor:
    head = head.to(made.device, torch.promote_types(made.dtype, torch.float32))
    found: Tensor = _Distance.apply(made, wanted, head)  # type: ignore[no-untyped-call]
    return found


class _Distance(torch.autograd.Function):
    """The mean over places of the weighed squared difference of unit vectors, and its gradient.

    Written out, since these maps are large and all that is done to them waits for memory: a few
    rows are widened, compared and gone back through while they are in the cache.
    """

    @staticmethod
    def forward(ctx: Any, made: Tensor, wanted: Tensor, head: Tensor) -> Tensor:
        slope = torch.empty_like(made) if ctx.needs_input_grad[0] else None
        totals = []
        for part in _parts(made):
            one, inverse = _unit(made[part].to(head, copy=True))
            error = one - _unit(wanted[part].to(head, copy=True))[0]
            pull = error * head
            totals.append((error.mul_(pull)).sum())
            if slope is not None:  # 2 (pull - unit (unit . pull)) / length
                along = error.copy_(one).mul_(pull).sum(1, keepdim=True)
                slope[part] = pull.addcmul_(one, along, value=-1).mul_(inverse)
        places = made[:, 0].numel()
        ctx.slope, ctx.scale = slope, 2 / places
        return torch.stack(totals).sum() / places

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, None, None]:
        return ctx.slope * (given * ctx.scale), None, None


def _parts(maps: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Slices of some rows of one picture's maps each."""
    count, channels, height, width = maps.shape
    rows = max(1, PART // (channels * width))
    for place in range(count):
        for top in range(0, height, rows):
            yield slice(place, place + 1), slice(None), slice(top, top + rows)


def _unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors of length one, and what they were multiplied by; ``x`` is changed."""
    inverse = x.square().sum(1, keepdim=True).add_(FLAT).rsqrt_()
    return x.mul_(inverse), inverse
