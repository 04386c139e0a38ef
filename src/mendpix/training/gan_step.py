"""The adversarial two-step, for any objective: first the discriminators learn, then the network.

An objective without discriminators skips the first half. Gradients are averaged over processes by
:func:`.processes.average`, for both players alike: no wrapper hides whose are exchanged.
"""

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
from mendpix.training.distributed import average, gathered
from mendpix.training.objective import Objective
from mendpix.training.samples import Batch

Losses = dict[str, Tensor]

EXPLODED = 1e10
"""No weighted term of a run that learns comes near this."""


@dataclass
class OptimizedModule:
    """Who learns: modules, their optimiser, and the largest norm of their gradients."""

    module: nn.Module
    optimiser: Any
    clip: float = 0.0

    def learn(self, fabric: Fabric) -> Tensor:
        """One step of the optimiser with the gradients at hand; returns their norm."""
        average(fabric, self.module.parameters())
        limit = self.clip or float("inf")
        norm = fabric.clip_gradients(
            self.module, self.optimiser, max_norm=limit, error_if_nonfinite=False
        )
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        assert norm is not None
        return norm.detach()


@dataclass
class StepResult:
    """What a step came to: weighted terms and discriminators' prices, gradient norms, shares."""

    losses: dict[str, float] = field(default_factory=dict)
    norms: Losses = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)


@dataclass
class Game:
    """The two players and what they play for."""

    fabric: Fabric
    network: nn.Module
    objective: Objective
    maker: OptimizedModule
    judges: OptimizedModule | None

    def step(
        self, parts: Sequence[Batch], weights: Mapping[str, float], look: bool = False
    ) -> StepResult:
        """One step of training on a batch, cut into parts of equal size.

        The network predicts a part once for both halves; where there are several, it predicts
        again for the second half instead of holding all graphs at once.

        Args:
            look: also measure each term's share of the gradient at the output.

        Raises:
            TrainingError: a term is not finite or has exploded; the network did not learn from it.
        """
        turn = StepResult()
        made = self._look(parts[0]) if len(parts) == 1 else None
        if made is not None:  # one pass through a frozen network serves both halves
            self.objective.announce(made, weights)
        if self.judges is not None and self._plays(weights):
            judged = self._judges_turn(parts, made, weights)
            turn.losses.update(checked(self.fabric, judged, parts))
            turn.norms["discriminators"] = self.judges.learn(self.fabric)
        made_losses = self._makers_turn(parts, made, weights, turn, look)
        turn.losses.update(checked(self.fabric, made_losses, parts))
        turn.norms["network"] = self.maker.learn(self.fabric)
        return turn

    def players(self) -> list[OptimizedModule]:
        """The network first, then the discriminators where there are any."""
        return [self.maker] if self.judges is None else [self.maker, self.judges]

    def predict(self, batch: Batch) -> Prediction:
        """The network's prediction, ready for gradients."""
        with self.fabric.autocast():
            prediction: Prediction = self.network(batch.shown, batch.hole)
        return prediction

    def _look(self, part: Batch) -> LossInputs:
        """The network's prediction of a part beside what is true."""
        prediction = self.predict(part)
        with self.fabric.autocast():
            return objective.scene(prediction, part.photo, part.hole)

    def _plays(self, weights: Mapping[str, float]) -> bool:
        return any(True for _ in self.objective.players(weights))

    def _judges_turn(
        self, parts: Sequence[Batch], made: LossInputs | None, weights: Mapping[str, float]
    ) -> Losses:
        means: Losses = {}
        for part in parts:
            with torch.no_grad():
                scene = made or self._look(part)
            with self.fabric.autocast():
                losses = self.objective.discriminate(scene, weights)
            self._back(
                {f"{name}/discriminator": v for name, v in losses.items()}, len(parts), means
            )
        return means

    def _makers_turn(
        self,
        parts: Sequence[Batch],
        made: LossInputs | None,
        weights: Mapping[str, float],
        turn: StepResult,
        look: bool,
    ) -> Losses:
        means: Losses = {}
        for part in parts:
            scene = made or self._look(part)
            with self.fabric.autocast():
                losses = self.objective.judge(scene, weights)
            if look and not turn.shares:
                turn.shares = objective.shares(scene, losses)
            self._back(losses, len(parts), means)
        return means

    def _back(self, losses: Losses, count: int, means: Losses) -> None:
        """Gradients of the sum; what each term came to is added to the means."""
        total = torch.stack([loss.reshape(()) for loss in losses.values()]).sum() / count
        if total.requires_grad:
            self.fabric.backward(total)
        for name, loss in losses.items():
            means[name] = means.get(name, 0) + loss.detach() / count


def checked(fabric: Fabric, losses: Losses, parts: Sequence[Batch]) -> dict[str, float]:
    """The losses as numbers, each the mean over all processes.

    Raises:
        TrainingError: one is not finite or has exploded; names it and the batch's files. All
            processes stop together, so that none waits for another's gradients.
    """
    values = torch.stack([loss.reshape(()).float() for loss in losses.values()])
    table = gathered(fabric, values)
    means = dict(zip(losses, table.mean(0).tolist(), strict=True))
    for name, column in zip(losses, table.T, strict=True):
        if bool((column.abs() < EXPLODED).all()):
            continue
        own = float(column[fabric.global_rank])
        if abs(own) < EXPLODED:
            raise TrainingError(f"{name} came to {_worst(column):g} on another process")
        raise TrainingError(f"{name} came to {own:g} on {_named(parts)}")
    return means


def _worst(column: Tensor) -> float:
    return float(next(value for value in column.tolist() if not abs(value) < EXPLODED))


def _named(parts: Sequence[Batch]) -> str:
    files = [file for part in parts for file in part.files]
    return ", ".join(files[:8]) + (f" and {len(files) - 8} more" if files[8:] else "")


def is_out_of_memory(problem: RuntimeError) -> bool:
    """Whether memory was what a step lacked; not every accelerator has an error of its own."""
    return isinstance(problem, torch.OutOfMemoryError) or "out of memory" in str(problem)


def fitting(game: Game, part: Batch, weights: Mapping[str, float]) -> int:
    """How many of a part's pictures fit the device at once, by trying; 0 where none does.

    The network learns from what is tried: for runs that end here.
    """
    size = len(part.files)
    while size > 1:
        size //= 2
        for player in game.players():
            player.optimiser.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            game.step([part.part(slice(0, size))], weights)
        except RuntimeError as problem:
            if not is_out_of_memory(problem):
                raise
            continue
        return size
    return 0


def cut(batch: Batch, count: int) -> list[Batch]:
    """A batch as ``count`` parts."""
    size = len(batch.files) // count
    places = range(0, size * count, size)
    return [batch.part(slice(at, at + size)) for at in places]
