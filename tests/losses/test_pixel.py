"""Pixel terms: known answers, released numbers, and odd holes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mendpix.errors import TensorError
from mendpix.losses import L1, L2, OverlapL2, PixelLoss, TotalVariation
from mendpix.losses.pixel_losses import dilate
from mendpix.networks.types import Prediction, composite


def inputs(size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    prediction, target = torch.rand(2, 2, 3, size, size, generator=random)
    hole = torch.zeros(2, 1, size, size)
    hole[..., 2:4, 3:6] = 1
    return prediction, target, hole


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        (L1(), 0.25),
        (L2(), 0.0625),
        (L1("hole"), 0.25 * 6 / 64),
        (L1("known"), 0.25 * 58 / 64),
        (L1("hole", "region"), 0.25),
        (L2("known", "region"), 0.0625),
        (L2(reduction="sum"), 0.0625 * 3 * 64),
        (L1("hole", reduction="sum"), 0.25 * 3 * 6),
        (L1(known_weight=10), 0.25 * (6 + 580) / 64),
        (L1(span=2), 0.5),
        (L2(span=2), 0.25),
        (L2(on="composite"), 0.0625 * 6 / 64),
    ],
)
def test_a_picture_a_quarter_too_bright(loss: PixelLoss, wanted: float) -> None:
    _, _, hole = inputs()
    target = torch.full((2, 3, 8, 8), 0.5)
    assert loss(target + 0.25, target, hole).item() == pytest.approx(wanted)


def test_means_are_torchs() -> None:
    prediction, target, hole = inputs()
    assert L1()(prediction, target, hole).item() == pytest.approx(
        (prediction - target).abs().mean().item()
    )
    mse = torch.nn.functional.mse_loss(prediction, target).item()
    assert L2()(prediction, target, hole).item() == pytest.approx(mse)


def test_hole_and_known_make_the_whole() -> None:
    pictures = inputs()
    parts = L1("hole")(*pictures) + L1("known")(*pictures)
    torch.testing.assert_close(parts, L1()(*pictures))


def test_shrunk_pictures_have_no_texture() -> None:
    """Noise whose areas have the right mean costs nothing; a shift of an area costs its square."""
    target = torch.full((1, 3, 16, 16), 0.5)
    chequered = target.clone()
    chequered[..., ::2, ::2] += 0.25
    chequered[..., 1::2, ::2] -= 0.25
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., :4, :6] = 1  # the second column of areas lies half in the hole
    term = L2("hole", "region", shrink=4, on="composite")
    assert float(term(chequered, target, torch.ones_like(hole))) == pytest.approx(0, abs=1e-9)
    brighter = target + 0.2
    # Areas are 0.2 and 0.1 off in the composite and count 1 and 1/2.
    assert float(term(brighter, target, hole)) == pytest.approx((0.04 + 0.01 / 2) / 1.5, rel=1e-5)
    with pytest.raises(ValueError, match="shrink is 0 but must be 1 or more"):
        L1(shrink=0)


def test_part_chooses_the_picture() -> None:
    prediction, target, hole = inputs()
    both = Prediction(prediction, coarse=target)
    assert L1(part="coarse")(both, target, hole) == 0
    assert L1()(both, target, hole) > 0
    with pytest.raises(TensorError, match=r"no 'aux' picture .* use part='image' or 'coarse'"):
        L1(part="aux")(both, target, hole)


def test_the_frame_weighs_ten() -> None:
    """A 4x4 hole, a frame of 2 known pixels: 8x8 - 4x4 = 48 of weight 10 and 16 of weight 1."""
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., 6:10, 6:10] = 1
    target = torch.full((1, 3, 16, 16), 0.5)
    loss = OverlapL2(overlap=2)
    value = loss(target + 0.1, target, hole).item()
    assert value == pytest.approx(4 * 0.01 * (16 + 480) / 64)
    far = target.clone()
    far[..., :4, :] = 0.9  # beyond the frame
    assert loss(far, target, hole) == 0
    assert dilate(hole, 2).sum() == 64


def test_context_encoders_released_figure(reference: Path) -> None:
    """The squared error with weight 10 on the 4-pixel frame, times wtl2 0.998."""
    said = json.loads((reference / "ce_small_losses.json").read_text())
    with np.load(reference / "ce_small.npz") as file:
        fake, real = (torch.from_numpy(file[key]) for key in ("fake_eval", "center"))
    pictures = []
    for square in (fake, real):
        whole = torch.full((4, 3, 128, 128), 0.5)
        whole[..., 32:96, 32:96] = (square + 1) / 2
        pictures.append(whole)
    hole = torch.zeros(4, 1, 128, 128)
    hole[..., 36:92, 36:92] = 1
    value = said["wtl2"] * OverlapL2(said["overlapPred"])(*pictures, hole)
    assert value.item() == pytest.approx(said["L2_weighted_with_wtl2"], rel=1e-5)


def test_total_variation_of_a_step() -> None:
    """A column step of height 1 inside a hole: as many jumps as rows of the grown hole."""
    photo = torch.zeros(1, 3, 8, 8)
    photo[..., 4:] = 1
    hole = torch.zeros(1, 1, 8, 8)
    hole[..., 3:5, 3:5] = 1
    assert TotalVariation()(photo, photo, hole).item() == pytest.approx(3 * 4 / (3 * 64))
    whole = TotalVariation("whole")(photo, photo, hole).item()
    assert whole == pytest.approx(8 / (8 * 7))
    assert TotalVariation()(photo, photo, 0 * hole) == 0


def test_total_variation_looks_at_the_composite() -> None:
    """Inside the hole black, around it white: jumps only at the rim, 8 of them for one pixel."""
    hole = torch.zeros(1, 1, 5, 5)
    hole[..., 2, 2] = 1
    value = TotalVariation()(torch.zeros(1, 3, 5, 5), torch.ones(1, 3, 5, 5), hole)
    assert value.item() == pytest.approx(3 * 4 / 75)


def test_the_ports_total_variation(reference: Path) -> None:
    with np.load(reference / "naoto_losses.npz") as file:
        known = {key: torch.from_numpy(file[key]) for key in ("out", "gt", "mask")}
        said = file["tv_of_out"].item()
    hole = 1 - known["mask"][:, :1]
    clamped = known["gt"].clamp(0, 1)  # only the output is looked at
    value = TotalVariation("whole", on="output")(known["out"], clamped, hole)
    assert value.item() == pytest.approx(said, rel=1e-5)


def test_masked_l1(reference: Path) -> None:
    """LaMa's: the hole's and the known pixels' errors with weights of their own."""
    prediction, target, hole = inputs()
    direct = ((prediction - target).abs() * (hole + 5 * (1 - hole))).mean()
    torch.testing.assert_close(L1(known_weight=5)(prediction, target, hole), direct)


LOSSES = [
    L1(),
    L2(divide="region"),
    L1("hole", "region"),
    L2("known", "region"),
    OverlapL2(),
    TotalVariation(),
    TotalVariation("whole"),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (1, 7), (5, 3)])
@pytest.mark.parametrize("missing", ["all", "none", "one"])
def test_any_hole_and_size(loss: PixelLoss, size: tuple[int, int], missing: str) -> None:
    hole = torch.full((1, 1, *size), float(missing == "all"))
    if missing == "one":
        hole[..., size[0] // 2, size[1] // 2] = 1
    prediction = torch.rand(1, 3, *size, requires_grad=True)
    target = torch.rand(1, 3, *size)
    value = loss(prediction, target, hole)
    value.backward()
    assert value.isfinite()
    assert value >= 0
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_a_step_down_the_gradient_comes_nearer() -> None:
    prediction, target, hole = inputs()
    prediction.requires_grad_()
    loss = L2()
    (slope,) = torch.autograd.grad(loss(prediction, target, hole), prediction)
    filled = composite(prediction - 10 * slope, target, hole)
    assert loss(filled, target, hole) < loss(prediction, target, hole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "valid"}, "region is 'valid' but must be one of 'whole', 'hole', 'known'"),
        ({"divide": "hole"}, "divide is 'hole'"),
        ({"reduction": "none"}, "reduction is 'none'"),
        ({"known_weight": 0}, "known_weight is 0 but must be above 0"),
        ({"span": -1}, "span is -1"),
        ({"on": "input"}, "on is 'input'"),
    ],
)
def test_mistaken_options(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        L1(**options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="power is 3"):
        PixelLoss(3)
    with pytest.raises(ValueError, match="overlap is -1"):
        OverlapL2(-1)
