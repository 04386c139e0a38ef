"""What a recipe costs on this machine: a step on few pictures, measured and scaled up."""

import time
from dataclasses import dataclass
from typing import Literal

import torch
from lightning_fabric import Fabric

from mendpix.training import memory_estimate, schedule
from mendpix.training.default_weights import resolve_weights
from mendpix.training.distributed import PRECISIONS
from mendpix.training.gan_step import AdversarialStep
from mendpix.training.models import build_models, choose_layout, prepare_step
from mendpix.training.objective import weights_at
from mendpix.training.recipe import Recipe
from mendpix.training.samples import Batch, collate
from mendpix.training.system_memory import CACHE_SHARE, read_available

Accelerator = Literal["auto", "cpu", "cuda", "mps"]

_GIB = 2**30
AFFORDABLE = 4.0
"""Seconds that a step may seem to take for its whole batch to be measured."""


@dataclass(frozen=True)
class CostEstimate:
    """What training would take, from a measured step.

    Attributes:
        device: what was measured, ``"cpu"`` or ``"cuda"``; elsewhere it takes other times.
        parameters: of the network and the discriminators.
        memory: bytes on that device: weights, gradients, averages, what a step keeps.
        pictures: bytes of the cached pictures.
        seconds: of one step with the recipe's batch, the mean over its phases.
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
        """Of the whole run."""
        return self.seconds * self.steps / 3600

    def _advise_on_cache(self) -> str:
        free = read_available()
        if free is None or self.pictures < free * CACHE_SHARE:
            return ""
        return f"{free / _GIB:.2g} GiB of memory are free; they will be mapped from disk"

    def rows(self) -> list[tuple[str, str, str]]:
        """The estimate as a table: what, how much, advice."""
        length = f"{self.hours:.1f} hours" if self.hours >= 2 else f"{60 * self.hours:.0f} minutes"
        speed = f"{self.seconds:.2g} s a step, {self.steps} steps"
        patience = "try the recipe's -tiny form, or an accelerator" if self.hours > 48 else ""
        return [
            ("memory", f"about {self.memory / _GIB:.2g} GiB for a step", ""),
            ("cached pictures", f"about {self.pictures / _GIB:.2g} GiB", self._advise_on_cache()),
            ("time", f"about {length} on the {self.device.upper()} ({speed})", patience),
        ]


def profile(
    recipe: Recipe, cached_pixels: int = 0, accelerator: Accelerator = "auto"
) -> CostEstimate:
    """Take a few steps with at most two random pictures; scale to the recipe's batch.

    Args:
        cached_pixels: pixels of pictures that are kept in memory.
        accelerator: where; the machine's best without it.

    Raises:
        MendError: what the recipe's parts raise when they are built.
    """
    recipe, _ = resolve_weights(recipe)
    fabric = Fabric(
        accelerator=accelerator,
        devices=1,
        precision=PRECISIONS[recipe.precision],  # type: ignore[arg-type]
    )
    random_state = torch.get_rng_state()
    try:
        return _profile_on(fabric, recipe, cached_pixels)
    finally:
        torch.set_rng_state(random_state)


def _profile_on(fabric: Fabric, recipe: Recipe, cached_pixels: int) -> CostEstimate:
    network, objective, _ = build_models(recipe)
    fixed, each = memory_estimate.estimate_memory(recipe, network, objective)
    gan_step, batch = prepare_profile(recipe, min(2, recipe.batch), fabric)
    seconds = measure_phases(recipe, gan_step, batch) * recipe.batch / len(batch.files)
    if seconds < AFFORDABLE and recipe.accumulate == 1 and recipe.batch > 2:
        # Small networks spend much of a step on what does not grow with the batch.
        gan_step, batch = prepare_profile(recipe, recipe.batch, fabric)
        seconds = measure_phases(recipe, gan_step, batch)
    modules = [optimized.module for optimized in gan_step.optimized_modules()]
    return CostEstimate(
        device=fabric.device.type,
        parameters=sum(p.numel() for module in modules for p in module.parameters()),
        memory=round(memory_estimate.OVERHEAD * (fixed + each * recipe.batch / recipe.accumulate)),
        pictures=3 * cached_pixels,
        seconds=seconds,
        steps=recipe.total,
    )


def measure_phases(recipe: Recipe, gan_step: AdversarialStep, batch: Batch) -> float:
    """Seconds of a step on this batch, the mean over all steps of the recipe's phases."""
    end, total = 0, 0.0
    for phase in recipe.phase_plan:
        end += phase.steps
        schedule.enter_phase(phase, gan_step.network)
        weights = weights_at(recipe, phase, end - 1)
        measure_step(gan_step, batch, weights)  # warm-up: it also allocates Adam's averages
        total += phase.steps * min(measure_step(gan_step, batch, weights) for _ in range(2))
    return total / end


def prepare_profile(recipe: Recipe, count: int, fabric: Fabric) -> tuple[AdversarialStep, Batch]:
    """A step as the trainer takes it in the last phase, where most terms count, and noise for it.

    The batch has ``count`` pictures, with holes as the recipe draws them.
    """
    models = build_models(recipe)
    gan_step = prepare_step(recipe, models, fabric)
    schedule.enter_phase(recipe.phase_plan[-1], models.network)
    shape = (count, recipe.size, recipe.size, 3)
    noise = torch.randint(0, 256, shape, dtype=torch.uint8).numpy()
    holes = [models.sample_hole(index) for index in range(count)]
    photo, hole, files, _ = collate(list(noise), holes, ["noise"] * count)
    layout = choose_layout(recipe)
    photo, hole = (fabric.to_device(x).contiguous(memory_format=layout) for x in (photo, hole))
    return gan_step, Batch(photo, hole, files)


def measure_step(gan_step: AdversarialStep, batch: Batch, weights: dict[str, float]) -> float:
    """Seconds of one step."""
    start = time.perf_counter()
    gan_step.run([batch], weights)
    if batch.photo.is_cuda:
        torch.cuda.synchronize()  # kernels run on after the call returns
    return time.perf_counter() - start
