"""The verbs on models: models, models get, export."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.cli.weight_commands import require_learning

models = typer.Typer(help="List what can fill, and fetch well-known networks of others.")


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    models.callback(invoke_without_command=True)(list_)
    models.command()(get)
    models.command()(remove)
    app.add_typer(models, name="models")
    app.command()(export)


def list_(
    context: typer.Context,
    runs: Annotated[
        Path, Option("--runs", metavar="FOLDER", help="Where trained runs lie.")
    ] = Path("runs"),
    as_json: o.Json = False,
) -> None:
    """List what fill --model takes: built-in fillers, trained runs, and the catalogue."""
    if context.invoked_subcommand is not None:
        return
    groups = {
        "built in": _list_built_in(),
        "trained runs": list(_list_runs(runs)),
        "catalogue": list(_list_catalogue()),
    }
    if as_json:
        terminal.print_json(groups)
        return
    for heading, entries in groups.items():
        terminal.print_line(f"{heading}:")
        for entry in entries or [{"name": f"none in {runs}"}]:
            for line in _format_entry(entry):
                terminal.print_line(line)


def _list_built_in() -> list[dict[str, Any]]:
    from mendpix.inpainting.registry import BUILT_IN
    from mendpix.weights.cards import list_bundled

    bundled = [{"name": name, "file": str(path)} for name, path in list_bundled().items()]
    return [*({"name": name} for name in BUILT_IN), *bundled]


def _list_runs(folder: Path) -> Iterator[dict[str, Any]]:
    from mendpix.weights import cards

    for path in cards.find_runs(folder):
        card = cards.read_card(cards.resolve(path))
        yield {"name": str(path), "network": card.get("network"), "step": card.get("step")}


def _list_catalogue() -> Iterator[dict[str, Any]]:
    from mendpix.weights.catalogue import CATALOGUE, is_fetched, locate

    for name, entry in CATALOGUE.items():
        table = asdict(entry)
        del table["cut"], table["program"], table["file"]
        here = str(locate(name)) if is_fetched(name) else f"not here; mendpix models get {name}"
        yield {"name": name, **table, "size": f"{entry.size / 1e6:.0f} MB", "here": here}


def _format_entry(entry: dict[str, Any]) -> Iterator[str]:
    yield f"  {entry['name']}"
    for key, value in entry.items():
        if key != "name" and value not in (None, ""):
            yield f"      {key}: {value}"


def get(
    name: Annotated[str, Argument(help="A network of the catalogue.", show_default=False)],
    sha256: Annotated[
        str, Option("--sha256", metavar="HEX", help="The hash that the download must have.")
    ] = "",
    source: Annotated[
        Path | None,
        Option("--from", metavar="FILE", help="A download that lies here; its hash is checked."),
    ] = None,
    yes: Annotated[
        bool, Option("--yes", "-y", help="Keep a file whose hash nobody could check before.")
    ] = False,
) -> None:
    """Fetch a network of the catalogue; then fill --model NAME uses it, and fill by itself."""
    from mendpix.weights import catalogue, download, fetching

    def confirm(digest: str) -> bool:
        terminal.remark(f"{catalogue.find_entry(name).url} has sha256 {digest}")
        terminal.remark("nobody could check that hash for this catalogue")
        return yes or typer.confirm("keep the file?", err=True)

    _show_terms(name)
    asks = yes or sys.stdin.isatty()
    with download.show_progress(name) as progress:
        path = fetching.get(
            name,
            sha256=sha256,
            source=source,
            confirm=confirm if asks else None,
            progress=progress,
        )
    terminal.print_line(path)


def _show_terms(name: str) -> None:
    """What is about to be fetched, and whose terms it has, before a byte of it comes."""
    from mendpix.weights.catalogue import find_entry, is_fetched

    entry = find_entry(name)
    if is_fetched(name):
        return
    terminal.remark(f"{entry.about}; {entry.size / 1e6:.0f} MB from {entry.url}")
    for what in ("weights", "data", "source", "note"):
        if text := getattr(entry, what):
            terminal.remark(f"  {'licence' if what == 'weights' else what}: {text}")


def remove(
    name: Annotated[str, Argument(help="A network of the catalogue.", show_default=False)],
) -> None:
    """Delete a network that was fetched."""
    from mendpix.weights import fetching

    terminal.print_line(f"removed {fetching.remove(name)}")


def export(
    source: Annotated[
        Path, Argument(help="Weights file or run folder.", metavar="WEIGHTS", show_default=False)
    ],
    out: Annotated[Path, Option("--out", "-o", help="The .onnx file to write.")],
    half: Annotated[
        bool, Option("--half", help="Keep the weights in half precision: half the size.")
    ] = False,
    photos: Annotated[
        Path | None,
        Option("--photos", metavar="FOLDER", help="Compare the fills on these, not on two others."),
    ] = None,
) -> None:
    """Write a network as ONNX, which fills without PyTorch; kept only if it fills the same."""
    with require_learning("mendpix export"):
        from mendpix.inpainting.onnx import export

    parity = export.export(source, out, half=half, photos=photos)
    differs = f"differs from PyTorch by at most {parity.largest:.1e} on {parity.photos} photos"
    halved = f"; half precision changed fills by {parity.rounding:.1e} on average" if half else ""
    terminal.print_line(f"{out}: {out.stat().st_size / 1e6:.2f} MB, {differs}{halved}")
