"""Pillow images and arrays to pictures and back, and the comparison of two pictures.

A `Picture` holds the values as read, in the file's own dtype, turned upright. What is written
back differs from what was read only where a filler changed it: always for PNG, TIFF, WebP and BMP,
and for JPEG in the blocks the hole does not touch (see `mendpix.io.jpeg`).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import PictureError
from mendpix.io import description, exif, pillow
from mendpix.io.picture import Array, Picture, encode, turn_upright, white
from mendpix.types import Hole


def count_changes(before: Picture, after: Picture, hole: Hole) -> int:
    """How many pixels outside the hole differ; see :func:`find_changes`."""
    return int(np.count_nonzero(find_changes(before, after, hole)))


def find_changes(before: Picture, after: Picture, hole: Hole) -> Hole:
    """Which pixels ``(H, W)`` outside the hole differ in colour or alpha, as displayed, in any bit.

    Grey is compared with colour as colour, and no alpha with alpha as full opacity.

    Raises:
        PictureError: pictures of different sizes or number types.
    """
    if before.shape != after.shape:
        (h, w), (high, wide) = before.shape, after.shape
        raise PictureError(f"{before.name} is {w}x{h} but {after.name} is {wide}x{high}")
    if before.pixels.dtype != after.pixels.dtype:
        raise PictureError(
            f"{before.name} holds {before.pixels.dtype} values but {after.name} "
            f"{after.pixels.dtype}; nothing outside the hole can be the same in every bit"
        )
    counts = [0 if one.extras is None else one.extras.shape[2] for one in (before, after)]
    if counts[0] != counts[1]:
        raise PictureError(
            f"{before.name} has {counts[0]} extra channels but {after.name} {counts[1]}; "
            "write a .tif to keep them"
        )
    differs = (_as_bits(before.pixels) != _as_bits(after.pixels)).any(axis=-1)
    differs |= _as_bits(_full_alpha(before)) != _as_bits(_full_alpha(after))
    if before.extras is not None and after.extras is not None:
        differs |= (_as_bits(before.extras) != _as_bits(after.extras)).any(axis=-1)
    return np.asarray(differs & ~hole)


def _as_bits(values: Array) -> NDArray[Any]:
    """Reinterpret floats as integers of their bits, so that a NaN equals itself."""
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def _full_alpha(picture: Picture) -> Array:
    if picture.alpha is not None:
        return picture.alpha
    return np.full(picture.shape, white(picture.pixels.dtype), picture.pixels.dtype)


def from_pil(image: Image.Image) -> Picture:
    """A picture from a Pillow image, turned upright where its EXIF data ask for it."""
    image.load()
    metadata = pillow.read_metadata(image)
    picture = replace(pillow.to_picture(image, "the picture"), metadata=metadata)
    orientation = exif.read_orientation(metadata.exif)
    return picture if orientation == 1 else turn_upright(picture, orientation)


def to_pil(picture: Picture) -> Image.Image:
    """A Pillow image, upright.

    Pillow has no 16-bit and no float colour: they become 8 bits. Of more than four channels, it
    shows the first three.
    """
    image = pillow.to_image(picture)
    metadata, _ = description.adapt(picture, "Pillow")
    image.info.update(pillow.describe(exif.set_upright(replace(picture, metadata=metadata))))
    return image


def from_array(array: Array) -> Picture:
    """A picture from ``(H, W)`` or ``(H, W, C)`` values, integers or floats.

    The second of two channels and the fourth of four are alpha; more are channels like any.

    Raises:
        PictureError: another shape or number type.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or not array.size:
        raise PictureError(f"an array of shape {array.shape} is no picture; give HxW or HxWxC")
    if array.dtype.kind not in "uif":
        raise PictureError(f"an array of {array.dtype} is no picture; give integers or floats")
    return pillow.split_alpha(array.astype(array.dtype.newbyteorder("="), copy=False))


def to_array(picture: Picture, like: Array) -> Array:
    """The picture's values in an array with as many axes as ``like``, which it came from."""
    values = pillow.join_alpha(picture)
    return values[..., None] if values.ndim == 2 and like.ndim == 3 else values


def as_rgb8(pixels: Array) -> NDArray[np.uint8]:
    """Values ``(H, W, C)`` of any number type as 8-bit RGB; grey in all three channels.

    Raises:
        PictureError: neither one nor three channels.
    """
    if pixels.shape[2] not in (1, 3):
        raise PictureError(
            f"a picture of {pixels.shape[2]} channels cannot be used here; give RGB or grey"
        )
    if pixels.dtype != np.uint8:
        values = encode(pixels, np.zeros(pixels.shape[:2], np.bool_))
        pixels = np.rint(values * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
