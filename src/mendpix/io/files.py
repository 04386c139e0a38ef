"""Picture files, read into pictures and written from them: one door for all formats."""

import contextlib
import io
import os
import secrets
import shutil
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mendpix.errors import PictureError
from mendpix.io import jpeg, metadata, pillow, png, tiff
from mendpix.io.metadata import Metadata
from mendpix.io.picture import Picture, turned, white
from mendpix.types import Hole

FORMATS = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
_READABLE = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "BMP", "GIF")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# What the decoders raise on damaged files, besides their own kinds of these.
_DAMAGE: tuple[type[Exception], ...] = (OSError, SyntaxError, ValueError, LookupError, TypeError)
_DAMAGE += (
    Image.DecompressionBombError,
    EOFError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a picture on disk.

    Attributes:
        largest_change: outside the hole, by decoding the new file, in the picture's own units.
        mean_change: the same on average, over channels and known pixels. 0 where lossless.
    """

    path: Path
    largest_change: float = 0.0
    mean_change: float = 0.0


def read(path: Path | str) -> Picture:
    """Read a picture file: PNG, TIFF, JPEG, WebP, AVIF, BMP, GIF with one frame, HEIC.

    Raises:
        PictureError: missing, unreadable, damaged, not a picture, several frames, too many
            pixels, or a colour model that cannot be kept.
    """
    path = Path(path)
    return parse(_content(path), str(path))


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise PictureError(f"{path} is a folder where a picture file belongs")
    if path.is_block_device() or path.is_char_device():
        raise PictureError(f"{path} is a device where a picture file belongs")
    if path.is_fifo() or path.is_socket():
        raise PictureError(f"{path} is a pipe where a picture file belongs; save it to a file")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path} does not exist") from None
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
    with _hushed():
        return _decoded(content, name)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Without Pillow's warnings: what they tell of becomes an error, or does not matter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\b")
        yield


def _decoded(content: bytes, name: str) -> Picture:
    try:
        if content.startswith(tiff.MAGIC):
            return replace(tiff.read(content, name), format="TIFF")
        if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
            return _heic(content, name)
        with pillow.opened(content, name) as image:
            return _from_file(image, content, name)
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture, or {_broken(content)}") from None
    except _DAMAGE as problem:
        detail = " ".join(str(problem).split())[:120] or type(problem).__name__
        raise PictureError(f"{name} is damaged or cut short: {detail}") from None


def _broken(content: bytes) -> str:
    starts = (png.SIGNATURE, b"\xff\xd8\xff", b"RIFF", b"BM", b"GIF8")
    known = content.startswith(starts) or content[4:8] == b"ftyp"
    return "is damaged or cut short at its start" if known else "of a kind that is not supported"


def _from_file(image: Image.Image, content: bytes, name: str) -> Picture:
    kind = image.format or "?"
    if kind not in _READABLE:
        raise PictureError(f"{name} is a {kind} file, which is not supported; save it as PNG first")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and kind != "MPO":  # a phone's JPEG with a depth map or a second view
        raise PictureError(f"{name} has {frames} frames; save the one to fill as a file of its own")
    image.load()
    said = png.metadata(content, image) if kind == "PNG" else pillow.described(image)
    deep = kind == "PNG" and png.is_deep(content)
    if kind == "PNG":
        png.scale_key(content, image)
    picture = Picture(*png.read_deep(content)) if deep else pillow.planes(image, name)
    kind = "JPEG" if kind == "MPO" else kind
    picture = replace(picture, format=kind, name=name, metadata=said)
    picture = replace(picture, content=content if kind == "JPEG" else None)
    return turned(picture, metadata.orientation(said.exif))


def _heic(content: bytes, name: str) -> Picture:
    try:
        import pi_heif
    except ImportError:
        raise PictureError(
            f"{name} is a HEIC file; reading it needs an extra: pip install 'mendpix[heic]'"
        ) from None
    file = pi_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=False)
    pillow.check_size(file.size[0], file.size[1], name)
    said = pillow.described(file)
    return replace(
        pillow.split(np.asarray(file).copy(), name),
        format="HEIF",
        metadata=said,
        orientation=metadata.orientation(said.exif),  # already applied by the decoder
    )


def default_extension(picture: Picture, keep_palette: bool = False) -> str:
    """The extension to write by: the file's own where it can be written, else ``.png``."""
    if keep_palette:
        return ".png"
    own = Path(picture.name).suffix
    if FORMATS.get(own.lower()) == picture.format:
        return own
    return {"JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp", "AVIF": ".avif", "BMP": ".bmp"}.get(
        picture.format, ".png"
    )


def write(
    path: Path | str, picture: Picture, hole: Hole | None = None, keep_palette: bool = False
) -> Written:
    """Write a picture, upright, in the format of the extension, whole or not at all.

    Args:
        hole: ``(H, W)``, what was filled; a JPEG keeps its other blocks where that can be done.
        keep_palette: write a palette PNG, the filled pixels with its nearest colours.

    Raises:
        PictureError: a format that cannot hold the picture, or a file that cannot be written.
    """
    content, written = encode(path, picture, hole, keep_palette)
    _store(Path(path), content)
    return written


def encode(
    path: Path | str, picture: Picture, hole: Hole | None = None, keep_palette: bool = False
) -> tuple[bytes, Written]:
    """The bytes that `write` would put at the path, which is not touched, and what they changed.

    Raises:
        PictureError: a format that cannot hold the picture.
    """
    path = Path(path)
    kind = _format(path, picture, keep_palette)
    said = picture.metadata.upright(metadata.viewable(picture.pixels))
    try:
        with _hushed():
            content = _encoded(kind, picture, said, hole, keep_palette)
    except _DAMAGE as problem:
        raise PictureError(f"{path} cannot be written as {kind}: {problem}") from None
    if kind not in ("JPEG", "AVIF"):
        return content, Written(path)
    return content, Written(path, *_changes(picture, parse(content, str(path)), hole))


def _format(path: Path, picture: Picture, keep_palette: bool) -> str:
    """The format that the extension names; PictureError where it cannot hold the picture."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        ways = ", ".join(FORMATS)
        raise PictureError(
            f"{path} has the extension {path.suffix!r}; pictures are written as {ways}"
        )
    dtype, alpha = picture.pixels.dtype, picture.alpha
    if kind != "TIFF" and picture.pixels.shape[2] not in (1, 3):
        channels = picture.pixels.shape[2]
        raise PictureError(f"{path} cannot hold {channels} channels; write {path.stem}.tif")
    if kind != "TIFF" and dtype not in (np.uint8, np.uint16):
        raise PictureError(f"{path} cannot hold {dtype} values; write {path.stem}.tif")
    if dtype == np.uint16 and kind not in ("PNG", "TIFF"):
        raise PictureError(f"{path} cannot hold 16 bits; write {path.stem}.png or {path.stem}.tif")
    if alpha is not None and kind in ("JPEG", "BMP") and (alpha < white(alpha.dtype)).any():
        raise PictureError(f"{path} cannot hold transparency; write {path.stem}.png")
    if picture.premultiplied and kind != "TIFF":
        raise PictureError(f"{path} cannot hold premultiplied alpha; write {path.stem}.tif")
    if keep_palette and (picture.palette is None or kind != "PNG"):
        reason = f"{picture.name} has no palette" if picture.palette is None else "only PNG does"
        raise PictureError(f"{path} cannot keep a palette: {reason}; leave --keep-palette out")
    return kind


def _encoded(
    kind: str, picture: Picture, said: Metadata, hole: Hole | None, keep_palette: bool
) -> bytes:
    if keep_palette and picture.palette is not None:
        indices = pillow.nearest(picture, picture.palette, hole)
        return png.write_palette(indices, picture.palette.colours, said)
    if kind == "PNG":
        return png.write(picture, said)
    if kind == "TIFF":
        return tiff.write(picture, said)
    if kind == "JPEG":
        return jpeg.write(picture, said, hole)
    return pillow.write(kind, picture, said)


def _store(path: Path, content: bytes) -> None:
    """Put the bytes beside the path first and rename, so that no half a file is ever there."""
    _check_place(path)
    path = Path(os.path.realpath(path))  # a link stays, what it points at is replaced
    part = path.with_name(f".mendpix-{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    except OSError as problem:
        raise PictureError(f"{path} cannot be written: {problem.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise PictureError(f"{path} is a folder where a picture file belongs")
    if path.exists() and not path.is_file():
        raise PictureError(f"{path} is a device, not a file that can be replaced")
    if path.exists() and not os.access(path, os.W_OK):
        raise PictureError(f"{path} cannot be written: it is read-only")
    if not Path(os.path.realpath(path)).parent.is_dir():
        raise PictureError(f"{path} cannot be written: its folder does not exist")


def _changes(before: Picture, after: Picture, hole: Hole | None) -> tuple[float, float]:
    """Largest and mean absolute difference of colours outside the hole."""
    known = np.ones(before.shape, bool) if hole is None else ~hole
    if not known.any():
        return 0.0, 0.0
    low, high = np.minimum(before.pixels, after.pixels), np.maximum(before.pixels, after.pixels)
    difference = high - low  # of bytes, so that large photos stay quick
    difference[~known] = 0
    count = np.count_nonzero(known) * difference.shape[2]
    return float(difference.max()), float(difference.sum(dtype=np.int64)) / count
