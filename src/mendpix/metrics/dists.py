"""DISTS: a distance of structure and texture on a network's features (lower is more similar).

Ding et al. 2020, https://arxiv.org/abs/2004.07728. The network is VGG-16 with L2 pooling (blurred
squares); alpha and beta are the released ones, read as data from torchmetrics' package.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.metrics.picture_metrics import DistanceMetric
from mendpix.metrics.picture_pairs import Bits, On, to_float64
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.feature_network import Step
from mendpix.networks.features.torchmetrics_weights import load_weights
from mendpix.networks.features.weight_files import load_tensors

LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
"""The layers compared besides the picture itself."""

C = 1e-6
"""c1 and c2, which stabilise the fractions as SSIM's constants do."""
BLUR = (0.25, 0.5, 0.25)
"""A Hann window of 5 without its zeros."""


class BlurredVGG(FeatureNetwork):
    """VGG-16 with L2 pooling: the root of blurred squares, stride 2."""

    def _pool(self, step: Step, x: Tensor) -> Tensor:
        channels = x.shape[1]
        side = torch.tensor(BLUR, dtype=x.dtype, device=x.device)
        window = torch.outer(side, side).expand(channels, 1, 3, 3)
        blurred = F.conv2d(x.square(), window, stride=2, padding=1, groups=channels)
        return (blurred + 1e-12).sqrt()


class DISTS(DistanceMetric):
    """Deep image structure and texture similarity, as a distance, 0 for equal pictures.

    ``1 - sum_lc (alpha_lc l + beta_lc s)``: for each channel of the picture and of five layers, l
    compares means as SSIM does and s the covariance, with c1 = c2 = 1e-6; alpha and beta are
    released and sum to 1. Pictures are compared at the size given: the authors' own script can
    first resize the shorter side to 256 pixels.

    Args:
        on, bits: as in :class:`PictureMetric`.
        network: made from tensors of one's own; torchvision's VGG-16 by default.

    Shape:
        as every metric of pictures.

    Raises:
        WeightsError: VGG-16's or DISTS's weights are not at hand.
    """

    better = "lower"

    def __init__(
        self, on: On = "composite", bits: Bits = "", network: FeatureNetwork | None = None
    ) -> None:
        super().__init__(on, bits)
        self.network = network or BlurredVGG("vgg16", load_tensors("vgg16"))
        weights = load_weights("dists_models/weights.pt", "DISTS's weights")
        alpha, beta = weights["alpha"].double(), weights["beta"].double()
        total = alpha.sum() + beta.sum()
        self.alpha, self.beta = (alpha / total).view(-1), (beta / total).view(-1)

    def _measure(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.network.to(target.device)
        pairs = zip(self._layers(prediction), self._layers(target), strict=True)
        terms = [compare_channels(x, y) for x, y in pairs]
        luminance, structure = (torch.cat(parts, 1) for parts in zip(*terms, strict=True))
        return 1 - luminance @ self.alpha.to(luminance) - structure @ self.beta.to(luminance)

    def _layers(self, picture: Tensor) -> list[Tensor]:
        picture = picture.float()
        features = self.network(picture, LAYERS)
        return [to_float64(picture), *(to_float64(features[name]) for name in LAYERS)]


def compare_channels(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance l and structure s of SSIM over whole channels: ``(N, C)`` each."""
    over = (2, 3)
    mean_x, mean_y = x.mean(over, keepdim=True), y.mean(over, keepdim=True)
    variances = (x - mean_x).square().mean(over) + (y - mean_y).square().mean(over)
    covariance = ((x - mean_x) * (y - mean_y)).mean(over)
    luminance = (2 * mean_x * mean_y + C) / (mean_x.square() + mean_y.square() + C)
    return luminance[..., 0, 0], (2 * covariance + C) / (variances + C)
