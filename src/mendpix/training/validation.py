"""How well the held-out pictures are filled, and what that looks like."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ..prediction import composite
from .data import Batch

SHOWN = 6
"""Rows of a sample sheet."""


@torch.no_grad()
def measure(network: nn.Module, batches: Iterable[Batch], device: torch.device) -> dict[str, float]:
    """Means over the held-out pictures, of the filled picture in [0, 1].

    Returns: ``hole_l1``, the mean absolute error over missing values; ``psnr`` in dB over the
        whole filled picture; ``mean_colour_l1``, what the mean of the known pixels would come to.
    """
    was_training = network.training
    network.eval()
    rows = [_rows(network, batch, device) for batch in batches]
    network.train(was_training)
    table = torch.cat(rows).mean(0).tolist()
    return dict(zip(("hole_l1", "psnr", "mean_colour_l1"), table, strict=True))


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


@torch.no_grad()
def sheet(network: nn.Module, batch: Batch, device: torch.device, path: Path) -> None:
    """Write a picture of input, output, filled picture and truth, one row per held-out picture."""
    was_training = network.training
    network.eval()
    photo, hole = batch.photo[:SHOWN].to(device), batch.hole[:SHOWN].to(device)
    out = network(photo, hole).image.float().clamp(0, 1)
    network.train(was_training)
    columns = [photo * (1 - hole) + hole, out, composite(out, photo, hole), photo]
    rows = torch.cat(columns, 3).permute(0, 2, 3, 1).flatten(0, 1).cpu().numpy()
    pixels = np.rint(rows * 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
