"""What the verbs show while they work: a progress bar, and remarks on standard error."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


def remark(text: str) -> None:
    """Say something beside the result."""
    typer.echo(text, err=True)


def warn(text: str) -> None:
    """Say what looks wrong but does not stop the work."""
    remark(f"warning: {text}")


class Remarks(logging.Handler):
    """What the library logs, as remarks."""

    def emit(self, record: logging.LogRecord) -> None:
        say = warn if record.levelno >= logging.WARNING else remark
        say(record.getMessage())


@contextmanager
def remarks() -> Iterator[None]:
    """Show what the library logs while the block runs."""
    log, handler = logging.getLogger("mendpix"), Remarks()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def bar(title: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error if that is a terminal; yields what takes the share done."""
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
