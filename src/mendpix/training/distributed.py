"""Communication between the processes of one run; nothing is exchanged where there is one."""

from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
"""Fabric's names for a recipe's precisions."""


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients over all processes, in place, in one exchange."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if fabric.world_size == 1 or not gradients:
        return
    flat = fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
    assert isinstance(flat, Tensor)
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))


def gather_from_all(fabric: Fabric, tensor: Tensor) -> Tensor:
    """Every process's tensor, on the CPU, stacked along a new first dimension by rank."""
    if fabric.world_size == 1:
        return tensor.cpu()[None]
    stacked = fabric.all_gather(tensor.to(fabric.device))
    assert isinstance(stacked, Tensor)
    return stacked.cpu()


def synchronize_batch_norms(module: nn.Module, fabric: Fabric) -> nn.Module:
    """Replace batch norms by SyncBatchNorm, which exists on GPUs only; elsewhere a no-op."""
    if fabric.world_size == 1 or fabric.device.type != "cuda":
        return module
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    return converted
