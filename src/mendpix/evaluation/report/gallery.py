"""The pictures of a page: chooses them by rank, and encodes them to fit a budget of bytes."""

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
from mendpix.evaluation.report.summary import Metric, Summary
from mendpix.evaluation.results import ALL, HOLE, TRUTH, Sample, picture_file

Levels = NDArray[np.uint8]

GAIN = 4
"""By what differences are multiplied to be seen."""

QUALITY_STEPS = ((1024, 88), (768, 85), (512, 82), (512, 65), (384, 70), (256, 70), (192, 60))
"""Longest sides (pixels) and WebP qualities, tried in turn until the budget holds."""

COARSER = 20
"""By how much the quality of differences is lower: they need not be seen to the last detail."""

_HATCH_COLOURS = np.array([(214, 40, 120), (235, 96, 158)], np.uint8)
_HATCH_WIDTH = 8  # pixels of one colour

DIM = 0.3
"""How bright the known part is in a picture of differences."""

_HEAT_STOPS = np.array(
    [(14, 17, 26), (82, 27, 108), (186, 54, 85), (243, 134, 49), (253, 246, 190)]
)
"""From no difference to one of 1/GAIN of white or more."""


@dataclass(frozen=True, slots=True)
class PictureChoice:
    """A picture that is shown, with its rank in its bucket, 0 the best."""

    sample: Sample
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
class EncodedPicture:
    """A choice with its pictures as data URIs, by what they show.

    Attributes:
        truth, input: the photo, and the photo with its hole hatched.
        fills, differences: by model; one that has no file is left out.
        size: width and height in pixels.
    """

    choice: PictureChoice
    truth: str
    input: str
    fills: dict[str, str]
    differences: dict[str, str]
    size: tuple[int, int]

    @property
    def bytes(self) -> int:
        """The length of all data URIs."""
        parts = (self.truth, self.input, *self.fills.values(), *self.differences.values())
        return sum(map(len, parts))


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures to show, and what was done to them to keep a page small."""

    encoded: list[EncodedPicture]
    side: int
    quality: int
    dropped: int


def choose_pictures(summary: Summary, metric: Metric, count: int) -> list[PictureChoice]:
    """Pictures of each bucket from the best to the worst, at equal steps of rank.

    A picture's rank goes by the mean of the metric over the models that filled it.
    """
    choices = []
    for bucket in summary.buckets or [ALL]:
        ranking = _rank_pictures(summary, metric, bucket)
        samples = {sample.name: sample for sample in summary.results.pictures}
        for rank in spread_ranks(len(ranking), count):
            choices.append(PictureChoice(samples[ranking[rank]], bucket, rank, len(ranking)))
    return choices


def _rank_pictures(summary: Summary, metric: Metric, bucket: str) -> list[str]:
    values = [summary.values(model, metric, bucket) for model in summary.models]
    means = {}
    for name in summary.members[bucket]:
        numbers = [of[name] for of in values if name in of and not math.isnan(of[name])]
        if numbers:
            means[name] = sum(numbers) / len(numbers)
    return sorted(means, key=lambda name: (-means[name] if metric.higher else means[name], name))


def spread_ranks(length: int, count: int) -> list[int]:
    """Which of a ranking are shown: the median alone, or both ends and equal steps between."""
    if count == 1:
        return [(length - 1) // 2] if length else []
    steps = [place * (length - 1) / (count - 1) for place in range(count)] if length else []
    return sorted({math.floor(step) for step in steps})


def collect_pictures(
    summary: Summary, folder: Path, choices: Sequence[PictureChoice], budget: int
) -> Gallery:
    """Read and encode the pictures, smaller until they fit, then fewer.

    Args:
        budget: bytes for all of them, as they stand in the page.
    """
    present = [choice for choice in choices if _picture_path(folder, TRUTH, choice).is_file()]
    for side, quality in QUALITY_STEPS[_first_step(summary, folder, present, budget) :]:
        encoded = list(_encode_within(summary, folder, present, (side, quality), budget))
        if len(encoded) == len(present) or (side, quality) == QUALITY_STEPS[-1]:
            return Gallery(encoded, side, quality, len(present) - len(encoded))
    raise AssertionError("the last step always returns")


def _first_step(
    summary: Summary, folder: Path, choices: Sequence[PictureChoice], budget: int
) -> int:
    """The first step at which a few of the pictures, taken for all, fit."""
    few = choices[:: max(1, len(choices) // 3)][:3]
    for place, step in enumerate(QUALITY_STEPS):
        sizes = [_encode(summary, folder, choice, step).bytes for choice in few]
        if sum(sizes) * len(choices) <= budget * len(few):
            return place
    return len(QUALITY_STEPS) - 1


def _encode_within(
    summary: Summary,
    folder: Path,
    choices: Sequence[PictureChoice],
    step: tuple[int, int],
    budget: int,
) -> Iterator[EncodedPicture]:
    """Pictures until the budget is spent."""
    for choice in choices:
        encoded = _encode(summary, folder, choice, step)
        budget -= encoded.bytes
        if budget < 0:
            return
        yield encoded


def _encode(
    summary: Summary, folder: Path, choice: PictureChoice, step: tuple[int, int]
) -> EncodedPicture:
    truth = read_picture(_picture_path(folder, TRUTH, choice))
    fills = {}
    for model in summary.models:
        file = _picture_path(folder, model, choice)
        if file.is_file():
            fills[model] = read_picture(file)
    hole = _read_hole(_picture_path(folder, HOLE, choice), truth)
    height, width = truth.shape[:2]
    coarse = step[0], step[1] - COARSER
    return EncodedPicture(
        choice,
        _encode_webp(truth, step),
        _encode_webp(hatch_hole(truth, hole), step),
        {model: _encode_webp(fill, step) for model, fill in fills.items()},
        {
            model: _encode_webp(draw_difference(fill, truth, hole), coarse)
            for model, fill in fills.items()
        },
        (width, height),
    )


def _picture_path(folder: Path, what: str, choice: PictureChoice) -> Path:
    return picture_file(folder, what, choice.sample.name)


def read_picture(file: Path) -> Levels:
    """A picture of an evaluation, ``(H, W, 3)``.

    Raises:
        PictureError: a file that is damaged.
    """
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError) as problem:
        raise PictureError(f"{file} cannot be shown: {problem}; evaluate again") from None


def _read_hole(file: Path, truth: Levels) -> NDArray[np.bool_]:
    """The hole ``(H, W)``; nothing where it was not kept."""
    if not file.is_file():
        return np.zeros(truth.shape[:2], bool)
    hole: NDArray[np.bool_] = read_picture(file)[..., 0] > 127
    return hole


def hatch_hole(truth: Levels, hole: NDArray[np.bool_]) -> Levels:
    """The photo with hatching in its hole: nothing of what is missing shows."""
    rows, columns = np.indices(hole.shape)
    hatch = _HATCH_COLOURS[(rows + columns) // _HATCH_WIDTH % 2]
    return np.where(hole[..., None], hatch, truth)


def draw_difference(fill: Levels, truth: Levels, hole: NDArray[np.bool_]) -> Levels:
    """The largest difference of the channels, amplified, as a colour of heat.

    Where pixels were known and came back as they were, the photo shows dimly and grey.
    """
    if fill.shape != truth.shape:
        return np.zeros_like(truth)
    gap = _largest_channel(cv2.absdiff(fill, truth))
    colours = heat_colours()[np.minimum(gap.astype(np.uint16) * GAIN, 255)]
    dim = (DIM * cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY)).astype(np.uint8)
    return np.where((hole | (gap > 0))[..., None], colours, dim[..., None])


def _largest_channel(levels: Levels) -> Levels:
    """Of the channels, several times as fast as NumPy's maximum over a short axis."""
    return np.maximum(np.maximum(levels[..., 0], levels[..., 1]), levels[..., 2])


def heat_colours() -> Levels:
    """256 colours ``(256, 3)``, from none to most."""
    places = np.linspace(0, 255, len(_HEAT_STOPS))
    levels = [np.interp(np.arange(256), places, _HEAT_STOPS[:, channel]) for channel in range(3)]
    return np.stack(levels, -1).round().astype(np.uint8)


def _encode_webp(levels: Levels, step: tuple[int, int]) -> str:
    """A data URI."""
    side, quality = step
    picture = Image.fromarray(levels)
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
