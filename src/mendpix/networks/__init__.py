"""Inpainting networks and discriminators, by name.

A network is called ``network(photo, hole) -> Prediction``, a discriminator
``discriminator(photo, hole) -> DiscriminatorOutput``; each is built from its own frozen options
dataclass.
"""

from torch import nn

from mendpix.networks.context_encoder import (
    ContextEncoder,
    ContextEncoderOptions,
    RandomContextEncoder,
    RandomContextEncoderOptions,
)
from mendpix.networks.crfill import CRFill, CRFillOptions
from mendpix.networks.discriminators import (
    ContextDiscriminator,
    ContextDiscriminatorOptions,
    Discriminator,
    PANDiscriminator,
    PANDiscriminatorOptions,
)
from mendpix.networks.feature_critic import FeatureCritic, FeatureCriticOptions
from mendpix.networks.layers import (
    ChannelwiseLinear,
    GatedConv2d,
    PartialConv2d,
    PartialPadConv2d,
    SpectralConv2d,
)
from mendpix.networks.pan import PANInpainting, PANInpaintingOptions, PANOptions, PANUNet
from mendpix.networks.partial_unet import PartialUNet, PartialUNetOptions
from mendpix.networks.patch_attention import ContextualOptions
from mendpix.networks.patch_discriminators import (
    PatchGAN,
    PatchGANOptions,
    SNPatchGAN,
    SNPatchOptions,
)
from mendpix.networks.refinement import RefinementNet, RefinementOptions
from mendpix.networks.types import DiscriminatorOutput, Prediction

__all__ = [
    "DISCRIMINATORS",
    "NETWORKS",
    "CRFill",
    "CRFillOptions",
    "ChannelwiseLinear",
    "ContextDiscriminator",
    "ContextDiscriminatorOptions",
    "ContextEncoder",
    "ContextEncoderOptions",
    "ContextualOptions",
    "Discriminator",
    "DiscriminatorOutput",
    "FeatureCritic",
    "FeatureCriticOptions",
    "GatedConv2d",
    "PANDiscriminator",
    "PANDiscriminatorOptions",
    "PANInpainting",
    "PANInpaintingOptions",
    "PANOptions",
    "PANUNet",
    "PartialConv2d",
    "PartialPadConv2d",
    "PartialUNet",
    "PartialUNetOptions",
    "PatchGAN",
    "PatchGANOptions",
    "Prediction",
    "RandomContextEncoder",
    "RandomContextEncoderOptions",
    "RefinementNet",
    "RefinementOptions",
    "SNPatchGAN",
    "SNPatchOptions",
    "SpectralConv2d",
]

NETWORKS: dict[str, type[nn.Module]] = {
    "context-encoder": ContextEncoder,
    "context-encoder-random": RandomContextEncoder,
    "pan": PANUNet,
    "pan-inpainting": PANInpainting,
    "partial-unet": PartialUNet,
    "crfill": CRFill,
    "mender": RefinementNet,
}

DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "context-encoder": ContextDiscriminator,
    "pan": PANDiscriminator,
    "sn-patchgan": SNPatchGAN,
    "patchgan": PatchGAN,
    "feature-critic": FeatureCritic,
}
