"""Tables for the terminal, drawn by rich."""

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table as Drawn
from rich.text import Text

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.description import facts, remarks
from mendpix.evaluation.report.markdown import SIGNS
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.report.tables import Cell, Table

STYLES = {"best": "bold green", "near": "green", "": ""}


def report(summary: Summary) -> Group:
    """What fits a terminal: over all pictures, by bucket, whole sets, time, and what is supported.

    Returns: what ``rich.print`` shows.
    """
    told = facts(summary)
    parts: list[RenderableType] = [Text(f"{told.title}: {told.line}", style="bold")]
    parts += map(table, columns(tables.overall(summary)))
    if summary.buckets:
        parts += [table(tables.by_bucket(summary, m), small=False) for m in summary.metrics]
    parts += map(table, tables.sets(summary))
    if costs := tables.costs(summary):
        parts.append(table(costs))
    parts += [Text(""), *(Text(f"{m.title}: {say}") for m, say in tables.findings(summary))]
    parts += [Text(remark, style="dim") for remark in remarks(summary)]
    return Group(*parts)


def columns(content: Table, most: int = 4) -> Iterator[Table]:
    """A table cut into several that fit 80 columns of a terminal, the notes below the last."""
    for start in range(1, len(content.header), most):
        rows = [[row[0], *row[start : start + most]] for row in content.rows]
        header = [content.header[0], *content.header[start : start + most]]
        notes = content.notes if start + most >= len(content.header) else ()
        yield replace(content, header=header, rows=rows, notes=notes)


def table(content: Table, small: bool = True) -> RenderableType:
    """A table with its notes; ``small`` shows the small print in the cells, too."""
    title = Text(content.title, style="bold")
    drawn = Drawn(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for place, cell in enumerate(content.header):
        text = cell.text.removesuffix(" pictures")  # narrow enough for 80 columns
        drawn.add_column(text, justify="right" if place else "left", overflow="fold")
    for row in content.rows:
        drawn.add_row(*(_text(cell, small) for cell in row))
    return Group("", title, drawn, *(Text(note, style="dim") for note in content.notes))


def _text(cell: Cell, small: bool) -> Text:
    text = Text(SIGNS[cell.mark] + cell.text, style=STYLES[cell.mark])
    if cell.small and small:
        text.append("\n" + cell.small.strip("[]").replace(", ", "–"), style="dim")
    if cell.warned:
        text.append(" ⚠", style="yellow")
    return text
