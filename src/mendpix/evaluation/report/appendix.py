"""The page's last sections: the protocol's settings, versions, the models' cards, the sources."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.description import count_sources, flatten_settings
from mendpix.evaluation.report.rendering import render
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.results import Sample

MAX_LISTED = 300
"""Pictures up to which each is listed."""


def render_settings(summary: Summary) -> Markup:
    """Everything that is frozen, and with what it was computed."""
    groups = (
        ("Frozen settings", list(flatten_settings(summary.results.protocol))),
        ("Metrics", [(metric.title, metric.how) for metric in summary.all_metrics if metric.how]),
        ("Versions", list(summary.results.versions.items())),
    )
    return render("settings.html", groups=[(title, facts) for title, facts in groups if facts])


def render_models(summary: Summary) -> Markup:
    """What each model is: how it was loaded, and what its card says."""
    cards = [(name, _list_facts(model)) for name, model in summary.results.models.items()]
    return render("models.html", cards=cards)


def _list_facts(model: dict[str, Any]) -> list[tuple[str, str]]:
    settings = {key: value for key, value in model.items() if key != "card" and value != ""}
    return list(flatten_settings({**settings, **(model.get("card") or {})}))


def render_sources(summary: Summary) -> Markup:
    """Every picture's hole, source and licence; where there are many, the sources alone."""
    samples = summary.results.pictures
    if len(samples) > MAX_LISTED:
        heads: Sequence[str] = ("source", "licence", "pictures")
        return render("sources.html", title="", heads=heads, rows=count_sources(summary))
    return render(
        "sources.html",
        title=f"All {len(samples):,} pictures",
        heads=("picture", "hole", "bucket", "source", "licence"),
        rows=list(map(_source_row, samples)),
    )


def _source_row(sample: Sample) -> Sequence[str]:
    bucket = tables.bucket_label(sample.bucket) if sample.bucket else "–"
    share = f"{100 * sample.ratio:.2f} %"
    return sample.name, share, bucket, sample.source or "–", sample.licence or "not stated"
