"""LPIPS's linear heads: how much each channel of a feature network tells about likeness.

Zhang et al. 2018, https://arxiv.org/abs/1801.03924, version 0.1; the released heads, read as data
from torchmetrics' package. Shared by the metric and the loss.
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from mendpix.errors import WeightsError

LAYERS: dict[str, tuple[str, ...]] = {
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "vgg16": ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
}
FILES = {"alexnet": "alex.pth", "vgg16": "vgg.pth"}


@cache
def heads(network: str) -> Sequence[Tensor]:
    """The released linear heads of ``LAYERS[network]``, ``(C, 1, 1)`` each.

    Raises:
        WeightsError: torchmetrics does not carry them.
    """
    spec = find_spec("torchmetrics")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    path = folder / "functional" / "image" / "lpips_models" / FILES[network]
    if not path.is_file():
        raise WeightsError(f"LPIPS's heads are not at {path}; pip install 'mendpix[train]'")
    held = torch.load(path, map_location="cpu", weights_only=True)
    return [held[f"lin{place}.model.1.weight"].float().view(-1, 1, 1) for place in range(5)]
