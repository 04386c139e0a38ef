"""A judge of patches that looks through a frozen feature network: only light heads learn."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mendpix.networks import features
from mendpix.networks.discriminators import Judge
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.network import at_least_float32
from mendpix.networks.types import DiscriminatorOutput


@dataclass(frozen=True, slots=True)
class FeatureCriticOptions:
    """Of the judge on frozen features.

    Attributes:
        network: a name that :func:`mendpix.networks.features.load` knows.
        layers: those that a head judges.
        shrink: show the network the picture averaged down by this factor.
        width: channels of each head.
    """

    network: str = "vgg16"
    layers: tuple[str, ...] = ("conv2_2", "conv3_3", "conv4_3")
    shrink: int = 1
    width: int = 64


class FeatureCritic(Judge):
    """A head of two convolutions on each of several frozen layers, beside the hole.

    The idea of Projected GANs (Sauer et al. 2021, https://arxiv.org/abs/2111.01007) and of
    vision-aided GANs (Kumari et al. 2022, https://arxiv.org/abs/2112.09130), without the former's
    random mixing: what a network trained elsewhere sees need not be learned from few pictures.

    Args:
        network: in place of the one that the options name.

    Shape:
        photo ``(N, 3, H, W)``, hole ``(N, 1, H, W)``
        -> ``logits`` ``(N, len(layers), h, w)``, h and w those of the first layer; the deeper
        layers' verdicts are repeated; ``features``: what each head has in the middle.

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
            {name: _head(self.network.channels(name), options.width) for name in options.layers}
        )

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        self.seen(photo, hole)
        shown = F.avg_pool2d(photo, self.options.shrink)
        return self.judged(self.network(shown, self.options.layers), hole)

    @property
    def sight(self) -> tuple[FeatureNetwork, tuple[str, ...]] | None:
        """The network and layers it looks through at whole pictures; None for smaller ones.

        Who has those maps already, for another term, may have them :meth:`judged`.
        """
        return (self.network, self.options.layers) if self.options.shrink == 1 else None

    def judged(self, maps: Mapping[str, Tensor], hole: Tensor) -> DiscriminatorOutput:
        """What it thinks of a picture whose feature maps are at hand."""
        verdicts, middles = [], []
        for name in self.options.layers:
            found = at_least_float32(maps[name])
            height, width = found.shape[2:]
            missing = F.adaptive_avg_pool2d(hole.to(found), (height, width))
            scaled = found * (found.square().mean(1, keepdim=True) + 1e-2).rsqrt()
            middle = self.heads[name][:2](torch.cat((scaled, missing), 1))  # type: ignore[index]
            middles.append(middle)
            verdicts.append(self.heads[name][2:](middle))  # type: ignore[index]
        size = verdicts[0].shape[2:]
        logits = torch.cat([F.interpolate(v, size, mode="nearest") for v in verdicts], 1)
        return DiscriminatorOutput(logits, tuple(middles))


def _head(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels + 1, width, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 1),
    )
