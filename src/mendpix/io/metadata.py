"""What rides beside the pixels: EXIF, ICC, XMP, resolution and text, and how to set them upright.

EXIF blocks are patched in place rather than parsed and written anew, so that what we do not
understand (makers' notes with offsets of their own) keeps its bytes. The block is a TIFF
structure: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, section 2.
"""

import io
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x0112, 0x8769, 0x8825, 0xA005
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_STRIPS, _STRIP_SIZES = 0x0111, 0x0117
_THUMBNAIL_SIDE = 160  # pixels; what EXIF 2.3 recommends
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}  # BigTIFF's
_JPEG_ROOM = 65533 - 6  # what one JPEG segment holds after "Exif\0\0"
BELOW = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
MOST_DIRECTORIES, MOST_ENTRIES = 64, 4096  # more is rather an attack than a photo


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
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()

    def upright(self, pixels: NDArray[Any]) -> "Metadata":
        """The same, saying orientation 1, with a new thumbnail where there was one."""
        exif = self.exif and upright(self.exif, pixels)
        return replace(self, exif=exif or None, xmp=self.xmp and _upright_xmp(self.xmp))


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry: where its 12 bytes stand, and where its value stands."""

    tag: int
    kind: int
    count: int
    at: int
    value: int

    @property
    def size(self) -> int:
        return size_of(self.kind, self.count)


def size_of(kind: int, count: int) -> int:
    """The bytes that so many numbers of a kind take."""
    return _SIZES.get(kind, 1) * count


def order(block: bytes) -> str:
    """The block's byte order as `struct` writes it; ValueError where it is no TIFF block."""
    if block[:4] == b"II*\0":
        return "<"
    if block[:4] == b"MM\0*":
        return ">"
    raise ValueError("no TIFF byte order mark")


def entries(block: bytes, offset: int) -> tuple[list[Entry], int]:
    """The entries of the directory at ``offset``, and the next directory's offset (0: none)."""
    way = order(block)
    (count,) = struct.unpack_from(way + "H", block, offset)
    if count > MOST_ENTRIES:
        raise ValueError(f"a directory claims {count} entries")
    found = []
    for at in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from(way + "HHII", block, at)
        inline = size_of(kind, number) <= 4
        found.append(Entry(tag, kind, number, at, at + 8 if inline else value))
    end = offset + 2 + 12 * count
    following = struct.unpack_from(way + "I", block, end)[0] if end + 4 <= len(block) else 0
    return found, following


def directories(block: bytes) -> dict[int, list[Entry]]:
    """The first directory and those below it, by offset.

    Raises:
        ValueError: they lead in a circle, or are such that a copy of them would take far more
            room than they do.
    """
    found: dict[int, list[Entry]] = {}
    waiting = [first(block)]
    while waiting:
        offset = waiting.pop()
        if offset in found:
            raise ValueError("its directories lead in a circle")
        if len(found) == MOST_DIRECTORIES:
            raise ValueError(f"it has more than {MOST_DIRECTORIES} directories")
        found[offset] = entries(block, offset)[0]
        waiting += [_number(block, entry) for entry in found[offset] if entry.tag in BELOW]
    spans = [(one.value, one.size) for held in found.values() for one in held]
    check_spans(spans, len(block))
    return found


def check_spans(spans: Iterable[tuple[int, int]], length: int) -> None:
    """Refuse values that lie over each other: a small file could claim any amount by them.

    Args:
        spans: offsets and sizes; the same one twice counts once, one past the end not at all.

    Raises:
        ValueError: together they are more than twice the file's length.
    """
    claimed = sum(size for start, size in set(spans) if start + size <= length)
    if claimed > 2 * length:
        raise ValueError(f"its directories claim {claimed} bytes of {length}")


def first(block: bytes) -> int:
    """The offset of the first directory."""
    return int(struct.unpack_from(order(block) + "I", block, 4)[0])


def orientation(block: bytes | None) -> int:
    """The orientation a block asks for, 1 to 8; 1 where it does not say or is damaged."""
    try:
        if block:
            for entry in entries(block, first(block))[0]:
                if entry.tag == ORIENTATION:
                    value = int(_number(block, entry))
                    return value if 1 <= value <= 8 else 1
    except (ValueError, struct.error):
        pass
    return 1


def _number(block: bytes | bytearray, entry: Entry) -> int:
    code = "H" if entry.kind == 3 else "I"
    return int(struct.unpack_from(order(bytes(block[:4])) + code, block, entry.value)[0])


def _numbers(block: bytearray, entry: Entry) -> tuple[int, ...]:
    code = "H" if entry.kind == 3 else "I"
    return struct.unpack_from(f"{order(bytes(block[:4]))}{entry.count}{code}", block, entry.value)


def upright(block: bytes, pixels: NDArray[Any] | None = None) -> bytes:
    """The block with orientation 1, its size tags those of ``pixels``, and a fresh thumbnail.

    A block too damaged to walk through is dropped (empty bytes): it could say anything.
    """
    try:
        patched = bytearray(block)
        known = directories(block)
        found, following = entries(block, first(block))
        for entry in _deep(block, found):
            _patch(patched, entry, pixels)
        if following in known:
            raise ValueError("its directories lead in a circle")
        if pixels is not None and following:
            below = {entry.tag: entry for entry in entries(block, following)[0]}
            if not _refresh(patched, below, pixels):
                _drop(patched, below, first(block) + 2 + 12 * len(found))
        return bytes(patched)
    except (ValueError, struct.error):
        return b""


def _deep(block: bytes, found: list[Entry]) -> Iterator[Entry]:
    """The entries and those of the EXIF directory below them."""
    for entry in found:
        yield entry
        if entry.tag == EXIF_IFD:
            yield from entries(block, _number(block, entry))[0]


def _patch(block: bytearray, entry: Entry, pixels: NDArray[Any] | None) -> None:
    new = {ORIENTATION: 1}
    if pixels is not None:
        height, width = pixels.shape[:2]
        new |= {0x0100: width, 0x0101: height, 0xA002: width, 0xA003: height}
    if entry.tag in new and entry.kind in (3, 4) and entry.count == 1:
        code = "H" if entry.kind == 3 else "I"
        struct.pack_into(order(bytes(block[:4])) + code, block, entry.value, new[entry.tag])


def _drop(block: bytearray, by_tag: dict[int, Entry], link: int) -> None:
    """Blank a thumbnail that is no JPEG, and end the chain of directories at ``link``."""
    strips, sizes = by_tag.get(_STRIPS), by_tag.get(_STRIP_SIZES)
    if strips and sizes:
        if sum(_numbers(block, sizes)) > len(block):
            raise ValueError("its thumbnail is larger than the block")
        for start, size in zip(_numbers(block, strips), _numbers(block, sizes), strict=False):
            _blank(block, start, size)
    struct.pack_into(order(bytes(block[:4])) + "I", block, link, 0)


def _refresh(block: bytearray, by_tag: dict[int, Entry], pixels: NDArray[Any]) -> bool:
    """Put a thumbnail of ``pixels`` where the old one was, or behind the block if it is larger.

    False where the old one is no JPEG.
    """
    if ORIENTATION in by_tag:
        _patch(block, by_tag[ORIENTATION], None)
    place, length = by_tag.get(_THUMBNAIL_OFFSET), by_tag.get(_THUMBNAIL_LENGTH)
    if place is None or length is None:
        return False
    start, room = _number(block, place), _number(block, length)
    room = _blank(block, start, room)
    fresh = thumbnail(pixels, max(room, _JPEG_ROOM - len(block)))
    if len(fresh) > room:
        start = len(block)
        block += fresh
    else:
        block[start : start + len(fresh)] = fresh
    way = order(bytes(block[:4]))
    struct.pack_into(way + "I", block, place.value, start)
    struct.pack_into(way + ("H" if length.kind == 3 else "I"), block, length.value, len(fresh))
    return True


def _blank(block: bytearray, start: int, size: int) -> int:
    """Leave nothing of what was removed behind; how many bytes of these the block really has."""
    size = max(0, min(size, len(block) - start))
    block[start : start + size] = bytes(size)
    return size


def thumbnail(pixels: NDArray[Any], room: int) -> bytes:
    """A small JPEG of ``pixels`` (8-bit) that fits into ``room`` bytes; empty where none does."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    for side, quality in ((_THUMBNAIL_SIDE, 80), (_THUMBNAIL_SIDE, 50), (96, 40), (48, 30)):
        small, buffer = image.copy() if max(image.size) <= side else image, io.BytesIO()
        small = small.resize(_within(image.size, side), Image.Resampling.BOX)
        small.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= room:
            return buffer.getvalue()
    return b""


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _upright_xmp(packet: bytes) -> bytes:
    packet = re.sub(rb'(tiff:Orientation\s*=\s*["\'])\d(["\'])', rb"\g<1>1\2", packet)
    packet = re.sub(rb"(<tiff:Orientation>\s*)\d(\s*</tiff:Orientation>)", rb"\g<1>1\2", packet)
    return re.sub(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", b"", packet, flags=re.DOTALL)


def viewable(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Any pixels ``(H, W, C)`` as 8 bits, for thumbnails and viewers: coarse on purpose.

    Of more than four channels, the first three.
    """
    pixels = pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] > 4 else pixels
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    clipped = np.nan_to_num(np.clip(pixels / top, 0, 1)) * 255
    return clipped.round().astype(np.uint8)
