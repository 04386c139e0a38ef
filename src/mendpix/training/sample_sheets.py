"""Sample sheets: what the network was shown, what it made of it, and the truth, in one picture."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from mendpix.networks.types import composite
from mendpix.training.samples import Batch
from mendpix.training.validation import evaluating

SHOWN = 6
"""Rows of a sheet."""


@torch.no_grad()
def draw(network: nn.Module, batch: Batch, device: torch.device, path: Path) -> bytes:
    """Write a PNG of input, output, filled picture and truth, one row per picture; its bytes."""
    batch = batch.part(slice(SHOWN))
    photo, hole, shown = (part.to(device) for part in (batch.photo, batch.hole, batch.shown))
    with evaluating(network):
        out = network(shown, hole).image.float().clamp(0, 1)
    given = shown if batch.started is not None else photo * (1 - hole) + hole
    columns = [given, out, composite(out, photo, hole), photo]
    rows = torch.cat(columns, 3).permute(0, 2, 3, 1).flatten(0, 1).cpu().numpy()
    pixels = np.rint(rows * 255).astype(np.uint8)
    data: bytes = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data
