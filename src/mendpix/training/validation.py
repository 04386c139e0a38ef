"""How well the held-out pictures are filled."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..prediction import composite
from .data import Batch


@torch.no_grad()
def measure(network: nn.Module, batches: Iterable[Batch], device: torch.device) -> dict[str, float]:
    """Means over the held-out pictures, of the filled picture in [0, 1].

    Returns: ``hole_l1``, the mean absolute error over missing values; ``psnr`` in dB over the
        whole filled picture; ``mean_colour_l1``, what the mean of the known pixels would come to.
    """
    with evaluating(network):
        rows = [_rows(network, batch, device) for batch in batches]
    table = torch.cat(rows).mean(0).tolist()
    return dict(zip(("hole_l1", "psnr", "mean_colour_l1"), table, strict=True))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; after it each part is as it was: a phase may hold some norms still."""
    learning = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in learning:
            module.training = True


def _rows(network: nn.Module, batch: Batch, device: torch.device) -> Tensor:
    photo, hole = batch.photo.to(device), batch.hole.to(device)
    made = composite(network(photo, hole).image.float().clamp(0, 1), photo, hole)
    known = (1 - hole).sum((2, 3), keepdim=True).clamp(min=1)
    plain = composite(((photo * (1 - hole)).sum((2, 3), keepdim=True) / known), photo, hole)
    error = (made - photo).square().mean((1, 2, 3)).clamp(min=1e-10)
    return torch.stack(
        [_l1(made, photo, hole), -10 * error.log10(), _l1(plain, photo, hole)], 1
    ).cpu()


def _l1(made: Tensor, photo: Tensor, hole: Tensor) -> Tensor:
    area = 3 * hole.sum((1, 2, 3)).clamp(min=1)
    return ((made - photo).abs() * hole).sum((1, 2, 3)) / area
