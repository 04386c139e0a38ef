"""The run folder: its recipe, log, weights with their card, and what may resume it."""

import json
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from mendpix import __version__
from mendpix.errors import TrainingError
from mendpix.io.atomic import DRAFTS, atomic_write
from mendpix.networks import serialization
from mendpix.training import checkpoint
from mendpix.training.photos import PhotoSet
from mendpix.training.provenance import describe_pictures
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_io import format_recipe
from mendpix.weights import cards

CHANGEABLE = {"log_every", "sheet_every", "save_every", "from_weights"}
"""Fields that may change when a run is resumed: the weights do not depend on them."""

LOCK = "lock"
"""Of the folder of states: held while a process trains."""


class RunDirectory:
    """A run's files, under one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.log_file = path / "log.jsonl"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out while the block runs; a process that dies lets go of it.

        Raises:
            TrainingError: another process trains there, or the folder cannot be written.
        """
        made = [path for path in (self.state, self.path) if not path.exists()]
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            held = FileLock(self.state / LOCK).acquire(timeout=0)
        except Timeout:
            raise TrainingError(
                f"{self.path} is in use by another process that trains; "
                "wait until it has ended, or name another --out"
            ) from None
        except OSError as problem:
            raise TrainingError(f"{self.path} cannot be written: {problem.strerror}") from None
        try:
            with held:
                for draft in self.path.rglob(DRAFTS):  # of processes that were killed
                    draft.unlink(missing_ok=True)
                yield
        finally:
            if made and list(self.state.iterdir()) == [self.state / LOCK]:
                (self.state / LOCK).unlink()
            for path in made:
                with suppress(OSError):  # nothing was written there: it is gone as before
                    path.rmdir()

    def check_unused(self) -> None:
        """Refuse to begin where there is a run; one that was killed before its first state is none.

        Raises:
            TrainingError: it holds one already.
        """
        if checkpoint.exists(self.state) and checkpoint.load(self.state)["step"] > 0:
            raise TrainingError(
                f"{self.path} holds a run already; go on with it by --resume, or name another --out"
            )
        if (self.path / "last.safetensors").exists():  # it is written after the first state
            raise TrainingError(
                f"{self.path} holds the weights of a run without its state; name another --out"
            )

    def create(self, recipe: Recipe) -> None:
        """Make the folder and write the resolved recipe.

        Raises:
            TrainingError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for leftover in (self.log_file, self.path / "best.safetensors"):
                leftover.unlink(missing_ok=True)  # of a run that was killed before its first state
            with atomic_write(self.path / "recipe.toml") as draft:
                draft.write_text(format_recipe(recipe), encoding="utf-8")
        except OSError as problem:
            raise TrainingError(f"{self.path} cannot be written: {problem.strerror}") from None

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a line to ``log.jsonl``."""
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def truncate_log(self, step: int) -> None:
        """Drop what was logged after a step: a killed run had come further than its state."""
        if not self.log_file.exists():
            return
        lines = [line for line in self._read_lines() if _parse_step(line) <= step]
        with atomic_write(self.log_file) as draft:
            draft.write_text("".join(lines), encoding="utf-8")

    def _read_lines(self) -> list[str]:
        lines = self.log_file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if line.endswith("\n")]  # the last may be torn

    def save_weights(self, name: str, network: nn.Module, card: Mapping[str, Any]) -> Path:
        """Write ``NAME.safetensors`` with its card."""
        return serialization.save(self.path / f"{name}.safetensors", network, card)

    def read_last_step(self) -> int | None:
        """The step of the ``last`` weights; None where there are none."""
        path = self.path / "last.safetensors"
        return int(cards.read_card(path)["steps"]) if path.exists() else None


def _parse_step(line: str) -> int:
    return int(json.loads(line).get("step", 0))


def build_card(
    recipe: Recipe,
    photos: PhotoSet,
    files: Sequence[str],
    step: int,
    validation: Mapping[str, float],
    features: Mapping[str, str],
) -> dict[str, Any]:
    """The card of a run's weights: how they were made, with every picture's licence and hash.

    ``features`` names the frozen networks that the losses looked through, with their hashes.
    """
    return {
        "recipe": recipe.model_dump(mode="json"),
        "steps": step,
        "validation": dict(validation),
        "features": dict(features),
        "data": {
            "folder": photos.name,
            "held_out": len(photos.held_out),
            "skipped": len(photos.skipped),
            **describe_pictures(photos.folder, files, photos.digests),
        },
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def check_resumable(saved: Mapping[str, Any], recipe: Recipe, processes: int) -> None:
    """Refuse to resume a run that would not go on as if it had never stopped.

    Raises:
        TrainingError: another version, recipe or number of processes; names the first difference.
    """
    if saved["version"] != __version__:
        raise TrainingError(
            f"the run was made by mendpix {saved['version']}, this is {__version__}; "
            "use that version, or start a new run with --from"
        )
    before, now = (
        _list_comparable_fields(saved["recipe"]),
        _list_comparable_fields(recipe.model_dump(mode="json")),
    )
    for key in now:
        if before.get(key) != now[key]:
            raise TrainingError(
                f"the run's recipe has {key} = {_abbreviate(before.get(key))} but this one has "
                f"{_abbreviate(now[key])}; resume without changing it, "
                "or start a new run with --from"
            )
    if len(saved["random"]) != processes:
        raise TrainingError(
            f"the run was made by {len(saved['random'])} process(es) but this one has "
            f"{processes}; use as many --workers"
        )


def _list_comparable_fields(tables: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's fields that weights depend on; a field that an older one lacks has its default."""
    fields = Recipe.model_validate(tables).model_dump(mode="json")
    if fields["data"]["cache"] != "device":  # memory, disk and files give the same pictures
        fields["data"]["cache"] = "any"
    return {key: value for key, value in fields.items() if key not in CHANGEABLE}


def check_pictures(saved: Mapping[str, Any], photos: PhotoSet) -> None:
    """Refuse to resume with other pictures.

    Raises:
        TrainingError: says how many came and went.
    """
    if saved["files"] != [photos.train, photos.held_out]:
        was = {file for side in saved["files"] for file in side}
        now = {*photos.train, *photos.held_out}
        raise TrainingError(
            f"the pictures changed since: {len(now - was)} added, {len(was - now)} gone; "
            "put them back, or start a new run with --from"
        )


def _abbreviate(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def check_writable(path: Path) -> None:
    """Refuse a run folder that cannot be written, by writing a file, before any time is spent.

    Raises:
        TrainingError: names the folder that stands in the way.
    """
    nearest = next(folder for folder in (path, *path.resolve().parents) if folder.exists())
    if not nearest.is_dir():
        raise TrainingError(f"{nearest} is a file; name a folder for the run")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError:
        raise TrainingError(
            f"{nearest} cannot be written; name another folder for the run"
        ) from None
