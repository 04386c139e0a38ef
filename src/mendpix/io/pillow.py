"""Pillow images to pixels, alpha and palette, and back."""

import contextlib
import contextvars
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.errors import PictureError, SizeError
from mendpix.io.picture import Array, Metadata, Palette, Picture, to_8_bits

# The mode that an image is converted to before its values are read; none changes a colour.
_PLAIN = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "RGB": "RGB", "RGBX": "RGB"}
_PLAIN |= {"RGBA": "RGBA", "RGBa": "RGBA", "PA": "RGBA", "P": "P"}
_KEYED = {"L": "LA", "RGB": "RGBA"}
MOST_PIXELS = 300_000_000  # 0.9 GB as 8-bit RGB: more is rather an attack than a photo
_LIMIT = "MENDPIX_MOST_PIXELS"
_lower: contextvars.ContextVar[int | None] = contextvars.ContextVar("most_pixels", default=None)
_opening = threading.Lock()
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def open_image(content: bytes, name: str, load: bool = False) -> Image.Image:
    """Open a file's bytes with Pillow, its size checked by our own limit and not by Pillow's.

    Args:
        load: decode it as well, for formats that Pillow measures once more then (TIFF).

    Raises:
        PictureError: too many pixels.
        PIL.UnidentifiedImageError: not a kind of file that Pillow knows.
    """
    with _opening:  # Pillow's limit is one for the whole process
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(io.BytesIO(content))
            check_size(*image.size, name)
            if load:
                image.load()
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    return image


@contextlib.contextmanager
def limit_pixels(pixels: int) -> Iterator[None]:
    """With a lower limit of pixels for all that this thread or task opens inside the block."""
    token = _lower.set(pixels)
    try:
        yield
    finally:
        _lower.reset(token)


def check_size(width: int, height: int, name: str) -> None:
    """Raise PictureError where a picture has more pixels than anything but an attack."""
    lower = _lower.get()
    if lower is not None and width * height > lower:
        raise SizeError(
            f"{name} is {width}x{height}, {width * height / 1e6:.0f} megapixels, above the "
            f"{lower / 1e6:g} that are taken here; cut it into parts, or make it smaller"
        )
    value = os.environ.get(_LIMIT, str(MOST_PIXELS))
    if not value.isdecimal():
        raise PictureError(f"{_LIMIT} is {value!r} but must be a number of pixels; unset it")
    most = int(value)
    if width * height > most:
        raise SizeError(
            f"{name} is {width}x{height}, {width * height / 1e6:.0f} megapixels, above the "
            f"limit of {most / 1e6:.0f}; cut it into parts, or set {_LIMIT}={width * height}"
        )


def read_metadata(image: Image.Image) -> Metadata:
    """What an image says about itself, by the names Pillow gives it in every format."""
    info = image.info
    comment = info.get("comment")
    text = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else comment
    return Metadata(
        exif=(info.get("exif") or b"").removeprefix(b"Exif\0\0") or None,
        icc=info.get("icc_profile") or None,
        xmp=info.get("xmp") or None,
        dpi=info.get("dpi"),
        text=(("Comment", text),) if text else (),
    )


def to_picture(image: Image.Image, name: str) -> Picture:
    """Pixels, alpha, palette of an image as it lies in memory: not turned, and without metadata.

    Raises:
        PictureError: a colour model that cannot be kept (CMYK, Lab, ...).
    """
    if image.mode in _SIXTEEN:
        return Picture(_read_16_bits(image, name)[..., None], name=name)
    if image.mode == "F":
        return Picture(np.array(image, np.float32)[..., None], name=name)
    if image.mode not in _PLAIN:
        raise PictureError(
            f"{name} is {image.mode}, which mendpix cannot keep; convert it to RGB first"
        )
    if image.mode == "P":
        return _read_palette(image, name)
    plain = _PLAIN[image.mode]
    if "transparency" in image.info and plain in _KEYED:
        plain = _KEYED[plain]
    values = np.array(image if image.mode == plain else image.convert(plain))
    return replace(split_alpha(values, name), depth=1 if image.mode == "1" and plain == "L" else 0)


def split_alpha(values: Array, name: str = "the picture") -> Picture:
    """A picture from ``(H, W)`` or ``(H, W, C)`` values; the 2nd of 2 or 4th of 4 is alpha."""
    values = values[..., None] if values.ndim == 2 else values
    has_alpha = values.shape[2] in (2, 4)
    colours = values.shape[2] - has_alpha
    alpha = values[..., -1] if has_alpha else None
    return Picture(
        np.ascontiguousarray(values[..., :colours]),
        None if alpha is None else np.ascontiguousarray(alpha),
        name=name,
    )


def join_alpha(picture: Picture) -> Array:
    """Pixels and alpha in one array: ``(H, W)`` for grey, else ``(H, W, 2 to 4)``."""
    if picture.alpha is None:
        return picture.pixels[..., 0] if picture.pixels.shape[2] == 1 else picture.pixels
    return np.concatenate([picture.pixels, picture.alpha[..., None]], axis=-1)


def _read_16_bits(image: Image.Image, name: str) -> NDArray[np.uint16]:
    values = np.array(image)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise PictureError(
            f"{name} holds values from {values.min()} to {values.max()}; integers must lie in 0 to "
            "65535 (mode F keeps others)"
        )
    return values.astype(np.uint16)


def _read_palette(image: Image.Image, name: str) -> Picture:
    indices = np.array(image)
    colours = _palette_colours(image, int(indices.max(initial=0)) + 1)
    values = colours[indices]
    used = colours[np.unique(indices)]
    alpha = None if (used[:, 3] == 255).all() else np.ascontiguousarray(values[..., 3])
    pixels = np.ascontiguousarray(values[..., :3])
    return Picture(pixels, alpha, name=name, palette=Palette(indices, colours))


def _palette_colours(image: Image.Image, least: int) -> NDArray[np.uint8]:
    """The palette as ``(N, 4)`` RGBA, black where an index points behind its end."""
    rgb = np.frombuffer(bytes(image.getpalette("RGB") or b""), np.uint8).reshape(-1, 3)
    colours = np.zeros((max(len(rgb), least), 4), np.uint8)
    colours[: len(rgb), :3], colours[:, 3] = rgb, 255
    transparency: Any = image.info.get("transparency")
    if isinstance(transparency, bytes):
        colours[: len(transparency), 3] = np.frombuffer(transparency, np.uint8)[: len(colours)]
    elif isinstance(transparency, int) and transparency < len(colours):
        colours[transparency, 3] = 0
    return colours


def to_image(picture: Picture) -> Image.Image:
    """A Pillow image of the picture; 16-bit colour and float colour, which Pillow lacks, as 8 bits.

    Modes: L, LA, RGB, RGBA; I;16 for 16-bit grey, F for float grey.
    """
    values = join_alpha(picture)
    if values.ndim == 2 and values.dtype == np.uint16:
        return Image.fromarray(values)
    if values.ndim == 2 and np.issubdtype(values.dtype, np.floating):
        return Image.fromarray(values.astype(np.float32))
    if values.dtype == np.uint16:  # rounded, where to_8_bits cuts off
        values = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return Image.fromarray(to_8_bits(values))


def nearest_indices(picture: Picture, palette: Palette, hole: NDArray[np.bool_] | None) -> Array:
    """The palette's indices, those in the hole (None: everywhere) of the nearest colours."""
    where = np.ones(picture.shape, bool) if hole is None else hole
    exact = np.full((int(where.sum()), 4), 255, np.int32)
    exact[:, :3] = picture.pixels[where]
    if picture.alpha is not None:
        exact[:, 3] = picture.alpha[where]
    kinds, back = np.unique(exact, axis=0, return_inverse=True)
    colours = palette.colours.astype(np.int32)
    parts = np.array_split(kinds, len(kinds) // 4096 + 1)  # bounds the memory
    distances = (((part[:, None] - colours) ** 2).sum(axis=-1) for part in parts)
    best = np.concatenate([distance.argmin(axis=1) for distance in distances])
    indices = palette.indices.copy()
    indices[where] = best[back.ravel()]
    return indices


def write(kind: str, picture: Picture, metadata: Metadata) -> bytes:
    """A WebP, BMP or TGA file, without loss."""
    options: dict[str, Any] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = replace(picture, alpha=None) if kind == "BMP" else picture  # it has no alpha
    image, buffer = Image.fromarray(join_alpha(picture)), io.BytesIO()
    if picture.depth == 1 and kind == "BMP":
        image = image.convert("1", dither=Image.Dither.NONE)
    options |= {} if kind == "TGA" else describe(metadata)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def describe(metadata: Metadata) -> dict[str, Any]:
    """What Pillow writes or shows beside the pixels, by its own names."""
    options = {
        "exif": metadata.exif,
        "icc_profile": metadata.icc,
        "xmp": metadata.xmp,
        "dpi": metadata.dpi,
    }
    return {key: value for key, value in options.items() if value}
