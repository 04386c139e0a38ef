"""A JPEG file's segments: read, written, and the descriptions among them.

Marker layout after ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B; extended XMP
after the XMP specification, part 3, section 1.1.3.1.
"""

import re
import struct
from collections.abc import Iterator

from mendpix.io.picture import Metadata

APP0, APP1, APP2, APP11, APP13, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xEF
COMMENT, SCAN, _END = 0xFE, 0xDA, 0xD9
EXIF, XMP, ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
EXTENSION, RESOURCES = b"http://ns.adobe.com/xmp/extension/\0", b"Photoshop 3.0\0"
JFIF = b"JFIF\0"
_SEGMENT_SIZE = 65533  # bytes in one segment
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # inside a scan: not stuffed, no restart


def read_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and data of the segments before the first scan, the rest of the file with it."""
    at = 2
    while at + 4 <= len(content):
        if content[at + 1] == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
        if marker == SCAN:
            yield marker, content[at:]
            return
        yield marker, content[at + 4 : at + 2 + length]
        at += 2 + length


def read_trailer(content: bytes) -> bytes:
    """What lies behind the end of the first picture."""
    for marker, rest in read_segments(content):
        if marker == SCAN:
            return rest[_find_end(rest) :]
    return b""


def _find_end(scans: bytes) -> int:
    """Where the picture ends whose scans, with the tables between them, stand here."""
    at = 0
    while match := _MARKER.search(scans, at):
        if scans[match.start() + 1] == _END:
            return match.end()
        if match.end() + 2 > len(scans):
            break
        at = match.end() + struct.unpack_from(">H", scans, match.end())[0]
    return len(scans)


def pack_segment(marker: int, body: bytes) -> bytes:
    """A segment with its marker and length."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def set_descriptions(bare: bytes, metadata: Metadata | None, extension: bytes = b"") -> bytes:
    """The file with these descriptions in place of its own.

    Args:
        metadata: None: without any.
        extension: segments of extended XMP, as they are.
    """
    segments = list(read_segments(bare))
    described = []
    if metadata is not None:
        # JFIF says YCbCr; where Adobe's segment says what else the colours are, it must not stand
        is_jfif = all(marker != APP14 or not body.startswith(b"Adobe") for marker, body in segments)
        described = [*([_pack_jfif(metadata)] if is_jfif else []), *_pack_descriptions(metadata)]
    parts = [b"\xff\xd8", *described, extension]
    for marker, body in segments:
        if marker == SCAN:
            parts.append(body)
        elif not (APP0 <= marker <= APP15 or marker == COMMENT) or body.startswith(b"Adobe"):
            parts.append(pack_segment(marker, body))
    return b"".join(parts)


def _pack_jfif(metadata: Metadata) -> bytes:
    across, down = (min(65535, max(1, round(value))) for value in metadata.dpi or (1, 1))
    density = struct.pack(">BHHBB", bool(metadata.dpi), across, down, 0, 0)
    return pack_segment(APP0, JFIF + b"\1\1" + density)


def _pack_descriptions(metadata: Metadata) -> Iterator[bytes]:
    if metadata.exif and fits(EXIF, metadata.exif):
        yield pack_segment(APP1, EXIF + metadata.exif)
    if metadata.xmp and fits(XMP, metadata.xmp):
        yield pack_segment(APP1, XMP + metadata.xmp)
    if metadata.icc:
        step = _SEGMENT_SIZE - len(ICC) - 2
        pieces = [metadata.icc[at : at + step] for at in range(0, len(metadata.icc), step)]
        for number, piece in enumerate(pieces, 1):
            yield pack_segment(APP2, ICC + bytes([number, len(pieces)]) + piece)
    if metadata.resources:
        step = _SEGMENT_SIZE - len(RESOURCES)
        for at in range(0, len(metadata.resources), step):
            yield pack_segment(APP13, RESOURCES + metadata.resources[at : at + step])
    for key, value in metadata.text:
        if key in ("Comment", "Description"):
            yield pack_segment(COMMENT, value.encode()[:_SEGMENT_SIZE])


def fits(identifier: bytes, body: bytes) -> bool:
    """Whether one segment can hold a description."""
    return len(identifier) + len(body) <= _SEGMENT_SIZE


def read_resources(content: bytes) -> bytes | None:
    """Photoshop's image resources (IPTC captions among them), without thumbnails."""
    bodies = [
        body[len(RESOURCES) :]
        for marker, body in read_segments(content)
        if marker == APP13 and body.startswith(RESOURCES)
    ]
    return drop_thumbnails(b"".join(bodies)) or None


_THUMBNAILS = (0x0409, 0x040C)


def drop_thumbnails(resources: bytes) -> bytes:
    """Image resource blocks without those that hold a small copy of the picture.

    A block: signature, number, name and data, both padded to even lengths.
    """
    kept, at = [], 0
    while resources[at : at + 4] == b"8BIM" and at + 12 <= len(resources):
        number, name = struct.unpack_from(">HB", resources, at + 4)
        start = at + 6 + (name + 2) // 2 * 2
        if start + 4 > len(resources):
            break
        (size,) = struct.unpack_from(">I", resources, start)
        end = start + 4 + (size + 1) // 2 * 2
        if number not in _THUMBNAILS:
            kept.append(resources[at:end])
        at = end
    return b"".join(kept)
