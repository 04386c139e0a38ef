"""The report as Markdown."""

import re

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.description import (
    count_sources,
    flatten_settings,
    list_remarks,
    write_headline,
)
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.report.tables import ReportTable, TableCell
from mendpix.evaluation.results import file_name

SIGNS = {"best": "● ", "near": "○ ", "": ""}


def render(summary: Summary, figures: str = "") -> str:
    """What the data supports, all tables, and how everything was measured.

    Args:
        figures: where the plots by bucket lie, as links name it; "" for none.
    """
    headline = write_headline(summary)
    parts = [f"# {headline.title}\n", headline.line + "\n"]
    parts += [f"> {escape(remark)}\n" for remark in list_remarks(summary)]
    parts += [
        f"- **{escape(m.title)}**: {escape(text)}" for m, text in tables.list_findings(summary)
    ]
    parts.append("")
    overall, *others = tables.tabulate_all(summary)
    parts.append(render_table(overall))
    if figures:
        parts += ["## By bucket\n", *(_link_figure(m, figures) for m in summary.metrics)]
    parts += map(render_table, others)
    parts.append("## Frozen settings\n")
    parts += [f"- {escape(k)}: {escape(v)}" for k, v in flatten_settings(summary.results.protocol)]
    parts.append("\n## Versions\n")
    parts += [f"- {escape(k)}: {escape(v)}" for k, v in summary.results.versions.items()]
    parts.append("\n## Sources\n")
    parts += [f"- {escape(', '.join(row))}" for row in count_sources(summary)]
    return "\n".join(parts).rstrip() + "\n"


def _link_figure(metric: Metric, figures: str) -> str:
    return f"![{escape(metric.heading)} by bucket]({figures}/{file_name(metric.name)}.svg)\n"


def render_table(content: ReportTable) -> str:
    """A table under its title, its notes below it."""
    header = "| " + " | ".join(map(_cell, content.header)) + " |"
    rule = "|---" + "|--:" * (len(content.header) - 1) + "|"
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in content.rows]
    notes = [f"\n{escape(note)}" for note in content.notes]
    return "\n".join([f"## {escape(content.title)}\n", header, rule, *rows, *notes, ""])


def _cell(cell: TableCell) -> str:
    warned = " ⚠" if cell.warned else ""
    small = "".join(f" {escape(part)}" for part in (cell.small, cell.verdict) if part)
    text = escape(cell.text)
    return f"{SIGNS[cell.mark]}{f'**{text}**' if cell.mark == 'best' else text}{small}{warned}"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}<>#|~&!]|\](?=[(\[:]))", r"\\\1", " ".join(text.split()))
