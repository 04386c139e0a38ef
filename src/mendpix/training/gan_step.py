"""One adversarial training step for any objective: discriminators first, then the network.

An objective without discriminators skips the first half. Gradients of both are averaged over
processes by :func:`.distributed.average_gradients`; no module is wrapped for that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from mendpix.errors import TrainingError
from mendpix.losses.base import LossInputs
from mendpix.networks.types import Prediction
from mendpix.training import objective
from mendpix.training.distributed import average_gradients, gather_from_all
from mendpix.training.objective import Objective
from mendpix.training.samples import Batch

Losses = dict[str, Tensor]

EXPLODED = 1e10
"""Weighted terms of a run that learns stay orders of magnitude below; float32 ends at 3e38."""


@dataclass
class OptimizedModule:
    """A module with its optimizer and the norm that its gradients are clipped to (0: none)."""

    module: nn.Module
    optimizer: Any
    clip: float = 0.0

    def update(self, fabric: Fabric) -> Tensor:
        """Step the optimizer with the gradients at hand, clear them, return their norm."""
        average_gradients(fabric, self.module.parameters())
        # Clipping to infinity changes nothing but measures the norm.
        limit = self.clip or float("inf")
        norm = fabric.clip_gradients(
            self.module, self.optimizer, max_norm=limit, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        assert norm is not None
        return norm.detach()


@dataclass
class StepResult:
    """Of one step: weighted terms and discriminator losses, gradient norms, gradient shares."""

    losses: dict[str, float] = field(default_factory=dict)
    norms: Losses = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)


@dataclass
class AdversarialStep:
    """The network (generator), the discriminators where there are any, and their objective."""

    fabric: Fabric
    network: nn.Module
    objective: Objective
    generator: OptimizedModule
    discriminators: OptimizedModule | None

    def run(
        self, parts: Sequence[Batch], weights: Mapping[str, float], measure_shares: bool = False
    ) -> StepResult:
        """Train for one step on a batch, cut into parts of equal size.

        With one part, the network predicts once for both halves. With several, it predicts again
        for the second half: holding the graphs of all parts is what cutting avoids.

        Args:
            measure_shares: also measure each term's share of the gradient at the output.

        Raises:
            TrainingError: a term is not finite or has exploded; the network did not learn from it.
        """
        result = StepResult()
        shared = self._predict_for_terms(parts[0], weights) if len(parts) == 1 else None
        if self.discriminators is not None and any(self.objective.adversarial_terms(weights)):
            losses = self._backward_discriminators(parts, shared, weights)
            result.losses.update(check_finite(self.fabric, losses, parts, weights))
            result.norms["discriminators"] = self.discriminators.update(self.fabric)
        losses = self._backward_generator(parts, shared, weights, result, measure_shares)
        result.losses.update(check_finite(self.fabric, losses, parts, weights))
        result.norms["network"] = self.generator.update(self.fabric)
        return result

    def optimized_modules(self) -> list[OptimizedModule]:
        """The network first, then the discriminators where there are any."""
        return [m for m in (self.generator, self.discriminators) if m is not None]

    def _predict(self, part: Batch) -> LossInputs:
        """The network's prediction of a part beside the target."""
        with self.fabric.autocast():
            prediction: Prediction = self.network(part.network_input, part.hole)
            return LossInputs(prediction, part.photo, part.hole)

    def _predict_for_terms(self, part: Batch, weights: Mapping[str, float]) -> LossInputs:
        """The same; features that several terms read are then computed in one pass for all."""
        inputs = self._predict(part)
        self.objective.request_features(inputs, weights)
        return inputs

    def _backward_discriminators(
        self, parts: Sequence[Batch], shared: LossInputs | None, weights: Mapping[str, float]
    ) -> Losses:
        """Gradients of the discriminators' losses; their means over the parts."""
        means: Losses = {}
        for part in parts:
            with torch.no_grad():  # the prediction is data here, not to be learned from
                inputs = shared or self._predict(part)
            with self.fabric.autocast():
                losses = self.objective.compute_discriminator_losses(inputs, weights)
            losses = {f"{name}/discriminator": loss for name, loss in losses.items()}
            self._backward(losses, len(parts), means)
        return means

    def _backward_generator(
        self,
        parts: Sequence[Batch],
        shared: LossInputs | None,
        weights: Mapping[str, float],
        result: StepResult,
        measure_shares: bool,
    ) -> Losses:
        """Gradients of the network's losses; their means over the parts."""
        means: Losses = {}
        for part in parts:
            inputs = shared or self._predict_for_terms(part, weights)
            with self.fabric.autocast():
                losses = self.objective.compute_terms(inputs, weights)
            if measure_shares and not result.shares:  # of the first part: the others are alike
                result.shares = objective.gradient_shares(inputs, losses)
            self._backward(losses, len(parts), means)
        return means

    def _backward(self, losses: Losses, count: int, means: Losses) -> None:
        """Backpropagate the sum over ``count`` parts; add each term's share to the means."""
        total = torch.stack([loss.reshape(()) for loss in losses.values()]).sum() / count
        if total.requires_grad:
            self.fabric.backward(total)
        for name, loss in losses.items():
            means[name] = means.get(name, 0) + loss.detach() / count


def check_finite(
    fabric: Fabric, losses: Losses, parts: Sequence[Batch], weights: Mapping[str, float]
) -> dict[str, float]:
    """The losses as numbers, each the mean over all processes.

    Args:
        weights: what each term weighs, to say what would do.

    Raises:
        TrainingError: one is not finite or has exploded; names it and the batch's files. All
            processes stop together, so that none waits for another's gradients.
    """
    values = torch.stack([loss.reshape(()).float() for loss in losses.values()])
    table = gather_from_all(fabric, values)
    means = dict(zip(losses, table.mean(0).tolist(), strict=True))
    for name, column in zip(losses, table.T, strict=True):
        if bool((column.abs() < EXPLODED).all()):  # False for NaN too
            continue
        own = float(column[fabric.global_rank])
        place = "another process" if abs(own) < EXPLODED else _list_files(parts)
        value = _first_invalid(column)
        advice = _advise_on_weight(name, value, weights)
        raise TrainingError(f"{name} came to {value:g} on {place}{advice}")
    return means


def _advise_on_weight(name: str, value: float, weights: Mapping[str, float]) -> str:
    """The weight that a recipe should give a term that has exploded."""
    weight = weights.get(name)
    if not weight or not math.isfinite(value):
        return ""
    return (
        f"; its weight is {weight:g}, {weight / abs(value):.0e} would bring it to 1, "
        "and a term without a weight gets one that trains"
    )


def _first_invalid(column: Tensor) -> float:
    return float(next(value for value in column.tolist() if not abs(value) < EXPLODED))


def _list_files(parts: Sequence[Batch]) -> str:
    files = [file for part in parts for file in part.files]
    return ", ".join(files[:8]) + (f" and {len(files) - 8} more" if files[8:] else "")


def split_batch(batch: Batch, count: int) -> list[Batch]:
    """A batch as ``count`` parts of equal size."""
    size = len(batch.files) // count
    starts = range(0, size * count, size)
    return [batch.select(slice(start, start + size)) for start in starts]
