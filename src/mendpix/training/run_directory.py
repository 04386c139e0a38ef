"""The run folder: recipe, log, sample sheets, weights with their card, state."""

import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mendpix import __version__
from mendpix.errors import TrainingError
from mendpix.networks import serialization
from mendpix.training import checkpoint
from mendpix.training.provenance import accounted
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_toml import written
from mendpix.training.samples import Photos

FREE = {"log_every", "sheet_every", "save_every", "from_weights"}
"""Fields that may change when a run is resumed: the weights do not depend on them."""


class Folder:
    """A run's files, under one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.log_file = path / "log.jsonl"

    def check_free(self) -> None:
        """Refuse to begin where there is a run.

        Raises:
            TrainingError: it holds one already.
        """
        if checkpoint.exists(self.state) or self.log_file.exists():
            raise TrainingError(
                f"{self.path} holds a run already; go on with it by --resume, or name another --out"
            )

    def begin(self, recipe: Recipe) -> None:
        """Make the folder and write the resolved recipe.

        Raises:
            TrainingError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            text = written(recipe.model_dump(mode="json"))
            (self.path / "recipe.toml").write_text(text, encoding="utf-8")
        except OSError as problem:
            raise TrainingError(f"{self.path} cannot be written: {problem.strerror}") from None

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a line to ``log.jsonl``."""
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def cut_log(self, step: int) -> None:
        """Drop what was logged after a step: a killed run had come further than its state."""
        if not self.log_file.exists():
            return
        kept = [line for line in self._lines() if _step_of(line) <= step]
        draft = self.log_file.with_suffix(".draft")
        draft.write_text("".join(kept), encoding="utf-8")
        draft.replace(self.log_file)

    def _lines(self) -> list[str]:
        lines = self.log_file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if line.endswith("\n")]  # the last may be torn

    def save_weights(self, name: str, network: nn.Module, card: Mapping[str, Any]) -> Path:
        """Write ``NAME.safetensors`` with its card."""
        return serialization.save(self.path / f"{name}.safetensors", network, card)


def _step_of(line: str) -> int:
    return int(json.loads(line).get("step", 0))


def card(
    recipe: Recipe,
    photos: Photos,
    read: Sequence[str],
    step: int,
    measured: Mapping[str, float],
    features: Mapping[str, str],
) -> dict[str, Any]:
    """What the weights say of how they were made, every picture read named with its
    licence and hash.

    ``features`` names the frozen networks that the losses looked through, with their hashes.
    """
    return {
        "recipe": recipe.model_dump(mode="json"),
        "steps": step,
        "validation": dict(measured),
        "features": dict(features),
        "data": {
            "folder": photos.name,
            "held_out": len(photos.held_out),
            "skipped": len(photos.skipped),
            **accounted(photos.folder, read, photos.digests),
        },
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def check_same(saved: Mapping[str, Any], recipe: Recipe, processes: int) -> None:
    """Refuse to resume what would not go on as if it had never stopped.

    Raises:
        TrainingError: another version, recipe or number of processes; names the first difference.
    """
    if saved["version"] != __version__:
        raise TrainingError(
            f"the run was made by mendpix {saved['version']}, this is {__version__}; "
            "use that version, or start a new run with --from"
        )
    before, now = _compared(saved["recipe"]), _compared(recipe.model_dump(mode="json"))
    for key in now:
        if before.get(key) != now[key]:
            raise TrainingError(
                f"the run's recipe has {key} = {_short(before.get(key))} but this one has "
                f"{_short(now[key])}; resume without changing it, or start a new run with --from"
            )
    if len(saved["random"]) != processes:
        raise TrainingError(
            f"the run was made by {len(saved['random'])} process(es) but this one has "
            f"{processes}; use as many --devices"
        )


def _compared(tables: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's fields that weights depend on; what an older one did not have is the default."""
    filled = Recipe.model_validate(tables).model_dump(mode="json")
    if filled["data"]["cache"] != "device":  # memory, disk and files give the same pictures
        filled["data"]["cache"] = "any"
    return {key: value for key, value in filled.items() if key not in FREE}


def check_pictures(saved: Mapping[str, Any], photos: Photos) -> None:
    """Refuse to resume with other pictures.

    Raises:
        TrainingError: says how many came and went.
    """
    if saved["files"] != [photos.train, photos.held_out]:
        was = {file for side in saved["files"] for file in side}
        is_now = {*photos.train, *photos.held_out}
        raise TrainingError(
            f"the pictures changed since: {len(is_now - was)} added, {len(was - is_now)} gone; "
            "put them back, or start a new run with --from"
        )


def _short(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) < 60 else f"{shown[:57]}..."


def check_writable(path: Path) -> None:
    """Refuse a run folder that cannot be made, before any time is spent: a file is tried.

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
