"""What a recipe takes on this machine: a step on few pictures, measured and scaled up."""

import time
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from . import objective, schedule
from .data import Batch, assembled
from .games import Game
from .holes import drawer
from .players import optimiser
from .recipe import Recipe

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
    """Take two steps with at most two random pictures on the CPU; scale to the recipe's batch.

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
    weights = {name: term.weight for name, term in recipe.losses.items()}
    kept = Kept()
    _step(game, batch, weights, kept)  # also allocates the optimisers' averages
    seconds = min(_step(game, batch, weights) for _ in range(2))
    count = sum(p.numel() for player in game.players() for p in player.module.parameters())
    pictures = recipe.batch / len(batch.files)
    still = 4 * count * (4 + bool(recipe.ema))  # weights, gradients, two averages, the mean
    in_flight = kept.bytes * pictures / recipe.accumulate
    memory = still + in_flight + 3 * cached_pixels
    return Forecast("cpu", count, round(memory), seconds * pictures, recipe.total)


def stage(recipe: Recipe, count: int) -> tuple[Game, Batch]:
    """The players with fresh weights in the first phase, and a batch of noise with drawn holes."""
    fabric = Fabric(accelerator="cpu", devices=1)
    torch.manual_seed(recipe.seed)
    network, terms = objective.network(recipe), objective.build(recipe)
    schedule.enter(recipe.stretches[0], network)
    maker = optimiser(fabric, network, recipe.optimiser)
    judges = nn.ModuleList(terms.judges())
    other = optimiser(fabric, judges, recipe.discriminators) if len(judges) else None
    game = Game(fabric, network, terms, maker, other)
    draw = drawer(recipe, network)
    noise = torch.randint(0, 256, (count, recipe.size, recipe.size, 3), dtype=torch.uint8).numpy()
    return game, assembled(list(noise), [draw(n) for n in range(count)], ["noise"] * count)


class Kept:
    """Counts the bytes that a step keeps for its way back, each storage once."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    @property
    def bytes(self) -> int:
        """What was kept in all."""
        return sum(self._seen.values())

    def keep(self, tensor: Tensor) -> Tensor:
        """Note a tensor that is kept."""
        storage = tensor.untyped_storage()
        self._seen[storage.data_ptr()] = storage.nbytes()
        return tensor


def _step(game: Game, batch: Batch, weights: dict[str, float], kept: Kept | None = None) -> float:
    """Seconds of one step."""
    begun = time.perf_counter()
    watching = torch.autograd.graph.saved_tensors_hooks(kept.keep, _as_it_is) if kept else None
    with watching or nullcontext():
        game.step([batch], weights)
    return time.perf_counter() - begun


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
