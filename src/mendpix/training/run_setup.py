"""The parts of :func:`.api.train`'s set-up: processes, a saved state, models, pictures, samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from mendpix.errors import TrainingError
from mendpix.training import (
    checkpoint,
    device_cache,
    initialization,
    memory_estimate,
    run_directory,
    schedule,
    system_memory,
)
from mendpix.training.device_cache import DevicePictures
from mendpix.training.distributed import PRECISIONS, synchronize_batch_norms
from mendpix.training.hole_sampling import make_initial_fills
from mendpix.training.models import Models, build_models, prepare_step
from mendpix.training.optimizers import build_average
from mendpix.training.photos import PhotoSet, open_shared_photos, read_photos
from mendpix.training.recipe import Recipe
from mendpix.training.run_directory import RunDirectory
from mendpix.training.run_log import RunLog
from mendpix.training.run_state import RunState
from mendpix.training.samples import Samples
from mendpix.training.sources import is_pipe


def launch_fabric(recipe: Recipe, devices: int, nodes: int, accelerator: str) -> Fabric:
    """Start the run's processes.

    Raises:
        TrainingError: a precision that the device lacks, or a batch they cannot share.
    """
    if recipe.precision == "16" and (accelerator == "cpu" or not torch.cuda.is_available()):
        raise TrainingError("precision=16 needs a CUDA GPU; use bf16 or 32 here")
    parts = devices * nodes * recipe.accumulate
    if recipe.batch % parts:
        raise TrainingError(
            f"a batch of {recipe.batch} cannot be shared by {devices * nodes} processes in "
            f"{recipe.accumulate} parts each; make it a multiple of {parts}"
        )
    fabric = Fabric(
        accelerator=accelerator,
        strategy="auto" if devices * nodes == 1 else "ddp",
        devices=devices,
        num_nodes=nodes,
        precision=PRECISIONS[recipe.precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def load_state(
    directory: RunDirectory, recipe: Recipe, fabric: Fabric, resume: bool
) -> Mapping[str, Any] | None:
    """The state that a run of this very recipe goes on from; None for a run that begins.

    Raises:
        TrainingError: none can be resumed, or there is a run where one should begin.
    """
    if not resume:
        directory.check_unused()
        return None
    saved = checkpoint.load(directory.state)
    run_directory.check_resumable(saved, recipe, fabric.world_size)
    return saved


def prepare_models(fabric: Fabric, recipe: Recipe, is_new: bool) -> Models:
    """The models, the same in all processes, with the weights that a new run starts from.

    Built before any picture is read: a recipe that makes no sense costs no time.

    Raises:
        MendError: a name, option or value that the recipe cannot have, or weights that do not fit.
    """
    network, objective, sample_hole = build_models(recipe)
    if recipe.from_weights and is_new:  # a resumed run's weights are in its state
        initialization.copy_weights(network, recipe)
    network = synchronize_batch_norms(network, fabric)
    synchronize_batch_norms(objective, fabric)  # in place, below the top
    return Models(network, objective, sample_hole)


def check_models(fabric: Fabric, recipe: Recipe, models: Models) -> int:
    """Refuse a step that cannot be taken; return the bytes of memory left for pictures.

    Raises:
        TrainingError: a batch that the CPU's memory cannot hold.
        RecipeError: a phase names parameters that the network does not have.
    """
    room = system_memory.NO_LIMIT
    if fabric.device.type == "cpu":
        network, objective, _ = models
        room = memory_estimate.check(recipe, network, objective, fabric.world_size)
    for phase in recipe.phase_plan:
        schedule.enter_phase(phase, models.network)
    return room


def read_pictures(
    fabric: Fabric, photos: Path, recipe: Recipe, room: int, processes: int
) -> PhotoSet:
    """Read the pictures; a pipe is read by one process for all on its machine.

    Args:
        room: bytes of memory that they may take, at most.
        processes: on this machine.
    """
    free = system_memory.read_available() or system_memory.NO_LIMIT
    room = min(room, round(free * system_memory.CACHE_SHARE))
    if fabric.world_size == 1 or not is_pipe(photos):
        return read_photos(photos, recipe, processes=processes, room=room)
    pictures = None
    if fabric.local_rank == 0:
        pictures = read_photos(photos, recipe, processes=processes)
    fabric.barrier()
    return pictures or open_shared_photos(photos, recipe)


def build_samples(fabric: Fabric, recipe: Recipe, photos: PhotoSet, models: Models) -> Samples:
    """The run's samples, with initial fills and pictures on the device as the recipe says."""
    fills = make_initial_fills(recipe, models.network)
    on_device = None
    if recipe.data.cache == "device":
        if fills is None:
            on_device = _move_pictures(fabric.device, photos)
        else:
            photos.notices.append("first fills are made in memory, so the pictures stay there too")
    return Samples(photos, recipe, models.sample_hole, fills, on_device)


def _move_pictures(device: torch.device, photos: PhotoSet) -> DevicePictures | None:
    pictures = device_cache.move_to_device(photos.pictures, photos.train, device)
    if pictures is None:
        photos.notices.append(
            f"the pictures do not fit {device.type}'s memory and stay in the machine's"
        )
    return pictures


def build_state(fabric: Fabric, recipe: Recipe, photos: PhotoSet, models: Models) -> RunState:
    """The state of a run that begins, its models on the device."""
    gan_step = prepare_step(recipe, models, fabric)
    average = build_average(models.network, recipe.ema)
    return RunState(fabric, recipe, photos, models, gan_step, average)


def report_start(log: RunLog, photos: PhotoSet, step: int, resumed: bool, lpips: bool) -> None:
    """Report what the run works with; the log keeps every file that was left out."""
    for file, why in photos.skipped.items():
        log.write(step, skipped=file, why=why)
    summary = f"{len(photos.train)} pictures to train on, {len(photos.held_out)} held out"
    if photos.skipped:
        summary += f", {len(photos.skipped)} left out (log.jsonl says why)"
    messages = [summary, *photos.notices]
    if not lpips:
        messages.append(
            "no LPIPS (small pictures, or 'mendpix weights get alexnet'): best goes by hole L1"
        )
    if resumed:
        messages.append(f"resumed after step {step}")
    for message in messages:
        log.say(step, message)
