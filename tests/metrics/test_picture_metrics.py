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
from mendpix.metrics import (
    METRICS,
    MSSSIM,
    PSNR,
    SSIM,
    L1Error,
    L2Error,
    PictureMetric,
    RelativeL1,
    measure,
)
from mendpix.metrics.picture_pairs import On


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
        (L1Error(), 25.0 / 4),
        (L1Error(area="hole"), 25.0),
        (L1Error(on="output"), 25.0),
        (RelativeL1(), 100 / 17),
        (L2Error(), 6.25 / 4),
        (L2Error(area="hole"), 6.25),
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
    assert measured(L1Error(), made, true, none) == [0.0, 0.0]
    assert min(measured(L1Error(on="output"), made, true, none)) > 1


def test_bits() -> None:
    made, hole = flat(100.7 / 255), torch.ones(1, 1, 16, 16)
    true = flat(100 / 255)
    assert measured(L1Error(bits="round"), made, true, hole) == pytest.approx([100 / 255])
    assert measured(L1Error(bits="truncate"), made, true, hole) == [0.0]


def ragged(batch: Tensor) -> Tensor:
    """Holes with pieces of several sizes; the last picture's reaches its edges."""
    random = torch.Generator().manual_seed(8)
    coarse = torch.rand(len(batch), 1, 6, 6, generator=random)
    hole = (torch.nn.functional.interpolate(coarse, size=batch.shape[2:]) > 0.7).to(batch)
    hole[:-1, :, :3], hole[-1, :, :2] = 0, 1
    return hole


PLAIN = [name for name in METRICS if not name.startswith(("lpips", "dists"))]


def test_batches_and_threads_change_no_digit() -> None:
    made, true, _ = pair(192, count=4)
    hole = ragged(true)
    chosen = {name: METRICS[name]() for name in PLAIN}
    whole = measure(chosen, made, true, hole)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads % 2 + 1)
    try:
        for one in range(4):
            part = slice(one, one + 1)
            rows = measure(chosen, made[part], true[part], hole[part])
            assert rows == {name: values[part] for name, values in whole.items()}
    finally:
        torch.set_num_threads(threads)
    assert chosen["ssim"].rows() == 2 * whole["ssim"]
    assert chosen["ssim"].compute() == pytest.approx(np.mean(whole["ssim"]), abs=1e-15)
    assert np.isnan(SSIM().compute())


def test_bytes_are_measured_as_their_values() -> None:
    made, true, _ = pair(192)
    hole = ragged(true)
    chosen = {name: METRICS[name]() for name in PLAIN if name != "psnr-crfill"}
    floats = measure(chosen, made.double(), true.double(), hole)
    as_bytes = [(side * 255).round().to(torch.uint8) for side in (made, true)]
    rows = measure(chosen, *as_bytes, hole.bool())
    for name, values in floats.items():
        assert rows[name] == pytest.approx(values, rel=1e-6), name


@pytest.mark.parametrize("on", ["composite", "output"])
def test_ssim_passes_over_windows_without_a_difference(on: On) -> None:
    """The whole map of scikit-image, of which most windows are never looked at here."""
    made, true, _ = pair(96)
    hole = ragged(true)
    final = made * hole + true * (1 - hole) if on == "composite" else made
    whole, inside = SSIM(on=on), SSIM(area="hole", on=on)
    rows = measure({"whole": whole, "inside": inside}, made.double(), true.double(), hole)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for place, (m, t) in enumerate(zip(arrays(final), arrays(true), strict=True)):
        mean, values = structural_similarity(
            t, m, data_range=1, channel_axis=2, full=True, **options
        )
        within = (slice(5, -5), slice(5, -5))
        assert rows["whole"][place] == pytest.approx(mean, abs=1e-7)
        missing = values[within][hole[place, 0].numpy()[within] == 1]
        assert rows["inside"][place] == pytest.approx(missing.mean(), abs=1e-7)


def test_nothing_missing_has_no_number() -> None:
    made, true, hole = pair()
    for name in ("l1-hole", "l2-hole", "psnr-hole", "ssim-hole"):
        assert np.isnan(measured(METRICS[name](), made, true, 0 * hole)).all()


def test_every_metric_says_which_way_is_better() -> None:
    made, true, hole = pair(192)
    worse = (made + 0.3 * (made - true)).clamp(0, 1)
    for name in PLAIN:
        metric = METRICS[name]()
        rows = measured(metric, made, true, hole), measured(METRICS[name](), worse, true, hole)
        assert (rows[0][0] > rows[1][0]) == (metric.better == "higher"), name


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SSIM().update(flat(0.5, 8), flat(0.5, 8), torch.ones(1, 1, 8, 8)), "11 pixels"),
        (lambda: MSSSIM().update(*pair(64)), "needs 176 pixels"),
        (
            lambda: L1Error().update(flat(0.5, 8), flat(0.5), torch.ones(1, 1, 16, 16)),
            "one prediction",
        ),
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


def test_sums_are_the_papers(reference: Path) -> None:
    with np.load(reference / "extra_losses_metrics.npz") as kept:
        pairs = list(zip(kept["u8_a"], kept["u8_b"], strict=True))
        wanted = {name: np.ravel(kept[name]) for name in ("mat_psnr", "mat_l1", "edgeconnect_mae")}
    made, true = (torch.cat([batch(pair[side]) for pair in pairs]) for side in (0, 1))
    names = {"psnr": "mat_psnr", "l1": "mat_l1", "mae-edgeconnect": "edgeconnect_mae"}
    chosen = {name: METRICS[name]() for name in names}
    rows = measure(chosen, made, true, torch.ones_like(true[:, :1]))
    for name, key in names.items():
        scale = 1 if name == "psnr" else 100
        assert rows[name] == pytest.approx((scale * wanted[key]).tolist(), rel=2e-5), name


def test_padded_ssim_is_lamas(reference: Path) -> None:
    with np.load(reference / "extra_losses_metrics.npz") as kept:
        made, true = (torch.from_numpy(kept[f"img_{side}"].copy()).float() for side in "ab")
        rows = measured(SSIM("padded"), made, true, torch.ones_like(true[:, :1]))
        assert rows == pytest.approx(np.ravel(kept["lama_ssim"]).tolist(), abs=2e-5)
