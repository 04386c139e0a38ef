"""``mendpix.fill``: any kind of picture in, the same kind out."""

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import MendError, TensorError
from mendpix.inpainting.filling import (
    fill_as_told,
    read_hole,
    to_picture,
)
from mendpix.inpainting.options import MOST_TRIES, FillOptions, FillSettings, Runtime, check_range
from mendpix.inpainting.outputs import number_outputs
from mendpix.inpainting.registry import Filler, open_filler
from mendpix.io import conversion, files
from mendpix.io.picture import Picture
from mendpix.types import Amount, Progress, Shape


class TensorLike(Protocol):
    """A PyTorch tensor, told without importing PyTorch."""

    def detach(self) -> Any: ...


Kind = TypeVar("Kind", bound=Image.Image | NDArray[Any] | Picture | TensorLike)


class FillKeywords(TypedDict, total=False):
    """The keywords of :func:`fill` that do not decide what it returns."""

    model: str | Path | Filler
    out: Path | str | None
    quality: str
    grow: Amount
    save_hole: Path | str | None
    invert: bool
    fit_mask: bool
    from_alpha: bool
    anchor: str
    boxes: Sequence[Shape]
    polygons: Sequence[Shape]
    category: str
    keep_palette: bool
    source: Any
    exclude: Any
    lines: Sequence[Shape | Sequence[Sequence[float]]]
    generator: str | Path
    channels: str
    seed: int
    device: str
    threads: int | None
    progress: Progress | None


@overload
def fill(
    photo: str | Path, mask: Any = None, *, tries: None = None, **options: Unpack[FillKeywords]
) -> Image.Image: ...
@overload
def fill(
    photo: str | Path, mask: Any = None, *, tries: int, **options: Unpack[FillKeywords]
) -> list[Image.Image]: ...
@overload
def fill(
    photo: Kind, mask: Any = None, *, tries: None = None, **options: Unpack[FillKeywords]
) -> Kind: ...
@overload
def fill(
    photo: Kind, mask: Any = None, *, tries: int, **options: Unpack[FillKeywords]
) -> list[Kind]: ...
def fill(
    photo: Any,
    mask: Any = None,
    *,
    tries: int | None = None,
    model: str | Path | Filler = "auto",
    out: Path | str | None = None,
    quality: str = "fast",
    grow: Amount = 0,
    invert: bool = False,
    fit_mask: bool = False,
    from_alpha: bool = False,
    anchor: str = "",
    boxes: Sequence[Shape] = (),
    polygons: Sequence[Shape] = (),
    category: str = "",
    keep_palette: bool = False,
    save_hole: Path | str | None = None,
    source: Any = None,
    exclude: Any = None,
    channels: str = "colour",
    lines: Sequence[Shape | Sequence[Sequence[float]]] = (),
    generator: str | Path = "auto",
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Any:
    """Fill what the mask marks, and change nothing else.

    Args:
        photo: a path, a Pillow image, an array ``(H, W)`` or ``(H, W, C)`` in its own dtype, a
            :class:`~mendpix.io.picture.Picture`, or a tensor ``(N, C, H, W)``.
        mask: white (half of the range and above) marks what to fill: a path, Pillow image, array
            or Picture; for a tensor also a tensor ``(N, 1, H, W)`` or ``(1, 1, H, W)``, 1 =
            missing.
        tries: give a list of so many fills to choose from, the likeliest first.
        model: a name, weights file or run folder as for :func:`~mendpix.inpainting.registry.load`,
            or any filler; one that ``load`` gave keeps its own quality, seed, device and threads.
        out: file to write, in the format of its extension; an existing one is replaced. Of
            several tries NAME-1.png and so on.
        quality: of "auto": "fast", or "best": several fills, of which the likeliest is taken.
        grow: pixels by which the hole is dilated; "auto": as far as the edge of what it covers
            reaches (up to 24), which the log of ``mendpix`` tells.
        save_hole: file to write the hole to that was filled, white = missing, 8-bit PNG.
        invert: black marks what to fill.
        fit_mask: resize a mask of another size (nearest).
        from_alpha: no mask; fill where alpha is below half, and make that opaque.
        anchor: put a mask of another size there at its own size: "top-left", "top", ...,
            "centre", ..., "bottom-right".
        boxes, polygons: marked too, or without a mask: ``(x, y, width, height)`` and ``(x, y, x,
            y, x, y, ...)`` in pixels, or texts that may hold percent ("90%,90%,10%,10%").
        category: the only one that counts of what a mask in JSON (labelme, COCO) marks.
        keep_palette: fill and write a palette PNG with the palette's own colours.
        source, exclude: masks, each a path, Pillow image, array or Picture: texture is copied
            only from where ``source`` is white, and never from where ``exclude`` is. For the
            models "auto", whose network sees everything all the same, and "patchmatch".
        lines: strokes through the hole that the fill continues, each ``((x, y), (x, y), ...)`` in
            pixels from the left and top edge; an edge, a wire or a plank goes on along it.
        generator: of "auto", a network that fills before PatchMatch: "auto": the best of the
            catalogue that has been fetched; "none"; or a name or file as for ``model``.
        channels: "colour", or "all": fill a TIFF's extra channels (saved selections, infrared) as
            well, which stay as they are otherwise.
        seed, device, threads: as for ``load``.
        progress: called with the share done, in [0, 1]; may raise ``Cancelled``.

    Returns: the same kind; a Pillow image for a path. Every value outside the hole is the one
    that was given, bit for bit; only a Pillow image, which holds no 16-bit colour, rounds.

    Raises:
        MendError: what the user can put right, in one line.

    Warns:
        UserWarning: what is odd about the mask, such as that it is empty or probably inverted.
    """
    options = FillOptions(
        grow, invert, fit_mask, from_alpha, anchor, tuple(boxes), tuple(polygons), category,
        quality, check_tries(tries), keep_palette, source, exclude,
        tuple(lines), str(generator), channels,
    )  # fmt: skip
    filler = choose_filler(model, options, Runtime(device, threads, seed))
    outs = [] if out is None else number_outputs(Path(out), options.tries)
    files.check_outputs(outs, (photo, mask, source, exclude))
    if save_hole is not None:
        from mendpix.masks import hole_files  # here: few fills ask for it

        hole_files.check(Path(save_hole), (photo, mask, source, exclude, *outs))
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(photo, torch.Tensor):
        if out is not None or from_alpha or keep_palette or save_hole is not None:
            raise TensorError("a tensor has no file, alpha or palette; leave these options out")
        from mendpix.inpainting.tensors import fill_tensor

        tensors = fill_tensor(photo, mask, filler, options, progress)
        return tensors[0] if tries is None else tensors
    picture = to_picture(photo)
    reading = read_hole(mask, picture, options)
    for text in reading.warnings:
        warnings.warn(text, stacklevel=2)
    if grow == "auto":
        logging.getLogger("mendpix").info("grow auto took %d pixels", reading.grow)
    fills = list(fill_as_told(picture, reading.hole, filler, options, progress))
    for path, filled in zip(outs, fills, strict=False):
        result = files.write(path, filled, reading.hole, keep_palette)
        if filled is fills[0]:
            for text in result.remarks:
                warnings.warn(text, stacklevel=2)
    if save_hole is not None:
        hole_files.write(Path(save_hole), reading.hole)
    if out is None and isinstance(photo, str | Path) and outgrows_pillow(picture):
        warnings.warn(
            f"a Pillow image rounds {picture.pixels.dtype} colours to 8 bits; write them with "
            "out=, or give and get an array",
            stacklevel=2,
        )
    results = [convert_like(photo, filled) for filled in fills]
    return results[0] if tries is None else results


def check_tries(tries: int | None) -> int:
    """How many fills are asked for."""
    check_range("tries", 1 if tries is None else tries, 1, MOST_TRIES)
    return tries or 1


def choose_filler(model: str | Path | Filler, options: FillOptions, runtime: Runtime) -> Filler:
    """The filler that a model stands for, or that it is."""
    if isinstance(model, str | Path):
        return open_filler(FillSettings(str(model), options, runtime))
    if not callable(model):
        raise MendError(f"model is a {type(model).__name__}; give a name, a path or a filler")
    return model


def outgrows_pillow(picture: Picture) -> bool:
    """Whether Pillow has no mode for these values: colour, or grey with alpha, beyond 8 bits."""
    plain_grey = picture.pixels.shape[2] == 1 and picture.alpha is None
    return picture.pixels.dtype != np.uint8 and not plain_grey


def convert_like(photo: object, filled: Picture) -> object:
    """The filled picture as the kind of object that the photo was given as."""
    if isinstance(photo, Picture):
        return filled
    if isinstance(photo, np.ndarray):
        return conversion.to_array(filled, photo)
    return conversion.to_pil(filled)
