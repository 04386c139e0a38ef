"""Adversarial terms: any game of :mod:`mendpix.losses.gan_objectives` against any discriminator."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mendpix.errors import TensorError
from mendpix.losses.base import (
    Loss,
    LossInputs,
    On,
    Part,
    at_least_float32,
    choose,
    full_precision,
)
from mendpix.losses.gan_objectives import GAMES
from mendpix.losses.shared_features import shared_look
from mendpix.networks.types import DiscriminatorOutput, Prediction


class Adversarial(Loss):
    """A game against a discriminator: called, it is G's side; :meth:`discriminator_loss` is D's.

    D's loss is the sum (not the mean) of what it pays for real and for fake pictures, each a mean
    over all logits. G's side leaves no gradient in D's parameters, D's side none in the network.

    Args:
        discriminator: ``forward(photo, hole) -> DiscriminatorOutput``; owned by this term.
        game: a name from :data:`GAMES`.
        on, part: which picture D judges; the target is the real one. ``"composite"`` by default,
            as in DeepFillv2 and CR-Fill; Context Encoder's random form and PAN judge the output.
        together: give D real and fake pictures as one batch, as DeepFillv2 and CR-Fill do: batch
            norms then mix them, spectral norms take one power iteration instead of two.
        real_label: 0.9 for one-sided label smoothing.
        halve: weigh the two halves of D's loss 0.5, as DeepFillv2 does.
        only_hole_is_fake: patches of a fake picture outside the hole count as real for D (LaMa's
            ``mask_as_fake_target``, https://arxiv.org/abs/2109.07161); needs a map of logits.
        only_hole: both sides pay for logits in the hole alone, for real and fake pictures alike;
            a hole that fills a quarter of the picture else makes "real everywhere" a good guess.
            Needs a map of logits.
        r1: weight of ``mean ||grad_x sum D(x)||^2`` on real pictures (LaMa's un-halved form of
            Mescheder et al. 2018, https://arxiv.org/abs/1801.04406); LaMa: 0.001.
        r1_every: compute it every so many D steps only, with the weight multiplied by as much.
        matching: weight of the mean squared difference of D's tapped layers between target and
            prediction, averaged over layers, added to G's side (LaMa: ten times its game's weight).

    Shape:
        as every loss; returns a scalar, which may be negative.

    Raises:
        ValueError: an option's value is unknown or has no meaning in this game.
    """

    turn: Tensor

    def __init__(
        self,
        discriminator: nn.Module,
        game: str = "hinge",
        on: On = "composite",
        part: Part = "image",
        together: bool = False,
        real_label: float = 1.0,
        halve: bool = False,
        only_hole_is_fake: bool = False,
        only_hole: bool = False,
        r1: float = 0.0,
        r1_every: int = 1,
        matching: float = 0.0,
    ) -> None:
        super().__init__(on, part)
        choose("game", game, tuple(GAMES))
        _check_numbers(GAMES[game].smooths, game, real_label, r1, r1_every, matching)
        self.discriminator = discriminator
        self.look = shared_look(discriminator, self.part, self.on)
        self.game = GAMES[game]
        self.together = together
        self.real_label = real_label
        self.share = 0.5 if halve else 1.0
        if only_hole and only_hole_is_fake:
            raise ValueError("only_hole leaves no place for only_hole_is_fake; choose one")
        self.only_hole_is_fake = only_hole_is_fake
        self.only_hole = only_hole
        self.r1, self.r1_every = r1, r1_every
        self.matching = matching
        self.register_buffer("turn", torch.zeros((), dtype=torch.long))

    def announce(self, scene: LossInputs) -> None:
        """A judge that looks through a frozen network shares that look with other terms."""
        if self.look is not None:
            self.look.announce(scene)

    def judge(self, scene: LossInputs) -> Tensor:
        """G's side: what the network pays for being seen through."""
        fake = self.picture(scene)
        with frozen(self.discriminator):
            judgement, real = self._generator_judgements(scene, fake)
        loss = self._mean(self.game.fool(judgement.logits), scene.hole)
        return loss if real is None else loss + self.match(judgement, real)

    def match(self, fake: DiscriminatorOutput, real: DiscriminatorOutput) -> Tensor:
        """The distance of D's layers that is added to G's side."""
        check_taps(fake)
        errors = [F.mse_loss(a, b) for a, b in zip(fake.features, real.features, strict=True)]
        return self.matching * torch.stack(errors).mean()

    def discriminator_loss(
        self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor
    ) -> Tensor:
        """D's side: what the discriminator pays for its mistakes; the prediction is detached.

        Raises:
            TensorError: shapes, ranges, kinds or devices that do not fit.
        """
        return self.discriminate(self.scene(prediction, target, hole))

    def discriminate(self, scene: LossInputs) -> Tensor:
        """D's side on a scene."""
        due = self._penalty_is_due()
        if self.look is not None and not due:
            real, fake = self.look.real(scene), self.look.fake(scene, detached=True)
            return self._price(real, fake, scene.hole)
        photo = scene.target.detach().requires_grad_(due)
        # R1 differentiates the logits: in half precision those gradients vanish or overflow.
        with full_precision(photo) if due else nullcontext():
            real, fake = self._both(photo, self.picture(scene).detach(), scene.hole)
            loss = self._price(real, fake, scene.hole)
            return loss + self._penalty(photo, real.logits) if due else loss

    def _price(self, real: DiscriminatorOutput, fake: DiscriminatorOutput, hole: Tensor) -> Tensor:
        """What D pays for its two judgements, without the gradient penalty."""
        paid = self._mean(self.game.real(real.logits, self.real_label), hole)
        return self.share * (paid + self._mean(self._price_of_fake(fake.logits, hole), hole))

    def _mean(self, prices: Tensor, hole: Tensor) -> Tensor:
        """Over all logits, or over those in the hole."""
        if not self.only_hole:
            return prices.mean()
        missing = _missing(hole, prices, "only_hole").expand_as(prices)
        return (prices * missing).sum() / missing.sum().clamp(min=1)

    def _price_of_fake(self, logits: Tensor, hole: Tensor) -> Tensor:
        if not self.only_hole_is_fake:
            return self.game.fake(logits)
        missing = _missing(hole, logits, "only_hole_is_fake")
        known = self.game.real(logits, self.real_label)
        return missing * self.game.fake(logits) + (1 - missing) * known

    def _penalty_is_due(self) -> bool:
        if not self.r1 or not torch.is_grad_enabled():
            return False
        turn = int(self.turn)
        if self.training:
            self.turn += 1
        return turn % self.r1_every == 0

    def _penalty(self, photo: Tensor, logits: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(logits.sum(), photo, create_graph=True)
        return self.r1 * self.r1_every * slope.square().flatten(1).sum(1).mean()

    def _generator_judgements(
        self, scene: LossInputs, fake: Tensor
    ) -> tuple[DiscriminatorOutput, DiscriminatorOutput | None]:
        """D's view of the fake, and of the target where it is needed: to match its features, or
        because batch norms see both in one batch (without them the second half changes nothing).
        """
        if self.look is not None:
            return self.look.fake(scene), self.look.real(scene) if self._matches() else None
        if self._matches() or (self.together and has_batch_norm(self.discriminator)):
            real, judgement = self._both(scene.target, fake, scene.hole)
            return judgement, real if self._matches() else None
        return examine(self.discriminator, fake, scene.hole), None

    def _matches(self) -> bool:
        return self.matching > 0

    def _both(
        self, real: Tensor, fake: Tensor, hole: Tensor
    ) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        if not self.together:
            first = examine(self.discriminator, real, hole)
            return first, examine(self.discriminator, fake, hole)
        both = examine(self.discriminator, torch.cat([real, fake]), torch.cat([hole, hole]))
        return split(both, len(real))


def _missing(hole: Tensor, logits: Tensor, option: str) -> Tensor:
    """1 where a logit's place is missing ``(N, 1, h, w)``.

    Raises:
        TensorError: the logits are no map.
    """
    if logits.ndim != 4:
        raise TensorError(
            f"{option} needs a map of logits (N, C, h, w) but the discriminator gave "
            f"shape {tuple(logits.shape)}; use a patch discriminator or drop the option"
        )
    return F.interpolate(hole, size=logits.shape[2:], mode="nearest")


def examine(discriminator: nn.Module, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
    """The discriminator's judgement in at least float32, with every sum's room to grow.

    Raises:
        TensorError: the discriminator does not return a Judgement.
    """
    judgement = discriminator(photo, hole)
    if not isinstance(judgement, DiscriminatorOutput):
        raise TensorError(
            f"{type(discriminator).__name__} returned a {type(judgement).__name__}; "
            "a discriminator returns a mendpix.networks.types.Judgement"
        )
    features = tuple(at_least_float32(feature) for feature in judgement.features)
    return DiscriminatorOutput(at_least_float32(judgement.logits), features)


def split(both: DiscriminatorOutput, count: int) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
    """A judgement of one batch as those of its first ``count`` pictures and of the rest."""
    first = tuple(feature[:count] for feature in both.features)
    rest = tuple(feature[count:] for feature in both.features)
    return DiscriminatorOutput(both.logits[:count], first), DiscriminatorOutput(
        both.logits[count:], rest
    )


def check_taps(judgement: DiscriminatorOutput, wanted: int | None = None) -> None:
    """Refuse a judgement without tapped layers, or with another number than ``wanted``.

    Raises:
        TensorError: names both numbers.
    """
    count = len(judgement.features)
    if not count or (wanted is not None and count != wanted):
        raise TensorError(
            f"the discriminator taps {count} layers but {wanted or 'one or more'} are compared; "
            "give as many weights as layers, or a discriminator that taps its layers"
        )


def has_batch_norm(module: nn.Module) -> bool:
    """Whether a picture's judgement depends on the others in its batch."""
    return any(isinstance(part, _BatchNorm) for part in module.modules())


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients pass through the module, but leave none in its parameters."""
    learning = [p for p in module.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def adversarial_terms(objective: nn.Module) -> list[Adversarial]:
    """Every adversarial term in an objective, in its order: those with a discriminator's side."""
    return [part for part in objective.modules() if isinstance(part, Adversarial)]


def _check_numbers(
    smooths: bool, game: str, real_label: float, r1: float, r1_every: int, matching: float
) -> None:
    if real_label != 1 and not smooths:
        raise ValueError(f"real_label is {real_label:g} but the {game} game knows no labels; use 1")
    if not 0 < real_label <= 1:
        raise ValueError(f"real_label is {real_label:g} but must lie in (0, 1]")
    if min(r1, matching) < 0 or r1_every < 1:
        raise ValueError(
            f"r1 is {r1:g}, r1_every {r1_every}, matching {matching:g}; "
            "weights must be >= 0 and intervals >= 1"
        )


def weights_of(weights: Sequence[float]) -> tuple[float, ...]:
    """Layer weights as a tuple.

    Raises:
        ValueError: none are given or one is negative.
    """
    if not weights or min(weights) < 0:
        raise ValueError(f"layer weights are {list(weights)} but must be one or more, each >= 0")
    return tuple(float(weight) for weight in weights)
