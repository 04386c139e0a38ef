"""Where a run stands at a step: its phase, rates and who learns. Pure functions of the step."""

import math
from bisect import bisect_right
from itertools import accumulate

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mendpix.errors import RecipeError
from mendpix.training.recipe import Phase, Recipe, near


def phase_at(recipe: Recipe, step: int) -> tuple[int, Phase, int]:
    """Number of the phase of a step (steps count from 0), the phase, and its first step."""
    stretches = recipe.stretches
    ends = list(accumulate(phase.steps for phase in stretches))
    number = min(bisect_right(ends, step), len(stretches) - 1)
    return number, stretches[number], ends[number] - stretches[number].steps


def rates(recipe: Recipe, step: int) -> tuple[float, float]:
    """Learning rates of the network and of the discriminators at a step."""
    _, phase, _ = phase_at(recipe, step)
    factor = course(recipe, step)
    own = phase.lr or recipe.optimiser.lr
    judges = phase.discriminator_lr or recipe.discriminators.lr
    return own * factor, judges * factor


def course(recipe: Recipe, step: int) -> float:
    """What the rates are multiplied by at a step: warm-up, then the schedule."""
    rise = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    done = step / recipe.total
    if recipe.schedule == "linear":
        return rise * (1 - done)
    if recipe.schedule == "cosine":
        return rise * (1 + math.cos(math.pi * done)) / 2
    return rise


def enter(phase: Phase, network: nn.Module) -> None:
    """Train mode, with only those parameters learning, and those norms moving, that the phase says.

    Raises:
        RecipeError: a phase names parameters that the network does not have.
    """
    _check_names(phase, network)
    network.train()
    for name, parameter in network.named_parameters():
        learns = not phase.train or name.startswith(phase.train)
        parameter.requires_grad_(learns and not (phase.rest and name.startswith(phase.rest)))
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and name.startswith(phase.still_norms or ("\0",)):
            module.eval()
            module.requires_grad_(False)


def _check_names(phase: Phase, network: nn.Module) -> None:
    known = [name for name, _ in network.named_parameters()]
    for start in (*phase.train, *phase.rest, *phase.still_norms):
        if not any(name.startswith(start) for name in known):
            heads = list(dict.fromkeys(name.split(".")[0] for name in known))
            raise RecipeError(
                f"a phase names parameters {start!r} that the network lacks; {near(start, heads)}"
            )
