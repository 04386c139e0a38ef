"""What the processes of one run tell each other; with one process nothing is exchanged."""

from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
"""Fabric's names for a recipe's precisions."""


def average(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Gradients averaged over all processes, in one exchange."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if fabric.world_size == 1 or not gradients:
        return
    flat = fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
    assert isinstance(flat, Tensor)
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))


def gathered(fabric: Fabric, tensor: Tensor) -> Tensor:
    """Every process's tensor, on the CPU, the process's number as first dimension."""
    if fabric.world_size == 1:
        return tensor.cpu()[None]
    found = fabric.all_gather(tensor.to(fabric.device))
    assert isinstance(found, Tensor)
    return found.cpu()


def synced(module: nn.Module, fabric: Fabric) -> nn.Module:
    """Batch norms that see all processes' pictures, on GPUs; the module as it is elsewhere."""
    if fabric.world_size == 1 or fabric.device.type != "cuda":
        return module
    made: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    return made
