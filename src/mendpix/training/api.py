"""Training: from a folder of pictures and a recipe to weights that fill."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch

from mendpix.training import initialization, run_setup
from mendpix.training import run_directory as directories
from mendpix.training.default_weights import resolve_weights
from mendpix.training.events import EventCallback, TrainingResult
from mendpix.training.loop import TrainingLoop
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_io import read_recipe
from mendpix.training.run_directory import RunDirectory
from mendpix.training.run_log import RunLog
from mendpix.training.tensorboard import EventFile, check_available

Accelerator = Literal["auto", "cpu", "cuda", "mps"]


def train(
    photos: Path | str,
    out: Path | str,
    recipe: str | Path | Recipe | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    resume: bool = False,
    start_from: Path | str | None = None,
    max_minutes: float | None = None,
    devices: int = 1,
    nodes: int = 1,
    accelerator: Accelerator = "auto",
    tensorboard: bool | None = None,
    watch: EventCallback = lambda event: None,
) -> TrainingResult:
    """Train a recipe's network on a folder of pictures.

    Args:
        photos: any folder tree of pictures and tar shards, or one shard or pipe; a
            ``manifest.csv`` in the folder names licences.
        out: the run folder: recipe, log, sheets, ``best`` and ``last`` weights, state.
        recipe: a name, a TOML file, or a :class:`Recipe`; a run that is resumed has its own.
        overrides: ``steps``, ``batch``, ``size``, ``lr``, ``seed``, ``precision``; None changes
            nothing. A size changes ``data.short_side`` in proportion.
        sets: ``"losses.style=60"``: any field.
        resume: go on with the run in ``out``, exactly as if it had never stopped.
        start_from: weights to start from, of the recipe's network.
        max_minutes: stop after this long, with the state saved.
        devices, nodes: processes on each machine, and machines.
        tensorboard: write TensorBoard's event files; None: where it is installed.
        watch: called with progress and messages.

    Raises:
        MendError: anything the user can put right, before time is spent where possible.
    """
    recipe = _resolve_recipe(recipe, Path(out), overrides, sets, resume, start_from)
    directory = RunDirectory(Path(out))
    directories.check_writable(directory.path)
    writes_events = check_available(tensorboard)
    recipe, notices = resolve_weights(initialization.resolve_network(recipe))

    fabric = run_setup.launch_fabric(recipe, devices, nodes, accelerator)
    with directory.lock() if fabric.is_global_zero else nullcontext():
        fabric.barrier()  # the others wait until the first has the folder
        saved = run_setup.load_state(directory, recipe, fabric, resume)
        models = run_setup.prepare_models(fabric, recipe, is_new=saved is None)
        room = run_setup.check_models(fabric, recipe, models)
        pictures = run_setup.read_pictures(fabric, Path(photos), recipe, room, devices)

        torch.manual_seed(recipe.seed + fabric.global_rank)  # dropout and noise differ by process
        samples = run_setup.build_samples(fabric, recipe, pictures, models)
        state = run_setup.build_state(fabric, recipe, pictures, models)
        if saved is not None:
            state.load_state_dict(saved)
        if fabric.is_global_zero:
            directory.create(recipe) if saved is None else directory.truncate_log(state.step)
        fabric.barrier()

        event_file = (
            EventFile(directory.path / "tensorboard", state.step) if writes_events else None
        )
        log = RunLog(directory, recipe.total, watch, fabric.is_global_zero, event_file)
        loop = TrainingLoop(state, samples, directory, log)
        pictures.notices.extend(notices)
        if saved is not None:
            loop.complete_save()
        run_setup.report_start(log, pictures, state.step, resume, lpips=loop.lpips is not None)
        try:
            return loop.train(max_minutes)
        finally:
            log.close()


def _resolve_recipe(
    recipe: str | Path | Recipe | None,
    out: Path,
    overrides: Mapping[str, Any] | None,
    sets: Sequence[str],
    resume: bool,
    start_from: Path | str | None,
) -> Recipe:
    """The recipe with everything that the caller changes in it."""
    if recipe is None:
        recipe = initialization.find_run_recipe(out, resume)
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe, overrides, sets)
    if start_from is None:
        return recipe
    return recipe.model_copy(update={"from_weights": str(start_from)})
