"""Tables as Markdown."""

import re

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.description import counted, facts, flat, remarks
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.report.tables import Cell, Table
from mendpix.evaluation.results import file_name

SIGNS = {"best": "● ", "near": "○ ", "": ""}


def report(summary: Summary, figures: str = "") -> str:
    """What the data supports, all tables, and how everything was measured.

    Args:
        figures: where the plots by bucket lie, as links name it; "" for none.
    """
    parts = [f"# {facts(summary).title}\n", facts(summary).line + "\n"]
    parts += [f"> {escaped(remark)}\n" for remark in remarks(summary)]
    parts += [f"- **{escaped(m.title)}**: {escaped(say)}" for m, say in tables.findings(summary)]
    parts.append("")
    whole, *others = every(summary)
    parts.append(table(whole))
    if figures:
        parts += ["## By bucket\n", *(_figure(m, figures) for m in summary.metrics)]
    parts += map(table, others)
    parts.append("## Frozen settings\n")
    parts += [f"- {escaped(k)}: {escaped(v)}" for k, v in flat(summary.results.protocol)]
    parts.append("\n## Versions\n")
    parts += [f"- {escaped(k)}: {escaped(v)}" for k, v in summary.results.versions.items()]
    parts.append("\n## Sources\n")
    parts += [f"- {escaped(', '.join(row))}" for row in counted(summary)]
    return "\n".join(parts).rstrip() + "\n"


def _figure(metric: Metric, figures: str) -> str:
    return f"![{escaped(metric.heading)} by bucket]({figures}/{file_name(metric.name)}.svg)\n"


def every(summary: Summary) -> list[Table]:
    """The tables in the order in which they are read."""
    found = [tables.overall(summary)]
    if summary.buckets:
        found += [tables.by_bucket(summary, metric) for metric in summary.metrics]
    if len(summary.models) > 1:
        found += [tables.claims(summary, metric) for metric in summary.metrics]
    costs = tables.costs(summary)
    return [*found, *tables.sets(summary), *([costs] if costs else [])]


def table(content: Table) -> str:
    """A table under its title, its notes below it."""
    header = "| " + " | ".join(map(_cell, content.header)) + " |"
    rule = "|---" + "|--:" * (len(content.header) - 1) + "|"
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in content.rows]
    notes = [f"\n{escaped(note)}" for note in content.notes]
    return "\n".join([f"## {escaped(content.title)}\n", header, rule, *rows, *notes, ""])


def _cell(cell: Cell) -> str:
    warned = " ⚠" if cell.warned else ""
    small = "".join(f" {escaped(part)}" for part in (cell.small, cell.verdict) if part)
    text = escaped(cell.text)
    return f"{SIGNS[cell.mark]}{f'**{text}**' if cell.mark == 'best' else text}{small}{warned}"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}<>#|~&!]|\](?=[(\[:]))", r"\\\1", " ".join(text.split()))
