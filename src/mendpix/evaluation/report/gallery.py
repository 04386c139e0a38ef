"""The pictures of a page: which are shown, and how they are made small enough to embed."""

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import PictureError
from mendpix.evaluation.report.markup import Markup
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.results import ALL, HOLE, TRUTH, Sample, picture_file

Levels = NDArray[np.uint8]

GAIN = 4
"""By what differences are multiplied to be seen."""

RUNGS = ((1024, 88), (768, 85), (512, 82), (512, 65), (384, 70), (256, 70), (192, 60))
"""Longest sides (pixels) and WebP qualities, tried in turn until the budget holds."""

COARSER = 20
"""By how much the quality of differences is lower: they need not be seen to the last detail."""

_TINTS = np.array([(214, 40, 120), (235, 96, 158)], np.uint8)
_HATCH = 8  # pixels of one tint

DIM = 0.3
"""How bright the known part is in a picture of differences."""

_HEAT = np.array([(14, 17, 26), (82, 27, 108), (186, 54, 85), (243, 134, 49), (253, 246, 190)])
"""From no difference to one of 1/GAIN of white or more."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A picture that is shown, with its rank in its bucket, 0 the best."""

    shot: Sample
    bucket: str
    rank: int
    of: int

    @property
    def standing(self) -> str:
        """Its rank in words."""
        if self.of == 1:
            return "the only one"
        name = {0: "best", self.of - 1: "worst", (self.of - 1) // 2: "median"}.get(self.rank)
        if self.of == 2:
            name = ("best", "worst")[self.rank]
        return f"{name} of {self.of}" if name else f"rank {self.rank + 1} of {self.of}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A choice with its pictures as data URIs, by what they show.

    Attributes:
        truth, given: the photo, and what a model was given of it, its hole tinted.
        fills, differences: by model; one that has no file is left out.
        size: width and height in pixels.
    """

    choice: Choice
    truth: Markup
    given: Markup
    fills: dict[str, Markup]
    differences: dict[str, Markup]
    size: tuple[int, int]

    @property
    def bytes(self) -> int:
        """What all of them take."""
        parts = (self.truth, self.given, *self.fills.values(), *self.differences.values())
        return sum(map(len, parts))


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures to show, and what was done to them to keep a page small."""

    shown: list[Shown]
    side: int
    quality: int
    dropped: int


def choose(summary: Summary, metric: Metric, count: int) -> list[Choice]:
    """Pictures of each bucket from the best to the worst, at equal steps of rank.

    A picture's rank goes by the mean of the metric over the models that filled it.
    """
    found = []
    for bucket in summary.buckets or [ALL]:
        ranked = _ranked(summary, metric, bucket)
        shots = {shot.name: shot for shot in summary.results.pictures}
        for rank in ranks(len(ranked), count):
            found.append(Choice(shots[ranked[rank]], bucket, rank, len(ranked)))
    return found


def _ranked(summary: Summary, metric: Metric, bucket: str) -> list[str]:
    values = [summary.values(model, metric, bucket) for model in summary.models]
    means = {}
    for name in summary.members[bucket]:
        held = [of[name] for of in values if name in of and not math.isnan(of[name])]
        if held:
            means[name] = sum(held) / len(held)
    return sorted(means, key=lambda name: (-means[name] if metric.higher else means[name], name))


def ranks(length: int, count: int) -> list[int]:
    """Which of a ranking are shown: the median alone, or both ends and equal steps between."""
    if count == 1:
        return [(length - 1) // 2] if length else []
    steps = [place * (length - 1) / (count - 1) for place in range(count)] if length else []
    return sorted({math.floor(step) for step in steps})


def collect(summary: Summary, folder: Path, choices: Sequence[Choice], budget: int) -> Gallery:
    """Read and encode the pictures, smaller until they fit, then fewer.

    Args:
        budget: bytes for all of them, as they stand in the page.
    """
    there = [choice for choice in choices if _file(folder, TRUTH, choice).is_file()]
    for side, quality in RUNGS[_first(summary, folder, there, budget) :]:
        shown = list(_fitting(summary, folder, there, (side, quality), budget))
        if len(shown) == len(there) or (side, quality) == RUNGS[-1]:
            return Gallery(shown, side, quality, len(there) - len(shown))
    raise AssertionError("the last rung always returns")


def _first(summary: Summary, folder: Path, choices: Sequence[Choice], budget: int) -> int:
    """The first rung at which a few of the pictures, taken for all, fit."""
    few = choices[:: max(1, len(choices) // 3)][:3]
    for place, rung in enumerate(RUNGS):
        sizes = [_encoded(summary, folder, choice, rung).bytes for choice in few]
        if sum(sizes) * len(choices) <= budget * len(few):
            return place
    return len(RUNGS) - 1


def _fitting(
    summary: Summary,
    folder: Path,
    choices: Sequence[Choice],
    rung: tuple[int, int],
    budget: int,
) -> Iterator[Shown]:
    """Pictures until the budget is spent."""
    for choice in choices:
        shown = _encoded(summary, folder, choice, rung)
        budget -= shown.bytes
        if budget < 0:
            return
        yield shown


def _encoded(summary: Summary, folder: Path, choice: Choice, rung: tuple[int, int]) -> Shown:
    truth = read(_file(folder, TRUTH, choice))
    fills = {}
    for model in summary.models:
        file = _file(folder, model, choice)
        if file.is_file():
            fills[model] = read(file)
    hole = _hole(_file(folder, HOLE, choice), truth)
    height, width = truth.shape[:2]
    rough = rung[0], rung[1] - COARSER
    return Shown(
        choice,
        _uri(truth, rung),
        _uri(tinted(truth, hole), rung),
        {model: _uri(fill, rung) for model, fill in fills.items()},
        {model: _uri(difference(fill, truth, hole), rough) for model, fill in fills.items()},
        (width, height),
    )


def _file(folder: Path, what: str, choice: Choice) -> Path:
    return picture_file(folder, what, choice.shot.name)


def read(file: Path) -> Levels:
    """A picture of an evaluation, ``(H, W, 3)``.

    Raises:
        PictureError: a file that is damaged.
    """
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError) as problem:
        raise PictureError(f"{file} cannot be shown: {problem}; evaluate again") from None


def _hole(file: Path, truth: Levels) -> NDArray[np.bool_]:
    """The hole ``(H, W)``; nothing where it was not kept."""
    if not file.is_file():
        return np.zeros(truth.shape[:2], bool)
    hole: NDArray[np.bool_] = read(file)[..., 0] > 127
    return hole


def tinted(truth: Levels, hole: NDArray[np.bool_]) -> Levels:
    """The photo with hatching in its hole: nothing of what is missing shows."""
    rows, columns = np.indices(hole.shape)
    hatch = _TINTS[(rows + columns) // _HATCH % 2]
    return np.where(hole[..., None], hatch, truth)


def difference(fill: Levels, truth: Levels, hole: NDArray[np.bool_]) -> Levels:
    """The largest difference of the channels, amplified, as a colour of heat.

    Where pixels were known and came back as they were, the photo shows dimly and grey.
    """
    if fill.shape != truth.shape:
        return np.zeros_like(truth)
    gap = _largest(cv2.absdiff(fill, truth))
    heated = heat()[np.minimum(gap.astype(np.uint16) * GAIN, 255)]
    dim = (DIM * cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY)).astype(np.uint8)
    return np.where((hole | (gap > 0))[..., None], heated, dim[..., None])


def _largest(levels: Levels) -> Levels:
    """Of the channels, several times as fast as NumPy's maximum over a short axis."""
    return np.maximum(np.maximum(levels[..., 0], levels[..., 1]), levels[..., 2])


def heat() -> Levels:
    """256 colours ``(256, 3)``, from none to most."""
    places = np.linspace(0, 255, len(_HEAT))
    levels = [np.interp(np.arange(256), places, _HEAT[:, channel]) for channel in range(3)]
    return np.stack(levels, -1).round().astype(np.uint8)


def _uri(levels: Levels, rung: tuple[int, int]) -> Markup:
    side, quality = rung
    picture = Image.fromarray(levels)
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stored = io.BytesIO()
    picture.save(stored, "WEBP", quality=quality, method=2)
    return Markup("data:image/webp;base64," + base64.b64encode(stored.getvalue()).decode())
