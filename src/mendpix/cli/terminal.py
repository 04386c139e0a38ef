"""Progress bar, remarks and warnings on standard error."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


def remark(text: str) -> None:
    """Print a remark on standard error."""
    typer.echo(text, err=True)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    remark(f"warning: {text}")


class RemarkHandler(logging.Handler):
    """Prints log records of the library as remarks and warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        show = warn if record.levelno >= logging.WARNING else remark
        show(record.getMessage())


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


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """Progress bar on standard error, if it is a terminal; yields a function of the share done."""
    if not sys.stderr.isatty():
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
