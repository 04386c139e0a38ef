"""Fill a picture or a picture file: read, mask, fill, write; known values as they were read."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import MaskError, MendError, PictureError
from mendpix.inpainting.base import CheckedFiller, Filler
from mendpix.inpainting.extra_channels import fill_extras
from mendpix.inpainting.options import FillOptions, FillSettings, MaskOptions
from mendpix.inpainting.outputs import make_folder, number_outputs
from mendpix.inpainting.tone_curve import encode_photo
from mendpix.io import conversion, files, png
from mendpix.io.pairing import ENDING
from mendpix.io.paths import is_same_file
from mendpix.io.picture import Picture, white
from mendpix.io.streams import STANDARD_OUTPUT, is_standard_output
from mendpix.masks import holes
from mendpix.masks import reading as masks
from mendpix.masks.reading import Reading
from mendpix.types import Hole, Progress

if TYPE_CHECKING:
    from mendpix.inpainting.constraints import Constraints
    from mendpix.inpainting.manifest import FileHashes

Mask = Path | str | Image.Image | NDArray[Any] | Picture | None


@dataclass(frozen=True, slots=True)
class FillTask:
    """One picture to fill.

    Attributes:
        out: None: beside the photo, in its own format where possible.
        hole: file for the hole that is filled, white = missing; None: none.
    """

    photo: Path
    mask: Path | None
    out: Path | None
    hole: Path | None = None


@dataclass(frozen=True, slots=True)
class FillOutcome:
    """What became of a task.

    Attributes:
        out, others: the file written, or the one that was to be; those of further tries.
        grow: the most pixels by which a part of the hole was dilated; None: that was not asked for.
        hole: the file that holds the hole, white = missing; None: none was asked for.
        width, height: of the photo as displayed, in pixels.
        hole_ratio: the share of pixels that were missing, in [0, 1].
        seconds: reading, filling and writing, without the start of the program.
        largest_change, mean_change: outside the hole, in its own units; 0 but in lossy formats.
        white: full light in these units, 255 for 8 bits.
        error, files: why there is no picture, else ""; the files' versions, for a manifest.
    """

    photo: Path
    mask: Path | None
    out: Path | None
    width: int = 0
    height: int = 0
    hole_ratio: float = 0.0
    seconds: float = 0.0
    largest_change: float = 0.0
    mean_change: float = 0.0
    white: float = 255.0
    warnings: tuple[str, ...] = ()
    others: tuple[Path, ...] = ()
    error: str = ""
    files: "FileHashes | None" = None
    grow: int | None = None
    hole: Path | None = None


def fill_file(
    task: FillTask, settings: FillSettings, filler: Filler, progress: Progress | None = None
) -> FillOutcome:
    """Read, fill and write one picture; where that fails, the outcome says why."""
    began = time.perf_counter()
    options = settings.options
    png.allow_long_text()
    try:
        picture = files.read(task.photo)
        outs = choose_outputs(task, picture, settings)
        inputs = (task.photo, task.mask, options.source, options.exclude)
        files.check_outputs(outs, inputs)
        if task.hole is not None:
            from mendpix.masks import hole_files  # here: few fills ask for it

            hole_files.check(task.hole, (*inputs, *outs))
        reading = read_hole(task.mask, picture, options)
        if not (outs[0].parent.is_dir() or is_standard_output(outs[0])):
            make_folder(outs[0].parent)
        fills = fill_as_told(picture, hole := reading.hole, filler, options, progress)
        results = [
            files.write(path, filled, hole, options.keep_palette)
            for path, filled in zip(outs, fills, strict=True)
        ]
        if task.hole is not None:
            hole_files.write(task.hole, hole)
    except (MendError, OSError) as error:
        return fail(task, str(error))
    except MemoryError as error:
        return fail(task, f"there is not enough memory ({error or 'no more to be had'})")
    return FillOutcome(
        task.photo,
        task.mask,
        outs[0],
        *picture.shape[::-1],
        hole_ratio=holes.ratio(hole),
        seconds=time.perf_counter() - began,
        largest_change=max(result.largest_change for result in results),
        mean_change=max(result.mean_change for result in results),
        white=white(picture.pixels.dtype),
        warnings=(*reading.warnings, *results[0].remarks),
        others=tuple(outs[1:]),
        grow=reading.grow,
        hole=task.hole,
    )


def fail(task: FillTask, reason: str) -> FillOutcome:
    """The outcome of a task that failed."""
    error = reason if str(task.photo) in reason else f"{task.photo}: {reason}"
    return FillOutcome(task.photo, task.mask, task.out, error=error)


def choose_outputs(task: FillTask, picture: Picture, settings: FillSettings) -> list[Path]:
    """The files to write: the one that is named, or one beside the photo.

    Raises:
        MendError: one that nobody named is there already, without ``force``.
    """
    out, extension = task.out, f".{settings.format.lstrip('.')}"
    if out is None or out == STANDARD_OUTPUT:
        if not settings.format:
            extension = files.default_extension(picture, settings.options.keep_palette)
        if out is not None:
            return number_outputs(out.with_suffix(extension), settings.options.tries)
        out = task.photo.with_name(f"{task.photo.stem}{ENDING}{extension}")
    outs = number_outputs(out, settings.options.tries)
    taken = [path for path in outs if path.exists()]
    if task.out is None and taken and not settings.force:
        raise MendError(f"{taken[0]} is there already; replace it with --force, or name an --out")
    return outs


def fill_picture(
    picture: Picture,
    hole: Hole,
    filler: Filler,
    *,
    opaque: bool = False,
    progress: Progress | None = None,
    constraints: "Constraints | None" = None,
) -> Picture:
    """The picture with its hole ``(H, W)`` filled; all other values are those that were read.

    Fully transparent and non-finite pixels are no source, unless nothing else is known.

    Args:
        opaque: make what is filled opaque; otherwise alpha stays as it is everywhere.
        constraints: where texture may come from.
    """
    if not hole.any():
        return picture
    filler = filler if isinstance(filler, CheckedFiller) else CheckedFiller(filler)
    local = filler.local and constraints is None  # sources may lie anywhere
    photo, gap, curve = encode_photo(picture, hole, local)
    values = filler.missing(photo, gap, progress, constraints)
    return put_values(picture, hole, curve.decode(values, picture.pixels.dtype), opaque)


def fill_tries(
    picture: Picture,
    hole: Hole,
    filler: Filler,
    count: int,
    *,
    opaque: bool = False,
    progress: Progress | None = None,
    constraints: "Constraints | None" = None,
) -> Iterator[Picture]:
    """``count`` fills to choose from, the likeliest first; see :func:`fill_picture`.

    Raises:
        MendError: a filler that has one fill only.
    """
    if not hole.any():
        yield from (picture for _ in range(count))
        return
    filler = filler if isinstance(filler, CheckedFiller) else CheckedFiller(filler)
    local = filler.local and constraints is None  # sources may lie anywhere
    photo, gap, curve = encode_photo(picture, hole, local)
    for values in filler.tries(photo, gap, count, progress, constraints):
        yield put_values(picture, hole, curve.decode(values, picture.pixels.dtype), opaque)


def fill_as_told(
    picture: Picture,
    hole: Hole,
    filler: Filler,
    options: FillOptions,
    progress: Progress | None = None,
) -> Iterable[Picture]:
    """As many fills as the options ask for, within the constraints that they name."""
    constraints = None
    if options.source is not None or options.exclude is not None or options.lines:
        from mendpix.inpainting.constraints import read_constraints  # here: few fills have any

        constraints = read_constraints(options, picture)
    told: dict[str, Any] = {
        "opaque": options.from_alpha,
        "progress": progress,
        "constraints": constraints,
    }
    if options.tries == 1:
        fills: Iterable[Picture] = [fill_picture(picture, hole, filler, **told)]
    else:
        fills = fill_tries(picture, hole, filler, options.tries, **told)
    if options.channels == "all":
        return [fill_extras(one, partial(fill_picture, hole=hole, filler=filler)) for one in fills]
    return fills


def put_values(picture: Picture, hole: Hole, values: NDArray[Any], opaque: bool) -> Picture:
    """The picture with the missing pixels' values ``(N, C)``, in its own units, in place."""
    pixels = picture.pixels.copy()
    if picture.depth == 1:  # black and white, nothing between
        values = np.where(values < 128, 0, 255).astype(values.dtype)
    pixels[hole] = values
    if not opaque or picture.alpha is None:
        return picture.replace(pixels=pixels)
    alpha = picture.alpha.copy()
    alpha[hole] = white(alpha.dtype)
    return picture.replace(pixels=pixels, alpha=alpha)


def read_hole(mask: Mask, picture: Picture, options: MaskOptions) -> Reading:
    """The hole that a mask, boxes and polygons (or the picture's own alpha) mark, and warnings.

    Raises:
        MaskError: both alpha and a mask are given, or nothing is; or the mask does not fit.
    """
    grow, invert = options.grow, options.invert
    drawn = options.boxes or options.polygons
    if options.from_alpha:
        if mask is not None or drawn:
            name = str(mask) if isinstance(mask, str | Path) else type(mask).__name__
            what = "boxes or polygons" if mask is None else f"a mask ({name})"
            raise MaskError(f"{what} and its alpha are given; choose one of them")
        return masks.from_alpha(picture, invert=invert, grow=grow)
    if mask is None and not drawn:
        raise MaskError(
            f"{picture.name} has no mask; give one, a --box, or use its alpha (--from-alpha)"
        )
    reading = None if mask is None else _read_mask(mask, picture, options)
    return _add_shapes(reading, picture, options) if reading is None or drawn else reading


def _read_mask(mask: Mask, picture: Picture, options: MaskOptions) -> Reading:
    told: dict[str, Any] = {
        "grow": options.grow,
        "invert": options.invert,
        "fit": options.fit_mask,
        "anchor": options.anchor,
    }
    if isinstance(mask, str | Path):
        if is_same_file(picture.name, mask):
            raise MaskError(f"{mask} is given as the photo and as its mask; name another file")
        return masks.read(mask, picture, category=options.category, **told)
    if isinstance(mask, np.ndarray):
        return masks.from_array(mask, picture, **told)
    return masks.from_picture(to_picture(mask), picture, **told)


def _add_shapes(reading: Reading | None, picture: Picture, options: MaskOptions) -> Reading:
    """The hole with boxes and polygons added; alone they are what is inverted and grown."""
    from mendpix.masks import drawing

    drawn = drawing.draw_shapes(options.boxes, options.polygons, picture.shape)
    if reading is not None:
        grown = masks.from_array(drawn, picture, grow=options.grow)
        hole = masks.from_array(grown.hole | reading.hole, picture)
        most = max((by for by in (grown.grow, reading.grow) if by is not None), default=None)
        return replace(hole, grow=most)
    return masks.from_array(drawn, picture, grow=options.grow, invert=options.invert)


def to_picture(photo: object) -> Picture:
    """The Picture of a path, Pillow image, array or Picture.

    Raises:
        PictureError: it cannot be read, or is of no such kind.
    """
    if isinstance(photo, Picture):
        return photo
    if isinstance(photo, str | Path):
        return files.read(photo)
    if isinstance(photo, Image.Image):
        return conversion.from_pil(photo)
    if isinstance(photo, np.ndarray):
        return conversion.from_array(photo)
    kind = type(photo).__name__
    raise PictureError(f"a {kind} is no photo; give a path, a Pillow image, an array or a tensor")
