"""Sharing a frozen network's features between a discriminator on them and other losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from mendpix.losses.base import LossInputs, On, Part
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.features.feature_network import at_least_float32
from mendpix.networks.types import DiscriminatorOutput


@runtime_checkable
class SharedFeatureDiscriminator(Protocol):
    """A discriminator that can take a frozen network's feature maps instead of pictures."""

    @property
    def shared_layers(self) -> tuple[FeatureNetwork, Sequence[str]] | None:
        """The network and layers whose maps of whole pictures it takes, or None."""

    def forward_heads(self, maps: Mapping[str, Tensor], hole: Tensor) -> DiscriminatorOutput:
        """Its output for a picture with these maps and this hole."""


@dataclass(frozen=True)
class SharedFeatures:
    """Runs a discriminator on the feature maps that :class:`LossInputs` caches."""

    discriminator: SharedFeatureDiscriminator
    network: FeatureNetwork
    layers: Sequence[str]
    part: Part
    on: On

    def request_features(self, inputs: LossInputs) -> None:
        """Request the layers that the discriminator takes."""
        inputs.request(self.network, f"{self.part}/{self.on}", self.layers)
        inputs.request(self.network, "target", self.layers)

    def real(self, inputs: LossInputs) -> DiscriminatorOutput:
        """The discriminator's output for the target."""
        return self._run_heads(inputs.compute_target_maps(self.network, self.layers), inputs)

    def fake(self, inputs: LossInputs, detach: bool = False) -> DiscriminatorOutput:
        """The discriminator's output for the prediction, without its gradient if ``detach``."""
        maps = inputs.compute_maps(self.network, self.layers, self.part, self.on)
        if detach:
            maps = {layer: features.detach() for layer, features in maps.items()}
        return self._run_heads(maps, inputs)

    def _run_heads(self, maps: Mapping[str, Tensor], inputs: LossInputs) -> DiscriminatorOutput:
        output = self.discriminator.forward_heads(maps, inputs.hole)
        features = tuple(at_least_float32(feature) for feature in output.features)
        return DiscriminatorOutput(at_least_float32(output.logits), features)


def share_features(discriminator: nn.Module, part: Part, on: On) -> SharedFeatures | None:
    """The way to share a discriminator's features; None where it takes pictures only."""
    if (
        not isinstance(discriminator, SharedFeatureDiscriminator)
        or discriminator.shared_layers is None
    ):
        return None
    return SharedFeatures(discriminator, *discriminator.shared_layers, part, on)
