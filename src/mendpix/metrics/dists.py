"""DISTS: structure and texture of two pictures by the layers of a network (lower is more alike).

Ding et al. 2020, https://arxiv.org/abs/2004.07728. The network is VGG-16 with its poolings
replaced by blurring ones; alpha and beta are the released ones, read as data from torchmetrics'
package. Pictures are looked at one by one, so that batches change no digit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.metrics.pair import Bits, On, Pictures, wide
from mendpix.metrics.pictures import PictureMetric
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.network import Step
from mendpix.networks.features.torchmetrics_weights import carried
from mendpix.networks.features.weight_files import tensors_of
from mendpix.networks.types import check_photo

LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
"""What is looked at besides the picture itself."""

C = 1e-6
BLUR = (0.25, 0.5, 0.25)
"""A Hann window of 5 without its zeros."""


class BlurredVGG(FeatureNetwork):
    """VGG-16 that pools by the root of blurred squares, every second pixel."""

    def _pool(self, step: Step, x: Tensor) -> Tensor:
        channels = x.shape[1]
        side = torch.tensor(BLUR, dtype=x.dtype, device=x.device)
        window = torch.outer(side, side).expand(channels, 1, 3, 3)
        blurred = F.conv2d(x.square(), window, stride=2, padding=1, groups=channels)
        return (blurred + 1e-12).sqrt()


class DISTS(PictureMetric):
    """Deep image structure and texture similarity, as a distance, 0 for equal pictures.

    ``1 - sum_lc (alpha_lc l + beta_lc s)``: for each channel of the picture and of five layers, l
    compares means as SSIM does and s the covariance, with c1 = c2 = 1e-6; alpha and beta are
    released and sum to 1. Pictures are judged at the size given: the authors' own script can first
    bring the shorter side to 256 pixels.

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
        self.network = network or BlurredVGG("vgg16", tensors_of("vgg16"))
        held = carried("dists_models/weights.pt", "DISTS's weights")
        both = held["alpha"].double().sum() + held["beta"].double().sum()
        self.alpha, self.beta = ((held[key].double() / both).view(-1) for key in ("alpha", "beta"))

    @torch.no_grad()
    def tell(self, pictures: Pictures) -> None:
        """Measure a batch that other metrics are told, too."""
        made, true = pictures.tensors(self.on, self.bits)
        for one in range(len(true)):
            self._rows.append(self.distance(made[one : one + 1], true[one : one + 1]).item())

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The distance of each pair, ``(N,)`` float64; differentiable.

        The network runs in float32; from its features on, in float64 (not on Apple's GPUs).

        Raises:
            TensorError: shapes or ranges that do not fit.
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
            pairs = zip(self._layers(prediction), self._layers(target), strict=True)
            light, structure = zip(*(alike(made, true) for made, true in pairs), strict=True)
        lights, structures = torch.cat(light, 1), torch.cat(structure, 1)
        return 1 - lights @ self.alpha.to(lights) - structures @ self.beta.to(lights)

    def _layers(self, picture: Tensor) -> list[Tensor]:
        picture = picture.float()
        found = self.network(picture, LAYERS)
        return [wide(picture), *(wide(found[name]) for name in LAYERS)]


def alike(made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """How alike means and structure of each channel are: twice ``(N, C)``."""
    over = (2, 3)
    a, b = made.mean(over, keepdim=True), true.mean(over, keepdim=True)
    spread = (made - a).square().mean(over) + (true - b).square().mean(over)
    together = ((made - a) * (true - b)).mean(over)
    light = (2 * a * b + C) / (a.square() + b.square() + C)
    return light[..., 0, 0], (2 * together + C) / (spread + C)
