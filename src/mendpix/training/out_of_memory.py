"""A step that does not fit the accelerator's memory: recognise it, and find a batch that fits."""

from collections.abc import Mapping

import torch

from mendpix.training.gan_step import AdversarialStep
from mendpix.training.recipe import Recipe
from mendpix.training.samples import Batch


def is_out_of_memory(problem: RuntimeError) -> bool:
    """Whether memory was what a step lacked; not every accelerator has an error of its own."""
    return isinstance(problem, torch.OutOfMemoryError) or "out of memory" in str(problem)


def find_fitting_size(gan_step: AdversarialStep, part: Batch, weights: Mapping[str, float]) -> int:
    """How many of a part's pictures fit the device at once, by trying; 0 where none does.

    The network learns from what is tried: for runs that end here.
    """
    size = len(part.files)
    while size > 1:
        size //= 2
        _free_memory(gan_step)
        try:
            gan_step.run([part.select(slice(0, size))], weights)
        except RuntimeError as problem:
            if not is_out_of_memory(problem):
                raise
            continue
        return size
    return 0


def _free_memory(gan_step: AdversarialStep) -> None:
    for optimized in gan_step.optimized_modules():
        optimized.optimizer.zero_grad(set_to_none=True)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def explain(
    gan_step: AdversarialStep, part: Batch, weights: Mapping[str, float], recipe: Recipe
) -> str:
    """What did not fit, and the batch or accumulation that does, as one line."""
    size, processes = len(part.files), gan_step.fabric.world_size
    fits, note = max(1, size // 2), ""
    if processes == 1:  # a try needs all processes: the others would wait for this one's gradients
        fits = find_fitting_size(gan_step, part, weights)
        note = f" ({fits} do, that was tried)" if fits else " (not even one does)"
    if fits:
        parts = -(-recipe.batch // (fits * processes))
        batch = fits * recipe.accumulate * processes
        way_out = f"try batch={batch}, or accumulate={parts}"
    else:
        way_out = "take a smaller size or network, or precision=bf16"
    return f"{size} pictures at once do not fit the accelerator's memory{note}; {way_out}"
