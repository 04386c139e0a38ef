"""The page: one HTML file that needs no other, nor any network."""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mendpix.errors import MendError
from mendpix.evaluation.report import appendix, metric_sections, picture_section, tables
from mendpix.evaluation.report.description import facts, remarks
from mendpix.evaluation.report.html_tables import data_table, notes
from mendpix.evaluation.report.markup import Markup, joined, tag
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.report.svg import sign

if TYPE_CHECKING:
    from mendpix.evaluation.report import Options

Section = tuple[str, str, Markup]
"""Its anchor, its name in the contents, and itself."""


def report(summary: Summary, folder: Path, options: "Options") -> str:
    """The whole page.

    Raises:
        MendError: a metric that was not measured of each picture, or less than no picture.
    """
    if options.pictures < 0:
        raise MendError(
            f"a page cannot show {options.pictures} pictures a bucket; ask for 0 or more"
        )
    shown = picture_section.section(summary, folder, ranking(summary, options.by), options)
    sections = [
        ("findings", "Findings", _findings(summary)),
        ("measures", "Measures", metric_sections.section(summary)),
        ("pictures", "Pictures", shown),
        ("sets", "Whole sets", metric_sections.sets(summary)),
        ("costs", "Time and memory", metric_sections.costs(summary)),
        ("how", "How it was measured", appendix.how(summary)),
        ("models", "Models", appendix.models(summary)),
        ("sources", "Sources", appendix.sources(summary)),
    ]
    return _document(summary, [held for held in sections if held[2]])


def ranking(summary: Summary, by: str | None) -> Metric | None:
    """The metric that ranks pictures; None where none was measured.

    Raises:
        MendError: no such metric of each picture.
    """
    named = {
        m.name: m for m in summary.metrics if any(summary.values(n, m) for n in summary.models)
    }
    if by is None:
        return next(reversed(named.values()), None)
    if by not in named:
        raise MendError(f"pictures cannot be ranked by {by!r}; by {', '.join(named) or 'nothing'}")
    return named[by]


def _document(summary: Summary, sections: list[Section]) -> str:
    style = asset("plots.css") + asset("page.css") + _hiding(len(summary.models))
    script = asset("page.js")
    head = [
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": policy(script)}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag("title", None, facts(summary).title),
        tag("style", None, Markup(style)),
    ]
    body = [
        tag("a", {"class": "skip", "href": "#main"}, "Skip to the findings"),
        _aside(summary, sections),
        tag("main", {"id": "main"}, _header(summary), *(_section(*held) for held in sections)),
        tag("script", None, Markup(script)),
    ]
    page = tag("html", {"lang": "en"}, tag("head", None, *head), tag("body", None, *body))
    return f"<!doctype html>\n{page}\n"


def policy(script: str) -> str:
    """What a browser lets the page do: its own script, its own style, its own pictures."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def asset(name: str) -> str:
    """A file that is built into the page."""
    return (files("mendpix.evaluation.report") / "assets" / name).read_text("utf-8")


def _hiding(count: int) -> str:
    """Rules that hide a model that was switched off."""
    return "\n".join(f'.hide-{n} [data-model="{n}"] {{ display: none }}' for n in range(count))


def _section(anchor: str, name: str, content: Markup) -> Markup:
    title = tag("h2", {"id": f"{anchor}-title"}, name)
    return tag("section", {"id": anchor, "aria-labelledby": f"{anchor}-title"}, title, content)


def _aside(summary: Summary, sections: list[Section]) -> Markup:
    items = []
    for anchor, name, _ in sections:
        below = _metric_links(summary) if anchor == "measures" else Markup()
        items.append(tag("li", None, tag("a", {"href": f"#{anchor}"}, name), below))
    contents = tag("nav", {"aria-label": "Contents"}, tag("ul", None, *items))
    return tag("aside", None, contents, _switches(summary))


def _metric_links(summary: Summary) -> Markup:
    links = [
        tag("li", None, tag("a", {"href": f"#{metric_sections.anchor(metric)}"}, metric.title))
        for metric in summary.metrics
    ]
    return tag("ul", None, *links) if links else Markup()


def _switches(summary: Summary) -> Markup:
    """The legend of all plots, which shows and hides models where scripts run."""
    title = tag("h2", {"id": "legend-title"}, "Models shown")
    buttons = [
        tag("button", {"type": "button", "aria-pressed": "true", "data-switch": place},
            sign(place), tag("span", None, model))
        for place, model in enumerate(summary.models)
    ]  # fmt: skip
    return tag("div", {"class": "legend", "role": "group", "aria-labelledby": "legend-title"},
               title, *buttons)  # fmt: skip


def _header(summary: Summary) -> Markup:
    told = facts(summary)
    said = [tag("p", {"class": "remark"}, remark) for remark in remarks(summary)]
    title = tag("h1", None, told.title)
    return tag("header", None, title, tag("p", {"class": "lead"}, told.line), *said)


def _findings(summary: Summary) -> Markup:
    said = [
        tag("li", None, tag("a", {"href": f"#{metric_sections.anchor(m)}"}, m.title), f": {text}")
        for m, text in tables.findings(summary)
    ]
    whole = tables.overall(summary)
    parts = [tag("ul", {"class": "findings"}, *said)] if said else []
    return joined([*parts, data_table(whole, summary), notes(whole)])
