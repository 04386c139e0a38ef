"""The family of games: known answers, released numbers, gradients, and who may learn from what."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mendpix.errors import TensorError
from mendpix.losses.adversarial import Adversarial, adversarial_terms
from mendpix.losses.gan_objectives import GAN_OBJECTIVES
from mendpix.networks.types import DiscriminatorOutput, Prediction, composite

LOG2 = math.log(2)


class Patch(nn.Module):
    """A small patch discriminator with two tapped layers."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 6, 3, 2, 1)
        self.norm = nn.BatchNorm2d(6) if norm else nn.Identity()
        self.second = nn.Conv2d(6, 5, 3, 2, 1)
        self.last = nn.Conv2d(5, 1, 3, 1, 1)

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        one = F.softplus(self.norm(self.first(torch.cat([photo, hole], 1))))
        two = F.softplus(self.second(one))
        return DiscriminatorOutput(self.last(two), (one, two))


class Said(nn.Module):
    """Says fixed logits: the first for pictures brighter than the threshold, else the second."""

    def __init__(self, real: Tensor, fake: Tensor) -> None:
        super().__init__()
        self.real, self.fake = real, fake

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.real if photo.mean() > 0.5 else self.fake)


def inputs(size: int = 16, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(7)
    prediction = torch.rand(2, 3, size, size, dtype=dtype)
    target = torch.rand(2, 3, size, size, dtype=dtype)
    hole = torch.zeros(2, 1, size, size, dtype=dtype)
    hole[:, :, 4:11, 5:12] = 1
    return prediction, target, hole


def said(real: Tensor, fake: Tensor, **options: object) -> tuple[Tensor, Tensor]:
    """D's and G's price of these logits."""
    term = Adversarial(Said(real, fake), on="output", **options)  # type: ignore[arg-type]
    dark, bright = torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32)
    hole = torch.zeros(2, 1, 32, 32)
    return term.discriminator_loss(dark, bright, hole), term(dark, bright, hole)


@pytest.mark.parametrize(
    ("game", "discriminator", "maker"),
    [
        ("minimax", 2 * LOG2, -LOG2),
        ("non-saturating", 2 * LOG2, LOG2),
        ("hinge", 2.0, 0.0),
        ("lsgan", 1.0, 1.0),
        ("wgan", 0.0, 0.0),
    ],
)
def test_an_undecided_discriminator_has_a_known_price(
    game: str, discriminator: float, maker: float
) -> None:
    undecided = torch.zeros(2, 1, 4, 4)
    paid, fooled = said(undecided, undecided, game=game)
    assert paid.item() == pytest.approx(discriminator)
    assert fooled.item() == pytest.approx(maker)


@pytest.mark.parametrize("game", list(GAN_OBJECTIVES))
def test_both_players_pull_in_opposite_directions(game: str) -> None:
    real, fake = torch.zeros(2, 1), torch.full((2, 1), 0.2, requires_grad=True)
    paid, _ = said(real, fake, game=game)
    (for_judge,) = torch.autograd.grad(paid, fake)
    _, fooled = said(real, fake, game=game)
    (for_maker,) = torch.autograd.grad(fooled, fake)
    assert (for_judge > 0).all()
    assert (for_maker < 0).all()


def test_minimax_is_cross_entropy() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 3, 5, 5), torch.randn(2, 3, 5, 5)
    paid, fooled = said(real, fake, game="minimax", real_label=0.9)
    smooth = F.binary_cross_entropy(real.sigmoid(), torch.full_like(real, 0.9))
    caught = F.binary_cross_entropy(fake.sigmoid(), torch.zeros_like(fake))
    torch.testing.assert_close(paid, smooth + caught)
    torch.testing.assert_close(fooled, -caught)


@pytest.mark.parametrize("game", ["minimax", "non-saturating"])
def test_certain_logits_do_not_overflow(game: str) -> None:
    sure = torch.full((2, 1), 1e4)
    paid, fooled = said(-sure, sure, game=game)
    assert paid.item() == pytest.approx(2e4)
    assert math.isfinite(fooled.item())


def test_only_the_hole_counts() -> None:
    """The same pictures with only the hole's quarter of the logits kept cost as much."""
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., :16, :16] = 1
    term = Adversarial(Said(real, fake), on="output", only_hole=True)
    dark, bright = torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32)
    paid, fooled = term.discriminator_loss(dark, bright, hole), term(dark, bright, hole)
    wanted = said(real[..., :2, :2], fake[..., :2, :2])
    torch.testing.assert_close(paid, wanted[0])
    torch.testing.assert_close(fooled, wanted[1])
    with pytest.raises(ValueError, match="choose one"):
        Adversarial(Patch(), only_hole=True, only_hole_is_fake=True)


def test_halved_hinge_is_half() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    assert said(real, fake, halve=True)[0].item() == pytest.approx(said(real, fake)[0].item() / 2)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("hinge", "hinge"),
        ("original", "non-saturating"),
        ("softplus", "non-saturating"),
        ("ls", "lsgan"),
        ("w", "wgan"),
    ],
)
def test_released_games(reference: Path, theirs: str, ours: str) -> None:
    with np.load(reference / "crfill_ganloss.npz") as file:
        known = {name: torch.from_numpy(file[name]) for name in file}
    paid, fooled = said(known["pred_real"], known["pred_fake"], game=ours)
    price = known[f"{theirs}/D_real"] + known[f"{theirs}/D_fake"]
    assert paid.item() == pytest.approx(price.item(), rel=1e-5, abs=1e-5)
    assert fooled.item() == pytest.approx(known[f"{theirs}/G"].item(), rel=1e-5, abs=1e-5)


def test_lamas_game(reference: Path) -> None:
    """Patches outside the hole count as real; R1 is added un-halved; G's side at weight 10."""
    with np.load(reference / "extra_losses_metrics.npz") as file:
        known = {name: torch.from_numpy(file[name]) for name in file if name.startswith("lama_")}
    discriminator = Said(known["lama_pred_real"], known["lama_pred_fake"])
    term = Adversarial(discriminator, "non-saturating", "output", only_hole_is_fake=True)
    dark, bright, hole = torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32), known["lama_mask"]
    paid = term.discriminator_loss(dark, bright, hole).item() + 0.001 * known["lama_r1"].item()
    assert paid == pytest.approx(known["lama_D"].item(), rel=1e-5)
    assert 10 * term(dark, bright, hole).item() == pytest.approx(known["lama_G"].item(), rel=1e-5)


def test_r1_is_the_squared_slope() -> None:
    """A linear D has the slope of its own weights at every pixel."""

    class Dot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3 * 16 * 16))

        def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
            return DiscriminatorOutput(photo.flatten(1) @ self.weight[:, None])

    prediction, target, hole = inputs()
    dot = Dot()
    with_r1 = Adversarial(dot, "non-saturating", r1=0.25)
    without = Adversarial(dot, "non-saturating")
    penalty = with_r1.discriminator_loss(prediction, target, hole) - without.discriminator_loss(
        prediction, target, hole
    )
    torch.testing.assert_close(penalty, 0.25 * dot.weight.square().sum(), rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(penalty, dot.weight)
    torch.testing.assert_close(gradient, 0.5 * dot.weight.detach(), rtol=1e-3, atol=1e-3)


def test_lazy_r1_comes_every_so_often_with_as_much_weight() -> None:
    prediction, target, hole = inputs()
    discriminator = Patch()
    plain = Adversarial(discriminator, "lsgan").discriminator_loss(prediction, target, hole)
    once = (
        Adversarial(discriminator, "lsgan", r1=1.0).discriminator_loss(prediction, target, hole)
        - plain
    )
    lazy = Adversarial(discriminator, "lsgan", r1=1.0, r1_every=3)
    paid = [lazy.discriminator_loss(prediction, target, hole) - plain for _ in range(4)]
    torch.testing.assert_close(
        torch.stack(paid), torch.stack([3 * once, 0 * once, 0 * once, 3 * once])
    )
    resumed = Adversarial(discriminator, "lsgan", r1=1.0, r1_every=3)
    resumed.load_state_dict(lazy.state_dict())
    assert resumed.turn == 4


def test_only_the_hole_is_fake() -> None:
    """Nothing missing: the fake picture counts as real; all missing: as fake."""
    prediction, target, _ = inputs()
    discriminator = Patch()
    term = Adversarial(discriminator, "non-saturating", "output", only_hole_is_fake=True)
    plain = Adversarial(discriminator, "non-saturating", "output")
    nothing, everything = torch.zeros(2, 1, 16, 16), torch.ones(2, 1, 16, 16)
    torch.testing.assert_close(
        term.discriminator_loss(prediction, target, everything),
        plain.discriminator_loss(prediction, target, everything),
    )
    torch.testing.assert_close(
        term.discriminator_loss(target, target, nothing),
        2 * F.softplus(-discriminator(target, nothing).logits).mean(),
    )


def test_the_generators_side_leaves_the_discriminator_alone() -> None:
    prediction, target, hole = inputs()
    prediction.requires_grad_()
    term = Adversarial(Patch(), matching=1.0)
    term(prediction, target, hole).backward()
    assert prediction.grad is not None
    assert prediction.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in term.discriminator.parameters())


def test_the_discriminators_side_leaves_the_network_alone() -> None:
    prediction, target, hole = inputs()
    prediction.requires_grad_()
    term = Adversarial(Patch())
    term.discriminator_loss(prediction, target, hole).backward()
    assert prediction.grad is None
    assert all(p.grad is not None for p in term.discriminator.parameters())


def test_frozen_parameters_stay_frozen() -> None:
    term = Adversarial(Patch())
    term.discriminator.first.weight.requires_grad_(False)  # type: ignore[union-attr]
    term(*inputs())
    assert not term.discriminator.first.weight.requires_grad  # type: ignore[union-attr]


def test_on_and_part_choose_the_picture() -> None:
    prediction, target, hole = inputs()
    discriminator = Patch()
    filled = composite(prediction, target, hole)
    on_output = Adversarial(discriminator, on="output")
    assert Adversarial(discriminator)(prediction, target, hole) == on_output(filled, target, hole)
    both = Prediction(target, aux=prediction)
    assert Adversarial(discriminator, on="output", part="aux")(both, target, hole) == on_output(
        prediction, target, hole
    )
    with pytest.raises(TensorError, match="no 'aux' picture"):
        Adversarial(discriminator, part="aux")(prediction, target, hole)


def test_together_is_the_same_without_batch_norm_and_not_with_it() -> None:
    pictures = inputs()
    for norm in (False, True):
        discriminator = Patch(norm)
        apart, joined = Adversarial(discriminator), Adversarial(discriminator, together=True)
        for side in ("__call__", "discriminator_loss"):
            one, two = getattr(apart, side)(*pictures), getattr(joined, side)(*pictures)
            assert torch.allclose(one, two, rtol=1e-6, atol=1e-6) is not norm


def test_feature_matching_is_zero_at_the_target_and_a_mean_of_squares() -> None:
    prediction, target, hole = inputs()
    discriminator = Patch()
    plain, matched = Adversarial(discriminator), Adversarial(discriminator, matching=3.0)
    torch.testing.assert_close(matched(target, target, hole), plain(target, target, hole))
    fake = discriminator(composite(prediction, target, hole), hole).features
    real = discriminator(target, hole).features
    wanted = 3 * sum((a - b).square().mean() for a, b in zip(fake, real, strict=True)) / 2
    torch.testing.assert_close(
        matched(prediction, target, hole) - plain(prediction, target, hole), wanted
    )


@pytest.mark.parametrize("game", list(GAN_OBJECTIVES))
def test_gradients_agree_with_differences(game: str) -> None:
    prediction, target, hole = inputs(16, torch.float64)
    term = Adversarial(Patch().double(), game, matching=0.5, r1=0.1).double()
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda image: term(image, target, hole), prediction, fast_mode=True
    )
    weight = term.discriminator.second.weight  # type: ignore[union-attr]
    names = dict(term.discriminator.named_parameters())

    def paid(changed: Tensor) -> Tensor:
        return torch.func.functional_call(
            _Side(term), {"term.discriminator.second.weight": changed}, (prediction, target, hole)
        )

    assert "second.weight" in names
    assert torch.autograd.gradcheck(paid, weight, fast_mode=True)


class _Side(nn.Module):
    """D's side as a forward."""

    def __init__(self, term: Adversarial) -> None:
        super().__init__()
        self.term = term

    def forward(self, prediction: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        return self.term.discriminator_loss(prediction, target, hole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("game", list(GAN_OBJECTIVES))
def test_half_precision_is_finite(game: str, dtype: torch.dtype) -> None:
    prediction, target, hole = inputs(64)
    prediction.requires_grad_()
    term = Adversarial(Patch(), game, r1=0.001, matching=1.0)
    with torch.autocast("cpu", dtype):
        made = term(prediction, target, hole)
        paid = term.discriminator_loss(prediction, target, hole)
    (made + paid).backward()
    assert made.dtype == paid.dtype == torch.float32
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in term.parameters())


@pytest.mark.parametrize("game", list(GAN_OBJECTIVES))
@pytest.mark.parametrize("kind", ["none", "all", "pixel"])
def test_holes_at_the_edge_of_sense(game: str, kind: str) -> None:
    """All known, all missing, one pixel; one picture of odd size."""
    torch.manual_seed(3)
    prediction, target = torch.rand(1, 3, 13, 9, requires_grad=True), torch.rand(1, 3, 13, 9)
    hole = torch.full((1, 1, 13, 9), float(kind == "all"))
    hole[..., 4, 4] = float(kind != "none")
    term = Adversarial(Patch(), game, only_hole_is_fake=True, r1=0.1, matching=1.0)
    made = term(prediction, target, hole)
    made.backward()
    assert made.isfinite()
    assert term.discriminator_loss(prediction, target, hole).isfinite()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    if kind == "none":
        assert not prediction.grad.any()


def test_terms_are_found_in_any_objective() -> None:
    first, second = Adversarial(Patch()), Adversarial(Patch(), "lsgan")
    assert adversarial_terms(nn.ModuleList([first, nn.Identity(), second])) == [first, second]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"game": "chess"}, "game is 'chess' but must be one of 'minimax'"),
        ({"game": "hinge", "real_label": 0.9}, "hinge game knows no labels"),
        ({"game": "minimax", "real_label": 1.5}, r"real_label is 1.5 but must lie in \(0, 1\]"),
        ({"r1": -1.0}, "weights must be >= 0"),
        ({"r1_every": 0}, "intervals >= 1"),
        ({"on": "paper"}, "on is 'paper'"),
    ],
)
def test_senseless_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adversarial(Patch(), **options)  # type: ignore[arg-type]


def test_wrong_tensors_are_one_line() -> None:
    prediction, target, hole = inputs()
    term = Adversarial(Patch())
    for side in (term, term.discriminator_loss):
        with pytest.raises(TensorError, match="divide by 255"):
            side(prediction, target * 255, hole)
        with pytest.raises(TensorError, match="make it binary"):
            side(prediction, target, hole * 0.5)
        with pytest.raises(TensorError, match="give the hole the shape"):
            side(prediction, target, hole[..., :8])
        with pytest.raises(TensorError, match="NaN"):
            side(prediction * math.nan, target, hole)


def test_discriminators_that_do_not_fit() -> None:
    prediction, target, hole = inputs()
    with pytest.raises(TensorError, match="returned a Tensor"):
        Adversarial(_Bare())(prediction, target, hole)
    vector = Said(torch.zeros(2, 1), torch.zeros(2, 1))
    with pytest.raises(TensorError, match="needs a map of logits"):
        Adversarial(vector, only_hole_is_fake=True).discriminator_loss(prediction, target, hole)
    with pytest.raises(TensorError, match="taps 0 layers"):
        Adversarial(vector, matching=1.0)(prediction, target, hole)


class _Bare(nn.Module):
    def forward(self, photo: Tensor, hole: Tensor) -> Tensor:
        return photo


def test_context_encoders_adversarial_share(reference: Path) -> None:
    """D's price (the sum of both halves) and G's of the released centre form."""
    known = json.loads((reference / "ce_small_losses.json").read_text())
    with np.load(reference / "ce_small.npz") as file:
        real, fake = (
            torch.logit(torch.from_numpy(file[f"D_{kind}_eval"])) for kind in ("real", "fake")
        )
    paid, fooled = said(real, fake, game="non-saturating")
    assert paid.item() == pytest.approx(known["D_loss"], rel=1e-4)
    assert fooled.item() == pytest.approx(known["G_adv"], rel=1e-4)
