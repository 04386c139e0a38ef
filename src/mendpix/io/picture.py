"""The picture: pixels in the file's own dtype, upright, and all that is needed to write it back.

:func:`encode` converts its pixels to float32 in [0, 1].
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.io.colour import ColourDescription
from mendpix.types import Hole

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TiffTag:
    """An entry of a TIFF directory; its value in little-endian bytes."""

    code: int
    kind: int
    count: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says about its picture.

    Attributes:
        exif: a TIFF block without the "Exif" prefix.
        icc: the colour profile.
        xmp: the packet, UTF-8.
        dpi: dots per inch, across and down.
        text: keys and values, as PNG has them; a JPEG's comment is ("Comment", ...).
        chunks: a PNG's other chunks that describe colour and time, as ``(kind, data)``.
        colour: what AVIF's and HEIC's numbers say of the colours, where they say more than sRGB.
        resources: Photoshop's image resource blocks (8BIM), captions among them, no thumbnails.
        tags: a TIFF's entries about place, resolution and no-data, as they are.
        left_out: names of what the file holds and is not read.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    colour: ColourDescription | None = None
    resources: bytes | None = None
    tags: tuple[TiffTag, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Upright indices ``(H, W)`` uint8 and their colours ``(N, 4)`` uint8 RGBA."""

    indices: Array
    colours: Array


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A photo as displayed.

    Attributes:
        pixels: ``(H, W, 1)`` grey, ``(H, W, 3)`` RGB, or other channels; any number type.
        alpha: ``(H, W)`` of the same dtype, or None.
        format: the file's format as Pillow names it (``"PNG"``), "" for a picture from memory.
        name: what messages call it.
        orientation: the EXIF orientation, 1 to 8, that was applied to make it upright.
        content: the file's bytes where writing needs them again (JPEG), else None.
        extras: ``(H, W, N)``, further channels of the same dtype, which are no colour and no alpha.
        extra_samples: what TIFF calls each channel beyond the colours, in the file's order.
        no_data: the value of pixels that hold nothing (GDAL), or None.
        depth: bits of a channel where the file has fewer than the dtype (1, 10, 12), else 0.
    """

    pixels: Array
    alpha: Array | None = None
    format: str = ""
    name: str = "the picture"
    orientation: int = 1
    metadata: Metadata = field(default_factory=Metadata)
    palette: Palette | None = None
    content: bytes | None = None
    compressed: bool = True
    premultiplied: bool = False
    depth: int = 0
    extras: Array | None = None
    extra_samples: tuple[int, ...] = ()
    no_data: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width as displayed."""
        return (self.pixels.shape[0], self.pixels.shape[1])

    @property
    def stored_shape(self) -> tuple[int, int]:
        """Height and width as the file stores them, before its orientation is applied."""
        height, width = self.shape
        return (width, height) if self.orientation >= 5 else (height, width)

    def replace(self, pixels: Array | None = None, alpha: Array | None = None) -> "Picture":
        """The same picture with other pixels or another alpha; what is None stays."""
        return replace(
            self,
            pixels=self.pixels if pixels is None else pixels,
            alpha=self.alpha if alpha is None else alpha,
        )


def white(dtype: np.dtype[Any]) -> float:
    """The value that means full light or full opacity: an integer type's maximum, else 1."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def grey_to_rgb(pixels: Array) -> Array:
    """``(H, W, 1)`` values three times, as ``(H, W, 3)``; other numbers of channels as they are."""
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def to_8_bits(pixels: Array) -> NDArray[np.uint8]:
    """Any pixels ``(H, W, C)`` as 8 bits, for thumbnails and viewers: coarse on purpose.

    Of more than four channels, the first three.
    """
    pixels = pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] > 4 else pixels
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    clipped = np.nan_to_num(np.clip(pixels / white(pixels.dtype), 0, 1)) * 255
    return clipped.round().astype(np.uint8)


def turn(array: Array, orientation: int) -> Array:
    """Turn a stored array upright, as EXIF orientation 1 to 8 asks (EXIF 2.3, tag 0x0112)."""
    if orientation >= 5:  # rows become columns first
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def turn_back(array: Array, orientation: int) -> Array:
    """Turn an upright array back as its file stores it."""
    return turn(array, {6: 8, 8: 6}.get(orientation, orientation))


def turn_upright(picture: Picture, orientation: int) -> Picture:
    """Turn a picture as read from its file upright."""
    palette, alpha = picture.palette, picture.alpha
    if palette is not None:
        palette = replace(palette, indices=turn(palette.indices, orientation))
    return replace(
        picture,
        pixels=turn(picture.pixels, orientation),
        alpha=None if alpha is None else turn(alpha, orientation),
        extras=None if picture.extras is None else turn(picture.extras, orientation),
        palette=palette,
        orientation=orientation,
    )


def encode(pixels: Array, hole: Hole) -> NDArray[np.float32]:
    """Bring pixels of any dtype to float32 in [0,1], to look at and to measure them.

    uint8 and uint16 are divided by their maximum. Floats stay as they are where all finite known
    values lie in [0,1]; else, and in other integers, the smallest known value becomes 0 and the
    largest 1. Values under the hole are clipped; a known NaN becomes the mean of the known
    values, an infinity the end of the range. Fillers take values that
    :mod:`mendpix.inpainting.tone_curve` has brought to [0,1].

    Args:
        pixels: ``(H, W, C)``.
        hole: ``(H, W)``, True = missing.
    """
    if pixels.dtype in (np.uint8, np.uint16):
        return np.divide(pixels, white(pixels.dtype), dtype=np.float32)
    known = pixels[~hole].astype(np.float64)  # float32 has no 53-bit integers, nor large floats
    known = known[np.isfinite(known)]
    low, span = _find_range(known)
    middle = float((known.mean() - low) / span) if known.size else 0.5
    values = (pixels.astype(np.float64) - low) / span
    values = np.nan_to_num(values, copy=False, nan=middle, posinf=1.0, neginf=0.0)
    return np.clip(values, 0.0, 1.0).astype(np.float32)


def _find_range(known: NDArray[np.float64]) -> tuple[float, float]:
    if not known.size or (known.min() >= 0 and known.max() <= 1):
        return 0.0, 1.0
    low, span = float(known.min()), float(known.max() - known.min())
    # a span of 0 cannot be divided by, and one beyond float64 is infinite
    return low, span if np.isfinite(span) and span > 0 else 1.0


def round_to(values: NDArray[np.float64], dtype: np.dtype[Any]) -> Array:
    """Values in a dtype: rounded and clipped where it is integer."""
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    ends = np.iinfo(dtype)  # the largest value may have no float of its own
    last = np.nextafter(float(ends.max) + 1, 0)
    return np.rint(values).clip(ends.min, last).astype(dtype)
