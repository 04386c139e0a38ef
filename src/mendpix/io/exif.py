"""EXIF blocks: reading their directories, and making them (and XMP) describe an upright picture.

EXIF blocks are patched in place rather than parsed and written anew, so that what we do not
understand (makers' notes with offsets of their own) keeps its bytes. The block is a TIFF
structure: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, section 2.
"""

import io
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from PIL import Image

from mendpix.io.picture import Array, Metadata, Picture, to_8_bits, turn_back

ORIENTATION, EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x0112, 0x8769, 0x8825, 0xA005
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_STRIPS, _STRIP_SIZES = 0x0111, 0x0117
_THUMBNAIL_SIDE = 160  # pixels; what EXIF 2.3 recommends
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}  # BigTIFF's
_SEGMENT_SIZE = 65533 - 6  # what one JPEG segment holds after "Exif\0\0"
BELOW = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
MOST_DIRECTORIES, MOST_ENTRIES = 64, 4096  # more is rather an attack than a photo


@dataclass(frozen=True, slots=True)
class IfdEntry:
    """One entry of an image file directory: offsets of its 12 bytes (``at``) and of its value."""

    tag: int
    kind: int
    count: int
    at: int
    value: int

    @property
    def size(self) -> int:
        return value_size(self.kind, self.count)


def value_size(kind: int, count: int) -> int:
    """The bytes that so many numbers of a kind take."""
    return _SIZES.get(kind, 1) * count


def byte_order(block: bytes) -> str:
    """The block's byte order as `struct` writes it; ValueError where it is no TIFF block."""
    if block[:4] == b"II*\0":
        return "<"
    if block[:4] == b"MM\0*":
        return ">"
    raise ValueError("no TIFF byte order mark")


def read_entries(block: bytes, offset: int) -> tuple[list[IfdEntry], int]:
    """The entries of the directory at ``offset``, and the next directory's offset (0: none)."""
    endian = byte_order(block)
    (count,) = struct.unpack_from(endian + "H", block, offset)
    if count > MOST_ENTRIES:
        raise ValueError(f"a directory claims {count} entries")
    listed = []
    for at in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from(endian + "HHII", block, at)
        inline = value_size(kind, number) <= 4
        listed.append(IfdEntry(tag, kind, number, at, at + 8 if inline else value))
    end = offset + 2 + 12 * count
    following = struct.unpack_from(endian + "I", block, end)[0] if end + 4 <= len(block) else 0
    return listed, following


def read_directories(block: bytes, start: int | None = None) -> dict[int, list[IfdEntry]]:
    """The directory at ``start`` (None: the first) and those below it, by offset.

    Raises:
        ValueError: they lead in a circle, or are such that a copy of them would take far more
            room than they do.
    """
    read: dict[int, list[IfdEntry]] = {}
    waiting = [first_offset(block) if start is None else start]
    while waiting:
        offset = waiting.pop()
        if offset in read:
            raise ValueError("its directories lead in a circle")
        if len(read) == MOST_DIRECTORIES:
            raise ValueError(f"it has more than {MOST_DIRECTORIES} directories")
        read[offset] = read_entries(block, offset)[0]
        waiting += [read_number(block, entry) for entry in read[offset] if entry.tag in BELOW]
    spans = [(one.value, one.size) for listed in read.values() for one in listed]
    check_spans(spans, len(block))
    return read


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


def first_offset(block: bytes) -> int:
    """The offset of the first directory."""
    return int(struct.unpack_from(byte_order(block) + "I", block, 4)[0])


def read_orientation(block: bytes | None) -> int:
    """The orientation a block asks for, 1 to 8; 1 where it does not say or is damaged."""
    try:
        if block:
            for entry in read_entries(block, first_offset(block))[0]:
                if entry.tag == ORIENTATION:
                    value = int(read_number(block, entry))
                    return value if 1 <= value <= 8 else 1
    except (ValueError, struct.error):
        pass
    return 1


def read_number(block: bytes | bytearray, entry: IfdEntry) -> int:
    """The one number of an entry."""
    code = "H" if entry.kind == 3 else "I"
    return int(struct.unpack_from(byte_order(bytes(block[:4])) + code, block, entry.value)[0])


def _read_numbers(block: bytearray, entry: IfdEntry) -> tuple[int, ...]:
    code = "H" if entry.kind == 3 else "I"
    return struct.unpack_from(
        f"{byte_order(bytes(block[:4]))}{entry.count}{code}", block, entry.value
    )


def set_upright(picture: Picture) -> Metadata:
    """The picture's metadata with orientation 1, its size, and a new thumbnail if it had one."""
    return set_orientation(picture, 1)


def set_orientation(picture: Picture, orientation: int) -> Metadata:
    """The picture's metadata for pixels that are stored upright (1) or as they were.

    Orientation, size, and a new thumbnail if it had one.
    """
    metadata, pixels = picture.metadata, to_8_bits(picture.pixels)
    if orientation != 1:
        pixels = turn_back(pixels, orientation)
    block = metadata.exif and oriented_block(metadata.exif, pixels, orientation)
    if not block and orientation != 1:
        block = _minimal_block(orientation)
    xmp = metadata.xmp and _oriented_xmp(metadata.xmp, orientation)
    return replace(metadata, exif=block or None, xmp=xmp)


def _minimal_block(orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", ORIENTATION, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def upright_block(block: bytes, pixels: Array | None = None) -> bytes:
    """The block with orientation 1; see `oriented_block`."""
    return oriented_block(block, pixels, 1)


def oriented_block(block: bytes, pixels: Array | None, orientation: int) -> bytes:
    """The block with an orientation, its size tags those of ``pixels``, and a fresh thumbnail.

    A block too damaged to walk through is dropped (empty bytes): it could say anything.
    """
    try:
        patched = bytearray(block)
        known = read_directories(block)
        main, following = read_entries(block, first_offset(block))
        for entry in _with_exif_entries(block, main):
            _patch(patched, entry, pixels, orientation)
        if following in known:
            raise ValueError("its directories lead in a circle")
        if pixels is not None and following:
            below = {entry.tag: entry for entry in read_entries(block, following)[0]}
            if not _refresh_thumbnail(patched, below, pixels, orientation):
                _drop_thumbnail(patched, below, first_offset(block) + 2 + 12 * len(main))
        return bytes(patched)
    except (ValueError, struct.error):
        return b""


def _with_exif_entries(block: bytes, main: list[IfdEntry]) -> Iterator[IfdEntry]:
    """The first directory's entries, and those of the EXIF directory below it."""
    for entry in main:
        yield entry
        if entry.tag == EXIF_IFD:
            yield from read_entries(block, read_number(block, entry))[0]


def _patch(block: bytearray, entry: IfdEntry, pixels: Array | None, orientation: int) -> None:
    new = {ORIENTATION: orientation}
    if pixels is not None:
        height, width = pixels.shape[:2]
        new |= {0x0100: width, 0x0101: height, 0xA002: width, 0xA003: height}
    if entry.tag in new and entry.kind in (3, 4) and entry.count == 1:
        code = "H" if entry.kind == 3 else "I"
        struct.pack_into(byte_order(bytes(block[:4])) + code, block, entry.value, new[entry.tag])


def _drop_thumbnail(block: bytearray, by_tag: dict[int, IfdEntry], link: int) -> None:
    """Blank a thumbnail that is no JPEG, and end the chain of directories at ``link``."""
    strips, sizes = by_tag.get(_STRIPS), by_tag.get(_STRIP_SIZES)
    if strips and sizes:
        if sum(_read_numbers(block, sizes)) > len(block):
            raise ValueError("its thumbnail is larger than the block")
        for start, size in zip(
            _read_numbers(block, strips), _read_numbers(block, sizes), strict=False
        ):
            _blank(block, start, size)
    struct.pack_into(byte_order(bytes(block[:4])) + "I", block, link, 0)


def _refresh_thumbnail(
    block: bytearray, by_tag: dict[int, IfdEntry], pixels: Array, orientation: int
) -> bool:
    """Put a thumbnail of ``pixels`` where the old one was, or behind the block if it is larger.

    False where the old one is no JPEG.
    """
    if ORIENTATION in by_tag:
        _patch(block, by_tag[ORIENTATION], None, orientation)
    place, length = by_tag.get(_THUMBNAIL_OFFSET), by_tag.get(_THUMBNAIL_LENGTH)
    if place is None or length is None:
        return False
    start, room = read_number(block, place), read_number(block, length)
    room = _blank(block, start, room)
    fresh = encode_thumbnail(pixels, max(room, _SEGMENT_SIZE - len(block)))
    if len(fresh) > room:
        start = len(block)
        block += fresh
    else:
        block[start : start + len(fresh)] = fresh
    endian = byte_order(bytes(block[:4]))
    struct.pack_into(endian + "I", block, place.value, start)
    struct.pack_into(endian + ("H" if length.kind == 3 else "I"), block, length.value, len(fresh))
    return True


def _blank(block: bytearray, start: int, size: int) -> int:
    """Leave nothing of what was removed behind; how many bytes of these the block really has."""
    size = max(0, min(size, len(block) - start))
    block[start : start + size] = bytes(size)
    return size


def encode_thumbnail(pixels: Array, room: int) -> bytes:
    """A small JPEG of ``pixels`` (8-bit) that fits into ``room`` bytes; empty where none does."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    for side, quality in ((_THUMBNAIL_SIDE, 80), (_THUMBNAIL_SIDE, 50), (96, 40), (48, 30)):
        small, buffer = image.copy() if max(image.size) <= side else image, io.BytesIO()
        small = small.resize(_scale_to(image.size, side), Image.Resampling.BOX)
        small.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= room:
            return buffer.getvalue()
    return b""


def _scale_to(size: tuple[int, int], side: int) -> tuple[int, int]:
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _oriented_xmp(packet: bytes, orientation: int) -> bytes:
    value = rb"\g<1>%d\2" % orientation
    packet = re.sub(rb'(tiff:Orientation\s*=\s*["\'])\d(["\'])', value, packet)
    packet = re.sub(rb"(<tiff:Orientation>\s*)\d(\s*</tiff:Orientation>)", value, packet)
    return re.sub(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", b"", packet, flags=re.DOTALL)
