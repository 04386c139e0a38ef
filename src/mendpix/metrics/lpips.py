"""LPIPS: how different two pictures look, by the layers of a network (lower is more alike).

Zhang et al. 2018, https://arxiv.org/abs/1801.03924, version 0.1. The network is a frozen feature
network of ours; the linear heads are the released ones, read as data from torchmetrics' package.
Pictures are looked at one by one, so that batches change no digit.
"""

from typing import Literal

import torch
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.metrics.pair import Bits, On, Pictures, wide
from mendpix.metrics.pictures import PictureMetric
from mendpix.networks import features
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.lpips_heads import LAYERS, heads
from mendpix.networks.types import check_photo

Name = Literal["alexnet", "vgg16"]

TINY = 1e-10


class LPIPS(PictureMetric):
    """The learned perceptual distance of pictures.

    ``sum_l mean_hw sum_c w_lc (a_lc - b_lc)^2``: a, b are the pictures' features, each place of
    unit length over channels; w >= 0 are the released heads.

    Args:
        network: ``"alexnet"`` (what papers report most) or ``"vgg16"``.
        on, bits: as in :class:`PictureMetric`.

    Shape:
        as every metric of pictures; H and W at least 31 (alexnet), 16 (vgg16).

    Raises:
        WeightsError: the network's or the heads' weights are not at hand.
    """

    better = "lower"

    def __init__(self, network: Name = "alexnet", on: On = "composite", bits: Bits = "") -> None:
        super().__init__(on, bits)
        if network not in LAYERS:
            raise ValueError(f"network is {network!r} but must be 'alexnet' or 'vgg16'")
        self.network: FeatureNetwork = features.load(network)
        self.layers = LAYERS[network]
        self.heads = heads(network)

    @torch.no_grad()
    def tell(self, pictures: Pictures) -> None:
        """Measure a batch that other metrics are told, too."""
        made, true = pictures.tensors(self.on, self.bits)
        for one in range(len(true)):
            self._rows.append(self.distance(made[one : one + 1], true[one : one + 1]).item())

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The distance of each pair, ``(N,)`` float64, >= 0; differentiable.

        The network runs in float32; from its features on, in float64 (not on Apple's GPUs).

        Raises:
            TensorError: shapes or ranges that do not fit, or pictures too small.
        """
        check_photo(prediction, name="prediction")
        check_photo(target, name="target")
        if prediction.shape != target.shape:
            raise TensorError(
                f"the prediction has shape {tuple(prediction.shape)} but the target has "
                f"{tuple(target.shape)}; give both the same"
            )
        with torch.autocast(target.device.type, enabled=False):
            self.network.to(target.device)
            made = self.network(prediction.float(), self.layers)
            wanted = self.network(target.float(), self.layers)
            pairs = zip(self.layers, self.heads, strict=True)
            parts = [weighed(made[name], wanted[name], head) for name, head in pairs]
        return torch.stack(parts).sum(0)


def weighed(made: Tensor, wanted: Tensor, head: Tensor) -> Tensor:
    """One layer's distance, ``(N,)``."""
    error = (unit(wide(made)) - unit(wide(wanted))).square()
    return (error * head.to(error)).sum(1).mean((1, 2))


def unit(x: Tensor) -> Tensor:
    """Features of unit length over channels at each place."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + TINY)
