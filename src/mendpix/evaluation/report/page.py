"""The HTML page: one self-contained file that loads nothing from anywhere."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from mendpix.errors import MendError
from mendpix.evaluation.report import appendix, metric_sections, picture_section, tables
from mendpix.evaluation.report.description import list_remarks, write_headline
from mendpix.evaluation.report.rendering import read_asset, render
from mendpix.evaluation.report.summary import Metric, Summary

if TYPE_CHECKING:
    from mendpix.evaluation.report import ReportOptions


@dataclass(frozen=True, slots=True)
class PageSection:
    """A section with its place in the contents; one without content is left out."""

    anchor: str
    title: str
    content: Markup


def render_page(summary: Summary, folder: Path, options: "ReportOptions") -> str:
    """The whole page.

    Raises:
        MendError: a metric that was not measured of each picture, or less than no picture.
    """
    if options.pictures < 0:
        raise MendError(
            f"a page cannot show {options.pictures} pictures a bucket; ask for 0 or more"
        )
    metric = choose_ranking(summary, options.by)
    sections = [
        PageSection("findings", "Findings", _render_findings(summary)),
        PageSection("measures", "Measures", metric_sections.render_metrics(summary)),
        PageSection(
            "pictures",
            "Pictures",
            picture_section.render_pictures(summary, folder, metric, options),
        ),
        PageSection("sets", "Whole sets", metric_sections.render_sets(summary)),
        PageSection("costs", "Time and memory", metric_sections.render_costs(summary)),
        PageSection("how", "How it was measured", appendix.render_settings(summary)),
        PageSection("models", "Models", appendix.render_models(summary)),
        PageSection("sources", "Sources", appendix.render_sources(summary)),
    ]
    return _render_document(summary, [section for section in sections if section.content])


def choose_ranking(summary: Summary, by: str | None) -> Metric | None:
    """The metric that ranks pictures; None where none was measured.

    Raises:
        MendError: no such metric of each picture.
    """
    measured = {
        m.name: m for m in summary.metrics if any(summary.values(n, m) for n in summary.models)
    }
    if by is None:
        return next(reversed(measured.values()), None)
    if by not in measured:
        known = ", ".join(measured) or "nothing"
        raise MendError(f"pictures cannot be ranked by {by!r}; by {known}")
    return measured[by]


def _render_findings(summary: Summary) -> Markup:
    findings = [
        (metric_sections.anchor(metric), metric.title, text)
        for metric, text in tables.list_findings(summary)
    ]
    return render(
        "findings.html",
        findings=findings,
        table=tables.tabulate_overall(summary),
        models=summary.models,
    )


def _render_document(summary: Summary, sections: list[PageSection]) -> str:
    style = read_asset("plots.css") + read_asset("page.css") + _hiding_rules(len(summary.models))
    script = read_asset("page.js")
    return render(
        "page.html",
        headline=write_headline(summary),
        remarks=list_remarks(summary),
        sections=sections,
        metrics=[(metric_sections.anchor(metric), metric.title) for metric in summary.metrics],
        models=summary.models,
        policy=content_policy(script),
        style=Markup(style),
        script=Markup(script),
    )


def content_policy(script: str) -> str:
    """What a browser lets the page do: its own script, its own style, its own pictures."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _hiding_rules(count: int) -> str:
    """CSS that hides a model that was switched off."""
    return "\n".join(f'.hide-{n} [data-model="{n}"] {{ display: none }}' for n in range(count))
