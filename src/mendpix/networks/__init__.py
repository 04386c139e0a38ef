"""Networks that fill holes and discriminators that judge them, by name.

A network is called ``network(photo, hole) -> Prediction``, a discriminator
``discriminator(photo, hole) -> DiscriminatorOutput``; each is built from its own frozen options
dataclass.
"""

from torch import nn

from mendpix.networks.context_encoder import ContextEncoder, RandomContextEncoder
from mendpix.networks.crfill import CRFill
from mendpix.networks.discriminators import ContextDiscriminator, PANDiscriminator
from mendpix.networks.feature_critic import FeatureCritic
from mendpix.networks.pan import PANInpainting, PANUNet
from mendpix.networks.partial_unet import PartialUNet
from mendpix.networks.patch_discriminators import PatchGAN, SNPatchGAN
from mendpix.networks.refinement import RefinementNet

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
