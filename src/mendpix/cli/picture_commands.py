"""The verbs on pictures: fill, verify and holes."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.cli.fill_run import FillRun, FolderOptions, Output, parse_memory
from mendpix.errors import MendError

if TYPE_CHECKING:
    from mendpix.inpainting.options import MaskOptions
    from mendpix.types import Hole


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
    generator: o.Generator = "auto",
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
    channels: o.Channels = "colour",
    lines: o.Lines = None,
    save_hole: o.SaveHole = None,
    force: Annotated[bool, Option("--force", help="Replace an existing -filled picture.")] = False,
    format_: o.Format = "",
    seed: o.Seed = 0,
    device: o.Device = "auto",
    threads: o.Threads = None,
    workers: o.Workers = None,
    memory: o.Memory = None,
    resume: o.Resume = False,
    verify_hashes: o.VerifyHashes = False,
    engine: o.Engine = "local",
    address: o.Address = "",
    gpus: o.Gpus = 0.0,
    trust: o.Trust = False,
    as_json: o.Json = False,
    json_lines: o.JsonLines = False,
) -> None:
    """Fill the white parts of MASK in PHOTO, and change no other pixel.

    Without --out the result lies beside the photo as STEM-filled. Folders are paired by stem, the
    pictures of one folder as NAME and NAME_mask. - is standard input, and output. An --out
    folder gets a manifest, from which FOLDER --resume goes on.
    """
    # here: --help never waits for NumPy
    from mendpix.inpainting.options import FillOptions, FillSettings, Runtime
    from mendpix.io.pairing import PairingRules

    photo, mask, out = _name_streams(photo, mask, out)
    if (as_json or json_lines) and out is not None and out.name == "stdout":
        raise MendError("the picture and --json both need standard output; name an --out file")
    shapes = tuple(boxes or ()), tuple(polygons or ())
    options = FillOptions(
        grow, invert, fit_mask, from_alpha, anchor, *shapes, category, quality, tries, keep_palette,
        source, exclude, tuple(lines or ()), generator, channels,
    )  # fmt: skip
    settings = FillSettings(model, options, Runtime(device, threads, seed), force, trust, format_)
    output: Output = "json-lines" if json_lines else "json" if as_json else "text"
    folder = FolderOptions(workers or 1, resume, verify_hashes, parse_memory(memory))
    rules = PairingRules(mask_suffix, recursive, options.marks_holes)
    if engine == "ray":
        from mendpix.cli.cluster_run import (
            ClusterPlace,
            open_cluster_run,
        )  # here: few fills need it

        run: FillRun = open_cluster_run(
            settings, output, folder, rules, ClusterPlace(address, gpus, workers or 0), save_hole
        )
    else:
        run = FillRun(settings, output, folder, rules, save_hole)
    run.fill(photo, mask, out)
    run.end()


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

    Exit code 0 only if there are none, else 1. Mask and options that are not given are taken from
    the manifest of the job that filled AFTER, where there is one. MASK may be the hole that
    fill --save-hole wrote.
    """
    from mendpix.inpainting.filling import read_hole
    from mendpix.inpainting.options import MaskOptions
    from mendpix.io import conversion, files

    shapes = tuple(boxes or ()), tuple(polygons or ())
    options = MaskOptions(grow, invert, fit_mask, from_alpha, anchor, *shapes, category)
    mask, options, is_known = _recall_fill(after, mask, options)
    picture, filled = files.read(before), files.read(after)
    hole = read_hole(mask, picture, options).hole
    changes = conversion.find_changes(picture, filled, hole)
    count, known = int(changes.sum()), int((~hole).sum())
    if as_json:
        terminal.print_json({"changed": count, "known": known}, indent=None)
    else:
        terminal.print_line(f"{count} of {known} pixels outside the hole changed")
        if not (is_known or grow):
            _hint_at_growth(changes, hole)
    raise typer.Exit(1 if count else 0)


def _recall_fill(
    after: Path, mask: Path | None, options: "MaskOptions"
) -> "tuple[Path | None, MaskOptions, bool]":
    """The mask and options to verify by, and whether a manifest knows the fill."""
    from mendpix.inpainting import folder_job
    from mendpix.inpainting.options import MaskOptions

    fill = folder_job.recall_fill(after)
    if fill is None:
        return mask, options, False
    is_other = mask is not None and (fill.mask is None or mask.resolve() != fill.mask.resolve())
    if is_other and options == MaskOptions():  # the hole that was saved, say
        return mask, options, False
    if options == MaskOptions():
        options = fill.options
    if mask is None and not options.marks_holes:
        mask = fill.mask
    chosen = [(name.replace("_", "-"), value) for name, value in asdict(options).items() if value]
    words = [f"--{name}" if value is True else f"--{name} {value}" for name, value in chosen]
    terminal.remark(f"as it was filled: {' '.join([f'mask {mask}'] * bool(mask) + words)}")
    return mask, options, True


def _hint_at_growth(changes: "Hole", hole: "Hole") -> None:
    """Tell that a hole which was grown before it was filled explains the changes."""
    from mendpix.masks import holes
    from mendpix.masks.growth import LIMIT

    if not (changes.any() and hole.any()):
        return
    reach = holes.farthest(changes, hole)
    if reach <= LIMIT:
        terminal.remark(
            f"all of them lie within {math.ceil(reach)} px of the hole: if it was grown, give "
            "verify the same --grow, or the hole that fill --save-hole wrote as MASK"
        )


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
