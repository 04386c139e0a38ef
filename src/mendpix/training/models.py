"""From a recipe to modules on a device, ready for a step: the same for training and profiling."""

from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import nn

from mendpix.training.gan_step import AdversarialStep
from mendpix.training.hole_sampling import make_hole_sampler
from mendpix.training.objective import Objective, build_network, build_objective
from mendpix.training.optimizers import setup_optimizer
from mendpix.training.recipe import Recipe
from mendpix.training.samples import HoleSampler


class Models(NamedTuple):
    """What a recipe trains: the network, its objective, and the sampler of the network's holes."""

    network: nn.Module
    objective: Objective
    sample_hole: HoleSampler


def build_models(recipe: Recipe) -> Models:
    """The recipe's modules on the CPU; their weights follow from its seed.

    Raises:
        MendError: a name, option or value that the recipe cannot have.
    """
    torch.manual_seed(recipe.seed)
    network, objective = build_network(recipe), build_objective(recipe)
    return Models(network, objective, make_hole_sampler(recipe, network))


def choose_layout(recipe: Recipe) -> torch.memory_format:
    """How tensors are laid out in memory; convolutions are faster with channels innermost."""
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def prepare_step(recipe: Recipe, models: Models, fabric: Fabric) -> AdversarialStep:
    """Move the modules to the device, in place, and give them their optimizers."""
    network, objective, _ = models
    for module in (network, objective):
        fabric.to_device(module).to(memory_format=choose_layout(recipe))  # type: ignore[call-overload]
    generator = setup_optimizer(fabric, network, recipe.optimiser)
    modules = nn.ModuleList(objective.discriminators())
    discriminators = None
    if len(modules):
        discriminators = setup_optimizer(fabric, modules, recipe.discriminators)
    # Compiled, it is called under another type; weights and optimizer stay those of the network.
    callee = torch.compile(network) if recipe.compile else network
    return AdversarialStep(fabric, callee, objective, generator, discriminators)  # type: ignore[arg-type]
