"""The state of a run on disk: whole or not there, with the one before it kept until then."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mendpix.errors import TrainingError
from mendpix.io.atomic import atomic_write

CURRENT, PREVIOUS = "current.pt", "previous.pt"


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a state; a process killed at any moment leaves the new one or the one before.

    Raises:
        TrainingError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        with atomic_write(folder / CURRENT) as draft:
            with draft.open("wb") as file:  # given a path, torch writes its name into the file
                torch.save(dict(state), file)
            if (folder / CURRENT).exists():
                (folder / CURRENT).replace(folder / PREVIOUS)
    except OSError as problem:
        raise TrainingError(f"state in {folder} cannot be saved: {problem.strerror}") from None


def _remove_leftovers(folder: Path) -> None:
    """Remove the drafts of processes that were killed: each is as large as a state."""
    for path in folder.glob("*.pt"):
        if path.name not in (CURRENT, PREVIOUS):
            path.unlink(missing_ok=True)


def exists(folder: Path) -> bool:
    """Whether there is a state to resume from."""
    return any((folder / name).is_file() for name in (CURRENT, PREVIOUS))


def load(folder: Path) -> dict[str, Any]:
    """The newest whole state.

    Raises:
        TrainingError: there is none that can be read.
    """
    problems = []
    for name in (CURRENT, PREVIOUS):
        if not (folder / name).is_file():
            continue
        try:
            state = torch.load(folder / name, map_location="cpu", weights_only=True)
        except Exception as problem:  # torch raises many kinds for a damaged file
            problems.append(f"{name}: {str(problem).splitlines()[0]}")
            continue
        return dict(state)
    reason = "; ".join(problems) or "it holds none"
    raise TrainingError(f"{folder} has no state to resume from ({reason}); start a new run")


def get_random_state() -> dict[str, Tensor]:
    """The state of torch's generators, on the CPU and on the current accelerator."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_state(states: Mapping[str, Tensor]) -> None:
    """Set torch's generators to a state of before."""
    # Copies: torch reads a slice of a larger tensor, such as one process's of all, from its start.
    torch.set_rng_state(states["cpu"].clone())
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].clone())
