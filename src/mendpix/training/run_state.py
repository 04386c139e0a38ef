"""Everything that changes while a run goes on, as it is saved and restored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mendpix import __version__
from mendpix.training import checkpoint, run_directory
from mendpix.training.distributed import gather_from_all
from mendpix.training.gan_step import AdversarialStep
from mendpix.training.models import Models
from mendpix.training.photos import PhotoSet
from mendpix.training.recipe import Recipe

RandomStates = list[dict[str, Tensor]]
"""The states of torch's generators, by process."""


@dataclass
class RunState:
    """A run at a step.

    Attributes:
        models: the network that learns, and the objective with its discriminators.
        gan_step: their optimizers, which have states too.
        average: the moving average of the network's weights, where the recipe wants one.
        step: how many steps have been taken.
        best: the smallest validation error so far.
        validation: the newest measurement on held-out pictures.
    """

    fabric: Fabric
    recipe: Recipe
    photos: PhotoSet
    models: Models
    gan_step: AdversarialStep
    average: AveragedModel | None
    step: int = 0
    best: float = float("inf")
    validation: dict[str, float] = field(default_factory=dict)

    @property
    def released_network(self) -> nn.Module:
        """The network that is validated and written: the averaged one, where there is one."""
        return self.models.network if self.average is None else self.average.module

    @property
    def is_complete(self) -> bool:
        """Whether the recipe's last step has been taken."""
        return self.step >= self.recipe.total

    def is_due(self, every: int) -> bool:
        """Whether something that is done every so many steps is due; at the last step all is."""
        return self.step % every == 0 or self.is_complete

    def collect_random_states(self) -> RandomStates:
        """The random states of all processes, each of which must call this."""
        by_device = {
            device: gather_from_all(self.fabric, state)
            for device, state in checkpoint.get_random_state().items()
        }
        ranks = range(self.fabric.world_size)
        return [{device: states[rank] for device, states in by_device.items()} for rank in ranks]

    def state_dict(self, random: RandomStates) -> dict[str, Any]:
        """The state as it is saved. Its keys are a file format: they stay as they are."""
        optimizers = [m.optimizer.state_dict() for m in self.gan_step.optimized_modules()]
        return {
            "version": __version__,
            "recipe": self.recipe.model_dump(mode="json"),
            "files": [self.photos.train, self.photos.held_out],
            "step": self.step,
            "network": self.models.network.state_dict(),
            "objective": self.models.objective.state_dict(),
            "optimisers": optimizers,
            "average": None if self.average is None else self.average.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "random": random,
            "best": self.best,
            "measured": self.validation,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            TrainingError: it is of other pictures.
        """
        run_directory.check_pictures(saved, self.photos)
        self.models.network.load_state_dict(saved["network"])
        self.models.objective.load_state_dict(saved["objective"])
        modules = self.gan_step.optimized_modules()
        for optimized, state in zip(modules, saved["optimisers"], strict=True):
            optimized.optimizer.load_state_dict(state)
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.fabric.strategy.precision.load_state_dict(saved["precision"])
        self.step, self.best, self.validation = saved["step"], saved["best"], saved["measured"]
        checkpoint.set_random_state(saved["random"][self.fabric.global_rank])
