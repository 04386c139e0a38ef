"""What a recipe takes on this machine: a step on few pictures, measured and scaled up."""

import time
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import nn

from mendpix.training import estimate, objective, schedule
from mendpix.training.data import Batch, assembled
from mendpix.training.games import Game
from mendpix.training.holes import drawer
from mendpix.training.players import optimiser
from mendpix.training.recipe import Recipe

_GIB = 2**30


@dataclass(frozen=True)
class Forecast:
    """What training would take, by a measured step.

    Attributes:
        device: ``"cpu"``; training elsewhere takes other times.
        parameters: of the network and the discriminators.
        memory: bytes: weights, gradients, averages, what a step keeps, cached pictures.
        seconds: of one step with the recipe's batch.
        steps: of the recipe.
    """

    device: str
    parameters: int
    memory: int
    seconds: float
    steps: int

    @property
    def hours(self) -> float:
        """The whole run's."""
        return self.seconds * self.steps / 3600

    def rows(self) -> list[tuple[str, str, str]]:
        """What is foretold, for a table."""
        length = f"{self.hours:.1f} hours" if self.hours >= 2 else f"{60 * self.hours:.0f} minutes"
        speed = f"{self.seconds:.2g} s a step, {self.steps} steps"
        patience = "try the recipe's -tiny form, or an accelerator" if self.hours > 48 else ""
        return [
            ("memory", f"about {self.memory / _GIB:.1f} GiB", ""),
            ("time", f"about {length} on the {self.device.upper()} ({speed})", patience),
        ]


def rehearse(recipe: Recipe, cached_pixels: int = 0) -> Forecast:
    """Take a few steps with at most two random pictures on the CPU; scale to the recipe's batch.

    Args:
        cached_pixels: pixels of pictures that are kept in memory.

    Raises:
        MendError: what the recipe's parts raise when they are built.
    """
    torch_state = torch.get_rng_state()
    try:
        return _rehearsed(recipe, cached_pixels)
    finally:
        torch.set_rng_state(torch_state)


def _rehearsed(recipe: Recipe, cached_pixels: int) -> Forecast:
    game, batch = stage(recipe, min(2, recipe.batch))
    fixed, each = estimate.memory(recipe, game.network, game.objective)
    phase = recipe.stretches[-1]
    weights = objective.weights_at(recipe, phase, recipe.total - 1)
    _step(game, batch, weights)  # also allocates the optimisers' averages
    seconds = min(_step(game, batch, weights) for _ in range(2))
    count = sum(p.numel() for player in game.players() for p in player.module.parameters())
    memory = estimate.SPARE * (fixed + each * recipe.batch / recipe.accumulate)
    memory += 3 * cached_pixels
    scaled = seconds * recipe.batch / len(batch.files)
    return Forecast("cpu", count, round(memory), scaled, recipe.total)


def stage(recipe: Recipe, count: int) -> tuple[Game, Batch]:
    """The players, fresh, in the last phase, where most counts; noise with drawn holes."""
    fabric = Fabric(accelerator="cpu", devices=1)
    torch.manual_seed(recipe.seed)
    network, terms = objective.network(recipe), objective.build(recipe)
    schedule.enter(recipe.stretches[-1], network)
    maker = optimiser(fabric, network, recipe.optimiser)
    judges = nn.ModuleList(terms.judges())
    other = optimiser(fabric, judges, recipe.discriminators) if len(judges) else None
    game = Game(fabric, network, terms, maker, other)
    draw = drawer(recipe, network)
    noise = torch.randint(0, 256, (count, recipe.size, recipe.size, 3), dtype=torch.uint8).numpy()
    return game, assembled(list(noise), [draw(n) for n in range(count)], ["noise"] * count)


def _step(game: Game, batch: Batch, weights: dict[str, float]) -> float:
    """Seconds of one step."""
    begun = time.perf_counter()
    game.step([batch], weights)
    return time.perf_counter() - begun
