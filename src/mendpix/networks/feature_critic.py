"""A patch discriminator on frozen features: only light heads are trained."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.networks import features
from mendpix.networks.discriminators import Discriminator
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.feature_network import at_least_float32
from mendpix.networks.option_ranges import Channels, Names, Shrink
from mendpix.networks.types import DiscriminatorOutput


@dataclass(frozen=True, slots=True)
class FeatureCriticOptions:
    """Options of the discriminator on frozen features.

    Attributes:
        network: a name that :func:`mendpix.networks.features.load` knows.
        layers: those that get a head.
        shrink: average the picture down by this factor before the network.
        width: channels of each head.
    """

    network: str = "vgg16"
    layers: Names = ("conv2_2", "conv3_3", "conv4_3")
    shrink: Shrink = 1
    width: Channels = 64


class FeatureCritic(Discriminator):
    """Discriminator heads on layers of a frozen pretrained network, with the hole as a channel.

    The idea of Projected GANs (Sauer et al. 2021, https://arxiv.org/abs/2111.01007) and of
    vision-aided GANs (Kumari et al. 2022, https://arxiv.org/abs/2112.09130), without the former's
    random mixing: pretrained features need not be learned from few pictures.

    Args:
        network: in place of the one that the options name.

    Shape:
        photo ``(N, 3, H, W)``, hole ``(N, 1, H, W)``
        -> ``logits`` ``(N, len(layers), h, w)``, h and w those of the first layer, to which the
        deeper layers' logits are upsampled; ``features``: each head's hidden map.

    Raises:
        WeightsError: the network's weights are not at hand.
        ValueError: it has no such layer.
    """

    def __init__(
        self,
        options: FeatureCriticOptions = FeatureCriticOptions(),
        network: FeatureNetwork | None = None,
    ) -> None:
        super().__init__()
        self.options = options
        self.network = network or features.load(options.network)
        self.network.check_layers(options.layers)
        self.heads = nn.ModuleDict(
            {
                name: _build_head(self.network.channels(name), options.width)
                for name in options.layers
            }
        )

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        self.prepare_photo(photo, hole)
        small = F.avg_pool2d(photo, self.options.shrink)
        return self.forward_heads(self.network(small, self.options.layers), hole)

    @property
    def shared_layers(self) -> tuple[FeatureNetwork, tuple[str, ...]] | None:
        """The network and layers whose maps of whole pictures it takes; None where it shrinks.

        A caller that has those maps already passes them to :meth:`forward_heads`.
        """
        return (self.network, self.options.layers) if self.options.shrink == 1 else None

    def forward_heads(self, maps: Mapping[str, Tensor], hole: Tensor) -> DiscriminatorOutput:
        """Discriminate by feature maps computed elsewhere."""
        logits, hidden_maps = [], []
        for name in self.options.layers:
            features = at_least_float32(maps[name])
            height, width = features.shape[2:]
            missing = F.adaptive_avg_pool2d(hole.to(features), (height, width))
            # Unit RMS over channels, since layers differ in scale by orders of magnitude; the
            # offset bounds the gradient where nothing fires.
            unit = features * (features.square().mean(1, keepdim=True) + 1e-2).rsqrt()
            hidden = self.heads[name][:2](torch.cat((unit, missing), 1))  # type: ignore[index]
            hidden_maps.append(hidden)
            logits.append(self.heads[name][2:](hidden))  # type: ignore[index]
        size = logits[0].shape[2:]
        joined = torch.cat([F.interpolate(x, size, mode="nearest") for x in logits], 1)
        return DiscriminatorOutput(joined, tuple(hidden_maps))


def _build_head(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels + 1, width, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 1),
    )
