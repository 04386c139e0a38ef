"""The verbs of training: check, train, plot and recipes."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.cli.weight_commands import require_learning

Accelerator = Literal["auto", "cpu", "cuda", "mps"]

recipes = typer.Typer(help="List, print and compare the recipes that ship with the package.")


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(check)
    app.command(context_settings=o.accept_old_name("--devices", "--workers"))(train)
    app.command()(plot)
    recipes.callback(invoke_without_command=True)(list_)
    recipes.command("print")(print_)
    recipes.command()(diff)
    app.add_typer(recipes, name="recipes")


def train(
    photos: Annotated[Path, Argument(help="Folder tree of pictures.", show_default=False)],
    out: Annotated[Path, Option("--out", "-o", help="Run folder: weights, log, sheets, state.")],
    recipe: Annotated[
        str | None, Option("--recipe", "-r", help="A name (see: mendpix recipes) or FILE.toml.")
    ] = None,
    steps: Annotated[int | None, Option(min=1, help="Stop after so many steps.")] = None,
    batch: Annotated[int | None, Option(min=1, help="Pictures per step.")] = None,
    size: Annotated[int | None, Option(min=1, help="Side of the crops in pixels.")] = None,
    lr: Annotated[float | None, Option(help="The network's learning rate.")] = None,
    seed: Annotated[int | None, Option(help="Of weights, order, crops and holes.")] = None,
    precision: Annotated[str | None, Option(help="32, bf16 or 16 (GPU only).")] = None,
    sets: Annotated[
        list[str] | None, Option("--set", metavar="FIELD=VALUE", help="Any field of the recipe.")
    ] = None,
    start_from: Annotated[
        Path | None,
        Option("--from", metavar="WEIGHTS", help="Weights to start from; mender: the bundled."),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Go on with the run in --out.")] = False,
    max_minutes: Annotated[
        float | None, Option(help="Stop cleanly after so long, with the state saved.")
    ] = None,
    device: Annotated[Accelerator, Option(help="Where to train.")] = "auto",
    workers: Annotated[
        int,
        Option(
            min=1, max=256, help="Training processes on each machine, each on a device of its own."
        ),
    ] = 1,
    nodes: Annotated[int, Option(min=1, help="Machines.")] = 1,
    tensorboard: Annotated[
        bool | None,
        Option(
            "--tensorboard/--no-tensorboard",
            help="TensorBoard event files; without it: where TensorBoard is installed.",
        ),
    ] = None,
) -> None:
    """Train a recipe's network on PHOTOS; what comes out fills: fill --model RUN."""
    with require_learning("mendpix train"):
        from mendpix.training.api import train as start_training
        from mendpix.training.progress_display import ProgressDisplay
    from rich.console import Console

    overrides = {
        "steps": steps,
        "batch": batch,
        "size": size,
        "lr": lr,
        "seed": seed,
        "precision": precision,
    }
    with terminal.show_log(), ProgressDisplay(Console(stderr=True)) as watch:
        result = start_training(
            photos,
            out,
            recipe,
            overrides=overrides,
            sets=tuple(sets or ()),
            resume=resume,
            start_from=start_from,
            max_minutes=max_minutes,
            devices=workers,
            nodes=nodes,
            accelerator=device,
            tensorboard=tensorboard,
            watch=watch,
        )
    terminal.print_line(f"{result.folder}: step {result.step}, {result.reason or 'finished'}")
    if result.reason == "interrupted":
        raise typer.Exit(130)


def check(
    photos: Annotated[Path, Argument(help="Folder tree of pictures.", show_default=False)],
    recipe: Annotated[
        str | None, Option("--recipe", "-r", help="Also predict its memory and time here.")
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Look at PHOTOS before training: counts, sizes, corrupt, duplicates, licences."""
    with require_learning("mendpix check"):
        from mendpix.training import dataset_check
    report = dataset_check.check(photos, recipe)
    if as_json:
        terminal.print_json(report.as_dict())
        return
    for what, value, advice in report.rows():
        terminal.print_line(f"{what:24} {value}" + (f"  ({advice})" if advice else ""))
    for heading, files in report.problems.items():
        terminal.print_line(f"{heading}:")
        for file in files:
            terminal.print_line(f"  {file}")


def plot(
    runs: Annotated[
        list[Path],
        Argument(metavar="RUN...", help="Run folders; several are compared.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        Option("--out", "-o", help="PNG or HTML; RUN/plot.html or RUN/compare.html without it."),
    ] = None,
) -> None:
    """Draw a run's curves and sample sheets, or the curves of several over each other."""
    with require_learning("mendpix plot"):
        from mendpix.training import plots
    terminal.print_line(plots.plot(*runs, out=out))


def list_(context: typer.Context) -> None:
    """List, print and compare the recipes that ship with the package."""
    if context.invoked_subcommand is not None:
        return
    from mendpix import training

    for name in training.list_recipes():
        terminal.print_line(f"{name:24} {training.describe_recipe(name)}")


def print_(name: Annotated[str, Argument(help="A recipe's name, or FILE.toml.")]) -> None:
    """Print a recipe; save it, change a line, and train with --recipe FILE.toml."""
    from mendpix import training

    terminal.print_text(training.read_recipe_text(name))


def diff(
    one: Annotated[str, Argument(help="A recipe's name, or FILE.toml.")],
    two: Annotated[str, Argument(help="Another.")],
) -> None:
    """Print where two recipes differ, field by field."""
    with require_learning("mendpix recipes"):
        from mendpix import training

    for line in training.diff_recipes(one, two):
        terminal.print_line(line)
