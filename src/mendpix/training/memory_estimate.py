"""Estimates how much memory a step takes, before the first one is taken."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mendpix.errors import TrainingError
from mendpix.losses.base import LossInputs
from mendpix.training.hole_sampling import centre_square
from mendpix.training.objective import Objective, weights_at
from mendpix.training.recipe import Recipe
from mendpix.training.system_memory import NO_LIMIT, read_available

OVERHEAD = 1.3
"""Allocators and temporary maps take about 30 % beside the activations kept for backward."""

PROBE_SIDE = 128
"""Side of the pictures that are measured, where the network takes any."""

PROBE_PICTURES = 2
"""Pictures in the batch that is measured: batch norms need two."""


def estimate_memory(recipe: Recipe, network: nn.Module, objective: Objective) -> tuple[int, int]:
    """Bytes that training takes at any batch size, and bytes more for each picture at once.

    The second is measured: two pictures, small where the network allows it, go through a copy of
    the network and the terms, and the activations that autograd keeps for backward are counted.
    """
    modules = [network, *objective.discriminators()]
    copies = 4 + bool(recipe.ema)  # weights, gradients, Adam's two averages, the moving average
    fixed = copies * sum(_count_bytes(p) for module in modules for p in module.parameters())
    fixed += sum(_count_bytes(b) for b in objective.buffers())
    side = _choose_probe_side(recipe.size, network)
    with torch.random.fork_rng(devices=[]):
        measured = [
            _measure_activations(*copy.deepcopy((network, objective)), weights, side)
            for weights in _list_phase_weights(recipe)
        ]
    return fixed, round(max(measured) * (recipe.size / side) ** 2)


def _choose_probe_side(size: int, network: nn.Module) -> int:
    """The side of the pictures that are measured: what is kept grows with the area."""
    multiple = int(getattr(network, "multiple", 1))
    smaller = -(-min(size, PROBE_SIDE) // multiple) * multiple
    return size if getattr(network, "size", None) is not None else min(size, smaller)


def _list_phase_weights(recipe: Recipe) -> list[dict[str, float]]:
    return [weights_at(recipe, phase, recipe.total - 1) for phase in recipe.phase_plan]


def _measure_activations(
    network: nn.Module, objective: Objective, weights: Mapping[str, float], side: int
) -> float:
    """Bytes that autograd keeps for backward, for one picture."""
    kept: dict[int, int] = {}  # by storage: views of one tensor are kept once

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    photo = torch.rand(PROBE_PICTURES, 3, side, side)
    hole = torch.zeros(PROBE_PICTURES, 1, side, side)
    hole[..., side // 4 : -side // 4, side // 4 : -side // 4] = 1
    hole_side = getattr(network, "hole_side", None)
    if hole_side is not None:
        hole = torch.from_numpy(centre_square(side, hole_side)).float().expand_as(hole)
    network.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        inputs = LossInputs(network(photo, hole), photo, hole)
        objective.request_features(inputs, weights)
        losses = objective.compute_terms(inputs, weights)
    permanent = (*network.parameters(), *objective.parameters(), *objective.buffers())
    for tensor in permanent:
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    del losses  # only now: it holds the graph, whose memory could be given to other tensors
    return sum(kept.values()) / PROBE_PICTURES


def _count_bytes(tensor: Tensor) -> int:
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
    free = read_available() if free is None else free
    if free is None:
        return NO_LIMIT
    fixed, each = estimate_memory(recipe, network, objective)
    room = free / OVERHEAD / processes - fixed
    at_once = recipe.batch // recipe.accumulate // processes
    if each * at_once <= room:
        return round((room - each * at_once) * OVERHEAD * processes)
    needed = _format_gib((fixed + each * at_once) * OVERHEAD * processes)
    fits = int(room // each) if each and room > 0 else 0
    if not fits:
        raise TrainingError(
            f"training needs about {needed} of memory but {_format_gib(free)} are free, "
            "and no batch fits; take a smaller size or network"
        )
    parts = -(-recipe.batch // (fits * processes))
    raise TrainingError(
        f"a batch of {recipe.batch} needs about {needed} of memory but {_format_gib(free)} "
        f"are free; use batch={fits * processes}, or accumulate={parts}"
    )


def _format_gib(count: float) -> str:
    return f"{count / 2**30:.2g} GiB"
