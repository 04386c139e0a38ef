"""Filling files: planned as a whole before any work, then one by one or in several processes."""

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mendpix.errors import MendError, PictureError
from mendpix.inpainting.api import MaskOptions, fill_picture, reading_of, tries
from mendpix.inpainting.patchmatch.thread_pool import processors
from mendpix.inpainting.registry import CheckedFiller, Filler, load, portion
from mendpix.io import conversion
from mendpix.io.pairing import ENDING, Pairing
from mendpix.io.picture import Picture
from mendpix.masks import holes
from mendpix.types import Hole, Progress


@dataclass(frozen=True, slots=True)
class Task:
    """One picture to fill. ``out`` None: beside the photo, in its own format where possible."""

    photo: Path
    mask: Path | None
    out: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What all tasks of one command share."""

    model: str = "auto"
    seed: int = 0
    device: str = "auto"
    mask: MaskOptions = field(default_factory=MaskOptions)
    keep_palette: bool = False
    force: bool = False
    threads: int | None = None
    trust: bool = False
    quality: str = "fast"
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task.

    Attributes:
        out: the file written, or the one that was to be; of several tries the first.
        others: the other tries' files.
        width, height: of the photo as displayed, in pixels.
        hole_ratio: the share of pixels that were missing, in [0, 1].
        seconds: reading, filling and writing, without the start of the program.
        largest_change, mean_change: outside the hole, in the picture's own units; 0 except where
            a lossy format had to be written.
        error: why there is no picture, else "".
    """

    photo: Path
    mask: Path | None
    out: Path | None
    width: int = 0
    height: int = 0
    hole_ratio: float = 0.0
    seconds: float = 0.0
    largest_change: float = 0.0
    mean_change: float = 0.0
    warnings: tuple[str, ...] = ()
    others: tuple[Path, ...] = ()
    error: str = ""


def plan(pairing: Pairing, out: Path | None, force: bool = False) -> list[Task]:
    """Where every fill goes, refused before any work if something precious would be lost.

    Args:
        out: a file, or a folder for copies of the photos' names; None: beside each photo, with
            ``-filled`` added to its stem.

    Raises:
        MendError: an output that is one of the photos or masks, one file for many photos, or
            (beside the photo) an output that is there already, without ``force``.
    """
    tasks = [Task(photo, mask, _place(photo, out, pairing.many)) for photo, mask in pairing.pairs]
    inputs = {os.path.realpath(path) for pair in pairing.pairs for path in pair if path}
    for task in tasks:
        if task.out is not None and os.path.realpath(task.out) in inputs:
            raise MendError(f"{task.out} is a photo or mask of this fill; write to another --out")
        if task.out is None and not force and task.photo.is_file():
            _check_free(task.photo)
    return tasks


def _place(photo: Path, out: Path | None, many: bool) -> Path | None:
    if out is None:
        return None
    if many and (out.is_file() or (not out.is_dir() and out.suffix.lower() in conversion.FORMATS)):
        raise MendError(f"{out} is one file but {photo.parent} holds many photos; name a folder")
    return out / _writable(photo) if many or out.is_dir() else out


def _writable(photo: Path) -> str:
    """The photo's name, with an extension that can be written."""
    keeps = photo.suffix.lower() in conversion.FORMATS
    return photo.name if keeps else f"{photo.stem}.png"


def _check_free(photo: Path) -> None:
    for path in (photo.with_stem(photo.stem + ENDING), _beside(photo, ".png")):
        if path.exists():
            raise MendError(f"{path} is there already; replace it with --force, or name an --out")


def _beside(photo: Path, extension: str) -> Path:
    return photo.with_name(f"{photo.stem}{ENDING}{extension}")


def fill_file(
    task: Task, settings: Settings, filler: Filler, progress: Progress | None = None
) -> Outcome:
    """Read, fill and write one picture.

    Raises:
        MendError: what the user can put right.
    """
    began = time.perf_counter()
    picture = conversion.read(task.photo)
    out = task.out or _beside(
        task.photo, conversion.default_extension(picture, settings.keep_palette)
    )
    outs = numbered(out, settings.tries)
    given = {os.path.realpath(path) for path in (task.photo, task.mask) if path}
    for path in outs:
        if os.path.realpath(path) in given:
            raise MendError(f"{path} is the photo or mask of this fill; write to another --out")
    taken = [path for path in outs if path.exists()]
    if task.out is None and taken and not settings.force:
        raise MendError(f"{taken[0]} is there already; replace it with --force, or name an --out")
    reading = reading_of(task.mask, picture, settings.mask)
    _make(out.parent)
    fills = _fills(picture, reading.hole, filler, settings, progress)
    written = []
    for path, filled in zip(outs, fills, strict=True):
        written.append(conversion.write(path, filled, reading.hole, settings.keep_palette))
    return Outcome(
        task.photo,
        task.mask,
        outs[0],
        width=picture.shape[1],
        height=picture.shape[0],
        hole_ratio=holes.ratio(reading.hole),
        seconds=time.perf_counter() - began,
        largest_change=max(one.largest_change for one in written),
        mean_change=max(one.mean_change for one in written),
        warnings=reading.warnings,
        others=tuple(outs[1:]),
    )


def numbered(out: Path, count: int) -> list[Path]:
    """The files of ``count`` tries: NAME-1.png and so on; of one try, the file itself."""
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{index}{out.suffix}") for index in range(1, count + 1)]


def _fills(
    picture: Picture,
    hole: Hole,
    filler: Filler,
    settings: Settings,
    progress: Progress | None,
) -> Iterator[Picture]:
    opaque = settings.mask.from_alpha
    if settings.tries == 1:
        yield fill_picture(picture, hole, filler, opaque=opaque, progress=progress)
        return
    yield from tries(picture, hole, filler, settings.tries, opaque=opaque, progress=progress)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise PictureError(f"{folder} cannot be made: {problem.strerror}") from None


def run(
    tasks: Sequence[Task],
    settings: Settings,
    jobs: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Generator[Outcome, None, None]:
    """Fill all tasks, in the order in which they end; one that fails does not stop the rest.

    Args:
        jobs: processes to use; each gets its share of the threads.
        progress: called with the share of all the work that is done.

    Raises:
        MendError: no such filler.
    """
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        filler = loaded(settings)
        for index, task in enumerate(tasks):
            told = portion(progress, index, len(tasks))
            yield _tried(task, settings, filler, told)
        return
    loaded(settings).prepare()  # a wrong name fails here, and kernels compile once, not per job
    settings = replace(settings, threads=max(1, (settings.threads or processors()) // jobs))
    yield from _shared_out(tasks, settings, jobs, progress)


def _shared_out(
    tasks: Sequence[Task],
    settings: Settings,
    jobs: int,
    progress: Callable[[float], None] | None,
) -> Iterator[Outcome]:
    """The tasks in several processes; one that dies is one picture that failed."""
    from mendpix.inpainting import workers  # here: one picture should not wait for it

    results = workers.share_out(_start, settings, tasks, jobs)
    with contextlib.closing(results):
        for count, (task, result) in enumerate(results, 1):
            if isinstance(result, workers.Death):
                result = _failed(task, f"{result}; fill it again with fewer --jobs")
            yield result
            if progress is not None:
                progress(count / len(tasks))


def _tried(
    task: Task, settings: Settings, filler: Filler, progress: Progress | None = None
) -> Outcome:
    try:
        return fill_file(task, settings, filler, progress)
    except (MendError, OSError) as error:
        return _failed(task, str(error))
    except MemoryError as error:
        return _failed(task, f"there is not enough memory ({error or 'no more to be had'})")


def _failed(task: Task, text: str) -> Outcome:
    named = text if str(task.photo) in text else f"{task.photo}: {text}"
    return Outcome(task.photo, task.mask, task.out, error=named)


def loaded(settings: Settings) -> CheckedFiller:
    """The filler that the settings name."""
    options: dict[str, Any] = {} if settings.quality == "fast" else {"quality": settings.quality}
    return load(
        settings.model,
        seed=settings.seed,
        device=settings.device,
        threads=settings.threads,
        trust=settings.trust,
        **options,
    )


def _start(settings: Settings) -> Callable[[Task], Outcome]:
    """What each process does with its tasks."""
    return partial(_tried, settings=settings, filler=loaded(settings))
