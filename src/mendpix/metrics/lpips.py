"""LPIPS: learned perceptual distance on a network's features (lower is more similar).

Zhang et al. 2018, https://arxiv.org/abs/1801.03924, version 0.1. The linear heads are the released
ones, read as data from torchmetrics' package.
"""

from typing import Literal

import torch
from torch import Tensor

from mendpix.metrics.picture_metrics import DistanceMetric
from mendpix.metrics.picture_pairs import Bits, On, to_float64
from mendpix.networks import features
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.lpips_heads import LAYERS, load_heads

Name = Literal["alexnet", "vgg16"]

TINY = 1e-10
"""Added to lengths against division by zero, as in the released code."""


class LPIPS(DistanceMetric):
    """The learned perceptual distance of pictures.

    ``sum_l mean_hw sum_c w_lc (a_lc - b_lc)^2``: a, b are the pictures' features, each place of
    unit length over channels; w >= 0 are the released heads.

    Args:
        network: ``"alexnet"`` (what papers report most) or ``"vgg16"``.
        on, bits: as in :class:`PictureMetric`.

    Shape:
        as every metric of pictures; H and W at least 31 (alexnet), 16 (vgg16).

    Raises:
        ValueError: another network.
        WeightsError: the network's or the heads' weights are not at hand.
    """

    better = "lower"

    def __init__(self, network: Name = "alexnet", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        if network not in LAYERS:
            raise ValueError(f"network is {network!r} but must be 'alexnet' or 'vgg16'")
        self.network: FeatureNetwork = features.load(network)
        self.layers = LAYERS[network]
        self.heads = load_heads(network)

    def _measure(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.network.to(target.device)
        first = self.network(prediction.float(), self.layers)
        second = self.network(target.float(), self.layers)
        pairs = zip(self.layers, self.heads, strict=True)
        parts = [layer_distance(first[name], second[name], head) for name, head in pairs]
        return torch.stack(parts).sum(0)


def layer_distance(first: Tensor, second: Tensor, head: Tensor) -> Tensor:
    """One layer's distance, ``(N,)``: weighted over channels, averaged over places."""
    first, second = (normalise_channels(to_float64(x)) for x in (first, second))
    error = (first - second).square()
    return (error * head.to(error)).sum(1).mean((1, 2))


def normalise_channels(x: Tensor) -> Tensor:
    """Scale features to unit length over channels at each place."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + TINY)
