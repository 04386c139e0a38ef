"""Losses, one call for all: ``loss(prediction, target, hole) -> scalar``.

Any of them trains any network. Photos are ``(N, 3, H, W)`` in [0, 1], holes ``(N, 1, H, W)``,
1 = missing; ``prediction`` is a :class:`~mendpix.networks.types.Prediction` or its image. ``on``
chooses the network's output or the composite, ``part`` which picture of the Prediction is judged.
"""

from mendpix.losses.adversarial import Adversarial
from mendpix.losses.base import Loss, LossInputs
from mendpix.losses.contextual import ContextualReconstruction, CRFillSum
from mendpix.losses.features import Content, FeatureLoss, Perceptual, Style, Texture
from mendpix.losses.gan_objectives import GAMES
from mendpix.losses.learned_perceptual import LearnedPerceptual
from mendpix.losses.pan import PerceptualAdversarial
from mendpix.losses.partial_conv import PartialConvPerceptual, PartialConvStyle
from mendpix.losses.pixel import L1, L2, OverlapL2, Pixel, TotalVariation
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
    "GAMES",
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
    "Pixel",
    "Style",
    "Texture",
    "TotalVariation",
    "WeightedSum",
]
