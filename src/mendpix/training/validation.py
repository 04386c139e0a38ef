"""Measures how well a network fills the held-out pictures."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mendpix.errors import WeightsError
from mendpix.metrics import LPIPS
from mendpix.networks import features
from mendpix.networks.types import composite
from mendpix.training.samples import Batch

METRIC_NAMES = ("hole_l1", "psnr", "mean_colour_l1", "lpips")

LPIPS_MIN_SIDE = 64
"""Side of the smallest pictures for LPIPS: AlexNet's strides leave nothing of smaller ones."""


def load_lpips(size: int) -> LPIPS | None:
    """LPIPS (AlexNet), where its weights are at hand and pictures are large enough."""
    if size < LPIPS_MIN_SIDE or features.find("alexnet") is None:
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
    with evaluation_mode(network):
        rows = [_measure_batch(network, batch, device, lpips) for batch in batches]
    table = torch.cat(rows).mean(0).tolist()
    return dict(zip(METRIC_NAMES, table, strict=False))


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards each module is as before: a phase may hold some norms still."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _measure_batch(
    network: nn.Module, batch: Batch, device: torch.device, lpips: LPIPS | None
) -> Tensor:
    photo, hole = batch.photo.to(device), batch.hole.to(device)
    prediction = network(batch.network_input.to(device), hole)
    filled = composite(prediction.image.float().clamp(0, 1), photo, hole)
    known = (1 - hole).sum((2, 3), keepdim=True).clamp(min=1)
    colour = (photo * (1 - hole)).sum((2, 3), keepdim=True) / known
    plain = composite(colour, photo, hole)
    error = (filled - photo).square().mean((1, 2, 3)).clamp(min=1e-10)  # at most 100 dB
    columns = [
        _measure_hole_l1(filled, photo, hole),
        -10 * error.log10(),
        _measure_hole_l1(plain, photo, hole),
    ]
    if lpips is not None:
        columns.append(lpips.distance(filled, photo))
    return torch.stack(columns, 1).cpu()


def _measure_hole_l1(filled: Tensor, photo: Tensor, hole: Tensor) -> Tensor:
    area = 3 * hole.sum((1, 2, 3)).clamp(min=1)
    return ((filled - photo).abs() * hole).sum((1, 2, 3)) / area
