"""Contact sheets: pictures side by side in one file, for pages that cannot hold a slider."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mendpix.errors import MendError
from mendpix.evaluation.report.gallery import Levels, hatch_hole, read_picture
from mendpix.evaluation.results import HOLE, TRUTH, picture_file

GAP = 6  # pixels between pictures
BAND = 26  # pixels for the names above


def draw_sheet(folder: Path, names: Sequence[str], models: Sequence[str], side: int) -> Image.Image:
    """A row per picture: the input with its hole hatched, each model's fill, the truth.

    Args:
        folder: where the results lie, with their pictures.
        names: of the pictures.
        side: the longest of each in the sheet, in pixels.

    Raises:
        MendError: a picture or a model that the results do not hold.
    """
    columns = ["input", *models, TRUTH]
    rows = [_row_pictures(folder, name, models, side) for name in names]
    tall = sum(row[0].height + GAP for row in rows)
    page = Image.new("RGB", (len(columns) * (side + GAP) + GAP, BAND + tall), "white")
    _draw_title(page, columns, side)
    top = BAND
    for row in rows:
        for place, picture in enumerate(row):
            page.paste(picture, (GAP + place * (side + GAP), top))
        top += row[0].height + GAP
    return page


def _row_pictures(folder: Path, name: str, models: Sequence[str], side: int) -> list[Image.Image]:
    truth = _read(folder, TRUTH, name)
    hole = _read(folder, HOLE, name)[..., 0] > 127
    levels = [hatch_hole(truth, hole), *(_read(folder, model, name) for model in models), truth]
    return [_shrink(one, side) for one in levels]


def _read(folder: Path, what: str, name: str) -> Levels:
    file = picture_file(folder, what, name)
    if not file.is_file():
        raise MendError(f"{folder} holds no picture {name} of {what}; name others")
    return read_picture(file)


def _shrink(levels: Levels, side: int) -> Image.Image:
    picture = Image.fromarray(levels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def _draw_title(page: Image.Image, columns: Sequence[str], side: int) -> None:
    """Names above the columns, cut off where they are too long for one."""
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    for place, name in enumerate(columns):
        while len(name) > 1 and pen.textlength(name, font) > side:
            name = name[:-2].rstrip("…") + "…"
        pen.text((GAP + place * (side + GAP), 4), name, "black", font)
