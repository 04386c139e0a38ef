"""The verbs of evaluation: evaluate and compare."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.cli.weight_commands import require_learning
from mendpix.errors import MendError

if TYPE_CHECKING:
    from mendpix.evaluation.results import Results

PicturesShown = Annotated[
    int, Option("--pictures", min=0, help="Pictures of each bucket in the page, best to worst.")
]
RankedBy = Annotated[str | None, Option("--by", metavar="METRIC", help="By which they are ranked.")]

REPORTS = (".html", ".md", ".tex", ".json", ".csv")


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(context_settings=o.accept_old_name("--processes", "--workers"))(evaluate)
    app.command()(compare)


def evaluate(
    photos: Annotated[
        Path | None,
        Argument(help="Folder of pictures; a manifest.csv in it pairs them with masks."),
    ] = None,
    out: Annotated[
        Path | None,
        Option("--out", "-o", help="Folder for the results, or a report beside which it is made."),
    ] = None,
    model: Annotated[
        list[str] | None,
        Option("--model", "-m", help="What fill --model takes, or NAME=MODEL; repeat it."),
    ] = None,
    results: Annotated[
        list[str] | None,
        Option("--results", metavar="NAME=FOLDER", help="Pictures that another tool made."),
    ] = None,
    masks: Annotated[
        Path | None, Option("--masks", help="Folder of masks named like the photos, or a .csv.")
    ] = None,
    protocol: Annotated[
        str,
        Option(help="own, partial-conv, context-encoder, crfill, lama or mat."),
    ] = "own",
    size: Annotated[int | None, Option(help="Side in pixels, where it has several.")] = None,
    metrics: Annotated[
        str | None, Option(help="Names with commas, instead of the protocol's.")
    ] = None,
    also: Annotated[str | None, Option(help="Names with commas, beside them.")] = None,
    manifest: Annotated[
        Path | None,
        Option("--manifest", help="Repeat an evaluation and say what differs."),
    ] = None,
    limit: Annotated[int | None, Option(min=1, help="Only the first pictures, by name.")] = None,
    workers: Annotated[
        int,
        Option(
            "--workers", "-j", min=1, max=256, help="Processes at once; the numbers are the same."
        ),
    ] = 1,
    threads: Annotated[int, Option(min=1, max=1024, help="Threads of each filler.")] = 1,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    trust: o.Trust = False,
    invert: o.Invert = False,
    pictures: PicturesShown = 3,
    by: RankedBy = None,
    as_json: o.Json = False,
) -> None:
    """Measure fillers on PHOTOS as papers do, so that anybody gets the same numbers."""
    with require_learning("mendpix evaluate"):
        from mendpix.evaluation import api
    if manifest is not None:
        places = (photos, masks, tuple(results or ()))
        wanted = (tuple(model or ()), _split_names(metrics), limit)
        _reproduce(manifest, out, places, wanted, trust, workers)
        return
    if photos is None or out is None:
        raise MendError("evaluate needs PHOTOS and --out, or a --manifest to repeat")
    folder, report = _resolve_output(out)
    with _explain_interrupt(), terminal.progress_bar("evaluating") as progress:
        measured = api.evaluate(
            photos,
            folder,
            tuple(model or (() if results else ("auto",))),
            masks=masks,
            results=tuple(results or ()),
            protocol=protocol,
            size=size,
            metrics=_split_names(metrics),
            also=_split_names(also),
            invert=invert,
            limit=limit,
            seed=seed,
            device=device,
            threads=threads,
            trust=trust,
            processes=workers,
            progress=progress,
        )
    _write_report(measured, folder, report, (pictures, by), as_json)


def compare(
    folders: Annotated[
        list[Path], Argument(metavar="RESULTS...", help="Folders of earlier evaluations.")
    ],
    out: Annotated[
        Path | None,
        Option("--out", "-o", help="Folder for the joined results, or a report beside it."),
    ] = None,
    force: Annotated[
        bool, Option("--force", help="Join them even where they were measured differently.")
    ] = False,
    pictures: PicturesShown = 3,
    by: RankedBy = None,
    as_json: o.Json = False,
) -> None:
    """Join earlier RESULTS in one table."""
    from mendpix.evaluation import merging

    joined = merging.join(folders, force=force)
    if out is None:
        _print(joined, as_json)
        return
    folder, report = _resolve_output(out)
    merging.copy_pictures(folders, joined, folder)
    joined.write(folder)
    _write_report(joined, folder, report, (pictures, by), as_json)


def _split_names(names: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def _resolve_output(out: Path) -> tuple[Path, Path]:
    """The folder of results and the report that an output means."""
    if out.suffix.lower() in REPORTS and not out.is_dir():
        return out.with_suffix(""), out
    return out, out / "report.html"


def _write_report(
    results: "Results", folder: Path, report: Path, selection: tuple[int, str | None], as_json: bool
) -> None:
    """Write the report, print the table, and say where both are."""
    from mendpix.evaluation import report as reports

    _print(results, as_json)
    options = reports.ReportOptions(pictures=selection[0], by=selection[1])
    path = reports.write(results, folder, report, options)
    terminal.remark(f"{path}; everything behind it: {folder}")


def _print(results: "Results", as_json: bool) -> None:
    if as_json:
        terminal.print_text(results.as_json())
        return
    from rich.console import Console

    from mendpix.evaluation.report import render_terminal

    Console().print(render_terminal(results))


def _reproduce(
    manifest: Path,
    out: Path | None,
    places: tuple[Path | None, Path | None, tuple[str, ...]],
    wanted: tuple[tuple[str, ...], tuple[str, ...], int | None],
    trust: bool,
    processes: int,
) -> None:
    """Repeat and compare; exit code 1 where anything differs.

    Args:
        places: of photos, masks and other tools' pictures now.
        wanted: models, metrics, and how many pictures.
    """
    from mendpix.evaluation import reproduction

    with _explain_interrupt(), terminal.progress_bar("repeating") as progress:
        again = reproduction.reproduce(
            manifest,
            out,
            photos=places[0],
            masks=places[1],
            results=places[2],
            models=wanted[0],
            metrics=wanted[1],
            limit=wanted[2],
            trust=trust,
            processes=processes,
            progress=progress,
        )
    for note in again.notes:
        terminal.remark(note)
    for line in again.differences:
        terminal.print_line(f"differs: {line}")
    if again.differences:
        raise typer.Exit(1)
    pictures = len(again.results.pictures)
    numbers = f"{again.compared} numbers" if again.compared else "all numbers"
    terminal.print_line(f"{pictures} pictures, {numbers}: the same to the last digit")


@contextmanager
def _explain_interrupt() -> Iterator[None]:
    """Say after Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.remark("stopped; the same command goes on with what is left")
        raise typer.Exit(130) from None
