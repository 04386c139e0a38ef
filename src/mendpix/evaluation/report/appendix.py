"""The page's last sections: the protocol's settings, versions, the models' cards, the sources."""

from collections.abc import Iterable, Sequence
from typing import Any

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.description import counted, flat
from mendpix.evaluation.report.html_tables import scrolling
from mendpix.evaluation.report.markup import Markup, joined, link, tag
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.report.svg import sign
from mendpix.evaluation.results import Sample

LISTED = 300
"""Pictures up to which each is listed."""


def how(summary: Summary) -> Markup:
    """Everything that is frozen, and with what it was computed."""
    repeat = tag(
        "p",
        None,
        "manifest.json beside these results holds the hashes of every picture and hole. ",
        tag("code", None, "mendpix evaluate --manifest manifest.json"),
        " repeats the evaluation and says if anything differs.",
    )
    settings = _facts(flat(summary.results.protocol))
    versions = _facts(summary.results.versions.items())
    metrics = _facts((m.title, m.how) for m in summary.all_metrics if m.how)
    named = (("Frozen settings", settings), ("Metrics", metrics), ("Versions", versions))
    parts = [tag("div", None, tag("h3", None, name), held) for name, held in named if held]
    return joined([repeat, tag("div", {"class": "columns"}, *parts)])


def _facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    items = [tag("div", None, tag("dt", None, k.replace("_", " ")), tag("dd", None, _linked(v)))
             for k, v in pairs]  # fmt: skip
    return tag("dl", None, *items) if items else Markup()


def _linked(text: str) -> Markup:
    return link(text, text) if " " not in text else joined([text])


def models(summary: Summary) -> Markup:
    """What each model is: how it was loaded, and what its card says."""
    cards = []
    for place, (name, held) in enumerate(summary.results.models.items()):
        title = tag("h3", None, sign(place), name)
        facts = {key: value for key, value in held.items() if key != "card" and value != ""}
        card: dict[str, Any] = held.get("card") or {}
        cards.append(
            tag("article", {"class": "card model"}, title, _facts(flat({**facts, **card})))
        )
    return tag("div", {"class": "columns"}, *cards)


def sources(summary: Summary) -> Markup:
    """Every picture's hole, source and licence; where there are many, the sources alone."""
    shots = summary.results.pictures
    name = "sources of the pictures"
    if len(shots) > LISTED:
        return _words(name, ("source", "licence", "pictures"), counted(summary))
    heads = ("picture", "hole", "bucket", "source", "licence")
    title = tag("summary", None, f"All {len(shots):,} pictures")
    return tag("details", None, title, _words(name, heads, map(_source, shots)))


def _source(shot: Sample) -> Sequence[str]:
    bucket = tables.share(shot.bucket) if shot.bucket else "–"
    share = f"{100 * shot.ratio:.2f} %"
    return shot.name, share, bucket, shot.source or "–", shot.licence or "not stated"


def _words(name: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = tag("tr", None, *(tag("th", {"scope": "col"}, text) for text in heads))
    body = [
        tag("tr", None, tag("th", {"scope": "row"}, row[0]), *(tag("td", None, t) for t in row[1:]))
        for row in rows
    ]
    parts = (tag("thead", None, head), tag("tbody", None, *body))
    return scrolling(name, tag("table", {"class": "words"}, *parts))
