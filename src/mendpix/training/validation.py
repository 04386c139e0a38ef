"""How well the held-out pictures are filled."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mendpix.errors import WeightsError
from mendpix.metrics import LPIPS
from mendpix.networks import features
from mendpix.networks.types import composite
from mendpix.training.samples import Batch

NAMES = ("hole_l1", "psnr", "mean_colour_l1", "lpips")

SMALLEST = 64
"""Side below which LPIPS's network has nothing left to look at."""


def perceptual(size: int) -> LPIPS | None:
    """LPIPS (AlexNet), where its weights are at hand and pictures are large enough."""
    if size < SMALLEST or features.find("alexnet") is None:
        return None
    try:
        return LPIPS("alexnet")
    except WeightsError:  # the heads are not at hand
        return None


@torch.no_grad()
def measure(
    network: nn.Module,
    batches: Iterable[Batch],
    device: torch.device,
    lpips: LPIPS | None = None,
) -> dict[str, float]:
    """Means over the held-out pictures, of the filled picture in [0, 1].

    Returns: ``hole_l1``, the mean absolute error over missing values; ``psnr`` in dB over the
        whole filled picture; ``mean_colour_l1``, what the mean of the known pixels would come to;
        ``lpips`` where it is given.
    """
    with evaluating(network):
        rows = [_rows(network, batch, device, lpips) for batch in batches]
    table = torch.cat(rows).mean(0).tolist()
    return dict(zip(NAMES, table, strict=False))


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


def _rows(network: nn.Module, batch: Batch, device: torch.device, lpips: LPIPS | None) -> Tensor:
    photo, hole = batch.photo.to(device), batch.hole.to(device)
    shown = batch.shown.to(device)
    made = composite(network(shown, hole).image.float().clamp(0, 1), photo, hole)
    known = (1 - hole).sum((2, 3), keepdim=True).clamp(min=1)
    plain = composite(((photo * (1 - hole)).sum((2, 3), keepdim=True) / known), photo, hole)
    error = (made - photo).square().mean((1, 2, 3)).clamp(min=1e-10)
    columns = [_l1(made, photo, hole), -10 * error.log10(), _l1(plain, photo, hole)]
    if lpips is not None:
        columns.append(lpips.distance(made, photo))
    return torch.stack(columns, 1).cpu()


def _l1(made: Tensor, photo: Tensor, hole: Tensor) -> Tensor:
    area = 3 * hole.sum((1, 2, 3)).clamp(min=1)
    return ((made - photo).abs() * hole).sum((1, 2, 3)) / area
