"""PAN's loss: what each player pays, that the perceptual term reaches both, and the margin."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mendpix.errors import TensorError
from mendpix.losses.perceptual_adversarial import PerceptualAdversarial
from mendpix.networks.types import DiscriminatorOutput


class Tapped(nn.Module):
    """A discriminator with four tapped layers and one logit, which counts its passes."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        widths = [3, width, width, width, width]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, 1 + (i > 0), 1) for i, (a, b) in enumerate(pairwise(widths))
        )
        self.last = nn.Linear(width, 1)
        self.passes = 0

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        self.passes += 1
        features, x = [], photo
        for layer in self.layers:
            x = torch.tanh(layer(x))
            features.append(x)
        return DiscriminatorOutput(self.last(x.mean((2, 3))), tuple(features))


class Constant(nn.Module):
    """Each tapped layer is the picture times a factor: distances are known by hand."""

    def __init__(self, factors: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(
            photo.new_zeros(len(photo), 1), tuple(photo * f for f in self.factors)
        )


def inputs(size: int = 16, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(11)
    hole = torch.zeros(2, 1, size, size, dtype=dtype)
    hole[..., 4:12, 4:12] = 1
    prediction = torch.rand(2, 3, size, size, dtype=dtype)
    return prediction, torch.rand(2, 3, size, size, dtype=dtype), hole


def test_without_the_game_the_weighted_sum_is_left() -> None:
    prediction, target, hole = inputs()
    judge = Tapped()
    alone = PerceptualAdversarial(judge, game_weight=0)
    whole, game = PerceptualAdversarial(judge), PerceptualAdversarial(judge, (0.0, 0.0, 0.0, 0.0))
    expected = whole(prediction, target, hole) - game(prediction, target, hole)
    torch.testing.assert_close(alone(prediction, target, hole), expected)
    with pytest.raises(ValueError, match="game_weight is -1 but must be >= 0"):
        PerceptualAdversarial(judge, game_weight=-1)


def test_both_prices_by_hand() -> None:
    """A picture 0.1 too dark: P = 0.1 (5*1 + 1.5*2 + 1.5*3 + 1*4) = 1.65; every logit is 0."""
    target, hole = torch.full((2, 3, 8, 8), 0.5), torch.ones(2, 1, 8, 8)
    term = PerceptualAdversarial(Constant())
    assert term(target - 0.1, target, hole).item() == pytest.approx(1.65 - math.log(2))
    paid = term.discriminator_loss(target - 0.1, target, hole).item()
    assert paid == pytest.approx(2 * math.log(2) + 3 - 1.65, rel=1e-5)


def test_a_gap_beyond_the_margin_costs_the_discriminator_nothing() -> None:
    target, hole = torch.full((1, 3, 8, 8), 0.9), torch.ones(1, 1, 8, 8)
    term = PerceptualAdversarial(Constant())
    paid = term.discriminator_loss(target - 0.4, target, hole)  # P = 6.6
    assert paid.item() == pytest.approx(2 * math.log(2))
    free = PerceptualAdversarial(Constant(), margin=0.0)
    assert free.discriminator_loss(target, target, hole).item() == pytest.approx(2 * math.log(2))


def test_formulas_on_a_real_discriminator() -> None:
    prediction, target, hole = inputs()
    discriminator = Tapped()
    term = PerceptualAdversarial(discriminator)
    real, fake = discriminator(target, hole), discriminator(prediction, hole)
    gaps = [(a - b).abs().mean() for a, b in zip(real.features, fake.features, strict=True)]
    p = 5 * gaps[0] + 1.5 * gaps[1] + 1.5 * gaps[2] + gaps[3]
    torch.testing.assert_close(
        term(prediction, target, hole), (1 - fake.logits.sigmoid()).log().mean() + p
    )
    smooth = F.binary_cross_entropy_with_logits(real.logits, torch.full_like(real.logits, 0.9))
    caught = -(1 - fake.logits.sigmoid()).log().mean()
    torch.testing.assert_close(
        term.discriminator_loss(prediction, target, hole), smooth + caught + F.relu(3 - p)
    )


def test_the_perceptual_term_reaches_both_players() -> None:
    """With the logits held at zero both still learn, against each other."""
    prediction, target, hole = inputs()
    discriminator = Tapped()
    nn.init.zeros_(discriminator.last.weight)
    term = PerceptualAdversarial(discriminator)
    prediction.requires_grad_()
    made = term(prediction, target, hole)
    (slope,) = torch.autograd.grad(made, prediction)
    assert slope.abs().sum() > 0
    for_judge = torch.autograd.grad(
        term.discriminator_loss(prediction, target, hole), list(discriminator.layers.parameters())
    )
    p = term.match(discriminator(prediction, hole), discriminator(target, hole))
    widening = torch.autograd.grad(-p, list(discriminator.layers.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in for_judge[::2])
    for ours, wanted in zip(for_judge, widening, strict=True):
        torch.testing.assert_close(ours, wanted)


def test_each_picture_passes_the_discriminator_once() -> None:
    pictures = inputs()
    for together, passes in ((False, 2), (True, 1)):
        term = PerceptualAdversarial(Tapped(), together=together)
        term(*pictures)
        assert term.discriminator.passes == passes
        term.discriminator_loss(*pictures)
        assert term.discriminator.passes == 2 * passes


def test_sides_keep_to_themselves() -> None:
    prediction, target, hole = inputs()
    prediction.requires_grad_()
    term = PerceptualAdversarial(Tapped())
    term(prediction, target, hole).backward()
    assert all(p.grad is None for p in term.parameters())
    assert prediction.grad is not None
    prediction.grad = None
    term.discriminator_loss(prediction, target, hole).backward()
    assert prediction.grad is None
    assert all(p.grad is not None for p in term.parameters())


def test_gradients_agree_with_differences() -> None:
    prediction, target, hole = inputs(12, torch.float64)
    term = PerceptualAdversarial(Tapped().double()).double()
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: term(x, target, hole), prediction, fast_mode=True)
    last = term.discriminator.last.weight
    names = [name for name, value in term.named_parameters() if value is last]
    side = _Side(term)
    assert torch.autograd.gradcheck(
        lambda w: torch.func.functional_call(
            side, {f"term.{names[0]}": w}, (prediction, target, hole)
        ),
        last,
        fast_mode=True,
    )


class _Side(nn.Module):
    """D's side as a forward."""

    def __init__(self, term: PerceptualAdversarial) -> None:
        super().__init__()
        self.term = term

    def forward(self, prediction: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        return self.term.discriminator_loss(prediction, target, hole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("missing", [0.0, 1.0])
def test_half_precision_and_odd_holes_are_finite(dtype: torch.dtype, missing: float) -> None:
    prediction, target = torch.rand(1, 3, 65, 33, requires_grad=True), torch.rand(1, 3, 65, 33)
    hole = torch.full((1, 1, 65, 33), missing)
    term = PerceptualAdversarial(Tapped(), on="composite", r1=0.01)
    with torch.autocast("cpu", dtype):
        both = term(prediction, target, hole) + term.discriminator_loss(prediction, target, hole)
    both.backward()
    assert both.isfinite()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_mistakes_are_one_line() -> None:
    prediction, target, hole = inputs()
    with pytest.raises(TensorError, match="taps 2 layers but 4 are compared"):
        PerceptualAdversarial(Constant((1.0, 2.0)))(prediction, target, hole)
    with pytest.raises(TensorError, match="divide by 255"):
        PerceptualAdversarial(Constant())(prediction, target * 255, hole)
    with pytest.raises(ValueError, match="margin is -1"):
        PerceptualAdversarial(Constant(), margin=-1)
    with pytest.raises(ValueError, match="layer weights are"):
        PerceptualAdversarial(Constant(), weights=())
    with pytest.raises(ValueError, match="game is 'go'"):
        PerceptualAdversarial(Constant(), game="go")
