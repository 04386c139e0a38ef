"""Picture files: reading and writing all formats, and the checks of their places on disk."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mendpix.errors import MendError, PictureError
from mendpix.io import codecs, description, exif, pillow, png, streams
from mendpix.io.atomic import atomic_write
from mendpix.io.formats import DEEP_FORMATS, EXTENSIONS, FORMATS, OPAQUE_FORMATS
from mendpix.io.paths import suggest_neighbour
from mendpix.io.picture import Picture, white
from mendpix.types import Hole

# What the decoders raise on damaged files, besides their own kinds of these.
_DECODER_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
)
_DECODER_ERRORS += (
    Image.DecompressionBombError,
    EOFError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The file written, and how far its format changed known pixels.

    Attributes:
        largest_change: outside the hole, by decoding the new file, in the picture's own units.
        mean_change: the same on average, over channels and known pixels. 0 where lossless.
        remarks: what the format cannot keep, and what the picture will look like, a line each.
    """

    path: Path
    largest_change: float = 0.0
    mean_change: float = 0.0
    remarks: tuple[str, ...] = ()


def check_outputs(outputs: Iterable[object], inputs: Iterable[object]) -> None:
    """Refuse to write over what a fill is made from; only paths (and strings) are looked at.

    Raises:
        MendError: an output is one of the inputs, by whatever name or link.
    """
    taken = {os.path.realpath(path) for path in inputs if isinstance(path, str | Path)}
    for path in outputs:
        if isinstance(path, str | Path) and os.path.realpath(path) in taken:
            raise MendError(f"{path} is a photo or mask of this fill; write to another file")


def read(path: Path | str) -> Picture:
    """Read a picture file: PNG, TIFF, JPEG, WebP, AVIF, BMP, GIF with one frame, HEIC, Netpbm,
    PFM, TGA, JPEG 2000.

    Raises:
        PictureError: missing, unreadable, damaged, not a picture, several frames, too many
            pixels, or a colour model that cannot be kept.
    """
    path = Path(path)
    return parse(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """A file's bytes, or those of a stream that is open already.

    Raises:
        PictureError: it is no such file, or cannot be read.
    """
    if path.is_dir():
        raise PictureError(f"{path} is a folder where a picture file belongs")
    stream = streams.is_open_stream(path)
    if not stream and (path.is_block_device() or path.is_char_device()):
        raise PictureError(f"{path} is a device where a picture file belongs")
    if not stream and (path.is_fifo() or path.is_socket()):
        raise PictureError(f"{path} is a pipe where a picture file belongs; save it to a file")
    try:
        content = streams.read_stream(path) if stream else path.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path} does not exist{suggest_neighbour(path)}") from None
    except OSError as problem:
        raise PictureError(f"{path} cannot be read: {problem.strerror}") from None
    if not content:
        raise PictureError(f"{path} is empty (0 bytes)")
    return content


def parse(content: bytes, name: str) -> Picture:
    """Read a picture from a file's bytes; ``name`` is what messages call it.

    Raises:
        PictureError: what `read` raises it for.
    """
    try:
        with warnings.catch_warnings():  # what Pillow warns of becomes an error, or is harmless
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\b")
            return codecs.decode(content, name)
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture, or {_guess_reason(content)}") from None
    except _DECODER_ERRORS as problem:
        if (which := png.find_long_text(content, str(problem))) is not None:
            raise PictureError(
                f"{name} has {which}; take it out, or save the picture anew"
            ) from None
        detail = " ".join(str(problem).split())[:120] or type(problem).__name__
        raise PictureError(f"{name} is damaged or cut short: {detail}") from None


def _guess_reason(content: bytes) -> str:
    starts = (png.SIGNATURE, b"\xff\xd8\xff", b"RIFF", b"BM", b"GIF8")
    known = content.startswith(starts) or content[4:8] == b"ftyp"
    return "is damaged or cut short at its start" if known else "of a kind that is not supported"


def default_extension(picture: Picture, keep_palette: bool = False) -> str:
    """The extension to write by: the file's own where it can be written, else ``.png``."""
    if keep_palette:
        return ".png"
    own = Path(picture.name).suffix
    if FORMATS.get(own.lower()) == picture.format:
        return own
    return EXTENSIONS.get(picture.format, ".png")


def write(
    path: Path | str, picture: Picture, hole: Hole | None = None, keep_palette: bool = False
) -> WriteResult:
    """Write a picture, upright, in the format of the extension, whole or not at all.

    Args:
        hole: ``(H, W)``, what was filled; a JPEG keeps its other blocks where that can be done.
        keep_palette: write a palette PNG, the filled pixels with its nearest colours.

    Raises:
        PictureError: a format that cannot hold the picture, or a file that cannot be written.
    """
    path = Path(path)
    content, result = encode(path, picture, hole, keep_palette)
    if streams.is_standard_output(path):
        streams.write_standard_output(content)
        return result
    _check_place(path)
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    except OSError as problem:
        raise PictureError(f"{path} cannot be written: {problem.strerror}") from None
    return result


def encode(
    path: Path | str, picture: Picture, hole: Hole | None = None, keep_palette: bool = False
) -> tuple[bytes, WriteResult]:
    """The bytes that `write` would put at the path, which is not touched, and what they changed.

    Raises:
        PictureError: a format that cannot hold the picture.
    """
    path = Path(path)
    kind = _choose_format(path, picture, keep_palette)
    metadata, remarks = description.adapt(picture, kind)
    if metadata.exif or metadata.xmp:
        metadata = exif.set_upright(replace(picture, metadata=metadata))
    try:
        with warnings.catch_warnings():  # see parse
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\b")
            if keep_palette and picture.palette is not None:
                indices = pillow.nearest_indices(picture, picture.palette, hole)
                content = png.write_palette(indices, picture.palette.colours, metadata)
            else:
                content, further = codecs.encode(kind, picture, metadata, hole)
                remarks += further
    except _DECODER_ERRORS as problem:
        raise PictureError(f"{path} cannot be written as {kind}: {problem}") from None
    if kind not in ("JPEG", "AVIF"):
        return content, WriteResult(path, remarks=remarks)
    changes = _measure_changes(picture, parse(content, str(path)), hole)
    return content, WriteResult(path, *changes, remarks)


def _choose_format(path: Path, picture: Picture, keep_palette: bool) -> str:
    """The format that the extension names; PictureError where it cannot hold the picture."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(FORMATS)
        raise PictureError(
            f"{path} has the extension {path.suffix!r}; pictures are written as {known}"
        )
    _check_values(path, picture, kind)
    if keep_palette and (picture.palette is None or kind != "PNG"):
        reason = f"{picture.name} has no palette" if picture.palette is None else "only PNG does"
        raise PictureError(f"{path} cannot keep a palette: {reason}; leave --keep-palette out")
    return kind


def _check_values(path: Path, picture: Picture, kind: str) -> None:
    """Refuse values, channels or alpha that a format cannot hold, and name one that can."""
    dtype, alpha, stem = picture.pixels.dtype, picture.alpha, path.stem
    if kind != "TIFF" and picture.pixels.shape[2] not in (1, 3):
        channels = picture.pixels.shape[2]
        raise PictureError(f"{path} cannot hold {channels} channels; write {stem}.tif")
    if kind == "PFM" and dtype != np.float32:
        raise PictureError(f"{path} holds 32-bit floats, not {dtype} values; write {stem}.png")
    if kind not in ("TIFF", "PFM") and dtype not in (np.uint8, np.uint16):
        raise PictureError(f"{path} cannot hold {dtype} values; write {stem}.tif")
    own_depth = kind == "AVIF" and picture.depth in (10, 12)
    if dtype == np.uint16 and kind not in DEEP_FORMATS and not own_depth:
        raise PictureError(f"{path} cannot hold 16 bits; write {stem}.png or {stem}.tif")
    if alpha is not None and kind in OPAQUE_FORMATS and (alpha < white(alpha.dtype)).any():
        raise PictureError(f"{path} cannot hold transparency; write {stem}.png")
    if picture.premultiplied and kind != "TIFF":
        raise PictureError(f"{path} cannot hold premultiplied alpha; write {stem}.tif")


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise PictureError(f"{path} is a folder where a picture file belongs")
    if path.exists() and not path.is_file():
        raise PictureError(f"{path} is a device, not a file that can be replaced")
    if path.exists() and not os.access(path, os.W_OK):
        raise PictureError(f"{path} cannot be written: it is read-only")
    if not Path(os.path.realpath(path)).parent.is_dir():
        raise PictureError(f"{path} cannot be written: its folder does not exist")


def _measure_changes(before: Picture, after: Picture, hole: Hole | None) -> tuple[float, float]:
    """Largest and mean absolute difference of colours outside the hole."""
    known = np.ones(before.shape, bool) if hole is None else ~hole
    if not known.any():
        return 0.0, 0.0
    low, high = np.minimum(before.pixels, after.pixels), np.maximum(before.pixels, after.pixels)
    difference = high - low  # of bytes, so that large photos stay quick
    difference[~known] = 0
    count = np.count_nonzero(known) * difference.shape[2]
    return float(difference.max()), float(difference.sum(dtype=np.int64)) / count
