"""Tables for the terminal, drawn by rich."""

from rich.console import Group, RenderableType
from rich.table import Table as Drawn
from rich.text import Text

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.facts import facts
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
    parts.append(table(tables.overall(summary)))
    if summary.buckets:
        parts += [table(tables.by_bucket(summary, m), small=False) for m in summary.metrics]
    more = (tables.sets(summary), tables.costs(summary))
    parts += [table(one) for one in more if one is not None]
    parts += [Text(f"{m.title}: {say}") for m, say in tables.findings(summary)]
    parts += [Text(remark, style="dim") for remark in summary.results.remarks]
    return Group(*parts)


def table(content: Table, small: bool = True) -> RenderableType:
    """A table with its notes; ``small`` shows the small print in the cells, too."""
    drawn = Drawn(title=Text(content.title), title_justify="left", header_style="")
    for place, cell in enumerate(content.header):
        drawn.add_column(_text(cell, small=False), justify="right" if place else "left")
    for row in content.rows:
        drawn.add_row(*(_text(cell, small) for cell in row))
    return Group(drawn, *(Text(note, style="dim") for note in content.notes))


def _text(cell: Cell, small: bool) -> Text:
    text = Text(SIGNS[cell.mark] + cell.text, style=STYLES[cell.mark])
    if cell.small and small:
        text.append(f"\n{cell.small}", style="dim")
    if cell.warned:
        text.append(" ⚠", style="yellow")
    return text
