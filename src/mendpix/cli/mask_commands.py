"""The verb mask: makes a mask without an editor."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.errors import MaskError


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(mask)


def mask(
    photo: Annotated[Path, Argument(help="The picture to make a mask for.", show_default=False)],
    out: Annotated[Path, Option("--out", "-o", help="The mask to write, white = marked.")],
    at: Annotated[
        list[str] | None,
        Option("--at", metavar="X,Y", help="Mark the thing at this point; repeat it."),
    ] = None,
    boxes: o.Boxes = None,
    polygons: o.Polygons = None,
    labels: Annotated[
        Path | None, Option("--labels", help="Labels in JSON (labelme, COCO), or a mask.")
    ] = None,
    category: o.Category = "",
    from_alpha: Annotated[
        bool, Option("--from-alpha", help="Mark where the picture is transparent.")
    ] = False,
    invert: Annotated[bool, Option("--invert", help="Mark all the rest instead.")] = False,
    grow: o.GrowPixels = 0,
) -> None:
    """Make a mask of what lies at points, in boxes, polygons or labels, or of alpha."""
    import numpy as np

    from mendpix.inpainting.filling import read_hole
    from mendpix.inpainting.options import MaskOptions
    from mendpix.io import files
    from mendpix.io.picture import Picture
    from mendpix.masks import holes, selection

    picture = files.read(photo)
    shapes = tuple(boxes or ()), tuple(polygons or ())
    hole = np.zeros(picture.shape, bool)
    if at:
        hole |= selection.select(picture.pixels, [_parse_point(point) for point in at])
    if from_alpha or labels or any(shapes):
        options = MaskOptions(0, False, False, from_alpha, "", *shapes, category)
        hole |= read_hole(labels, picture, options).hole
    elif not at:
        raise MaskError("nothing says what to mark; give --at X,Y, --box, --polygon or --labels")
    hole = holes.dilate(~hole if invert else hole, grow)
    files.check_outputs([out], [photo, labels])
    files.write(out, Picture(np.where(hole, np.uint8(255), np.uint8(0))[..., None]))
    terminal.print_line(f"{out}: {100 * holes.ratio(hole):.3g} % of {photo}")


def _parse_point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(number) for number in text.split(","))
    except ValueError:
        raise MaskError(f"the point {text!r} is not X,Y in pixels") from None
    return x, y
