"""What a recipe takes on this machine: a step on few pictures, measured and scaled up."""

import time
from dataclasses import dataclass
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import nn

from mendpix.training import memory_estimate, objective, schedule
from mendpix.training.distributed import PRECISIONS
from mendpix.training.gan_step import Game
from mendpix.training.hole_sampling import drawer
from mendpix.training.optimizers import optimiser
from mendpix.training.recipe import Recipe
from mendpix.training.samples import Batch, assembled
from mendpix.training.system_memory import SHARE, available

Accelerator = Literal["auto", "cpu", "cuda", "mps"]

_GIB = 2**30


@dataclass(frozen=True)
class CostEstimate:
    """What training would take, by a measured step.

    Attributes:
        device: what was measured, ``"cpu"`` or ``"cuda"``; elsewhere it takes other times.
        parameters: of the network and the discriminators.
        memory: bytes on that device: weights, gradients, averages, what a step keeps.
        pictures: bytes of the cached pictures.
        seconds: of one step with the recipe's batch.
        steps: of the recipe.
    """

    device: str
    parameters: int
    memory: int
    pictures: int
    seconds: float
    steps: int

    @property
    def hours(self) -> float:
        """The whole run's."""
        return self.seconds * self.steps / 3600

    def _room(self) -> str:
        free = available()
        if free is None or self.pictures < free * SHARE:
            return ""
        return f"{free / _GIB:.2g} GiB of memory are free; they will be mapped from disk"

    def rows(self) -> list[tuple[str, str, str]]:
        """What is foretold, for a table."""
        length = f"{self.hours:.1f} hours" if self.hours >= 2 else f"{60 * self.hours:.0f} minutes"
        speed = f"{self.seconds:.2g} s a step, {self.steps} steps"
        patience = "try the recipe's -tiny form, or an accelerator" if self.hours > 48 else ""
        return [
            ("memory", f"about {self.memory / _GIB:.2g} GiB for a step", ""),
            ("cached pictures", f"about {self.pictures / _GIB:.2g} GiB", self._room()),
            ("time", f"about {length} on the {self.device.upper()} ({speed})", patience),
        ]


def rehearse(
    recipe: Recipe, cached_pixels: int = 0, accelerator: Accelerator = "auto"
) -> CostEstimate:
    """Take a few steps with at most two random pictures; scale to the recipe's batch.

    Args:
        cached_pixels: pixels of pictures that are kept in memory.
        accelerator: where; the machine's best without it.

    Raises:
        MendError: what the recipe's parts raise when they are built.
    """
    fabric = Fabric(
        accelerator=accelerator,
        devices=1,
        precision=PRECISIONS[recipe.precision],  # type: ignore[arg-type]
    )
    torch_state = torch.get_rng_state()
    try:
        return _rehearsed(recipe, cached_pixels, fabric)
    finally:
        torch.set_rng_state(torch_state)


def _rehearsed(recipe: Recipe, cached_pixels: int, fabric: Fabric) -> CostEstimate:
    torch.manual_seed(recipe.seed)
    fixed, each = memory_estimate.memory(recipe, objective.network(recipe), objective.build(recipe))
    game, batch = stage(recipe, min(2, recipe.batch), fabric)
    phase = recipe.stretches[-1]
    weights = objective.weights_at(recipe, phase, recipe.total - 1)
    _step(game, batch, weights)  # also allocates the optimisers' averages
    seconds = min(_step(game, batch, weights) for _ in range(2))
    count = sum(p.numel() for player in game.players() for p in player.module.parameters())
    memory = memory_estimate.SPARE * (fixed + each * recipe.batch / recipe.accumulate)
    scaled = seconds * recipe.batch / len(batch.files)
    where = fabric.device.type
    return CostEstimate(where, count, round(memory), 3 * cached_pixels, scaled, recipe.total)


def stage(recipe: Recipe, count: int, fabric: Fabric) -> tuple[Game, Batch]:
    """The players, fresh, in the last phase, where most counts; noise with drawn holes."""
    torch.manual_seed(recipe.seed)
    network, terms = objective.network(recipe), objective.build(recipe)
    draw = drawer(recipe, network)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    for module in (network, terms):
        fabric.to_device(module).to(memory_format=layout)  # type: ignore[call-overload]
    schedule.enter(recipe.stretches[-1], network)
    maker = optimiser(fabric, network, recipe.optimiser)
    judges = nn.ModuleList(terms.judges())
    other = optimiser(fabric, judges, recipe.discriminators) if len(judges) else None
    called = torch.compile(network) if recipe.compile else network
    noise = torch.randint(0, 256, (count, recipe.size, recipe.size, 3), dtype=torch.uint8).numpy()
    photo, hole, files, _ = assembled(
        list(noise), [draw(n) for n in range(count)], ["noise"] * count
    )
    photo, hole = (fabric.to_device(x).contiguous(memory_format=layout) for x in (photo, hole))
    return Game(fabric, called, terms, maker, other), Batch(photo, hole, files)  # type: ignore[arg-type]


def _step(game: Game, batch: Batch, weights: dict[str, float]) -> float:
    """Seconds of one step."""
    begun = time.perf_counter()
    game.step([batch], weights)
    if batch.photo.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begun
