"""The phase, learning rates and trainable parameters at a step. Pure functions of the step."""

import math
from bisect import bisect_right
from itertools import accumulate

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mendpix.errors import RecipeError, did_you_mean
from mendpix.training.recipe import Phase, Recipe


def find_phase(recipe: Recipe, step: int) -> tuple[int, Phase, int]:
    """Number of the phase of a step (steps count from 0), the phase, and its first step."""
    phases = recipe.phase_plan
    ends = list(accumulate(phase.steps for phase in phases))
    number = min(bisect_right(ends, step), len(phases) - 1)
    return number, phases[number], ends[number] - phases[number].steps


def learning_rates(recipe: Recipe, step: int) -> tuple[float, float]:
    """Learning rates of the network and of the discriminators at a step."""
    _, phase, _ = find_phase(recipe, step)
    factor = rate_factor(recipe, step)
    network = phase.lr or recipe.optimiser.lr
    discriminators = phase.discriminator_lr or recipe.discriminators.lr
    return network * factor, discriminators * factor


def rate_factor(recipe: Recipe, step: int) -> float:
    """The factor on the rates at a step: linear warm-up, then the schedule."""
    rise = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    progress = step / recipe.total
    if recipe.schedule == "linear":
        return rise * (1 - progress)
    if recipe.schedule == "cosine":
        return rise * (1 + math.cos(math.pi * progress)) / 2
    return rise


def enter_phase(phase: Phase, network: nn.Module) -> None:
    """Set train mode, and let only those parameters learn, and those norms move, that a phase says.

    Raises:
        RecipeError: a phase names parameters that the network does not have.
    """
    _check_parameter_names(phase, network)
    network.train()
    for name, parameter in network.named_parameters():
        learns = not phase.train or name.startswith(phase.train)
        parameter.requires_grad_(learns and not (phase.rest and name.startswith(phase.rest)))
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and name.startswith(phase.still_norms or ("\0",)):
            module.eval()
            module.requires_grad_(False)


def _check_parameter_names(phase: Phase, network: nn.Module) -> None:
    known = [name for name, _ in network.named_parameters()]
    for start in (*phase.train, *phase.rest, *phase.still_norms):
        if not any(name.startswith(start) for name in known):
            heads = list(dict.fromkeys(name.split(".")[0] for name in known))
            raise RecipeError(
                f"a phase names parameters {start!r} that the network lacks; "
                f"{did_you_mean(start, heads)}"
            )
