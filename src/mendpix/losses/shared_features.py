"""A judge on a frozen feature network, shown the maps that other terms look at anyway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from mendpix.losses.base import LossInputs, On, Part, at_least_float32
from mendpix.networks.features import FeatureNetwork
from mendpix.networks.types import DiscriminatorOutput


@runtime_checkable
class Looks(Protocol):
    """A discriminator that can judge a frozen network's maps instead of pictures."""

    @property
    def sight(self) -> tuple[FeatureNetwork, Sequence[str]] | None:
        """The network and layers it looks through at whole pictures, None where it does not."""

    def judged(self, maps: Mapping[str, Tensor], hole: Tensor) -> DiscriminatorOutput:
        """What it thinks of a picture with these maps, and with this hole."""


@dataclass(frozen=True)
class SharedFeatures:
    """A discriminator's view of a scene's pictures through the scene's own maps."""

    judge: Looks
    network: FeatureNetwork
    layers: Sequence[str]
    part: Part
    on: On

    def announce(self, scene: LossInputs) -> None:
        """Tell the scene which layers will be read."""
        scene.expect(self.network, f"{self.part}/{self.on}", self.layers)
        scene.expect(self.network, "target", self.layers)

    def real(self, scene: LossInputs) -> DiscriminatorOutput:
        """What it thinks of the target."""
        return self._judged(scene.target_maps(self.network, self.layers), scene)

    def fake(self, scene: LossInputs, detached: bool = False) -> DiscriminatorOutput:
        """What it thinks of the prediction; ``detached`` from it, for the judge's own lesson."""
        maps = scene.maps(self.network, self.layers, self.part, self.on)
        if detached:
            maps = {layer: found.detach() for layer, found in maps.items()}
        return self._judged(maps, scene)

    def _judged(self, maps: Mapping[str, Tensor], scene: LossInputs) -> DiscriminatorOutput:
        judgement = self.judge.judged(maps, scene.hole)
        features = tuple(at_least_float32(feature) for feature in judgement.features)
        return DiscriminatorOutput(at_least_float32(judgement.logits), features)


def shared_look(judge: nn.Module, part: Part, on: On) -> SharedFeatures | None:
    """The discriminator's shared look, None where it looks at pictures for itself."""
    if not isinstance(judge, Looks) or judge.sight is None:
        return None
    return SharedFeatures(judge, *judge.sight, part, on)
