"""Filling many files: planned before any work, then one by one or in several processes."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mendpix.errors import MendError
from mendpix.inpainting.filling import FillOutcome, FillTask, fail, fill_file
from mendpix.inpainting.options import FillSettings
from mendpix.inpainting.registry import Filler, choose_parts, open_filler
from mendpix.io import files
from mendpix.io.formats import FORMATS
from mendpix.io.header import count_pixels
from mendpix.io.pairing import ENDING, Pairing
from mendpix.types import Progress, processors, sub_range

FillFunction = Callable[..., FillOutcome]
"""Takes a task, settings, a filler and a callback, as :func:`fill_file` does."""

Fills = Generator[tuple[FillTask, FillOutcome], None, None]
"""Each task with its outcome, as they end; closing it ends what is under way."""

PROCESS_BYTES = 250 << 20
PIXEL_BYTES = 70


def plan(
    pairing: Pairing, out: Path | None, force: bool = False, save_hole: Path | None = None
) -> list[FillTask]:
    """Where every fill goes, refused before any work if something precious would be lost.

    Args:
        out: a file, or a folder for copies of the photos' names; None: beside each photo, with
            ``-filled`` added to its stem.
        save_hole: a file, or a folder for the holes, named like the photos (PNG); None: none.

    Raises:
        MendError: an output that is one of the photos or masks, one file for many photos, or
            (beside the photo) an output that is there already, without ``force``.
    """
    tasks = [
        FillTask(
            photo,
            mask,
            _choose_out(photo, out, pairing),
            _choose_hole_file(photo, save_hole, pairing),
        )
        for photo, mask in pairing.pairs
    ]
    inputs = [path for pair in pairing.pairs for path in pair]
    files.check_outputs([path for task in tasks for path in (task.out, task.hole)], inputs)
    for task in tasks:
        if task.out is None and not force and task.photo.is_file():
            _check_free(task.photo)
    return tasks


def _choose_out(photo: Path, out: Path | None, pairing: Pairing) -> Path | None:
    """The file to write; below a folder that is searched with its subfolders, in the same one."""
    if out is None:
        return None
    many = pairing.many
    if many and (out.is_file() or (not out.is_dir() and out.suffix.lower() in FORMATS)):
        raise MendError(f"{out} is one file but {photo.parent} holds many photos; name a folder")
    if not (many or out.is_dir()):
        return out
    below = photo.parent.relative_to(pairing.root) if pairing.root else Path()
    return out / below / _writable_name(photo)


def _choose_hole_file(photo: Path, save_hole: Path | None, pairing: Pairing) -> Path | None:
    """The hole's file: what is named for one photo, for many a PNG of the photo's name."""
    if save_hole is None or not (pairing.many or save_hole.is_dir()):
        return save_hole
    if save_hole.suffix.lower() == ".png" and not save_hole.is_dir():
        raise MendError(f"{save_hole} is one file but there are many photos; name a folder")
    below = photo.parent.relative_to(pairing.root) if pairing.root else Path()
    return save_hole / below / f"{photo.stem}.png"


def _writable_name(photo: Path) -> str:
    """The photo's name, with an extension that can be written."""
    keeps = photo.suffix.lower() in FORMATS
    return photo.name if keeps else f"{photo.stem}.png"


def _check_free(photo: Path) -> None:
    stem = photo.stem + ENDING
    for path in (photo.with_stem(stem), photo.with_name(f"{stem}.png")):
        if path.exists():
            raise MendError(f"{path} is there already; replace it with --force, or name an --out")


def run(
    tasks: Sequence[FillTask],
    settings: FillSettings,
    workers: int = 1,
    progress: Progress | None = None,
    *,
    memory: int | None = None,
    fill: FillFunction = fill_file,
) -> Fills:
    """Fill all tasks, in the order in which they end; one that fails does not stop the rest.

    Args:
        workers: processes to use; each gets its share of the threads.
        progress: called with the share of all the work that is done.
        memory: bytes that the pictures under way may take together, by an estimate; a larger
            picture is filled alone.
        fill: what fills one picture; it must be picklable.

    Raises:
        MendError: no such filler.
    """
    workers = min(workers, len(tasks))
    settings = choose_parts(settings)
    filler = open_filler(settings)  # before the first picture: a wrong name fails here
    if workers <= 1:
        return _fill_in_turn(tasks, settings, filler, fill, progress)
    filler.prepare()  # kernels compile once, not once per process
    threads = max(1, (settings.runtime.threads or processors()) // workers)
    settings = replace(settings, runtime=replace(settings.runtime, threads=threads))
    return _share_out(tasks, (settings, fill), workers, progress, memory)


def _fill_in_turn(
    tasks: Sequence[FillTask],
    settings: FillSettings,
    filler: Filler,
    fill: FillFunction,
    progress: Progress | None,
) -> Fills:
    for index, task in enumerate(tasks):
        part = sub_range(progress, index / len(tasks), 1 / len(tasks))
        yield task, fill(task, settings, filler, part)


def _share_out(
    tasks: Sequence[FillTask],
    shared: tuple[FillSettings, FillFunction],
    count: int,
    progress: Progress | None,
    memory: int | None,
) -> Fills:
    """The tasks in several processes; one that dies is one picture that failed."""
    from mendpix.inpainting import workers  # here: one picture should not wait for it

    backlog = workers.Backlog(tasks)
    if memory is not None:
        backlog = workers.Backlog(tasks, estimate_memory, memory)
    results = workers.share_out(_start_worker, shared, tasks, count, backlog)
    with contextlib.closing(results):
        for done, (task, result) in enumerate(results, 1):
            if isinstance(result, workers.Death):
                result = fail(task, f"{result}; fill it again with fewer --workers")
            yield task, result
            if progress is not None:
                progress(done / len(tasks))


def _start_worker(shared: tuple[FillSettings, FillFunction]) -> Callable[[FillTask], FillOutcome]:
    """What each process does with its tasks."""
    settings, fill = shared
    return partial(fill, settings=settings, filler=open_filler(settings))


def estimate_memory(task: FillTask) -> float:
    """Bytes that a process takes to fill a picture, by the size in the file's header.

    Measured with the model "auto": 1040 MiB at 12 megapixels, 1479 at 22.
    """
    return PROCESS_BYTES + PIXEL_BYTES * count_pixels(task.photo)
