"""Picture metrics against known answers, scikit-image, torchmetrics and the papers' code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure as torchmetrics_ms_ssim,
)

from mendpix.errors import TensorError
from mendpix.metrics import L1, L2, MSSSIM, PSNR, SSIM, PictureMetric, RelativeL1


def pair(size: int = 48, count: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy pictures of 8 bits, their truth, and a hole of everything."""
    random = torch.Generator().manual_seed(3)
    true = torch.rand(count, 3, size // 8, size // 8, generator=random)
    true = torch.nn.functional.interpolate(true, size=(size, size), mode="bilinear")
    made = (true + 0.1 * torch.randn(true.shape, generator=random)).clamp(0, 1)
    whole = torch.ones(count, 1, size, size)
    return (made * 255).round() / 255, (true * 255).round() / 255, whole


def arrays(batch: Tensor) -> list[np.ndarray]:
    return [picture.permute(1, 2, 0).double().numpy() for picture in batch]


def measured(metric: PictureMetric, made: Tensor, true: Tensor, hole: Tensor) -> list[float]:
    metric.update(made, true, hole)
    return metric.rows()


def flat(level: float, size: int = 16) -> Tensor:
    return torch.full((1, 3, size, size), level)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (L1(), 25.0 / 4),
        (L1(area="hole"), 25.0),
        (L1(on="output"), 25.0),
        (RelativeL1(), 100 / 17),
        (L2(), 6.25 / 4),
        (L2(area="hole"), 6.25),
        (PSNR(area="hole"), -20 * np.log10(0.25)),
        (PSNR(), -10 * np.log10(0.0625 / 4)),
    ],
)
def test_a_step_of_a_quarter_in_a_quarter(metric: PictureMetric, value: float) -> None:
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., :8, :8] = 1
    assert measured(metric, flat(0.75), flat(0.5), hole) == pytest.approx([value])


@pytest.mark.parametrize("metric", [SSIM(), SSIM("uniform"), SSIM("padded"), SSIM("grey")])
def test_equal_pictures_are_alike_and_others_less(metric: SSIM) -> None:
    made, true, hole = pair()
    same = measured(type(metric)(metric.variant), true, true, hole)
    assert same == pytest.approx([1.0, 1.0])
    assert max(measured(metric, made, true, hole)) < 0.99


def test_psnr_of_equal_pictures() -> None:
    _, true, hole = pair()
    assert measured(PSNR(), true, true, hole) == [np.inf, np.inf]
    slack = measured(PSNR(slack=1e-8), true, true, hole)
    assert slack == pytest.approx([10 * np.log10(255**2 / 1e-8)] * 2)


def test_psnr_is_scikit_images() -> None:
    made, true, hole = pair()
    theirs = [
        peak_signal_noise_ratio(t, m, data_range=1)
        for m, t in zip(arrays(made), arrays(true), strict=True)
    ]
    assert measured(PSNR(), made, true, hole) == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("wang", {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
        ("uniform", {}),
    ],
)
def test_ssim_is_scikit_images(variant: str, options: dict[str, object]) -> None:
    made, true, hole = pair()
    theirs = [
        structural_similarity(t, m, data_range=1, channel_axis=2, **options)
        for m, t in zip(arrays(made), arrays(true), strict=True)
    ]
    assert measured(SSIM(variant), made, true, hole) == pytest.approx(theirs, abs=1e-10)


def test_ms_ssim_is_torchmetrics() -> None:
    made, true, hole = pair(192)
    theirs = torchmetrics_ms_ssim(
        made.double(), true.double(), data_range=1.0, reduction="none", normalize="relu"
    )
    ours = measured(MSSSIM(), made, true, hole)
    assert ours == pytest.approx(theirs.tolist(), abs=2e-3)
    assert measured(MSSSIM(), true, true, hole) == pytest.approx([1.0, 1.0])


def test_the_composite_is_judged_unless_asked_otherwise() -> None:
    made, true, _ = pair()
    none = torch.zeros(2, 1, 48, 48)
    assert measured(L1(), made, true, none) == [0.0, 0.0]
    assert min(measured(L1(on="output"), made, true, none)) > 1


def test_bits() -> None:
    made, hole = flat(100.7 / 255), torch.ones(1, 1, 16, 16)
    true = flat(100 / 255)
    assert measured(L1(bits="round"), made, true, hole) == pytest.approx([100 / 255])
    assert measured(L1(bits="truncate"), made, true, hole) == [0.0]


def test_batches_make_no_difference() -> None:
    made, true, hole = pair(count=4)
    whole, parts = SSIM(), SSIM()
    whole.update(made, true, hole)
    for start in range(0, 4, 2):
        part = slice(start, start + 2)
        parts.update(made[part], true[part], hole[part])
    assert parts.rows() == pytest.approx(whole.rows(), abs=1e-12)
    assert whole.compute() == pytest.approx(np.mean(whole.rows()))
    assert np.isnan(SSIM().compute())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SSIM().update(flat(0.5, 8), flat(0.5, 8), torch.ones(1, 1, 8, 8)), "11 pixels"),
        (lambda: MSSSIM().update(*pair(64)), "needs 176 pixels"),
        (lambda: L1().update(flat(0.5, 8), flat(0.5), torch.ones(1, 1, 16, 16)), "one prediction"),
        (lambda: SSIM("wong"), "no variant 'wong'"),
    ],
)
def test_mistakes(call: Callable[[], object], says: str) -> None:
    with pytest.raises(TensorError, match=says):
        call()


def batch(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 255


def test_reference_pictures(reference: Path) -> None:
    with np.load(reference / "image_metrics.npz") as kept:
        for number in range(4):
            made, true = batch(kept[f"a{number}"]), batch(kept[f"b{number}"])
            whole = torch.ones_like(true[:, :1])
            (ssim,) = measured(SSIM(), made, true, whole)
            (psnr,) = measured(PSNR(), made, true, whole)
            assert ssim == pytest.approx(float(kept[f"ssim{number}"]), abs=1e-5)
            assert psnr == pytest.approx(float(kept[f"psnr{number}"]), abs=1e-4)


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        (lambda: SSIM(), (0.81344, 0.87116)),
        (lambda: SSIM("uniform"), (0.85294, 0.88751)),
        (lambda: SSIM("grey"), (0.89028, 0.89244)),
    ],
)
def test_variants_are_the_papers(
    reference: Path, metric: Callable[[], PictureMetric], values: tuple[float, float]
) -> None:
    """The numbers the released scripts gave for these pairs of 8-bit pictures."""
    with np.load(reference / "extra_losses_metrics.npz") as kept:
        pairs = list(zip(kept["u8_a"], kept["u8_b"], strict=True))
    made, true = (torch.cat([batch(pair[side]) for pair in pairs]) for side in (0, 1))
    rows = measured(metric(), made, true, torch.ones_like(true[:, :1]))
    assert rows == pytest.approx(values, abs=2e-5)


def test_padded_ssim_is_lamas(reference: Path) -> None:
    with np.load(reference / "extra_losses_metrics.npz") as kept:
        made, true = (torch.from_numpy(kept[f"img_{side}"].copy()).float() for side in "ab")
        rows = measured(SSIM("padded"), made, true, torch.ones_like(true[:, :1]))
        assert rows == pytest.approx(np.ravel(kept["lama_ssim"]).tolist(), abs=2e-5)
