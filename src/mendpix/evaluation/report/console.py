"""Tables for the terminal, as rich renderables."""

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mendpix.errors import escape
from mendpix.evaluation.report import tables
from mendpix.evaluation.report.description import list_remarks, write_headline
from mendpix.evaluation.report.markdown import SIGNS
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.report.tables import ReportTable, TableCell

STYLES = {"best": "bold green", "near": "green", "": ""}


def render(summary: Summary) -> Group:
    """Tables over all pictures, by bucket, of whole sets and of times, and what is supported.

    Returns: what ``rich.print`` shows.
    """
    headline = write_headline(summary)
    parts: list[RenderableType] = [_plain(f"{headline.title}: {headline.line}", style="bold")]
    parts += map(render_table, split_columns(tables.tabulate_overall(summary)))
    if summary.buckets:
        parts += [
            render_table(tables.tabulate_buckets(summary, m), small=False) for m in summary.metrics
        ]
    parts += map(render_table, tables.tabulate_sets(summary))
    if costs := tables.tabulate_costs(summary):
        parts.append(render_table(costs))
    parts += [
        Text(""),
        *(_plain(f"{m.title}: {text}") for m, text in tables.list_findings(summary)),
    ]
    parts += [_plain(remark, style="dim") for remark in list_remarks(summary)]
    return Group(*parts)


def split_columns(content: ReportTable, most: int = 4) -> Iterator[ReportTable]:
    """A table cut into several that fit 80 columns of a terminal, the notes below the last."""
    for start in range(1, len(content.header), most):
        rows = [[row[0], *row[start : start + most]] for row in content.rows]
        header = [content.header[0], *content.header[start : start + most]]
        notes = content.notes if start + most >= len(content.header) else ()
        yield replace(content, header=header, rows=rows, notes=notes)


def render_table(content: ReportTable, small: bool = True) -> RenderableType:
    """A table with its notes; ``small`` shows the small print in the cells, too."""
    title = _plain(content.title, style="bold")
    rich_table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for place, cell in enumerate(content.header):
        text = cell.text.removesuffix(" pictures")  # narrow enough for 80 columns
        rich_table.add_column(_plain(text), justify="right" if place else "left", overflow="fold")
    for row in content.rows:
        rich_table.add_row(*(_text(cell, small) for cell in row))
    return Group("", title, rich_table, *(_plain(note, style="dim") for note in content.notes))


def _text(cell: TableCell, small: bool) -> Text:
    text = _plain(SIGNS[cell.mark] + cell.text, style=STYLES[cell.mark])
    if cell.small and small:
        text.append("\n" + cell.small.strip("[]").replace(", ", "–"), style="dim")
    if cell.warned:
        text.append(" ⚠", style="yellow")
    return text


def _plain(text: str, style: str = "") -> Text:
    """Text as it is, names of files and models with their control characters escaped."""
    return Text(escape(text), style=style)
