"""LPIPS against upstream's figures and against the formula in NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mendpix.errors import TensorError, WeightsError
from mendpix.metrics import LPIPS, lpips
from mendpix.networks import features
from mendpix.networks.features import torchmetrics_weights

HEADS = {"alexnet": "lpips_models/alex.pth", "vgg16": "lpips_models/vgg.pth"}
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""LPIPS's own, for values in [-1, 1]: ImageNet's mean and deviation, rounded."""


class Picked(nn.Module):
    """The picture's own values as every layer, repeated to the heads' widths."""

    def __init__(self, widths: dict[str, int]) -> None:
        super().__init__()
        self.widths = widths

    def forward(self, picture: Tensor, layers: list[str]) -> dict[str, Tensor]:
        return {
            name: torch.cat([picture] * (self.widths[name] // 3 + 1), 1)[:, : self.widths[name]]
            for name in layers
        }


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> LPIPS:
    """LPIPS with released heads on a network that needs no weights."""
    widths = {
        name: len(head)
        for name, head in zip(lpips.LAYERS["vgg16"], lpips.load_heads("vgg16"), strict=True)
    }
    monkeypatch.setattr(features, "load", lambda name: Picked(widths))
    return LPIPS("vgg16")


@pytest.mark.parametrize(("network", "key"), [("alexnet", "lpips_alex"), ("vgg16", "lpips_vgg")])
def test_upstreams_figures(
    reference: Path, shared: Path, network: lpips.Name, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENDPIX_HOME", str(shared / "weights"))
    metric = LPIPS(network, on="output")
    with np.load(reference / "image_metrics.npz") as file:
        for pair in range(4):
            a, b = (
                torch.from_numpy(file[f"{side}{pair}"]).permute(2, 0, 1)[None] / 255
                for side in "ab"
            )
            metric.update(a, b, torch.zeros_like(a[:, :1]))
            assert metric.rows()[-1] == pytest.approx(file[f"{key}{pair}"].item(), rel=1e-4)
    assert metric.compute() == pytest.approx(np.mean(metric.rows()))


def test_the_formula_in_numpy(bare: LPIPS) -> None:
    random = np.random.default_rng(3)
    a, b = random.random((2, 2, 3, 7, 5))
    wanted = np.zeros(2)
    for head in lpips.load_heads("vgg16"):
        weight = head.double().numpy()
        sides = [np.concatenate([x] * (len(weight) // 3 + 1), 1)[:, : len(weight)] for x in (a, b)]
        sides = [x / (np.sqrt((x**2).sum(1, keepdims=True)) + 1e-10) for x in sides]
        wanted += (weight * (sides[0] - sides[1]) ** 2).sum(1).mean((1, 2))
    found = bare.distance(torch.from_numpy(a), torch.from_numpy(b))
    torch.testing.assert_close(found.double(), torch.from_numpy(wanted), rtol=1e-5, atol=1e-6)


def test_a_picture_is_no_distance_from_itself(bare: LPIPS) -> None:
    photo = torch.rand(2, 3, 8, 8)
    assert bare.distance(photo, photo).tolist() == [0.0, 0.0]
    other = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(bare.distance(photo, other), bare.distance(other, photo))
    assert np.isnan(bare.compute())


@pytest.mark.parametrize(("network", "key"), [("alexnet", "lpips_alex"), ("vgg16", "lpips_vgg")])
def test_in_numpy_with_the_features(
    reference: Path, shared: Path, network: lpips.Name, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From features on all in NumPy, float64, with the heads' own file."""
    monkeypatch.setenv("MENDPIX_HOME", str(shared / "weights"))
    metric = LPIPS(network, on="output")
    held = torchmetrics_weights.load_weights(HEADS[network], "heads")
    with np.load(reference / "image_metrics.npz") as file:
        made, true = (
            torch.from_numpy(file[f"{side}0"]).permute(2, 0, 1)[None] / 255 for side in "ab"
        )
        wanted = file[f"{key}0"].item()
    scale, shift = (torch.tensor(c).view(3, 1, 1) for c in (SCALE, SHIFT))
    plain = features.load(network, normalise=False)
    total = 0.0
    layers = [plain((2 * x - 1 - shift) / scale, metric.layers) for x in (made, true)]
    for place, name in enumerate(metric.layers):
        a, b = (side[name][0].double().numpy() for side in layers)
        a, b = (x / (np.sqrt((x**2).sum(0)) + 1e-10) for x in (a, b))
        head = held[f"lin{place}.model.1.weight"].double().numpy()[0]
        total += float((head * (a - b) ** 2).sum(0).mean())
    metric.update(made, true, torch.ones_like(made[:, :1]))
    assert metric.rows()[0] == pytest.approx(total, rel=1e-5)
    assert total == pytest.approx(wanted, rel=1e-4)


def test_rows_do_not_depend_on_batches(bare: LPIPS) -> None:
    made, true, hole = torch.rand(3, 3, 8, 8), torch.rand(3, 3, 8, 8), torch.ones(3, 1, 8, 8)
    bare.update(made, true, hole)
    for one in range(3):
        part = slice(one, one + 1)
        bare.update(made[part], true[part], hole[part])
    assert bare.rows()[:3] == bare.rows()[3:]


def test_heads_are_the_released_ones() -> None:
    assert [len(head) for head in lpips.load_heads("alexnet")] == [64, 192, 384, 256, 256]
    assert [len(head) for head in lpips.load_heads("vgg16")] == [64, 128, 256, 512, 512]
    for network in lpips.LAYERS:
        assert all((head >= 0).all() for head in lpips.load_heads(network))


def test_mistakes_are_one_line(bare: LPIPS, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, hole = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    with pytest.raises(TensorError, match="target spans"):
        bare.update(photo, photo * 255, hole)
    with pytest.raises(TensorError, match="hole is 1x1x4x8"):
        bare.update(photo, photo, hole[:, :, :4])
    with pytest.raises(TensorError, match="give both the same"):
        bare.distance(photo[..., :4], photo)
    with pytest.raises(ValueError, match="network is 'vgg19'"):
        LPIPS("vgg19")  # type: ignore[arg-type]
    lpips.load_heads.cache_clear()
    monkeypatch.setattr(torchmetrics_weights, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"pip install 'mendpix\[train\]'"):
        lpips.load_heads("vgg16")
