"""What a run reports to its caller while it goes on, and what it returns at its end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class TrainingEvent:
    """Progress of a run, or a message about it.

    Attributes:
        rate: steps per second since the last event with losses.
        seconds_left: time to the end of the run at that rate.
        losses: weighted terms of the last step; empty where there is only a message.
        validation: the newest measurement on held-out pictures.
        message: one line to show once.
    """

    step: int
    total: int
    rate: float = 0.0
    seconds_left: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)
    message: str = ""


EventCallback = Callable[[TrainingEvent], None]


@dataclass(frozen=True)
class TrainingResult:
    """How a call of :func:`~mendpix.training.train` ended.

    Attributes:
        folder: the run folder; ``mendpix fill --model`` takes it.
        finished: whether the recipe's last step was reached.
        reason: what stopped the run otherwise; empty where it finished.
        validation: the newest measurement on held-out pictures.
    """

    folder: Path
    step: int
    finished: bool
    reason: str
    validation: dict[str, float]
