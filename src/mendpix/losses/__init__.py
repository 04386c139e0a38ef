"""Losses, one call for all: ``loss(prediction, target, hole) -> scalar``.

Any of them trains any network. Photos are ``(N, 3, H, W)`` in [0, 1], holes ``(N, 1, H, W)``,
1 = missing; ``prediction`` is a :class:`~mendpix.networks.types.Prediction` or its image. ``on``
chooses the network's output or the composite, ``part`` which picture of the Prediction is compared.
"""

from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import Loss, LossInputs
from mendpix.losses.crfill_objective import ContextualReconstruction, CRFillSum
from mendpix.losses.feature_losses import Content, FeatureLoss, Perceptual, Style, Texture
from mendpix.losses.gan_objectives import GAN_OBJECTIVES
from mendpix.losses.learned_perceptual import LearnedPerceptual
from mendpix.losses.partial_conv_terms import PartialConvPerceptual, PartialConvStyle
from mendpix.losses.perceptual_adversarial import PerceptualAdversarial
from mendpix.losses.pixel_losses import L1, L2, OverlapL2, PixelLoss, TotalVariation
from mendpix.losses.weighted_sum import ContextEncoderSum, PartialConvSum, WeightedSum

LOSSES: dict[str, type[Loss]] = {
    "l1": L1,
    "l2": L2,
    "overlap-l2": OverlapL2,
    "tv": TotalVariation,
    "perceptual": Perceptual,
    "texture": Texture,
    "content": Content,
    "style": Style,
    "partial-conv": PartialConvSum,
    "partial-conv-perceptual": PartialConvPerceptual,
    "partial-conv-style": PartialConvStyle,
    "adversarial": Adversarial,
    "pan": PerceptualAdversarial,
    "lpips": LearnedPerceptual,
    "contextual": ContextualReconstruction,
}
"""The losses that a recipe can name."""

__all__ = [
    "GAN_OBJECTIVES",
    "L1",
    "L2",
    "LOSSES",
    "Adversarial",
    "CRFillSum",
    "Content",
    "ContextEncoderSum",
    "ContextualReconstruction",
    "FeatureLoss",
    "LearnedPerceptual",
    "Loss",
    "LossInputs",
    "OverlapL2",
    "PartialConvPerceptual",
    "PartialConvStyle",
    "PartialConvSum",
    "Perceptual",
    "PerceptualAdversarial",
    "PixelLoss",
    "Style",
    "Texture",
    "TotalVariation",
    "WeightedSum",
]
