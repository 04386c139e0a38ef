"""The page's section of pictures, with a slider between any two."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from mendpix.evaluation.report import gallery, tables
from mendpix.evaluation.report.gallery import COARSER, GAIN, EncodedPicture, Gallery
from mendpix.evaluation.report.rendering import render
from mendpix.evaluation.report.summary import Metric, Summary

if TYPE_CHECKING:
    from mendpix.evaluation.report import ReportOptions


@dataclass(frozen=True, slots=True)
class Tile:
    """A small picture that a press puts on the right of the divider.

    Attributes:
        key: by which the script and the choices name it.
        source: a data URI.
    """

    key: str
    source: str
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class TileStack:
    """A model's tiles, or (``place`` None) the photo's own."""

    title: str
    place: int | None
    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True)
class PictureCard:
    """A picture with all that is shown of it.

    Attributes:
        choices: key and label of each tile, for the two sides of the divider.
        right: the key that stands on the right at first; on the left stands the input.
    """

    place: int
    name: str
    standing: str
    about: str
    size: tuple[int, int]
    choices: Sequence[tuple[str, str]]
    right: str
    stacks: Sequence[TileStack]


def render_pictures(
    summary: Summary, folder: Path, metric: Metric | None, options: "ReportOptions"
) -> Markup:
    """The best, the median and the worst of each bucket; nothing where there are no pictures."""
    if metric is None or not options.pictures:
        return Markup()
    choices = gallery.choose_pictures(summary, metric, options.pictures)
    pictures = gallery.collect_pictures(summary, folder, choices, options.budget)
    if not pictures.encoded:
        return Markup()
    return render(
        "pictures.html",
        ranking=_describe_ranking(metric, pictures),
        loss=_describe_loss(pictures),
        heat_colours=gallery.heat_colours()[::51].tolist(),
        most=f"{100 / GAIN:g} % of white or more",
        buckets=_group_cards(summary, metric, pictures),
    )


def _describe_ranking(metric: Metric, pictures: Gallery) -> str:
    several = any(picture.choice.rank == 0 < picture.choice.of - 1 for picture in pictures.encoded)
    which = (
        "Pictures of each bucket from the best to the worst"
        if several
        else "The median picture of each bucket"
    )
    return (
        f"{which} by {metric.title}, as its mean over the models; the numbers below the fills are "
        "of that picture alone. What is missing is hatched."
    )


def _describe_loss(pictures: Gallery) -> str:
    """How the embedded pictures differ from those that were measured."""
    dropped = f"; {pictures.dropped} more did not fit the page's budget" if pictures.dropped else ""
    return (
        f"Embedded as WebP of quality {pictures.quality} (differences "
        f"{pictures.quality - COARSER}), at most {pictures.side} pixels a side{dropped}; "
        "measured were the files beside the results, without that loss."
    )


def _group_cards(
    summary: Summary, metric: Metric, pictures: Gallery
) -> list[tuple[str, list[PictureCard]]]:
    """Title and cards of each bucket."""
    groups: dict[str, list[PictureCard]] = {}
    for place, picture in enumerate(pictures.encoded):
        card = _view_picture(summary, metric, picture, place)
        groups.setdefault(picture.choice.bucket, []).append(card)
    return [(_bucket_title(bucket), cards) for bucket, cards in groups.items()]


def _bucket_title(bucket: str) -> str:
    label = tables.bucket_label(bucket)
    return label if label == "all pictures" else f"Hole {label}"


def _view_picture(
    summary: Summary, metric: Metric, picture: EncodedPicture, place: int
) -> PictureCard:
    sample = picture.choice.sample
    licence = f", {sample.licence}" if sample.licence else ""
    source = f"; {sample.source}{licence}" if sample.source else ""
    best = next((model for model in summary.rank_models(metric) if model in picture.fills), None)
    own = TileStack(
        "photo",
        None,
        (
            _tile(picture, "given", picture.input, "input"),
            _tile(picture, "truth", picture.truth, "truth"),
        ),
    )
    return PictureCard(
        place,
        sample.name,
        picture.choice.standing,
        f"hole {100 * sample.ratio:.1f} %{source}",
        picture.size,
        _list_choices(summary, picture),
        "truth" if best is None else _fill_key(summary, best),
        [own, *(_stack_tiles(summary, metric, picture, model) for model in picture.fills)],
    )


def _fill_key(summary: Summary, model: str) -> str:
    return f"fill-{summary.models.index(model)}"


def _difference_key(summary: Summary, model: str) -> str:
    return f"difference-{summary.models.index(model)}"


def _list_choices(summary: Summary, picture: EncodedPicture) -> list[tuple[str, str]]:
    fills = [(_fill_key(summary, model), model) for model in picture.fills]
    differences = [
        (_difference_key(summary, model), f"difference of {model}") for model in picture.differences
    ]
    return [("given", "input"), ("truth", "truth"), *fills, *differences]


def _stack_tiles(
    summary: Summary, metric: Metric, picture: EncodedPicture, model: str
) -> TileStack:
    value = summary.values(model, metric).get(picture.choice.sample.name)
    unit = f" {metric.unit}" if metric.unit else ""
    number = "–" if value is None else metric.format_value(value) + unit
    fill = _tile(
        picture,
        _fill_key(summary, model),
        picture.fills[model],
        f"{metric.title} {number}",
        model,
    )
    difference = _tile(
        picture,
        _difference_key(summary, model),
        picture.differences[model],
        f"difference × {GAIN}",
        model,
    )
    return TileStack(model, summary.models.index(model), (fill, difference))


def _tile(picture: EncodedPicture, key: str, source: str, caption: str, model: str = "") -> Tile:
    subject = f"{model}: " if model else ""
    return Tile(key, source, caption, f"{picture.choice.sample.name}, {subject}{caption}")
