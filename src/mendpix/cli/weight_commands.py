"""The verbs on weights: weights list and get, convert, info."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.errors import MendError, WeightsError

features = typer.Typer(help="The frozen feature networks that losses and metrics look through.")


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    features.callback(invoke_without_command=True)(list_)
    features.command()(get)
    app.add_typer(features, name="weights")
    app.command()(convert)
    app.command()(info)


@contextmanager
def require_learning(verb: str) -> Iterator[None]:
    """Turn a missing package of ``mendpix[train]`` into a `MendError` that names the extra."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name not in (
            "torch",
            "lightning_fabric",
            "onnx",
            "onnxscript",
            "pydantic",
            "torchmetrics",
        ):
            raise
        raise MendError(
            f"{verb} needs {missing.name}, which is not installed; "
            "run: pip install 'mendpix[train]'"
        ) from None


def list_(context: typer.Context) -> None:
    """List the frozen feature networks that losses and metrics look through, or get one."""
    if context.invoked_subcommand is not None:
        return
    from mendpix.weights.feature_networks import find, list_sources

    for name, source in list_sources().items():
        place = find(name)
        terminal.print_line(f"{name:12} {source.licence}; {place or 'not on this machine'}")


def get(
    name: Annotated[str, Argument(help="vgg16, vgg19, vgg19-caffe, alexnet or inception.")],
) -> None:
    """Fetch a feature network's weights once, so that training needs no network."""
    with require_learning("mendpix weights get"):
        from mendpix.networks.features import fetch

    with terminal.show_log():
        terminal.print_line(fetch(name))


def convert(
    other: Annotated[Path, Argument(help="A released checkpoint (.pth).", show_default=False)],
    out: Annotated[Path, Option("--out", "-o", help="The .safetensors file to write.")],
) -> None:
    """Write another project's checkpoint as weights of this one, with a card."""
    with require_learning("mendpix convert"):
        from mendpix.networks import serialization

    terminal.print_line(serialization.convert(other, out))


def info(
    weights: Annotated[
        str,
        Argument(
            help="Weights file, .onnx file, run folder, or a network's name (see: mendpix models).",
            metavar="WEIGHTS",
            show_default=False,
        ),
    ],
    everything: Annotated[
        bool, Option("--all", help="Every field of the card, not the ten that matter most.")
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Print what a weights file is: network, licence, training, measured quality, hash."""
    from mendpix.weights import cards, catalogue
    from mendpix.weights.card_summary import summarize

    if weights in catalogue.CATALOGUE:  # known without the file
        card = catalogue.make_card(weights)
    else:
        card = _read_card(cards.list_bundled().get(weights) or cards.resolve(weights))
    if as_json:
        terminal.print_json(card)
        return
    for line in _format_card(card) if everything else summarize(card):
        terminal.print_line(line)


def _read_card(path: Path) -> dict[str, Any]:
    from mendpix.weights import cards

    try:
        return cards.read_card(path)
    except WeightsError:
        if path.suffix == ".onnx":
            raise
        return _describe(path)


def _describe(path: Path) -> dict[str, Any]:
    """Describe a file without a card by loading it."""
    with require_learning(f"reading {path}, which carries no card,"):
        from mendpix.networks import serialization

    return dict(serialization.describe(path))


def _format_card(card: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in card.items():
        if isinstance(value, dict) and len(value) > 40:
            yield f"{indent}{key}: {len(value)} entries (--json prints them)"
        elif isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _format_card(value, indent + "  ")
        elif isinstance(value, list) and len(value) > 8:
            yield f"{indent}{key}: {len(value)} entries (--json prints them)"
        else:
            yield f"{indent}{key}: {value}"
