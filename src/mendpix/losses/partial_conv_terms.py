"""Perceptual and style loss of partial convolutions.

:class:`mendpix.losses.PartialConvSum` is the paper's whole objective.
"""

from typing import Literal

from torch import Tensor

from mendpix.losses.base import On, Part
from mendpix.losses.feature_losses import FeatureLoss, Layers, Perceptual, gram
from mendpix.networks.features import FeatureNetwork

PARTIAL_CONV = {"pool1": 1.0, "pool2": 1.0, "pool3": 1.0}


class PartialConvPerceptual(Perceptual):
    """The perceptual term of partial convolutions: mean absolute differences, output + composite.

    ``L_perceptual`` of Liu et al. 2018, https://arxiv.org/abs/1804.07723: VGG-16's first three
    pooling layers.

    Args:
        network, layers, normalise_input, on, part: as in :class:`FeatureLoss`.

    Shape:
        as every loss; returns a scalar >= 0.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg16",
        layers: Layers = PARTIAL_CONV,
        normalise_input: bool = True,
        on: On | Literal["both"] = "both",
        part: Part = "image",
    ) -> None:
        super().__init__(
            network, layers, "none", power=1, normalise_input=normalise_input, on=on, part=part
        )


class PartialConvStyle(FeatureLoss):
    """The style term of partial convolutions: mean absolute differences of scaled Gram matrices.

    ``L_style`` of Liu et al. 2018, https://arxiv.org/abs/1804.07723:
    ``sum_p 1/C^2 ||(G_p(x) - G_p(y)) / (C H W)||_1`` on VGG-16's first three pooling layers; the
    paper has it once on the output and once on the composite.

    Args:
        network, layers, normalise_input, on, part: as in :class:`FeatureLoss`.

    Shape:
        as every loss; returns a scalar >= 0.
    """

    def __init__(
        self,
        network: str | FeatureNetwork = "vgg16",
        layers: Layers = PARTIAL_CONV,
        normalise_input: bool = True,
        on: On | Literal["both"] = "both",
        part: Part = "image",
    ) -> None:
        super().__init__(network, layers, "max", normalise_input, on, part)

    def compare(self, predicted: Tensor, expected: Tensor) -> Tensor:
        """The mean absolute difference of one layer's Gram matrices over ``C H W`` (K_p).

        The paper's ``1/C^2`` is the mean over the C x C entries.
        """
        return (gram(predicted) - gram(expected)).abs().mean() / predicted[0].numel()
