"""The page's section of pictures, with a slider between any two."""

from pathlib import Path
from typing import TYPE_CHECKING

from mendpix.evaluation.report import gallery, tables
from mendpix.evaluation.report.gallery import COARSER, GAIN, Gallery, Shown
from mendpix.evaluation.report.markup import Markup, joined, tag
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.report.svg import sign

if TYPE_CHECKING:
    from mendpix.evaluation.report import Options


def section(summary: Summary, folder: Path, metric: Metric | None, options: "Options") -> Markup:
    """The best, the median and the worst of each bucket; nothing where there are no pictures."""
    if metric is None or not options.pictures:
        return Markup()
    choices = gallery.choose(summary, metric, options.pictures)
    found = gallery.collect(summary, folder, choices, options.budget)
    if not found.shown:
        return Markup()
    buckets = list(dict.fromkeys(shown.choice.bucket for shown in found.shown))
    parts = [_bucket(summary, metric, found, bucket) for bucket in buckets]
    return joined([_about(metric, found), *parts])


def _about(metric: Metric, found: Gallery) -> Markup:
    """What ranks them, what the colours say, and what was done to them."""
    several = any(shown.choice.rank == 0 < shown.choice.of - 1 for shown in found.shown)
    which = (
        "Pictures of each bucket from the best to the worst"
        if several
        else "The median picture of each bucket"
    )
    ranked = (
        f"{which} by {metric.title}, as its mean over the models; the numbers below the fills are "
        "of that picture alone. What is missing is hatched."
    )
    stored = (
        f"Embedded as WebP of quality {found.quality} (differences {found.quality - COARSER}), at "
        f"most {found.side} pixels a side"
    )
    left = f"; {found.dropped} more did not fit the page's budget" if found.dropped else ""
    measured = "; measured were the files beside the results, without that loss."
    parts = [tag("p", None, ranked), tag("p", None, stored + left + measured), _scale()]
    return tag("div", {"class": "about"}, *parts)


def _scale() -> Markup:
    """The colours of differences."""
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in gallery.heat()[::51].tolist())
    bar = tag("span", {"class": "heat", "style": f"background: linear-gradient(90deg, {stops})"})
    most = f"{100 / GAIN:g} % of white or more"
    words = f"differences from the truth, × {GAIN} (known pixels dimmed): 0"
    return tag("p", {"class": "heatscale"}, words, bar, most)


def _bucket(summary: Summary, metric: Metric, found: Gallery, bucket: str) -> Markup:
    cards = [
        _card(summary, metric, shown, place)
        for place, shown in enumerate(found.shown)
        if shown.choice.bucket == bucket
    ]
    name = tables.share(bucket)
    title = tag("h3", None, name if name == "all pictures" else f"Hole {name}")
    return tag("div", {"class": "bucket"}, title, *cards)


def _card(summary: Summary, metric: Metric, shown: Shown, place: int) -> Markup:
    choice = shown.choice
    name = tag("h4", None, tag("span", {"class": "standing"}, choice.standing), choice.shot.name)
    licence = f", {choice.shot.licence}" if choice.shot.licence else ""
    source = choice.shot.source or ""
    about = f"hole {100 * choice.shot.ratio:.1f} %" + (f"; {source}{licence}" if source else "")
    head = tag("header", None, name, tag("p", None, about))
    body = tag("div", {"class": "shown"}, _viewer(summary, metric, shown, place),
               _tiles(summary, metric, shown))  # fmt: skip
    return tag("article", {"class": "card"}, head, body)


def _options(summary: Summary, shown: Shown, chosen: str) -> list[Markup]:
    named = [("given", "input"), ("truth", "truth")]
    places = {model: place for place, model in enumerate(summary.models)}
    named += [(f"fill-{places[m]}", m) for m in shown.fills]
    named += [(f"difference-{places[m]}", f"difference of {m}") for m in shown.differences]
    return [tag("option", {"value": v, "selected": v == chosen}, text) for v, text in named]


def _viewer(summary: Summary, metric: Metric, shown: Shown, place: int) -> Markup:
    """Two pictures under one divider, a range input that a keyboard moves, and what to choose."""
    best = next((m for m in summary.ranked(metric) if m in shown.fills), None)
    right = f"fill-{summary.models.index(best)}" if best else "truth"
    width, height = shown.size
    name = shown.choice.shot.name
    slider = {"type": "range", "min": 0, "max": 100, "value": 50, "step": 1}
    stage = tag(
        "div",
        {"class": "stage", "style": f"aspect-ratio: {width} / {height}"},
        tag("img", {"class": "right", "alt": ""}),
        tag("img", {"class": "left", "alt": ""}),
        tag("span", {"class": "divider", "aria-hidden": "true"}),
        tag("span", {"class": "which left", "aria-hidden": "true"}),
        tag("span", {"class": "which right", "aria-hidden": "true"}),
        tag("input", {**slider, "aria-label": f"Divider between two pictures of {name}"}),
    )
    sides = [("left", "given"), ("right", right)]
    selects = [
        tag("label", None, tag("span", None, side.capitalize()),
            tag("select", {"data-side": side}, *_options(summary, shown, chosen)))
        for side, chosen in sides
    ]  # fmt: skip
    choose = tag("div", {"class": "choose"}, *selects)
    return tag("div", {"class": "viewer", "data-viewer": place}, stage, choose)


def _tiles(summary: Summary, metric: Metric, shown: Shown) -> Markup:
    """All pictures small; a press puts one on the right of the divider."""
    own = tag(
        "div",
        {"class": "stack"},
        tag("p", {"class": "who"}, "photo"),
        _tile(shown, "given", shown.given, "input"),
        _tile(shown, "truth", shown.truth, "truth"),
    )
    stacks = [_stack(summary, metric, shown, place) for place in range(len(summary.models))]
    return tag("div", {"class": "tiles"}, own, *stacks)


def _stack(summary: Summary, metric: Metric, shown: Shown, place: int) -> Markup:
    model = summary.models[place]
    if model not in shown.fills:
        return Markup()
    value = summary.values(model, metric).get(shown.choice.shot.name)
    number = (
        metric.written(value) + (f" {metric.unit}" if metric.unit else "")
        if value is not None
        else "–"
    )
    return tag(
        "div",
        {"class": "stack", "data-model": place},
        tag("p", {"class": "who"}, sign(place), tag("span", None, model)),
        _tile(shown, f"fill-{place}", shown.fills[model], f"{metric.title} {number}", model),
        _tile(
            shown, f"difference-{place}", shown.differences[model], f"difference × {GAIN}", model
        ),
    )


def _tile(shown: Shown, key: str, source: Markup, caption: str, model: str = "") -> Markup:
    width, height = shown.size
    alt = f"{shown.choice.shot.name}, {model + ': ' if model else ''}{caption}"
    image = {
        "src": source,
        "alt": alt,
        "width": width,
        "height": height,
        "decoding": "async",
        "loading": "lazy",
    }
    press = {"type": "button", "data-key": key, "title": "show on the right of the divider"}
    held = tag("button", press, tag("img", image))
    return tag("figure", {"class": "tile"}, held, tag("figcaption", None, caption))
