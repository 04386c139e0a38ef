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
from PIL import Image, PngImagePlugin

from mendpix.io import pillow
from mendpix.io.picture import Array, Metadata, Picture
from mendpix.io.pillow import join_alpha

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "  # EXIF and XMP before PNG had a place for them
_COPIED = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tIME", b"pHYs")
_LARGE = 6_000_000  # values
_RAW_KEYS = tuple(_RAW_PROFILE + kind for kind in ("exif", "APP1"))  # EXIF has its own place


def read_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
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


def read(content: bytes, image: Image.Image, name: str) -> Picture:
    """The picture; ``image`` is the same file, opened and loaded by Pillow."""
    metadata = _read_metadata(content, image)
    if content[24:25] == b"\x10":
        return replace(Picture(*_read_16_bits(content)), name=name, metadata=metadata)
    key = image.info.get("transparency")
    if content[25] == 0 and content[24] in (2, 4) and isinstance(key, int):
        # Pillow spreads 2 and 4 bits of grey over 8, but leaves the transparent level as it was
        image.info["transparency"] = key * 255 // (2 ** content[24] - 1)
    return replace(pillow.to_picture(image, name), metadata=metadata)


def _read_16_bits(content: bytes) -> tuple[Array, Array | None]:
    """Pixels ``(H, W, 1 or 3)`` and alpha ``(H, W)`` or None, uint16, of a 16-bit file."""
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise ValueError("its 16-bit pixels cannot be decoded")
    values = values.reshape(*values.shape[:2], -1)
    grey, has_alpha = content[25] in (0, 4), content[25] >= 4
    pixels = np.ascontiguousarray(values[..., :1] if grey else values[..., 2::-1])
    if has_alpha:
        return pixels, np.ascontiguousarray(values[..., -1])
    return pixels, _transparency(content, pixels)


def _transparency(content: bytes, pixels: Array) -> Array | None:
    """The alpha of a file that names one transparent colour."""
    key = dict(read_chunks(content)).get(b"tRNS")
    if key is None:
        return None
    is_key = (pixels == np.frombuffer(key, ">u2")).all(axis=-1)
    return np.where(is_key, 0, 65535).astype(np.uint16)


def _read_metadata(content: bytes, image: Image.Image) -> Metadata:
    """What the chunks say."""
    metadata, texts = pillow.read_metadata(image), getattr(image, "text", {})
    xmp = texts.get(_XMP) or metadata.xmp
    exif = metadata.exif
    if exif is None and _RAW_PROFILE + "exif" in texts:
        exif = image.getexif().tobytes().removeprefix(b"Exif\0\0")
    others = [one for one in texts.items() if one[0] != _XMP and one[0] not in _RAW_KEYS]
    return replace(
        metadata,
        exif=exif,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        text=tuple((str(key), str(value)) for key, value in others),
        chunks=tuple(chunk for chunk in read_chunks(content) if chunk[0] in _COPIED),
    )


def allow_long_text() -> None:
    """Let this process read 64 MB of text and profile, which serving does not."""
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


def find_long_text(content: bytes, problem: str) -> str | None:
    """The chunk that is why Pillow refused a file for its text, in words; None: another reason."""
    if "MAX_TEXT" not in problem or not content.startswith(SIGNATURE):
        return None
    total, limit = 0, PngImagePlugin.MAX_TEXT_CHUNK
    for kind, data in read_chunks(content):
        if kind not in (b"zTXt", b"iTXt", b"iCCP", b"tEXt"):
            continue
        size = _measure_text(kind, data, limit)
        total += size
        if size > limit or total > PngImagePlugin.MAX_TEXT_MEMORY:
            key = data.split(b"\0")[0].decode("latin-1")[:80]
            return (
                f"more than {limit / 2**20:g} MB of text and profile: in the chunk "
                f"{kind.decode('ascii')} {key!r}"
            )
    return None


def _measure_text(kind: bytes, data: bytes, limit: int) -> int:
    """Bytes of a chunk's text, unpacked no further than a byte beyond the limit."""
    _, _, rest = data.partition(b"\0")
    if kind == b"tEXt" or (kind == b"iTXt" and rest[:1] == b"\0"):
        return len(rest)
    packed = rest[1:]
    if kind == b"iTXt":  # a method, a language and the key in it stand before the text
        packed = rest[2:].split(b"\0", 2)[-1]
    try:
        return len(zlib.decompressobj().decompress(packed, limit + 1))
    except zlib.error:
        return 0


def write(picture: Picture, metadata: Metadata) -> bytes:
    """The whole file: 8 bits by Pillow, 16 by ourselves, with the chunks of ``metadata``."""
    if picture.pixels.dtype == np.uint16:
        return _insert_chunks(_encode_16_bits(picture), metadata)
    buffer = io.BytesIO()
    level = 6 if picture.pixels.size < _LARGE else 2  # 2: 5 % larger, four times as fast
    image = Image.fromarray(join_alpha(picture))
    if picture.depth == 1 and image.mode == "L":
        image = image.convert("1", dither=Image.Dither.NONE)
    image.save(buffer, "PNG", compress_level=level)
    return _insert_chunks(buffer.getvalue(), metadata)


def write_palette(indices: NDArray[np.uint8], colours: Array, metadata: Metadata) -> bytes:
    """A palette file; indices ``(H, W)``, colours ``(N, 4)`` RGBA, both uint8."""
    image, buffer = Image.fromarray(indices, "L"), io.BytesIO()
    image.putpalette(np.ascontiguousarray(colours[:, :3]).tobytes())
    opaque = bool((colours[:, 3] == 255).all())
    if opaque:
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "PNG", transparency=colours[:, 3].tobytes())
    return _insert_chunks(buffer.getvalue(), metadata)


def _encode_16_bits(picture: Picture) -> bytes:
    values = join_alpha(picture)
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


def _insert_chunks(bare: bytes, metadata: Metadata) -> bytes:
    """The file with the metadata's chunks behind its header."""
    # a profile says all that these two do, and readers may not know which of them counts
    added = [one for one in metadata.chunks if not (metadata.icc and one[0] in (b"sRGB", b"iCCP"))]
    if metadata.icc:
        added.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi and b"pHYs" not in dict(added):
        per_metre = [round(value / 0.0254) for value in metadata.dpi]
        added.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if metadata.exif:
        added.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        added.append((b"iTXt", _XMP.encode() + b"\0\0\0\0\0" + metadata.xmp))
    added += [_text_chunk(key, value) for key, value in metadata.text]
    head = len(SIGNATURE) + 25
    return bare[:head] + b"".join(_chunk(kind, data) for kind, data in added) + bare[head:]


def _text_chunk(key: str, value: str) -> tuple[bytes, bytes]:
    with contextlib.suppress(UnicodeEncodeError):
        plain = value.encode("latin-1")
        return b"tEXt", key.encode("latin-1") + b"\0" + plain
    return b"iTXt", key.encode("latin-1", "replace") + b"\0\0\0\0\0" + value.encode()
