"""Tables as HTML."""

from collections.abc import Sequence

from mendpix.evaluation.report.markup import Markup, joined, tag
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.report.svg import sign
from mendpix.evaluation.report.tables import Cell, Table

MARKS = {"best": ("●", "best: "), "near": ("○", "not beaten: "), "": ("", "")}


def data_table(content: Table, summary: Summary, title: str = "") -> Markup:
    """A table that scrolls sideways where it must; rows of a model bear its sign.

    Args:
        title: above it, in place of its own.
    """
    head = tag("tr", None, *(_heading(cell) for cell in content.header))
    rows = [_row(cells, summary) for cells in content.rows]
    caption = tag("caption", None, title or content.title)
    whole = tag("table", None, caption, tag("thead", None, head), tag("tbody", None, *rows))
    return scrolling(content.title, whole)


def scrolling(name: str, content: Markup) -> Markup:
    """What is wider than a small screen, so that a keyboard can scroll it, too."""
    region = {"class": "scroll", "tabindex": 0, "role": "region", "aria-label": name}
    return tag("div", region, content)


def _heading(cell: Cell) -> Markup:
    return tag("th", {"scope": "col"}, cell.text, _small(cell))


def _row(cells: Sequence[Cell], summary: Summary) -> Markup:
    first = cells[0].text
    place = summary.models.index(first) if first in summary.results.models else None
    drawn = sign(place) if place is not None else Markup()
    named = tag("th", {"scope": "row"}, drawn, first)
    return tag("tr", {"data-model": place}, named, *(_cell(cell) for cell in cells[1:]))


def _cell(cell: Cell) -> Markup:
    dot, said = MARKS[cell.mark]
    shown = tag("span", {"class": "dot", "aria-hidden": "true"}, dot) if dot else Markup()
    spoken = tag("span", {"class": "spoken"}, said) if said else Markup()
    kind = " ".join(part for part in (cell.mark, "warned" if cell.warned else "") if part)
    return tag("td", {"class": kind or None}, shown, spoken, cell.text, _small(cell))


def _small(cell: Cell) -> Markup:
    warning = tag("abbr", {"title": "too few pictures"}, " ⚠") if cell.warned else Markup()
    first = tag("small", None, cell.small, warning) if cell.small else Markup()
    kind = {"class": "verdict supported" if cell.verdict == "supported" else "verdict"}
    return joined([first, tag("small", kind, cell.verdict) if cell.verdict else Markup()])


def notes(content: Table) -> Markup:
    """What is said below a table."""
    lines = [tag("p", None, note) for note in content.notes]
    return tag("div", {"class": "notes"}, *lines) if lines else Markup()
