"""The verbs on pictures: fill, verify and holes."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal

if TYPE_CHECKING:
    from mendpix.inpainting.batch import Outcome, Settings


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(fill)
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
    keep_palette: Annotated[
        bool, Option("--keep-palette", help="Fill a palette PNG with its own colours.")
    ] = False,
    force: Annotated[bool, Option("--force", help="Replace an existing -filled picture.")] = False,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    threads: o.Threads = None,
    jobs: Annotated[int, Option("--jobs", "-j", min=1, help="Pictures to fill at once.")] = 1,
    trust: o.Trust = False,
    as_json: o.Json = False,
) -> None:
    """Fill the white parts of MASK in PHOTO, and change no other pixel.

    Without --out the result lies beside the photo as STEM-filled. Folders are paired by stem.
    """
    from mendpix.inpainting import batch
    from mendpix.inpainting.api import MaskOptions
    from mendpix.io import pairing  # here, so that --help never waits for NumPy

    settings = batch.Settings(
        model=model,
        seed=seed,
        device=device,
        mask=MaskOptions(grow=grow, invert=invert, fit=fit_mask, from_alpha=from_alpha),
        keep_palette=keep_palette,
        force=force,
        threads=threads,
        trust=trust,
        quality=quality,
        tries=tries,
    )
    pairs = pairing.pair(photo, mask)
    tasks = batch.plan(pairs, out, force)
    for path in pairs.skipped:
        terminal.remark(f"skipped {path}: nothing pairs with it")
    with _shown(settings, len(tasks)) as progress:
        outcomes = _gathered(batch.run(tasks, settings, jobs, progress), len(tasks), as_json)
    if as_json:
        typer.echo(json.dumps(_summary(outcomes, settings, pairs.skipped), indent=2, default=str))
    _leave(outcomes, pairs.many)


@contextmanager
def _shown(settings: "Settings", count: int) -> Iterator[Callable[[float], None]]:
    """A progress bar; and a word about compiling, which happens once per installation."""
    if settings.model in ("auto", "patchmatch"):
        from mendpix.inpainting import patchmatch

        if not patchmatch.compiled():
            terminal.remark("compiling PatchMatch for this machine, once; it takes a while")
    with terminal.remarks(), terminal.bar("filling" if count == 1 else f"{count} photos") as bar:
        yield bar


def _gathered(fills: "Generator[Outcome, None, None]", count: int, quiet: bool) -> "list[Outcome]":
    """All outcomes, each said as it comes; Ctrl-C says how many there are."""
    outcomes: list[Outcome] = []
    try:
        with closing(fills):
            for outcome in fills:
                outcomes.append(outcome)
                _tell(outcome, quiet)
    except KeyboardInterrupt:
        filled = sum(not outcome.error for outcome in outcomes)
        pictures = "picture" if count == 1 else "pictures"
        terminal.remark(f"stopped: {filled} of {count} {pictures} filled")
        raise typer.Exit(130) from None
    return outcomes


def _tell(outcome: "Outcome", quiet: bool) -> None:
    for text in outcome.warnings:
        terminal.warn(f"{outcome.photo}: {text}")
    if outcome.error:
        terminal.remark(f"error: {outcome.error}")
    elif not quiet:
        typer.echo(_line(outcome))


def _line(outcome: "Outcome") -> str:
    named = f"{outcome.out} to {outcome.others[-1].name}" if outcome.others else f"{outcome.out}"
    line = (
        f"{named}: {100 * outcome.hole_ratio:.3g} % of {outcome.width}x{outcome.height} "
        f"filled in {outcome.seconds:.2f} s"
    )
    if not outcome.largest_change:
        return line
    return (
        f"{line}; the format changed known pixels by at most {outcome.largest_change:g} "
        f"and {outcome.mean_change:.2g} on average; write a .png to change none"
    )


def _summary(
    outcomes: "list[Outcome]", settings: "Settings", skipped: tuple[Path, ...]
) -> dict[str, Any]:
    return {
        "model": settings.model,
        "seed": settings.seed,
        "fills": [asdict(outcome) for outcome in outcomes],
        "skipped": list(skipped),
        "failed": sum(bool(outcome.error) for outcome in outcomes),
    }


def _leave(outcomes: "list[Outcome]", many: bool) -> None:
    """Exit code 2 where the only picture failed, 1 where any of many did."""
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1 if many else 2)


def verify(
    before: Annotated[Path, Argument(help="The photo as it was.", show_default=False)],
    after: Annotated[Path, Argument(help="The filled photo.", show_default=False)],
    mask: o.Mask = None,
    grow: o.Grow = 0,
    invert: o.Invert = False,
    fit_mask: o.FitMask = False,
    from_alpha: o.FromAlpha = False,
    as_json: o.Json = False,
) -> None:
    """Count the pixels outside the hole that differ between BEFORE and AFTER.

    Exit code 0 only if there are none, else 1.
    """
    from mendpix.inpainting.api import MaskOptions, reading_of
    from mendpix.io import conversion

    picture, filled = conversion.read(before), conversion.read(after)
    how = MaskOptions(grow=grow, invert=invert, fit=fit_mask, from_alpha=from_alpha)
    hole = reading_of(mask, picture, how).hole
    count, known = conversion.changed(picture, filled, hole), int((~hole).sum())
    if as_json:
        typer.echo(json.dumps({"changed": count, "known": known}))
    else:
        typer.echo(f"{count} of {known} pixels outside the hole changed")
    raise typer.Exit(1 if count else 0)


def holes(
    out: Annotated[Path, Option("--out", "-o", help="Folder to write masks to.")],
    kind: Annotated[
        str, Option("--kind", "-k", help="Generator, see docs/holes.md.")
    ] = "lama-thick",
    count: Annotated[int, Option("--count", "-n", min=1, help="How many.")] = 12,
    size: Annotated[int, Option("--size", min=1, help="Side in pixels.")] = 512,
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
    typer.echo(f"{out}: {count} masks, {100 * low:.3g} to {100 * high:.3g} % missing")
    if drawn.preview is not None:
        typer.echo(drawn.preview)
