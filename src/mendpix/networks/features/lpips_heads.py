"""LPIPS's linear heads: the weight of each channel of a feature network.

Zhang et al. 2018, https://arxiv.org/abs/1801.03924, version 0.1; the released heads, read as data
from torchmetrics' package. Shared by the metric and the loss.
"""

from collections.abc import Sequence
from functools import cache

from torch import Tensor

from mendpix.networks.features.torchmetrics_weights import load_weights

LAYERS: dict[str, tuple[str, ...]] = {
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "vgg16": ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
}
FILES = {"alexnet": "lpips_models/alex.pth", "vgg16": "lpips_models/vgg.pth"}


@cache
def load_heads(network: str) -> Sequence[Tensor]:
    """The released linear heads of ``LAYERS[network]``, ``(C, 1, 1)`` each.

    Raises:
        WeightsError: torchmetrics' package does not have them, or others.
    """
    weights = load_weights(FILES[network], "LPIPS's heads")
    return [weights[f"lin{place}.model.1.weight"].float().view(-1, 1, 1) for place in range(5)]
