"""Training: from a folder of pictures and a recipe to weights that fill."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import nn

from mendpix.errors import TrainingError
from mendpix.training import (
    checkpoint,
    initialization,
    memory_estimate,
    objective,
    schedule,
    system_memory,
)
from mendpix.training import run_directory as folders
from mendpix.training.distributed import PRECISIONS, synced
from mendpix.training.events import Outcome, TrainingEvent, Watch
from mendpix.training.hole_sampling import drawer
from mendpix.training.loop import Run
from mendpix.training.objective import Objective
from mendpix.training.photos import Photos, gather, shared
from mendpix.training.progress_display import Display
from mendpix.training.recipe import Recipe
from mendpix.training.recipe_io import about, diff, fields, parse, read, shipped, text
from mendpix.training.run_directory import Folder
from mendpix.training.sources import is_pipe

__all__ = [
    "Display",
    "Outcome",
    "Recipe",
    "TrainingEvent",
    "about",
    "diff",
    "fields",
    "parse",
    "read",
    "shipped",
    "text",
    "train",
]

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
    watch: Watch = lambda moment: None,
) -> Outcome:
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
        watch: is told how the run goes.

    Raises:
        MendError: anything the user can put right, before time is spent where possible.
    """
    if recipe is None:
        recipe = initialization.own_recipe(Path(out), resume)
    chosen = recipe if isinstance(recipe, Recipe) else read(recipe, overrides, sets)
    if start_from is not None:
        chosen = chosen.model_copy(update={"from_weights": str(start_from)})
    folder = Folder(Path(out))
    folders.check_writable(folder.path)
    chosen = initialization.completed(chosen)
    fabric = _fabric(chosen, devices, nodes, accelerator)
    saved = _saved(folder, chosen, fabric, resume)
    network, terms, room = _players(fabric, chosen, saved is None)
    pictures = _gathered(fabric, Path(photos), chosen, room, devices)
    torch.manual_seed(chosen.seed + fabric.global_rank)  # dropout and noise differ by process
    run = Run(fabric, chosen, pictures, folder, network, terms, watch)
    if saved is not None:
        run.resume(saved)
    elif fabric.is_global_zero:
        folder.begin(chosen)
    fabric.barrier()
    _tell(run, pictures, resume)
    return run.train(max_minutes)


def _fabric(recipe: Recipe, devices: int, nodes: int, accelerator: str) -> Fabric:
    if recipe.precision == "16" and (accelerator == "cpu" or not torch.cuda.is_available()):
        raise TrainingError("precision=16 needs a CUDA GPU; use bf16 or 32 here")
    parts = devices * nodes * recipe.accumulate
    if recipe.batch % parts:
        raise TrainingError(
            f"a batch of {recipe.batch} cannot be shared by {devices * nodes} processes in "
            f"{recipe.accumulate} parts each; make it a multiple of {parts}"
        )
    strategy = "auto" if devices * nodes == 1 else "ddp"
    fabric = Fabric(
        accelerator=accelerator,
        strategy=strategy,
        devices=devices,
        num_nodes=nodes,
        precision=PRECISIONS[recipe.precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def _saved(
    folder: Folder, recipe: Recipe, fabric: Fabric, resume: bool
) -> Mapping[str, Any] | None:
    """The state to go on from, of this very recipe; None for a run that begins."""
    if not resume:
        folder.check_free()
        return None
    saved = checkpoint.load(folder.state)
    folders.check_same(saved, recipe, fabric.world_size)
    return saved


def _players(fabric: Fabric, recipe: Recipe, fresh: bool) -> tuple[nn.Module, Objective, int]:
    """The network and the terms, all processes alike, and the bytes left for pictures.

    Built before any picture is read: a recipe that makes no sense costs no time.
    """
    torch.manual_seed(recipe.seed)
    network = objective.network(recipe)
    terms = objective.build(recipe)
    drawer(recipe, network)
    if recipe.from_weights and fresh:
        initialization.copy_weights(network, recipe)
    network = synced(network, fabric)
    synced(terms, fabric)  # in place, below the top
    room = system_memory.NO_LIMIT
    if fabric.device.type == "cpu":
        room = memory_estimate.check(recipe, network, terms, fabric.world_size)
    for phase in recipe.stretches:
        schedule.enter(phase, network)
    return network, terms, room


def _gathered(fabric: Fabric, photos: Path, recipe: Recipe, room: int, local: int) -> Photos:
    """The pictures; a pipe is read by one process for all on its machine."""
    free = system_memory.available() or system_memory.NO_LIMIT
    room = min(room, round(free * system_memory.SHARE))
    if fabric.world_size == 1 or not is_pipe(photos):
        return gather(photos, recipe, processes=local, room=room)
    found = gather(photos, recipe, processes=local) if fabric.local_rank == 0 else None
    fabric.barrier()
    return found or shared(photos, recipe)


def _tell(run: Run, photos: Photos, resumed: bool) -> None:
    """Say once what the run works with; the log keeps every file that was left out."""
    if not run.fabric.is_global_zero:
        return
    for file, why in photos.skipped.items():
        run.folder.log({"step": run.step, "skipped": file, "why": why})
    words = f"{len(photos.train)} pictures to train on, {len(photos.held_out)} held out"
    if photos.skipped:
        words += f", {len(photos.skipped)} left out (log.jsonl says why)"
    for said in (words, *photos.words):
        run.watch(TrainingEvent(run.step, run.recipe.total, words=said))
    if run.lpips is None:
        why = "no LPIPS (small pictures, or 'mendpix weights get alexnet'): best goes by hole L1"
        run.watch(TrainingEvent(run.step, run.recipe.total, words=why))
    if resumed:
        run.watch(TrainingEvent(run.step, run.recipe.total, words=f"resumed after step {run.step}"))
