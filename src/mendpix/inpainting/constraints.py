"""What a fill has to keep to: where texture may come from, and lines that it continues."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mendpix.errors import MaskError, MendError
from mendpix.inpainting.options import FillOptions
from mendpix.io.picture import Picture
from mendpix.masks import arrays, fitting
from mendpix.masks.reading import mark
from mendpix.types import Hole


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """What one picture's fill has to keep to.

    Attributes:
        sources: ``(H, W)``, True = texture may be copied from; None: all that is known.
    """

    sources: Hole | None = None

    def choose_call(self, filler: object) -> dict[str, Any]:
        """Keywords of a filler's call.

        Raises:
            MendError: a filler that copies nothing, which cannot be told where from.
        """
        if self.sources is None:
            return {}
        if not getattr(filler, "takes_sources", False):
            raise MendError(
                f"{type(filler).__name__} copies no texture, so source and exclude mean nothing "
                "to it; leave them out, or fill with auto or patchmatch"
            )
        return {"sources": self.sources}


def read_constraints(options: FillOptions, picture: Picture) -> Constraints | None:
    """The constraints that options name; None where there are none.

    Raises:
        MaskError: an area of another size than the picture, or that leaves no source at all.
        PictureError: a file that cannot be read.
    """
    if options.source is None and options.exclude is None:
        return None
    sources = np.ones(picture.shape, np.bool_)
    if options.source is not None:
        sources = read_area(options.source, picture, options.fit_mask, "source")
    if options.exclude is not None:
        sources &= ~read_area(options.exclude, picture, options.fit_mask, "exclude")
    if not sources.any():
        raise MaskError(
            f"source and exclude allow 0 of {sources.size} pixels, so there is nothing to copy "
            "from; allow some of the photo"
        )
    return Constraints(sources)


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
