"""Adversarial losses: any objective of :mod:`.gan_objectives` with any discriminator."""

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
    check_choice,
    disable_autocast,
)
from mendpix.losses.gan_objectives import GAN_OBJECTIVES
from mendpix.losses.shared_features import share_features
from mendpix.networks.features.feature_network import at_least_float32
from mendpix.networks.types import DiscriminatorOutput, Prediction


class Adversarial(Loss):
    """Adversarial loss: the call is the generator's, :meth:`discriminator_loss` is D's.

    D's loss is the sum (not the mean) of its losses on real and on fake pictures, each a mean
    over all logits. G's loss leaves no gradient in D's parameters, D's none in the network.

    Args:
        discriminator: ``forward(photo, hole) -> DiscriminatorOutput``; owned by this term.
        game: an objective's name from :data:`GAN_OBJECTIVES`.
        on, part: which picture is D's fake one; the target is the real one. ``"composite"`` by
            default, as in DeepFillv2 and CR-Fill; Context Encoder's random form and PAN take the
            output.
        together: give D real and fake pictures as one batch, as DeepFillv2 and CR-Fill do: batch
            norm then mixes them, spectral norm takes one power iteration instead of two.
        real_label: 0.9 for one-sided label smoothing.
        halve: weigh the two halves of D's loss 0.5, as DeepFillv2 does.
        only_hole_is_fake: patches of a fake picture outside the hole count as real for D (LaMa's
            ``mask_as_fake_target``, https://arxiv.org/abs/2109.07161); needs a map of logits.
        only_hole: average both losses over logits in the hole alone, for real and fake pictures
            alike; otherwise a hole that fills a quarter of the picture makes "real everywhere" a
            good guess. Needs a map of logits.
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
        check_choice("game", game, tuple(GAN_OBJECTIVES))
        _check_numbers(
            GAN_OBJECTIVES[game].label_smoothing, game, real_label, r1, r1_every, matching
        )
        self.discriminator = discriminator
        self.shared_maps = share_features(discriminator, self.part, self.on)
        self.game = GAN_OBJECTIVES[game]
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

    def request_features(self, inputs: LossInputs) -> None:
        """A discriminator on frozen features shares the forward pass with other terms."""
        if self.shared_maps is not None:
            self.shared_maps.request_features(inputs)

    def compute(self, inputs: LossInputs) -> Tensor:
        """G's loss."""
        picture = self.get_picture(inputs)
        with freeze_parameters(self.discriminator):
            fake, real = self._run_for_generator(inputs, picture)
        loss = self._generator_game(fake, inputs.hole)
        return loss if real is None else loss + self.match(fake, real)

    def _generator_game(self, fake: DiscriminatorOutput, hole: Tensor) -> Tensor:
        """G's loss without feature matching."""
        return self._average(self.game.generator(fake.logits), hole)

    def match(self, fake: DiscriminatorOutput, real: DiscriminatorOutput) -> Tensor:
        """The feature matching loss on D's tapped layers, which is added to G's."""
        check_tapped_layers(fake)
        errors = [F.mse_loss(a, b) for a, b in zip(fake.features, real.features, strict=True)]
        return self.matching * torch.stack(errors).mean()

    def discriminator_loss(
        self, prediction: Prediction | Tensor, target: Tensor, hole: Tensor
    ) -> Tensor:
        """D's loss; the prediction is detached.

        Raises:
            TensorError: shapes, ranges, dtypes or devices that do not fit.
        """
        return self.compute_discriminator_loss(self.prepare_inputs(prediction, target, hole))

    def compute_discriminator_loss(self, inputs: LossInputs) -> Tensor:
        """D's loss of one step's inputs."""
        due = self._r1_is_due()
        if self.shared_maps is not None and not due:
            real, fake = self.shared_maps.real(inputs), self.shared_maps.fake(inputs, detach=True)
            return self._adversarial_loss(real, fake, inputs.hole)
        photo = inputs.target.detach().requires_grad_(due)
        # R1 differentiates the logits: in half precision those gradients vanish or overflow.
        with disable_autocast(photo) if due else nullcontext():
            real, fake = self._run_both(photo, self.get_picture(inputs).detach(), inputs.hole)
            loss = self._adversarial_loss(real, fake, inputs.hole)
            return loss + self._r1_penalty(photo, real.logits) if due else loss

    def _adversarial_loss(
        self, real: DiscriminatorOutput, fake: DiscriminatorOutput, hole: Tensor
    ) -> Tensor:
        """D's loss without the gradient penalty."""
        real_loss = self._average(self.game.real(real.logits, self.real_label), hole)
        return self.share * (real_loss + self._average(self._fake_loss(fake.logits, hole), hole))

    def _average(self, losses: Tensor, hole: Tensor) -> Tensor:
        """Over all logits, or over those in the hole."""
        if not self.only_hole:
            return losses.mean()
        missing = _resize_hole(hole, losses, "only_hole").expand_as(losses)
        return (losses * missing).sum() / missing.sum().clamp(min=1)

    def _fake_loss(self, logits: Tensor, hole: Tensor) -> Tensor:
        if not self.only_hole_is_fake:
            return self.game.fake(logits)
        missing = _resize_hole(hole, logits, "only_hole_is_fake")
        known = self.game.real(logits, self.real_label)
        return missing * self.game.fake(logits) + (1 - missing) * known

    def _r1_is_due(self) -> bool:
        if not self.r1 or not torch.is_grad_enabled():
            return False
        step = int(self.turn)
        if self.training:
            self.turn += 1
        return step % self.r1_every == 0

    def _r1_penalty(self, photo: Tensor, logits: Tensor) -> Tensor:
        """R1 of Mescheder et al. 2018 without its factor 1/2, as LaMa has it.

        Times ``r1_every``, so that skipping steps (lazy regularisation) keeps the mean weight.
        """
        (gradient,) = torch.autograd.grad(logits.sum(), photo, create_graph=True)
        return self.r1 * self.r1_every * gradient.square().flatten(1).sum(1).mean()

    def _run_for_generator(
        self, inputs: LossInputs, fake: Tensor
    ) -> tuple[DiscriminatorOutput, DiscriminatorOutput | None]:
        """D's output for the fake, and for the target where its features are matched.

        The target also goes through D where batch norm averages over both in one batch (without
        batch norm it would change nothing).
        """
        matched = self._matches_features()
        if self.shared_maps is not None:
            real = self.shared_maps.real(inputs) if matched else None
            return self.shared_maps.fake(inputs), real
        if matched or (self.together and has_batch_norm(self.discriminator)):
            real, output = self._run_both(inputs.target, fake, inputs.hole)
            return output, real if matched else None
        return run_discriminator(self.discriminator, fake, inputs.hole), None

    def _matches_features(self) -> bool:
        return self.matching > 0

    def _run_both(
        self, real: Tensor, fake: Tensor, hole: Tensor
    ) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        if not self.together:
            first = run_discriminator(self.discriminator, real, hole)
            return first, run_discriminator(self.discriminator, fake, hole)
        photos, holes = torch.cat([real, fake]), torch.cat([hole, hole])
        return split_output(run_discriminator(self.discriminator, photos, holes), len(real))


def _resize_hole(hole: Tensor, logits: Tensor, option: str) -> Tensor:
    """Resize the hole to the map of logits, ``(N, 1, h, w)``, by nearest neighbours.

    Raises:
        TensorError: the logits are no map.
    """
    if logits.ndim != 4:
        raise TensorError(
            f"{option} needs a map of logits (N, C, h, w) but the discriminator gave "
            f"shape {tuple(logits.shape)}; use a patch discriminator or drop the option"
        )
    return F.interpolate(hole, size=logits.shape[2:], mode="nearest")


def run_discriminator(discriminator: nn.Module, photo: Tensor, hole: Tensor) -> DiscriminatorOutput:
    """Run a discriminator; its output in float32 at least, since losses sum over it.

    Raises:
        TensorError: the discriminator does not return a DiscriminatorOutput.
    """
    output = discriminator(photo, hole)
    if not isinstance(output, DiscriminatorOutput):
        raise TensorError(
            f"{type(discriminator).__name__} returned a {type(output).__name__}; "
            "a discriminator returns a mendpix.networks.types.DiscriminatorOutput"
        )
    features = tuple(at_least_float32(feature) for feature in output.features)
    return DiscriminatorOutput(at_least_float32(output.logits), features)


def split_output(
    both: DiscriminatorOutput, count: int
) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
    """Split a batch's output into that of its first ``count`` pictures and of the rest."""
    first = tuple(feature[:count] for feature in both.features)
    rest = tuple(feature[count:] for feature in both.features)
    return DiscriminatorOutput(both.logits[:count], first), DiscriminatorOutput(
        both.logits[count:], rest
    )


def check_tapped_layers(output: DiscriminatorOutput, wanted: int | None = None) -> None:
    """Check that an output has tapped layers, ``wanted`` of them where given.

    Raises:
        TensorError: names both numbers.
    """
    count = len(output.features)
    if not count or (wanted is not None and count != wanted):
        raise TensorError(
            f"the discriminator taps {count} layers but {wanted or 'one or more'} are compared; "
            "give as many weights as layers, or a discriminator that taps its layers"
        )


def has_batch_norm(module: nn.Module) -> bool:
    """Whether a module has batch norm, by which a picture's output depends on its batch."""
    return any(isinstance(part, _BatchNorm) for part in module.modules())


@contextmanager
def freeze_parameters(module: nn.Module) -> Iterator[None]:
    """Compute no gradients of the module's parameters; gradients still pass through it."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def adversarial_terms(objective: nn.Module) -> list[Adversarial]:
    """Every adversarial term in an objective, in order."""
    return [part for part in objective.modules() if isinstance(part, Adversarial)]


def _check_numbers(
    label_smoothing: bool, game: str, real_label: float, r1: float, r1_every: int, matching: float
) -> None:
    if real_label != 1 and not label_smoothing:
        raise ValueError(f"real_label is {real_label:g} but the {game} game knows no labels; use 1")
    if not 0 < real_label <= 1:
        raise ValueError(f"real_label is {real_label:g} but must lie in (0, 1]")
    if min(r1, matching) < 0 or r1_every < 1:
        raise ValueError(
            f"r1 is {r1:g}, r1_every {r1_every}, matching {matching:g}; "
            "weights must be >= 0 and intervals >= 1"
        )


def check_layer_weights(weights: Sequence[float]) -> tuple[float, ...]:
    """Check layer weights and return them as a tuple.

    Raises:
        ValueError: none are given or one is negative.
    """
    if not weights or min(weights) < 0:
        raise ValueError(f"layer weights are {list(weights)} but must be one or more, each >= 0")
    return tuple(float(weight) for weight in weights)
