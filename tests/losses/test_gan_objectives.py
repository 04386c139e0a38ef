"""The games are games: their players reach the mixture's modes, and the known optimum.

Points of the plane are pictures of one pixel, ``(N, 3, 1, 1)``, all of it missing; their third
colour stays at one half. So the losses are used exactly as in training.
"""

import math

import pytest
import torch
from torch import Tensor, nn

from mendpix.losses.adversarial import Adversarial
from mendpix.losses.gan_objectives import GAN_OBJECTIVES
from mendpix.losses.perceptual_adversarial import PerceptualAdversarial
from mendpix.networks.types import DiscriminatorOutput, Prediction

MODES = 6
RADIUS, SPREAD = 0.3, 0.02
CENTRES = torch.tensor(
    [
        [
            0.5 + RADIUS * math.cos(2 * math.pi * k / MODES),
            0.5 + RADIUS * math.sin(2 * math.pi * k / MODES),
        ]
        for k in range(MODES)
    ]
)


class Maker(nn.Module):
    """A small network from noise to a point."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
        )

    def forward(self, noise: Tensor) -> Prediction:
        return Prediction(picture(0.5 + 0.5 * torch.tanh(self.layers(noise))))


class Discriminator(nn.Module):
    """A small network from a point to a logit; its hidden layers are tapped."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, width), nn.Linear(width, width)
        self.last = nn.Linear(width, 1)

    def forward(self, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
        one = torch.nn.functional.leaky_relu(self.first(4 * (photo[:, :2, 0, 0] - 0.5)), 0.2)
        two = torch.nn.functional.leaky_relu(self.second(one), 0.2)
        return DiscriminatorOutput(self.last(two), (one, two))


def picture(points: Tensor) -> Tensor:
    """Points ``(N, 2)`` as pictures ``(N, 3, 1, 1)``."""
    return torch.cat([points, torch.full_like(points[:, :1], 0.5)], 1)[..., None, None]


def drawn(count: int) -> Tensor:
    """Points of the mixture, as pictures."""
    return picture(CENTRES[torch.randint(MODES, (count,))] + SPREAD * torch.randn(count, 2))


def play(term: Adversarial, steps: int, batch: int = 256) -> Maker:
    """Both players take turns."""
    maker = Maker()
    makes = torch.optim.Adam(maker.parameters(), 1e-3, (0.5, 0.9))
    discriminators = torch.optim.Adam(term.discriminator.parameters(), 2e-3, (0.5, 0.9))
    hole = torch.ones(batch, 1, 1, 1)
    for _ in range(steps):
        real, fake = drawn(batch), maker(torch.randn(batch, 2))
        discriminators.zero_grad()
        term.discriminator_loss(fake, real, hole).backward()
        discriminators.step()
        makes.zero_grad()
        term(fake, real, hole).backward()
        makes.step()
    return maker


def reached(maker: Maker) -> tuple[int, float]:
    """Modes that get at least a quarter of their share, and the share of points near any mode."""
    with torch.no_grad():
        points = maker(torch.randn(3000, 2)).image[:, :2, 0, 0]
    distance, nearest = torch.cdist(points, CENTRES).min(1)
    near = distance < 5 * SPREAD
    counts = torch.bincount(nearest[near], minlength=MODES)
    return int((counts >= 0.25 * 3000 / MODES).sum()), float(near.float().mean())


@pytest.mark.parametrize("game", list(GAN_OBJECTIVES))
def test_each_game_reaches_the_modes(game: str) -> None:
    torch.manual_seed(1)
    modes, near = reached(play(Adversarial(Discriminator(), game, r1=0.02, r1_every=4), 700))
    assert modes == MODES
    assert near > 0.6


def test_without_a_game_the_modes_are_missed() -> None:
    torch.manual_seed(1)
    modes, near = reached(Maker())
    assert modes < MODES
    assert near < 0.5


def test_minimax_optimum_is_the_density_ratio() -> None:
    """Goodfellow et al. 2014, proposition 1: D* = p_data / (p_data + p_g)."""
    torch.manual_seed(0)
    spread, centres = 0.1, torch.tensor([[0.42, 0.5], [0.58, 0.5]])
    discriminator = Discriminator()
    term = Adversarial(discriminator, "minimax")
    learner = torch.optim.Adam(discriminator.parameters(), 5e-3)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(learner, 700)
    hole = torch.ones(1024, 1, 1, 1)
    for _ in range(700):
        real, fake = (picture(c + spread * torch.randn(1024, 2)) for c in centres)
        learner.zero_grad()
        term.discriminator_loss(Prediction(fake), real.clamp(0, 1), hole).backward()
        learner.step()
        slower.step()
    points = torch.cartesian_prod(*[torch.linspace(0.3, 0.7, 21)] * 2)
    density = [torch.exp(-(points - c).square().sum(1) / (2 * spread**2)) for c in centres]
    wanted = density[0] / (density[0] + density[1])
    with torch.no_grad():
        found = discriminator(picture(points), hole[:1]).logits.sigmoid()[:, 0]
    assert wanted.min() < 0.1
    assert wanted.max() > 0.9
    assert (found - wanted).abs().max() < 0.05


def test_pans_margin_opens_the_gap() -> None:
    """D alone widens the distance of its layers up to the margin, and stops there."""
    torch.manual_seed(0)
    term = PerceptualAdversarial(Discriminator(), weights=(1.0, 1.0), margin=3.0)
    discriminator = term.discriminator
    learner = torch.optim.Adam(discriminator.parameters(), 1e-3)
    hole = torch.ones(256, 1, 1, 1)
    real, fake = drawn(256), picture(0.5 + 0.05 * torch.randn(256, 2))

    def gap() -> Tensor:
        return term.match(discriminator(fake, hole), discriminator(real, hole))

    before = gap().item()
    for _ in range(300):
        learner.zero_grad()
        torch.relu(term.margin - gap()).backward()
        learner.step()
    assert before < 1
    assert gap().item() == pytest.approx(3, abs=0.5)
