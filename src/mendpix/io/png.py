"""PNG: chunks in and out, 16 bits exactly, which Pillow alone would cut to 8.

Written after the specification, https://www.w3.org/TR/png-3/
"""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mendpix.io.metadata import Metadata
from mendpix.io.picture import Array, Picture
from mendpix.io.pillow import described, joined

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "  # EXIF and XMP before PNG had a place for them
_KEPT = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tIME", b"pHYs")
_LARGE = 6_000_000  # values
_READ = tuple(_RAW_PROFILE + kind for kind in ("exif", "APP1"))  # EXIF has its own place


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kinds and data of all chunks; ValueError where one is cut short or damaged."""
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(content):
            raise ValueError("it ends before its last chunk")
        length, kind = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        check = content[at + 8 + length : at + 12 + length]
        if len(check) < 4 or zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(check, "big"):
            raise ValueError(f"its {kind.decode('latin-1')} chunk is cut short or damaged")
        yield kind, body
        at += 12 + length


def is_deep(content: bytes) -> bool:
    """Whether the file holds 16 bits a channel."""
    return content[24:25] == b"\x10"


def read_deep(content: bytes) -> tuple[Array, Array | None]:
    """Pixels ``(H, W, 1 or 3)`` and alpha ``(H, W)`` or None, uint16, of a 16-bit file."""
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise ValueError("its 16-bit pixels cannot be decoded")
    values = values.reshape(*values.shape[:2], -1)
    grey, has_alpha = content[25] in (0, 4), content[25] >= 4
    pixels = np.ascontiguousarray(values[..., :1] if grey else values[..., 2::-1])
    if has_alpha:
        return pixels, np.ascontiguousarray(values[..., -1])
    return pixels, _keyed(content, pixels)


def _keyed(content: bytes, pixels: Array) -> Array | None:
    """The alpha of a file that names one transparent colour."""
    key = dict(chunks(content)).get(b"tRNS")
    if key is None:
        return None
    see_through = (pixels == np.frombuffer(key, ">u2")).all(axis=-1)
    return np.where(see_through, 0, 65535).astype(np.uint16)


def scale_key(content: bytes, image: Image.Image) -> None:
    """Pillow spreads 2 and 4 bits of grey over 8, but leaves the transparent level as it was."""
    key = image.info.get("transparency")
    if content[25] == 0 and content[24] in (2, 4) and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2 ** content[24] - 1)


def metadata(content: bytes, image: Image.Image) -> Metadata:
    """What the chunks say; ``image`` is the same file, opened and loaded by Pillow."""
    said, texts = described(image), getattr(image, "text", {})
    xmp = texts.get(_XMP) or said.xmp
    exif = said.exif
    if exif is None and _RAW_PROFILE + "exif" in texts:
        exif = image.getexif().tobytes().removeprefix(b"Exif\0\0")
    kept = [one for one in texts.items() if one[0] != _XMP and one[0] not in _READ]
    return replace(
        said,
        exif=exif,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        text=tuple((str(key), str(value)) for key, value in kept),
        chunks=tuple(found for found in chunks(content) if found[0] in _KEPT),
    )


def write(picture: Picture, said: Metadata) -> bytes:
    """The whole file: 8 bits by Pillow, 16 by ourselves, with the chunks of ``said``."""
    deep = picture.pixels.dtype == np.uint16
    bare = _deep(picture) if deep else _shallow(picture)
    return _with(bare, _descriptions(said))


def write_palette(indices: NDArray[np.uint8], colours: Array, said: Metadata) -> bytes:
    """A palette file; indices ``(H, W)``, colours ``(N, 4)`` RGBA, both uint8."""
    image, buffer = Image.fromarray(indices, "L"), io.BytesIO()
    image.putpalette(np.ascontiguousarray(colours[:, :3]).tobytes())
    opaque = bool((colours[:, 3] == 255).all())
    if opaque:
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "PNG", transparency=colours[:, 3].tobytes())
    return _with(buffer.getvalue(), _descriptions(said))


def _shallow(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    level = 6 if picture.pixels.size < _LARGE else 2  # 2: 5 % larger, four times as fast
    Image.fromarray(joined(picture)).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def _deep(picture: Picture) -> bytes:
    values = joined(picture)
    height, width = values.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[values[0, 0].size]
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 1  # filter type "Sub": each byte less that of the pixel before
    filtered[:, 1:] = rows
    step = 2 * values[0, 0].size
    filtered[:, 1 + step :] -= rows[:, :-step]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    body = zlib.compress(filtered.data, 4)
    parts = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _with(bare: bytes, described: list[tuple[bytes, bytes]]) -> bytes:
    """The file with further chunks behind its header."""
    head = len(SIGNATURE) + 25
    return bare[:head] + b"".join(_chunk(*one) for one in described) + bare[head:]


def _descriptions(said: Metadata) -> list[tuple[bytes, bytes]]:
    found = [one for one in said.chunks if not (said.icc and one[0] in (b"sRGB", b"iCCP"))]
    if said.icc:
        found.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(said.icc)))
    if said.dpi and b"pHYs" not in dict(found):
        per_metre = [round(value / 0.0254) for value in said.dpi]
        found.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if said.exif:
        found.append((b"eXIf", said.exif))
    if said.xmp:
        found.append((b"iTXt", _XMP.encode() + b"\0\0\0\0\0" + said.xmp))
    return found + [_text(key, value) for key, value in said.text]


def _text(key: str, value: str) -> tuple[bytes, bytes]:
    with contextlib.suppress(UnicodeEncodeError):
        plain = value.encode("latin-1")
        return b"tEXt", key.encode("latin-1") + b"\0" + plain
    return b"iTXt", key.encode("latin-1", "replace") + b"\0\0\0\0\0" + value.encode()
