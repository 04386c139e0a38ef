"""What a run tells whoever watches it, and how it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class TrainingEvent:
    """What a run tells whoever watches it.

    Attributes:
        rate: steps per second since the last moment; ``left`` seconds to the end at that rate.
        losses: weighted terms of the last step; empty where there is only something to say.
        measured: the newest validation.
        words: something to say once, in one line.
    """

    step: int
    total: int
    rate: float = 0.0
    left: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    words: str = ""


Watch = Callable[[TrainingEvent], None]


@dataclass(frozen=True)
class Outcome:
    """How a call of :func:`~mendpix.training.train` ended.

    Attributes:
        folder: the run folder; ``mendpix fill --model`` takes it.
        finished: whether the recipe's last step was reached.
        why: what stopped it otherwise.
    """

    folder: Path
    step: int
    finished: bool
    why: str
    measured: dict[str, float]
