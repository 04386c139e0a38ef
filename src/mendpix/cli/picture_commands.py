"""The verbs on pictures: fill, verify and holes."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.errors import MendError

if TYPE_CHECKING:
    from mendpix.inpainting.filling import FillOutcome, FillTask
    from mendpix.inpainting.options import FillSettings
    from mendpix.io.pairing import PairingRules


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(context_settings=o.accept_old_name("--jobs", "--workers"))(fill)
    app.command()(verify)
    app.command()(holes)


def fill(
    photo: o.Photo,
    mask: o.Mask = None,
    out: o.Out = None,
    model: o.Model = "auto",
    quality: o.Quality = "fast",
    tries: o.Tries = 1,
    grow: o.Grow = 0,
    invert: o.Invert = False,
    fit_mask: o.FitMask = False,
    from_alpha: o.FromAlpha = False,
    anchor: o.Anchor = "",
    boxes: o.Boxes = None,
    polygons: o.Polygons = None,
    category: o.Category = "",
    mask_suffix: o.MaskSuffix = "",
    recursive: o.Recursive = False,
    keep_palette: Annotated[
        bool, Option("--keep-palette", help="Fill a palette PNG with its own colours.")
    ] = False,
    source: o.Source = None,
    exclude: o.Exclude = None,
    lines: o.Lines = None,
    force: Annotated[bool, Option("--force", help="Replace an existing -filled picture.")] = False,
    format_: o.Format = "",
    seed: o.Seed = 0,
    device: o.Device = "auto",
    threads: o.Threads = None,
    workers: o.Workers = 1,
    trust: o.Trust = False,
    as_json: o.Json = False,
) -> None:
    """Fill the white parts of MASK in PHOTO, and change no other pixel.

    Without --out the result lies beside the photo as STEM-filled. Folders are paired by stem, the
    pictures of one folder as NAME and NAME_mask. - is standard input, and output.
    """
    from mendpix.inpainting.filling import FillTask, fill_file
    from mendpix.inpainting.options import FillOptions, FillSettings, Runtime
    from mendpix.inpainting.registry import open_filler  # here: --help never waits for NumPy
    from mendpix.io.pairing import PairingRules

    photo, mask, out = _name_streams(photo, mask, out)
    if as_json and out is not None and out.name == "stdout":
        raise MendError("the picture and --json both need standard output; name an --out file")
    shapes = tuple(boxes or ()), tuple(polygons or ())
    options = FillOptions(
        grow, invert, fit_mask, from_alpha, anchor, *shapes, category, quality, tries, keep_palette,
        source, exclude, tuple(lines or ()),
    )  # fmt: skip
    settings = FillSettings(model, options, Runtime(device, threads, seed), force, trust, format_)
    outcomes: list[FillOutcome] = []
    skipped: tuple[Path, ...] = ()
    if _is_one(photo) and (mask is None or _is_one(mask)) and not (out and out.is_dir()):
        many = False
        with _show_progress(settings, 1) as progress, _catch_interrupt(outcomes, 1):
            filler = open_filler(settings)
            task = FillTask(photo, mask, out)
            new_folders = NewFolders([task])
            outcomes.append(fill_file(task, settings, filler, progress))
            new_folders.report(outcomes[0])
            _report_outcome(outcomes[0], as_json)
    else:
        rules = PairingRules(mask_suffix, recursive, from_alpha or bool(boxes or polygons))
        tasks, skipped, many = _plan(photo, mask, out, force, rules)
        _fill_many(tasks, settings, workers, outcomes, as_json)
    if as_json:
        terminal.print_json(_summarize(outcomes, settings, skipped))
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1 if many else 2)


def _is_one(path: Path) -> bool:
    """Whether a path is one picture, which may come through a stream."""
    from mendpix.io.streams import is_open_stream

    return path.is_file() or is_open_stream(path)


def _name_streams(
    photo: Path, mask: Path | None, out: Path | None
) -> tuple[Path, Path | None, Path | None]:
    """The paths with ``-`` named as the stream it stands for; a piped photo is piped on."""
    from mendpix.io.streams import STANDARD_INPUT, STANDARD_OUTPUT

    dash = Path("-")
    if photo == dash == mask:
        raise MendError("- is the photo and the mask; standard input holds one picture only")
    piped = photo in (dash, STANDARD_INPUT)
    if piped and out is not None and out.is_dir():
        raise MendError(f"a picture from standard input has no name in {out}; name a file")
    return (
        STANDARD_INPUT if piped else photo,
        STANDARD_INPUT if mask == dash else mask,
        STANDARD_OUTPUT if out in (dash, STANDARD_OUTPUT) or (piped and out is None) else out,
    )


def _plan(
    photo: Path, mask: Path | None, out: Path | None, force: bool, rules: "PairingRules"
) -> "tuple[list[FillTask], tuple[Path, ...], bool]":
    """What to fill, the files that nothing pairs with, and whether a folder was given."""
    from mendpix.inpainting import batch
    from mendpix.io import pairing

    pairs = pairing.pair(photo, mask, rules)
    tasks = batch.plan(pairs, out, force)
    for path in pairs.skipped:
        reason = pairs.reasons.get(path, "nothing pairs with it")
        terminal.remark(f"skipped {path}: {reason}")
    for line in (*pairs.remarks, *pairing.describe_left_out(pairs.left_out)):
        terminal.remark(line)
    return tasks, pairs.skipped, pairs.many


def _fill_many(
    tasks: "list[FillTask]",
    settings: "FillSettings",
    workers: int,
    outcomes: "list[FillOutcome]",
    quiet: bool,
) -> None:
    """Add the outcome of each task as it comes, and report it."""
    from mendpix.inpainting import batch

    new_folders = NewFolders(tasks)
    with (
        _show_progress(settings, len(tasks)) as progress,
        _catch_interrupt(outcomes, len(tasks)),
        closing(batch.run(tasks, settings, workers, progress)) as fills,
    ):
        for outcome in fills:
            outcomes.append(outcome)
            new_folders.report(outcome)
            _report_outcome(outcome, quiet)


class NewFolders:
    """Names each folder that a command makes, once: a mistyped one is seen to be new."""

    def __init__(self, tasks: "list[FillTask]") -> None:
        folders = {task.out.parent for task in tasks if task.out is not None}
        self.missing = {folder for folder in folders if not folder.exists()}

    def report(self, outcome: "FillOutcome") -> None:
        """Name the folder of a picture that was written, where it had not been there."""
        from mendpix.io.paths import suggest_neighbour

        folder = outcome.out.parent if outcome.out else None
        if folder in self.missing and folder.is_dir():
            self.missing.remove(folder)
            terminal.remark(f"made {folder}/{suggest_neighbour(folder)}")


@contextmanager
def _catch_interrupt(outcomes: "list[FillOutcome]", count: int) -> Iterator[None]:
    """Ctrl-C prints how many of ``count`` pictures are filled, and ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        filled = sum(not outcome.error for outcome in outcomes)
        pictures = "picture" if count == 1 else "pictures"
        terminal.remark(f"stopped: {filled} of {count} {pictures} filled")
        raise typer.Exit(130) from None


@contextmanager
def _show_progress(settings: "FillSettings", count: int) -> Iterator[Callable[[float], None]]:
    """Progress bar, after a remark on compiling, which happens once per installation."""
    if settings.model in ("auto", "patchmatch"):
        from mendpix.inpainting import patchmatch

        if not patchmatch.compiled():
            terminal.remark("compiling PatchMatch for this machine, once; it takes a while")
    with (
        terminal.show_log(),
        terminal.progress_bar("filling" if count == 1 else f"{count} photos") as bar,
    ):
        yield bar


def _report_outcome(outcome: "FillOutcome", quiet: bool) -> None:
    from mendpix.io.streams import is_standard_output

    for text in outcome.warnings:
        terminal.warn(f"{outcome.photo}: {text}")
    if outcome.error:
        terminal.remark(f"error: {outcome.error}")
    elif not quiet:
        line = _format_outcome(outcome)
        show = terminal.remark if is_standard_output(outcome.out) else terminal.print_line
        show(line)


def _format_outcome(outcome: "FillOutcome") -> str:
    named = f"{outcome.out} to {outcome.others[-1].name}" if outcome.others else f"{outcome.out}"
    line = (
        f"{named}: {100 * outcome.hole_ratio:.3g} % of {outcome.width}x{outcome.height} "
        f"filled in {outcome.seconds:.2f} s"
    )
    if not outcome.largest_change:
        return line
    return (
        f"{line}; the format changed known pixels by at most {outcome.largest_change:g} of "
        f"{outcome.white:g} and {outcome.mean_change:.2g} on average; write a .png to change none"
    )


def _summarize(
    outcomes: "list[FillOutcome]", settings: "FillSettings", skipped: tuple[Path, ...]
) -> dict[str, Any]:
    return {
        "model": settings.model,
        "seed": settings.runtime.seed,
        "fills": [asdict(outcome) for outcome in outcomes],
        "skipped": list(skipped),
        "failed": sum(bool(outcome.error) for outcome in outcomes),
    }


def verify(
    before: Annotated[Path, Argument(help="The photo as it was.", show_default=False)],
    after: Annotated[Path, Argument(help="The filled photo.", show_default=False)],
    mask: o.Mask = None,
    grow: o.Grow = 0,
    invert: o.Invert = False,
    fit_mask: o.FitMask = False,
    from_alpha: o.FromAlpha = False,
    anchor: o.Anchor = "",
    boxes: o.Boxes = None,
    polygons: o.Polygons = None,
    category: o.Category = "",
    as_json: o.Json = False,
) -> None:
    """Count the pixels outside the hole that differ between BEFORE and AFTER.

    Exit code 0 only if there are none, else 1.
    """
    from mendpix.inpainting.filling import read_hole
    from mendpix.inpainting.options import MaskOptions
    from mendpix.io import conversion, files

    picture, filled = files.read(before), files.read(after)
    shapes = tuple(boxes or ()), tuple(polygons or ())
    options = MaskOptions(grow, invert, fit_mask, from_alpha, anchor, *shapes, category)
    hole = read_hole(mask, picture, options).hole
    count, known = conversion.count_changes(picture, filled, hole), int((~hole).sum())
    if as_json:
        terminal.print_json({"changed": count, "known": known}, indent=None)
    else:
        terminal.print_line(f"{count} of {known} pixels outside the hole changed")
    raise typer.Exit(1 if count else 0)


def holes(
    out: Annotated[Path, Option("--out", "-o", help="Folder to write masks to.")],
    kind: Annotated[
        str, Option("--kind", "-k", help="Generator, see docs/holes.md.")
    ] = "lama-thick",
    count: Annotated[int, Option("--count", "-n", min=1, max=10**6, help="How many.")] = 12,
    size: Annotated[int, Option("--size", min=1, max=16384, help="Side in pixels.")] = 512,
    seed: o.Seed = 0,
    preview: Annotated[bool, Option("--preview", help="Also write a contact sheet.")] = False,
    masks: Annotated[
        Path | None, Option("--masks", help="Folder of masks, for kinds that draw from one.")
    ] = None,
) -> None:
    """Draw synthetic holes as mask files, white = hole, the same for the same seed."""
    from mendpix.masks import generate

    options = None if masks is None else {"folder": masks}
    drawn = generate.draw_folder(kind, count, size, out, seed, preview, options)
    low, high = min(drawn.ratios), max(drawn.ratios)
    terminal.print_line(f"{out}: {count} masks, {100 * low:.3g} to {100 * high:.3g} % missing")
    if drawn.preview is not None:
        terminal.print_line(drawn.preview)
