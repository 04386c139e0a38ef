"""Filling pictures: any kind in, the same kind out, known values as they were read."""

import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import MaskError, MendError, PictureError, TensorError
from mendpix.inpainting import windows
from mendpix.inpainting.registry import CheckedFiller, Filler, load, portion
from mendpix.io import conversion
from mendpix.io.conversion import Picture
from mendpix.masks import holes
from mendpix.masks.holes import Reading
from mendpix.types import Hole, Progress

Kind = TypeVar("Kind")

Mask = Path | str | Image.Image | NDArray[Any] | Picture | None


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """How a mask becomes a hole; see :func:`fill`."""

    grow: int = 0
    invert: bool = False
    fit: bool = False
    from_alpha: bool = False


def fill(
    photo: Kind,
    mask: Any = None,
    *,
    model: str | Path | Filler = "auto",
    out: Path | str | None = None,
    grow: int = 0,
    invert: bool = False,
    fit_mask: bool = False,
    from_alpha: bool = False,
    keep_palette: bool = False,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Kind:
    """Fill what the mask marks, and change nothing else.

    Args:
        photo: a path, a Pillow image, an array ``(H, W)`` or ``(H, W, C)`` in its own dtype, a
            :class:`~mendpix.io.conversion.Picture`, or a tensor ``(N, C, H, W)``.
        mask: white (half of the range and above) marks what to fill: a path, Pillow image, array
            or Picture; for a tensor also a tensor ``(N, 1, H, W)`` or ``(1, 1, H, W)``, 1 =
            missing.
        model: a name, weights file or run folder as for :func:`~mendpix.inpainting.registry.load`,
            or any filler; one that ``load`` gave keeps its own seed and device.
        out: file to write, in the format of its extension; an existing one is replaced.
        grow: pixels by which the hole is dilated.
        invert: black marks what to fill.
        fit_mask: resize a mask of another size (nearest).
        from_alpha: no mask; fill where alpha is below half, and make that opaque.
        keep_palette: fill and write a palette PNG with the palette's own colours.
        seed, device: as for ``load``.
        progress: called with the share done, in [0, 1]; may raise ``Cancelled``.

    Returns: the same kind; a Pillow image for a path. Every value outside the hole is the one
    that was given, bit for bit; only a Pillow image, which holds no 16-bit colour, rounds.

    Raises:
        MendError: what the user can put right, in one line.

    Warns:
        UserWarning: what is odd about the mask, such as that it is empty or probably inverted.
    """
    filler = _filler(model, seed, device)
    _check_out(out, photo, mask)
    options = MaskOptions(grow, invert, fit_mask, from_alpha)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(photo, torch.Tensor):
        if out is not None or from_alpha or keep_palette:
            raise TensorError("a tensor has no file, alpha or palette; leave these options out")
        return cast(Kind, _fill_tensor(photo, mask, filler, options, progress))
    picture = picture_of(photo)
    reading = reading_of(mask, picture, options)
    for text in reading.warnings:
        warnings.warn(text, stacklevel=2)
    filled = fill_picture(picture, reading.hole, filler, opaque=from_alpha, progress=progress)
    if out is not None:
        conversion.write(out, filled, reading.hole, keep_palette)
    elif isinstance(photo, str | Path) and _outgrows_pillow(filled):
        warnings.warn(
            f"a Pillow image rounds {filled.pixels.dtype} colours to 8 bits; write them with out=, "
            "or give and get an array",
            stacklevel=2,
        )
    return cast(Kind, _like(photo, filled))


def _filler(model: str | Path | Filler, seed: int, device: str) -> Filler:
    if isinstance(model, str | Path):
        return load(model, seed=seed, device=device)
    if not callable(model):
        raise MendError(f"model is a {type(model).__name__}; give a name, a path or a filler")
    return model


def _check_out(out: Path | str | None, *inputs: object) -> None:
    """Refuse to write over what the fill is made from."""
    for given in inputs:
        if out is None or not isinstance(given, str | Path):
            continue
        if os.path.realpath(out) == os.path.realpath(given):
            raise MendError(f"{out} is the photo or mask of this fill; write to another out")


def fill_picture(
    picture: Picture,
    hole: Hole,
    filler: Filler,
    *,
    opaque: bool = False,
    progress: Progress | None = None,
) -> Picture:
    """The picture with its hole ``(H, W)`` filled; all other values are those that were read.

    Fully transparent and non-finite pixels are no source, unless nothing else is known.

    Args:
        opaque: make what is filled opaque; otherwise alpha stays as it is everywhere.
    """
    if not hole.any():
        return picture
    values, scale = _prepared(picture, hole)
    filler = filler if isinstance(filler, CheckedFiller) else CheckedFiller(filler)
    made = filler.missing(values, hole, progress)
    return _completed(picture, hole, conversion.decode(made, scale, picture.pixels.dtype), opaque)


def tries(
    picture: Picture,
    hole: Hole,
    filler: Filler,
    count: int,
    *,
    opaque: bool = False,
    progress: Progress | None = None,
) -> Iterator[Picture]:
    """``count`` fills to choose from, the likeliest first; see :func:`fill_picture`.

    Raises:
        MendError: a filler that has one fill only.
    """
    if not hole.any():
        yield from (picture for _ in range(count))
        return
    values, scale = _prepared(picture, hole)
    filler = filler if isinstance(filler, CheckedFiller) else CheckedFiller(filler)
    for made in filler.tries(values, hole, count, progress):
        pixels = conversion.decode(made, scale, picture.pixels.dtype)
        yield _completed(picture, hole, pixels, opaque)


def _prepared(picture: Picture, hole: Hole) -> tuple[NDArray[np.float32], conversion.Scale]:
    """Values for a filler, NaN where they are no source, and how to turn them back."""
    values, scale = conversion.encode(picture.pixels, hole)
    unusable = _unusable(picture) & ~hole
    if (unusable | hole).all():
        unusable = ~_finite(picture) & ~hole
    values[unusable] = np.nan
    return values, scale


def _completed(picture: Picture, hole: Hole, made: NDArray[Any], opaque: bool) -> Picture:
    """The picture with the missing pixels' values ``(N, C)`` in its own units."""
    pixels = picture.pixels.copy()
    pixels[hole] = made
    if not opaque or picture.alpha is None:
        return picture.replace(pixels=pixels)
    alpha = picture.alpha.copy()
    alpha[hole] = conversion.white(alpha.dtype)
    return picture.replace(pixels=pixels, alpha=alpha)


def _unusable(picture: Picture) -> Hole:
    invisible = False if picture.alpha is None else picture.alpha == 0
    return np.asarray(invisible | ~_finite(picture))


def _finite(picture: Picture) -> Hole:
    return windows.finite(picture.pixels)


def picture_of(photo: object) -> Picture:
    """The Picture of a path, Pillow image, array or Picture.

    Raises:
        PictureError: it cannot be read, or is of no such kind.
    """
    if isinstance(photo, Picture):
        return photo
    if isinstance(photo, str | Path):
        return conversion.read(photo)
    if isinstance(photo, Image.Image):
        return conversion.from_pil(photo)
    if isinstance(photo, np.ndarray):
        return conversion.from_array(photo)
    kind = type(photo).__name__
    raise PictureError(f"a {kind} is no photo; give a path, a Pillow image, an array or a tensor")


def reading_of(mask: Mask, picture: Picture, options: MaskOptions) -> Reading:
    """The hole that a mask (or the picture's own alpha) marks, and what is odd about it.

    Raises:
        MaskError: both or neither are given, or the mask does not fit.
    """
    grow, invert, fit = options.grow, options.invert, options.fit
    if options.from_alpha:
        if mask is not None:
            raise MaskError(f"a mask ({_named(mask)}) and its alpha are given; choose one of them")
        return holes.from_alpha(picture, invert=invert, grow=grow)
    if mask is None:
        raise MaskError(f"{picture.name} has no mask; give one, or use its alpha (--from-alpha)")
    if isinstance(mask, str | Path):
        return holes.read(mask, picture, grow=grow, invert=invert, fit=fit)
    if isinstance(mask, np.ndarray):
        return holes.from_array(mask, picture, grow=grow, invert=invert, fit=fit)
    return holes.from_picture(picture_of(mask), picture, grow=grow, invert=invert, fit=fit)


def _named(mask: Mask) -> str:
    return str(mask) if isinstance(mask, str | Path) else type(mask).__name__


def _outgrows_pillow(picture: Picture) -> bool:
    """Whether Pillow has no mode for these values: colour, or grey with alpha, beyond 8 bits."""
    plain_grey = picture.pixels.shape[2] == 1 and picture.alpha is None
    return picture.pixels.dtype != np.uint8 and not plain_grey


def _like(photo: object, filled: Picture) -> object:
    if isinstance(photo, Picture):
        return filled
    if isinstance(photo, np.ndarray):
        return conversion.to_array(filled, photo)
    return conversion.to_pil(filled)


def _fill_tensor(
    photo: Any, mask: Any, filler: Filler, options: MaskOptions, progress: Progress | None
) -> Any:
    """Fill a batch ``(N, C, H, W)``; the known values are the tensor's own."""
    if photo.ndim != 4 or not photo.is_floating_point():
        raise TensorError(
            f"photo is {photo.dtype} of shape {tuple(photo.shape)} but must be floating point "
            "(N, C, H, W)"
        )
    filled = photo.detach().clone()
    for index, one in enumerate(photo):
        pixels = one.detach().float().cpu().numpy().transpose(1, 2, 0)
        picture = Picture(np.ascontiguousarray(pixels))
        reading = reading_of(_mask_of(mask, index, len(photo)), picture, options)
        for text in reading.warnings:
            warnings.warn(text, stacklevel=3)
        told = portion(progress, index, len(photo))
        made = fill_picture(picture, reading.hole, filler, progress=told).pixels
        hole = photo.new_tensor(reading.hole, dtype=photo.bool().dtype)
        filled[index][:, hole] = photo.new_tensor(made[reading.hole].T)
    return filled


def _mask_of(mask: Any, index: int, count: int) -> Any:
    """The mask of one photo of a batch: a tensor's own slice, or what serves all of them."""
    if not hasattr(mask, "detach"):
        return mask
    if mask.ndim != 4 or mask.shape[1] != 1 or mask.shape[0] not in (1, count):
        raise MaskError(
            f"mask has shape {tuple(mask.shape)} but must be ({count}, 1, H, W) or (1, 1, H, W)"
        )
    one = mask[index if mask.shape[0] > 1 else 0, 0].detach().float().cpu().numpy()
    return one >= 0.5
