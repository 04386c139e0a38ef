"""DISTS against the formula in NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from thin import tensors as thin

from mendpix.errors import TensorError, WeightsError
from mendpix.metrics import DISTS
from mendpix.metrics.dists import LAYERS, BlurredVGG
from mendpix.networks.features import torchmetrics_weights

WIDTH = 4


@pytest.fixture
def bare() -> DISTS:
    """DISTS on a network that needs no weights, with weights of its own for its channels."""
    metric = DISTS(on="output", network=BlurredVGG("vgg16", thin("vgg16", WIDTH)))
    random = torch.Generator().manual_seed(4)
    both = torch.rand(2, 3 + 5 * WIDTH, generator=random, dtype=torch.float64)
    metric.alpha, metric.beta = both / both.sum()
    return metric


def pictures(count: int = 2, side: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    true = F.interpolate(torch.rand(count, 3, 8, 8, generator=random), size=(side, side))
    made = (true + 0.2 * torch.randn(true.shape, generator=random)).clamp(0, 1)
    return made, true


def in_numpy(metric: DISTS, made: torch.Tensor, true: torch.Tensor) -> list[float]:
    layers = [[x, *metric.network(x, LAYERS).values()] for x in (made, true)]
    total = np.zeros(len(made))
    channel = 0
    for a, b in zip(*([x.double().numpy() for x in side] for side in layers), strict=True):
        for place in range(a.shape[1]):
            x, y = (side[:, place].reshape(len(side), -1) for side in (a, b))
            light = (2 * x.mean(1) * y.mean(1) + 1e-6) / (x.mean(1) ** 2 + y.mean(1) ** 2 + 1e-6)
            together = (x * y).mean(1) - x.mean(1) * y.mean(1)
            structure = (2 * together + 1e-6) / (x.var(1) + y.var(1) + 1e-6)
            total += float(metric.alpha[channel]) * light + float(metric.beta[channel]) * structure
            channel += 1
    return (1 - total).tolist()


def test_the_formula_in_numpy(bare: DISTS) -> None:
    made, true = pictures()
    found = bare.distance(made, true)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(in_numpy(bare, made, true), abs=1e-9)


def test_pooling_is_the_root_of_blurred_squares(bare: DISTS) -> None:
    x = bare.network(pictures(1, 8)[0], ["conv1_2"])["conv1_2"][0, 0].double().numpy()
    pooled = bare.network(pictures(1, 8)[0], ["pool1"])["pool1"][0, 0]
    around = np.pad(x, 1) ** 2
    window = np.outer([1, 2, 1], [1, 2, 1]) / 16
    wanted = [
        [np.sqrt((around[i : i + 3, j : j + 3] * window).sum() + 1e-12) for j in range(0, 8, 2)]
        for i in range(0, 8, 2)
    ]
    np.testing.assert_allclose(pooled.numpy(), wanted, rtol=1e-5)


def test_reference_pictures(reference: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the authors' own class gave for these pairs, with the same VGG-16."""
    monkeypatch.setenv("MENDPIX_HOME", str(shared / "weights"))
    metric = DISTS(on="output")
    with np.load(reference / "image_metrics.npz") as file:
        for place, wanted in enumerate((0.1568162, 0.3197607, 0.0590777, 0.2664509)):
            made, true = (
                torch.from_numpy(file[f"{side}{place}"]).permute(2, 0, 1)[None] / 255
                for side in "ab"
            )
            assert metric.distance(made, true).item() == pytest.approx(wanted, abs=1e-5)


def test_rows_do_not_depend_on_batches(bare: DISTS) -> None:
    made, true = pictures(3)
    hole = torch.ones(3, 1, 40, 40)
    bare.update(made, true, hole)
    for one in range(3):
        part = slice(one, one + 1)
        bare.update(made[part], true[part], hole[part])
    assert bare.rows()[:3] == bare.rows()[3:]
    assert bare.distance(true, true).tolist() == pytest.approx([0.0] * 3, abs=1e-12)


def test_released_weights_sum_to_one() -> None:
    metric = DISTS(network=BlurredVGG("vgg16", thin("vgg16", WIDTH)))
    assert metric.alpha.shape == metric.beta.shape == (3 + 64 + 128 + 256 + 512 + 512,)
    assert float(metric.alpha.sum() + metric.beta.sum()) == pytest.approx(1)
    assert min(float(metric.alpha.min()), float(metric.beta.min())) >= 0


def test_mistakes_are_one_line(bare: DISTS, monkeypatch: pytest.MonkeyPatch) -> None:
    made, true = pictures()
    with pytest.raises(TensorError, match="give both the same"):
        bare.distance(made[..., :8], true)
    monkeypatch.setitem(torchmetrics_weights.SHA256, "dists_models/weights.pt", "0" * 64)
    with pytest.raises(
        WeightsError, match=r"DISTS's weights at .* but 00000000\.\.\. was expected"
    ):
        DISTS(network=bare.network)
