"""All that the command prints: results, remarks and warnings, and the progress bar.

What comes from files (names, keys, cards) is printed with its control characters escaped.
"""

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO

import typer

from mendpix.errors import escape

ShowProgress = Callable[[float], None]
"""Shows which share of the work is done."""

_reserved: TextIO | None = None
"""Standard output where only this module prints there; None: it is anybody's."""


def print_line(text: object) -> None:
    """Print one line of results on standard output."""
    typer.echo(escape(str(text)), file=_reserved)


def print_text(text: str) -> None:
    """Print several lines of results; line breaks and tabs stay."""
    for line in text.splitlines():
        typer.echo("\t".join(map(escape, line.split("\t"))), file=_reserved)


def print_json(value: object, indent: int | None = 2) -> None:
    """Print results for a program; what JSON has no word for, such as a path, as text."""
    text = json.dumps(value, indent=indent, default=str).replace("\x7f", "\\u007f")
    typer.echo(text, file=_reserved)


def remark(text: str) -> None:
    """Print a remark on standard error."""
    typer.echo(escape(text), err=True)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    remark(f"warning: {text}")


class RemarkHandler(logging.Handler):
    """Prints log records of the library as remarks and warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        show = warn if record.levelno >= logging.WARNING else remark
        show(record.getMessage())


@contextmanager
def reserve_output() -> Iterator[None]:
    """Keep standard output to this command: what a library prints there goes to standard error."""
    global _reserved
    _reserved = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _reserved = None


@contextmanager
def show_log() -> Iterator[None]:
    """Print the library's log while the block runs."""
    log, handler = logging.getLogger("mendpix"), RemarkHandler()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def accept_any_text() -> None:
    """Let the streams print what their encoding lacks, escaped, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Leave nothing to print at exit, where standard output takes no more."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """Progress bar on standard error, if it is a terminal; yields a function of the share done."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        Remaining(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda share: progress.update(task, completed=share)
