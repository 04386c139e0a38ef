"""LPIPS: how different two pictures look, by the layers of a network (lower is more alike).

Zhang et al. 2018, https://arxiv.org/abs/1801.03924, version 0.1. The network is a frozen feature
network of ours; the linear heads are the released ones, read as data from torchmetrics' package.
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from .. import features
from ..errors import TensorError, WeightsError
from ..features import FeatureNetwork
from ..prediction import check_hole, check_photo

Name = Literal["alexnet", "vgg16"]

LAYERS: dict[str, tuple[str, ...]] = {
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "vgg16": ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
}
HEADS = {"alexnet": "alex.pth", "vgg16": "vgg.pth"}

TINY = 1e-10


class LPIPS(nn.Module):
    """The learned perceptual distance of pictures, collected over an evaluation.

    ``sum_l mean_hw sum_c w_lc (a_lc - b_lc)^2``: a, b are the pictures' features, each place of
    unit length over channels; w >= 0 are the released heads.

    Args:
        network: ``"alexnet"`` (what papers report most) or ``"vgg16"``.

    Shape:
        prediction and target: ``(N, 3, H, W)`` in [0, 1], H and W at least 31 (alexnet), 16
        (vgg16); a network's output is clamped and composited before.

    Raises:
        WeightsError: the network's or the heads' weights are not at hand.
    """

    def __init__(self, network: Name = "alexnet") -> None:
        super().__init__()
        if network not in LAYERS:
            raise ValueError(f"network is {network!r} but must be 'alexnet' or 'vgg16'")
        self.network: FeatureNetwork = features.load(network)
        self.layers = LAYERS[network]
        for layer, head in zip(self.layers, heads(network), strict=True):
            self.register_buffer(f"head_{layer}", head, persistent=False)
        self._rows: list[float] = []

    @torch.no_grad()
    def update(self, prediction: Tensor, target: Tensor, hole: Tensor) -> None:
        """Measure pictures and keep a row for each.

        Raises:
            TensorError: shapes, ranges, kinds or devices that do not fit.
        """
        check_hole(hole, target)
        self._rows += self.distance(prediction, target).tolist()

    def rows(self) -> list[float]:
        """The distance of every picture so far, in order."""
        return list(self._rows)

    def compute(self) -> float:
        """The mean over all pictures so far; NaN without any."""
        return sum(self._rows) / len(self._rows) if self._rows else float("nan")

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The distance of each pair, ``(N,)``, >= 0; differentiable.

        Raises:
            TensorError: shapes or ranges that do not fit, or pictures too small.
        """
        check_photo(prediction, name="prediction")
        check_photo(target, name="target")
        if prediction.shape != target.shape:
            raise TensorError(
                f"the prediction has shape {tuple(prediction.shape)} but the target has "
                f"{tuple(target.shape)}; give both the same"
            )
        with torch.autocast(target.device.type, enabled=False):
            made = self.network(prediction.float(), self.layers)
            wanted = self.network(target.float(), self.layers)
            parts = [self._layer(name, made[name], wanted[name]) for name in self.layers]
        return torch.stack(parts).sum(0)

    def _layer(self, name: str, made: Tensor, wanted: Tensor) -> Tensor:
        head = self.get_buffer(f"head_{name}")
        error = (unit(made) - unit(wanted)).square()
        return (error * head).sum(1).mean((1, 2))


def unit(x: Tensor) -> Tensor:
    """Features of unit length over channels at each place."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + TINY)


@cache
def heads(network: str) -> Sequence[Tensor]:
    """The released linear heads, one per layer, ``(C, 1, 1)`` each.

    Raises:
        WeightsError: torchmetrics does not carry them.
    """
    spec = find_spec("torchmetrics")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    path = folder / "functional" / "image" / "lpips_models" / HEADS[network]
    if not path.is_file():
        raise WeightsError(f"LPIPS's heads are not at {path}; pip install 'mendpix[train]'")
    held = torch.load(path, map_location="cpu", weights_only=True)
    return [held[f"lin{place}.model.1.weight"].float().view(-1, 1, 1) for place in range(5)]
