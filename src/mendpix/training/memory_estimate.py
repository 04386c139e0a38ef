"""How much memory a step will take, before the first one is taken."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mendpix.errors import TrainingError
from mendpix.training.hole_sampling import centre
from mendpix.training.objective import Objective, scene, weights_at
from mendpix.training.recipe import Recipe
from mendpix.training.system_memory import NO_LIMIT, available

SPARE = 1.3
"""What allocators and temporary maps take beside what is kept for the way back."""

SMALL = 128
"""Side of the pictures that are measured, where the network takes any."""

MEASURED = 2
"""Pictures in the batch that is measured: batch norms need two."""


def memory(recipe: Recipe, network: nn.Module, objective: Objective) -> tuple[int, int]:
    """Bytes that training takes whatever the batch, and bytes more for each picture at once.

    The second is measured: two pictures, made small where the network allows it, go through a
    copy of the network and the terms, and what is kept for the way back is counted.
    """
    learning = [*network.parameters(), *(p for j in objective.judges() for p in j.parameters())]
    fixed = sum(_size(p) for p in learning) * (4 + bool(recipe.ema))  # weights, slopes, Adam's two
    fixed += sum(_size(b) for b in objective.buffers())
    side = _side(recipe.size, network)
    with torch.random.fork_rng(devices=[]):
        walks = [_walk(*copy.deepcopy((network, objective)), w, side) for w in _all_weights(recipe)]
    return fixed, round(max(walks) * (recipe.size / side) ** 2)


def _side(size: int, network: nn.Module) -> int:
    """The side of the pictures that are measured: what is kept grows with the area."""
    multiple = int(getattr(network, "multiple", 1))
    smaller = -(-min(size, SMALL) // multiple) * multiple
    return size if getattr(network, "size", None) is not None else min(size, smaller)


def _all_weights(recipe: Recipe) -> list[dict[str, float]]:
    return [weights_at(recipe, phase, recipe.total - 1) for phase in recipe.stretches]


def _walk(
    network: nn.Module, objective: Objective, weights: Mapping[str, float], side: int
) -> float:
    """Bytes kept for the way back, for one picture."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    photo, hole = torch.rand(MEASURED, 3, side, side), torch.zeros(MEASURED, 1, side, side)
    hole[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    hole_side = getattr(network, "hole_side", None)
    if hole_side is not None:
        hole = torch.from_numpy(centre(side, hole_side)).float().expand_as(hole)
    network.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses: dict[str, Any] = objective.judge(scene(network(photo, hole), photo, hole), weights)
    own = (*network.parameters(), *objective.parameters(), *objective.buffers())
    for tensor in own:
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    del losses
    return sum(kept.values()) / MEASURED


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def check(
    recipe: Recipe,
    network: nn.Module,
    objective: Objective,
    processes: int = 1,
    free: int | None = None,
) -> int:
    """Refuse a batch that cannot fit the CPU's memory.

    Args:
        processes: on this machine, each with its part of the batch.
        free: bytes; None asks the machine.

    Returns: bytes that are left for pictures, over all processes.

    Raises:
        TrainingError: names what is needed, what is there, and the batch that fits.
    """
    free = available() if free is None else free
    if free is None:
        return NO_LIMIT
    fixed, each = memory(recipe, network, objective)
    room = free / SPARE / processes - fixed
    at_once = recipe.batch // recipe.accumulate // processes
    if each * at_once <= room:
        return round((room - each * at_once) * SPARE * processes)
    needed = _gib((fixed + each * at_once) * SPARE * processes)
    fits = int(room // each) if each and room > 0 else 0
    if not fits:
        raise TrainingError(
            f"training needs about {needed} of memory but {_gib(free)} are free, and no batch "
            "fits; take a smaller size or network"
        )
    raise TrainingError(
        f"a batch of {recipe.batch} needs about {needed} of memory but {_gib(free)} are free; "
        f"use batch={fits * processes}, or accumulate={-(-recipe.batch // (fits * processes))}"
    )


def _gib(count: float) -> str:
    return f"{count / 2**30:.2g} GiB"
