"""The command line: verbs parse options, call the library and print; only they print or exit."""

import sys
from typing import Any, NoReturn

import typer

from mendpix import __version__
from mendpix.cli import (
    evaluation_commands,
    mask_commands,
    model_commands,
    picture_commands,
    scratch_commands,
    server_commands,
    terminal,
    training_commands,
    weight_commands,
)
from mendpix.errors import Cancelled, MendError

app = typer.Typer(
    name="mendpix",
    help="Fill holes in pictures, and train the networks that do it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
USAGE: Any = typer.BadParameter.__base__
"""The base of typer's usage errors."""

for verbs in (
    picture_commands,
    mask_commands,
    training_commands,
    evaluation_commands,
    model_commands,
    weight_commands,
    server_commands,
    scratch_commands,
):
    verbs.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mendpix {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options before the verb."""


def main() -> None:
    """Run the command; errors that the user can fix are one line, with exit code 2."""
    terminal.accept_any_text()
    try:
        code = app(prog_name="mendpix", standalone_mode=False)
    except USAGE as mistake:
        _report_usage_error(mistake)
    except MendError as error:
        terminal.remark(f"error: {error}")
        sys.exit(2)
    except OSError as problem:  # a full disk behind a pipe, a name too long for the file system
        place = f"{problem.filename}: " if problem.filename else ""
        terminal.drop_output()
        terminal.remark(f"error: {place}{problem.strerror or problem}")
        sys.exit(2)
    except (Cancelled, typer.Abort):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _report_usage_error(mistake: Any) -> NoReturn:
    """Print a usage error; it has no text where typer has printed the help."""
    text = " ".join(mistake.format_message().split()).rstrip(".")
    command = mistake.ctx.command_path if mistake.ctx else "mendpix"
    if text:
        terminal.remark(f"error: {text}; see {command} --help")
    sys.exit(2)
