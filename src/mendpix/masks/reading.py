"""Reading masks: a file, array or a picture's alpha becomes a hole, with warnings about it.

A mask marks what to fill; a hole is the bool array it becomes, ``(H, W)``, True = missing, on the
picture as displayed. What a mask marks in part belongs to the hole where it is the soft rim of what
it marks fully. Warnings say what is odd: other grey levels, nothing marked, probably inverted, or
drawn too tight. Antialiasing, blur and JPEG spread an object a pixel or two beyond its outline; a
filler that copies from the rim of a tight hole copies that halo, and a ghost of the object stays.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.errors import MaskError
from mendpix.io import files
from mendpix.io.picture import Array, Picture, encode, white
from mendpix.masks import arrays, holes
from mendpix.masks.holes import bounding_box
from mendpix.types import Amount, Hole

Values = NDArray[np.float32]

_EMPTY = "the mask marks nothing"
INVERTED = 0.8  # a mask that covers more is probably the wrong way round

_POINTS = 4000  # of the outline: more tell no more
_FEWEST = 40  # points with contrast, below which there is no warning
_DEPTHS = (-3, -2, -1)  # where along the normal the object is looked at, in pixels
_AWAY = (7, 8, 9)  # and where its surroundings
_NEAR, _FAR = range(1, 4), range(4, 7)  # steps outwards that a halo shows in, and that compare
_CONTRAST = 0.08  # object against surroundings, as a share of white
# One near step must take this share of the contrast, and be this often the far steps. Measured on
# 72 photos: a warning for none of 216 scattered masks, 2.5 % of random shapes, 1 to 6 % of cut-outs
# grown by 1 or 2 pixels; for 90 % of those drawn a pixel too small, 77 % of those drawn exactly on
# a soft edge, 52 % on a sharp one.
_SHARE, _GAIN = 0.06, 4.0
_BLUR = 9  # pixels that the hole is blurred over, to every side, for its outline's normals


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A hole ``(H, W)``, and warnings about its mask, one line each.

    Attributes:
        grow: the most pixels by which a part of it was dilated; None where that was not asked for.
    """

    hole: Hole
    warnings: tuple[str, ...] = ()
    grow: int | None = None


def read(
    path: Path | str,
    picture: Picture,
    *,
    invert: bool = False,
    grow: Amount = 0,
    fit: bool = False,
    anchor: str = "",
    category: str = "",
) -> Reading:
    """Read a mask for a picture: a picture file, an array (``.npy``), labelme's or COCO's JSON.

    `from_picture` says how levels become a hole, and what the other options do.

    Args:
        category: of what JSON marks, the only one that counts; "" for all.

    Raises:
        PictureError: a mask file that cannot be read.
        MaskError: a mask of another size (unless ``fit``), or one that leaves nothing known.
    """
    path = Path(path)
    options: dict[str, Any] = {"invert": invert, "grow": grow, "fit": fit, "anchor": anchor}
    if path.suffix.lower() == ".json":
        from mendpix.masks import annotations  # here: most masks are pictures

        hole, warnings = annotations.read(path, picture, category)
        reading = from_array(hole, picture, **options)
        return replace(reading, warnings=(*warnings, *reading.warnings))
    if category:
        raise MaskError(f"--category {category} chooses from labels in JSON but {path} is none")
    if path.suffix.lower() == ".npy":
        return from_array(arrays.load_array(path), picture, **options)
    return from_picture(files.read(path), picture, **options)


def from_array(
    mask: Array,
    picture: Picture,
    *,
    invert: bool = False,
    grow: Amount = 0,
    fit: bool = False,
    anchor: str = "",
) -> Reading:
    """A hole from ``(H, W)`` or ``(H, W, 1 to 4)`` values: bool, integers or float.

    Integers of other types than uint16 are levels up to 255.

    Raises: what `read` raises.
    """
    marked = arrays.to_picture(mask)
    return from_picture(marked, picture, invert=invert, grow=grow, fit=fit, anchor=anchor)


def from_picture(
    mask: Picture,
    picture: Picture,
    *,
    invert: bool = False,
    grow: Amount = 0,
    fit: bool = False,
    anchor: str = "",
) -> Reading:
    """A hole from a mask, by fixed rules, with warnings about what is odd about it.

    Levels of half of white and above (128, 32768, 0.5) are missing, and so is the soft rim around
    them: lower levels that are connected to them, but for a lossy format's noise. In colour the
    largest channel counts, and where the mask has alpha (and is not opaque all over), the opacity
    of every pixel that is not black. Then comes fitting (scaled by ``fit``, or put at an ``anchor``
    at its own size; `mendpix.masks.fitting`), then growing.
    """
    levels = _read_levels(mask)
    hole, warnings = _mark_with_rim(1 - levels if invert else levels, "grey", "filled")
    if not hole.any():
        warnings += _explain_empty(mask)
    if hole.shape != picture.shape or anchor:
        from mendpix.masks import fitting  # here: most masks have their picture's size

        hole, changes = fitting.fit_hole(hole, picture, fit, anchor)
        warnings += changes
    grown, by = holes.grow(hole, picture.pixels, grow)
    checks = _check(grown, hole, picture, invert, by_hand=grow != "auto")
    if any(text.startswith(_EMPTY) for text in warnings):  # and says why
        checks = ()
    return Reading(grown, (*warnings, *checks), by)


def from_alpha(picture: Picture, *, invert: bool = False, grow: Amount = 0) -> Reading:
    """The hole where a picture's own alpha is below half, and the soft rim around that.

    Raises:
        MaskError: a picture without alpha, or with nothing opaque.
    """
    if picture.alpha is None:
        raise MaskError(f"{picture.name} has no alpha to take the hole from; give a mask")
    opacity = _levels(picture.alpha)
    levels = opacity if invert else 1 - opacity
    hole, warnings = _mark_with_rim(levels, "partly transparent", "made opaque", noise=False)
    grown, by = holes.grow(hole, picture.pixels, grow)
    checks = _check(grown, hole, picture, invert, by_hand=False)
    return Reading(grown, (*warnings, *checks), by)


def mark(mask: Picture) -> Hole:
    """What a mask marks by half and more, without its soft rim, as measurements take it."""
    return _read_levels(mask) >= 0.5


def _read_levels(mask: Picture) -> Values:
    """How much of each pixel a mask marks, ``(H, W)`` in [0, 1].

    Alpha that is opaque all over says nothing, so that the colours count as they do without.
    """
    brightest = mask.pixels.max(axis=-1)
    if _is_opaque(mask):
        return _levels(brightest)
    return np.where(brightest > 0, _levels(np.asarray(mask.alpha)), np.float32(0))


def _is_opaque(mask: Picture) -> bool:
    return mask.alpha is None or bool((mask.alpha == white(mask.alpha.dtype)).all())


def _levels(values: Array) -> Values:
    """Values as a share of white; in float32, 128 of 255 and 32768 of 65535 are above half."""
    return np.asarray(np.divide(values, white(values.dtype), dtype=np.float32))


def _mark_with_rim(
    levels: Values, what: str, becomes: str, noise: bool = True
) -> tuple[Hole, list[str]]:
    """The hole of a mask's levels, and a warning about partly marked pixels apart from it."""
    hole = levels >= 0.5
    if not ((levels > 0) & ~hole).any():
        return hole, []
    from mendpix.masks import soft_rim  # here: most masks are black and white

    hole = soft_rim.add_rim(levels, hole, noise)
    count = soft_rim.count_apart(levels, hole)
    if not count:
        return hole, []
    apart = f"{count} of {levels.size} pixels are {what}, apart from what is marked"
    return hole, [f"{apart}; they are not {becomes}"]


def _explain_empty(mask: Picture) -> list[str]:
    """Why a mask that is not blank marks nothing, and the way out."""
    if _is_opaque(mask):
        largest, needed = mask.pixels.max(), white(mask.pixels.dtype)
        text = f"its largest value is {largest:g}; mark the hole with {needed:g}"
        return [f"{_EMPTY}: {text}"] if largest else []
    solid = _levels(np.asarray(mask.alpha)) >= 0.5
    text = (
        f"{_EMPTY}: it is black wherever it is opaque, but its alpha holds a shape; paint it "
        "white, or take it (mendpix mask MASK --from-alpha --invert --out NEW.png)"
    )
    return [text] if solid.any() and not solid.all() else []


def _check(
    grown: Hole, hole: Hole, picture: Picture, invert: bool, by_hand: bool = True
) -> tuple[str, ...]:
    """Warnings about a hole as it is after growing and was before.

    Args:
        by_hand: somebody drew it, and its rim, which may be too tight, stays.

    Raises:
        MaskError: nothing is known.
    """
    way_out = "leave --invert out" if invert else "try --invert"
    share = np.count_nonzero(grown) / grown.size
    if share == 1:
        if not hole.all():
            raise MaskError("the grown hole covers everything; give a smaller --grow")
        raise MaskError(f"the mask marks everything, so nothing is left to fill from; {way_out}")
    if share == 0:
        return (f"{_EMPTY}: there is nothing to fill",)
    if share > INVERTED:
        return (f"the mask marks {100 * share:.0f} % of the photo: probably inverted, {way_out}",)
    if by_hand and shows_object(picture.pixels, grown):
        return ("the hole is tight: its rim still shows what it covers; try --grow auto",)
    return ()


def shows_object(pixels: Array, hole: Hole) -> bool:
    """Whether the rim outside the hole shows the same thing as the inside of it: a tight hole.

    Args:
        pixels: ``(H, W, C)``, uint8, uint16 or float.
        hole: ``(H, W)``, True = missing.
    """
    top, left, height, width = bounding_box(hole)
    if not height:
        return False
    margin = _AWAY[-1] + 3  # all that is looked at, so that a large photo costs no more
    rows = slice(max(0, top - margin), top + height + margin)
    columns = slice(max(0, left - margin), left + width + margin)
    profile, contrast = _profiles(pixels[rows, columns], hole[rows, columns])
    if len(contrast) < _FEWEST:
        return False
    steps = (profile[:, :-1] - profile[:, 1:]).mean(axis=0)
    near = max(steps[at - 1] for at in _NEAR)
    far = float(np.mean([abs(steps[at - 1]) for at in _FAR]))
    return bool(near > _SHARE and near > _GAIN * far)


def _profiles(pixels: Array, hole: Hole) -> tuple[Values, Values]:
    """How much of the inside shows 1 to 7 pixels outside, ``(points, 7)``, and the contrasts.

    1 is the colour inside and 0 that of the surroundings, along the line between them.
    """
    rows, columns, normals = _outline(hole)
    reach = range(_DEPTHS[0], _AWAY[-1] + 1)
    places = [(rows + normals[0] * at, columns + normals[1] * at) for at in reach]
    at_y = np.rint(np.stack([place[0] for place in places], 1)).astype(int)
    at_x = np.rint(np.stack([place[1] for place in places], 1)).astype(int)
    inside = ((at_y >= 0) & (at_y < hole.shape[0]) & (at_x >= 0) & (at_x < hole.shape[1])).all(1)
    at_y, at_x = at_y[inside], at_x[inside]
    fit = hole[at_y, at_x]
    good = ~fit[:, 1 - _DEPTHS[0] :].any(axis=1) & fit[:, :3].all(axis=1)
    values = encode(pixels[at_y[good], at_x[good]], fit[good])
    thing, ground = values[:, :3].mean(axis=1), values[:, -3:].mean(axis=1)
    direction = thing - ground
    contrast = np.sqrt((direction**2).sum(axis=1) / pixels.shape[2])
    clear = contrast > _CONTRAST
    span = (direction[clear] ** 2).sum(axis=1)[:, None]
    outer = values[clear, 1 - _DEPTHS[0] : 8 - _DEPTHS[0]] - ground[clear, None]
    return (outer * direction[clear, None]).sum(axis=-1) / span, contrast[clear]


def _outline(hole: Hole) -> tuple[Values, Values, tuple[Values, Values]]:
    """Points of the hole's outline and their normals, which point outwards.

    A normal is minus the derivative of the blurred hole: how it fades, down and to the right.
    """
    inner = hole & (cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    rows, columns = np.nonzero(inner)
    step = len(rows) // _POINTS + 1
    rows, columns = rows[::step], columns[::step]
    size = 2 * _BLUR + 1
    bell = cv2.getGaussianKernel(size, 2.0, cv2.CV_32F)[:, 0]
    slope = np.gradient(bell)
    padded = cv2.copyMakeBorder(
        hole.astype(np.uint8), _BLUR, _BLUR, _BLUR, _BLUR, cv2.BORDER_REFLECT_101
    )
    around = np.lib.stride_tricks.sliding_window_view(padded, (size, size))[rows, columns]
    down = np.einsum("nyx,y,x->n", around, slope, bell).astype(np.float32)
    right = np.einsum("nyx,y,x->n", around, bell, slope).astype(np.float32)
    length = np.maximum(np.hypot(down, right), 1e-6).astype(np.float32)
    return rows.astype(np.float32), columns.astype(np.float32), (down / length, right / length)
