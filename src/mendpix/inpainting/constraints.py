"""What a fill has to keep to: where texture may come from, and lines that it continues."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mendpix.errors import MaskError, MendError
from mendpix.inpainting.options import FillOptions
from mendpix.inpainting.strokes import Stroke, parse_stroke
from mendpix.inpainting.windows import find_finite
from mendpix.io.picture import Picture
from mendpix.masks import arrays, fitting
from mendpix.masks.reading import mark
from mendpix.types import Hole, Photo, Progress


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """What one picture's fill has to keep to.

    Attributes:
        sources: ``(H, W)``, True = texture may be copied from; None: all that is known.
        excluded: ``(H, W)``, True = lines may not be copied from either; None: nothing.
        strokes: lines that the fill continues, in this order.
    """

    sources: Hole | None = None
    excluded: Hole | None = None
    strokes: tuple[Stroke, ...] = ()

    def fill(
        self,
        filler: Callable[..., Photo],
        photo: Photo,
        hole: Hole,
        progress: Progress | None = None,
    ) -> Photo:
        """Call a filler with a photo on which the lines are drawn already.

        Raises:
            MaskError: a line that crosses no hole, or along which nothing is known.
        """
        photo, left = self.draw(photo, hole)
        filled = filler(photo, left, progress, **self.keywords) if left.any() else photo
        return np.where((hole & ~left)[..., None], photo, filled)

    def fill_tries(
        self,
        candidates: Callable[..., Iterator[Photo]],
        photo: Photo,
        hole: Hole,
        count: int,
        progress: Progress | None = None,
    ) -> Iterator[Photo]:
        """Several fills of such a photo, all with the same lines."""
        photo, left = self.draw(photo, hole)
        for filled in candidates(photo, left, count, progress, **self.keywords):
            yield np.where((hole & ~left)[..., None], photo, filled)

    @property
    def keywords(self) -> dict[str, Hole]:
        """What a filler that copies texture is told beside the photo and its hole."""
        return {} if self.sources is None else {"sources": self.sources}

    def draw(self, photo: Photo, hole: Hole) -> tuple[Photo, Hole]:
        """The photo with bands along the lines filled, and what is left of its hole."""
        if not self.strokes:
            return photo, hole
        from mendpix.inpainting.lines import draw_lines

        usable = find_finite(photo) if self.excluded is None else ~self.excluded
        drawn, band = draw_lines(photo, hole, self.strokes, usable & find_finite(photo))
        return drawn, hole & ~band

    def check_filler(self, filler: object) -> None:
        """Refuse a filler that cannot keep to the sources, because it copies nothing.

        Raises:
            MendError: names it.
        """
        if self.sources is not None and not getattr(filler, "takes_sources", False):
            raise MendError(
                f"{type(filler).__name__} copies no texture, so source and exclude mean nothing "
                "to it; leave them out, or fill with auto or patchmatch"
            )


def read_constraints(options: FillOptions, picture: Picture) -> Constraints:
    """The constraints that options name.

    Raises:
        MaskError: an area of another size than the picture, or that leaves no source at all; a
            line that is none.
        PictureError: a file that cannot be read.
    """
    strokes = tuple(parse_stroke(line, picture.shape) for line in options.lines)
    sources = excluded = None
    if options.source is not None:
        sources = read_area(options.source, picture, options.fit_mask, "source")
    if options.exclude is not None:
        excluded = read_area(options.exclude, picture, options.fit_mask, "exclude")
        sources = ~excluded if sources is None else sources & ~excluded
    if sources is not None and not sources.any():
        raise MaskError(
            f"source and exclude allow 0 of {sources.size} pixels, so there is nothing to copy "
            "from; allow some of the photo"
        )
    return Constraints(sources, excluded, strokes)


def read_area(area: Any, picture: Picture, fit: bool, what: str) -> Hole:
    """Where a mask is white ``(H, W)``, on the picture as displayed.

    Args:
        area: a path, a Pillow image, an array or a Picture.
        fit: resize one of another size (nearest).
        what: the option's name, for messages.
    """
    from mendpix.inpainting.filling import to_picture  # which imports this module when it is used

    if isinstance(area, str | Path) and Path(area).suffix.lower() == ".npy":
        area = arrays.load_array(Path(area))
    mask = arrays.to_picture(area) if isinstance(area, np.ndarray) else to_picture(area)
    marked: Hole = mark(mask)
    if not marked.any():
        raise MaskError(f"the mask of {what} marks nothing; paint the area white")
    if marked.shape == picture.shape:
        return marked
    try:
        return fitting.fit_hole(marked, picture, fit, "")[0]
    except MaskError as problem:
        raise MaskError(f"of {what}, the {problem}") from None
