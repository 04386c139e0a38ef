"""Sample sheets: input, output, filled picture and truth of held-out pictures, side by side."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mendpix.io.atomic import atomic_write
from mendpix.networks.types import composite
from mendpix.training.samples import Batch
from mendpix.training.validation import evaluation_mode

ROWS = 6
"""Pictures on a sheet."""


@torch.no_grad()
def draw_sheet(network: nn.Module, batch: Batch, device: torch.device) -> NDArray[np.uint8]:
    """A batch's first pictures as one ``(rows * S, 4 * S, 3)`` RGB picture, a row each."""
    batch = batch.select(slice(ROWS))
    photo, hole = batch.photo.to(device), batch.hole.to(device)
    network_input = batch.network_input.to(device)
    with evaluation_mode(network):
        output = network(network_input, hole).image.float().clamp(0, 1)
    # A network that is shown the photo itself must not see its hole: it is drawn white.
    visible = photo * (1 - hole) + hole if batch.initial_fill is None else network_input
    columns = [visible, output, composite(output, photo, hole), photo]
    rows = torch.cat(columns, 3).permute(0, 2, 3, 1).flatten(0, 1).cpu().numpy()
    pixels: NDArray[np.uint8] = np.rint(rows * 255).astype(np.uint8)
    return pixels


def write_sheet(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a sheet as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
