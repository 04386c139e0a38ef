"""The tags of a TIFF file that describe its picture: read, written again, or named.

GeoTIFF's after OGC 19-008r4, https://docs.ogc.org/is/19-008r4/19-008r4.html; GDAL's after
https://gdal.org/en/stable/drivers/raster/gtiff.html; Photoshop's after its TIFF technical notes.
"""

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mendpix.io import exif, jpeg_segments
from mendpix.io.exif import IfdEntry
from mendpix.io.picture import Metadata, TiffTag

XMP, NO_DATA, RESOLUTIONS = 700, 42113, (282, 283, 296)
_ICC, RESOURCES, _LAYERS = 34675, 34377, 37724
# Directory entries that describe the picture and not how its pixels are stored.
_DESCRIPTIVE = frozenset((269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 33723, 18246, 18249))
_DESCRIPTIVE |= frozenset((40091, 40092, 40093, 40094, 40095))
_PLACES = {33550: "GeoTIFF pixel scale", 33922: "GeoTIFF tie points", 34264: "GeoTIFF matrix"}
_PLACES |= {34735: "GeoTIFF keys", 34736: "GeoTIFF keys", 34737: "GeoTIFF keys"}
_OTHERS = {42112: "GDAL metadata", NO_DATA: "GDAL no-data value", 50838: "ImageJ metadata"}
_OTHERS |= {50839: "ImageJ metadata", 301: "transfer function", 318: "white point"}
_OTHERS |= {319: "primaries"}
_KEPT = frozenset((*_PLACES, *_OTHERS, *RESOLUTIONS))
_LEFT_OUT = {_LAYERS: "Photoshop layers", 330: "smaller copies of the picture"}
# How pixels are stored, and what has a place of its own.
_STORAGE = frozenset((*range(254, 282), 284, *range(290, 294), 297, 317, *range(320, 326)))
_STORAGE |= frozenset((*range(326, 348), *range(512, 522), *range(529, 533), XMP, _ICC, RESOURCES))
_STORAGE |= frozenset(exif.BELOW)
_UNITS = {3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4, 5: 4, 10: 4, 12: 8, 16: 8, 17: 8, 18: 8}


def tag_value(page: Any, code: int, default: Any) -> Any:
    """The value of a page's tag."""
    tag = page.tags.get(code)
    return default if tag is None else tag.value


def read_metadata(content: bytes, page: Any, endian: str) -> Metadata:
    """What a page says of its picture; ``left_out`` names what is not read."""
    icc, xmp = tag_value(page, _ICC, None), tag_value(page, XMP, None)
    unit = {2: 1.0, 3: 2.54}.get(int(tag_value(page, 296, 2)))
    across, down = tag_value(page, 282, None), tag_value(page, 283, None)
    dpi = None
    if unit and across and down and across[1] and down[1]:
        dpi = (across[0] / across[1] * unit, down[0] / down[1] * unit)
    is_big = b"+" in content[2:4]
    described = _build_descriptions(content, page, endian) if is_big else None
    resources = tag_value(page, RESOURCES, None)
    return Metadata(
        # BigTIFF has offsets of another size, which an EXIF block cannot hold
        exif=described if is_big else _copy_descriptions(content, page, endian),
        icc=bytes(icc) if icc else None,
        xmp=(xmp.encode() if isinstance(xmp, str) else bytes(xmp)) if xmp else None,
        dpi=dpi,
        resources=resources and (jpeg_segments.drop_thumbnails(bytes(resources)) or None),
        tags=tuple(_read_tag(content, tag, endian) for tag in page.tags if tag.code in _KEPT),
        left_out=tuple(dict.fromkeys(_name_left_out(page, is_big))),
    )


def _name_left_out(page: Any, is_big: bool) -> Iterator[str]:
    for tag in page.tags:
        if tag.code in exif.BELOW and is_big:
            yield "EXIF (in BigTIFF)"
        elif tag.code in _LEFT_OUT:
            yield _LEFT_OUT[tag.code]
        elif tag.code not in _STORAGE | _KEPT | _DESCRIPTIVE:
            yield f"tag {tag.code}"


def _read_tag(content: bytes, tag: Any, endian: str) -> TiffTag:
    size = exif.value_size(int(tag.dtype), tag.count)
    raw = content[tag.valueoffset : tag.valueoffset + size]
    return TiffTag(tag.code, int(tag.dtype), tag.count, _swap(raw, int(tag.dtype), endian))


def _swap(raw: bytes, kind: int, endian: str) -> bytes:
    """Bytes in this order as little-endian ones, and back."""
    unit = _UNITS.get(kind, 1)
    if endian == "<" or unit == 1:
        return raw
    return np.frombuffer(raw[: len(raw) // unit * unit], f"u{unit}").byteswap().tobytes()


def no_data_value(metadata: Metadata) -> float | None:
    """GDAL's value of pixels that hold nothing."""
    for tag in metadata.tags:
        if tag.code == NO_DATA:
            try:
                return float(tag.value.strip(b"\0 "))
            except ValueError:
                return None
    return None


def name_tags(tags: Iterable[TiffTag]) -> list[str]:
    """What tags hold that other formats have no place for, in words."""
    names = _PLACES | _OTHERS
    return list(dict.fromkeys(names[tag.code] for tag in tags if tag.code in names))


def has_resolution(tags: Iterable[TiffTag]) -> bool:
    """Whether there is a resolution other than 1, which programs write that know none."""
    one = struct.pack("<II", 1, 1)
    return any(tag.code in RESOLUTIONS[:2] and tag.value != one for tag in tags)


def drop_places(metadata: Metadata) -> tuple[tuple[TiffTag, ...], list[str]]:
    """The tags without those that say where rows and columns lie, and their names."""
    lost = [tag for tag in metadata.tags if tag.code in _PLACES]
    return tuple(tag for tag in metadata.tags if tag not in lost), name_tags(lost)


def pack_tags(metadata: Metadata, endian: str) -> list[tuple[int, int, int, Any, bool]]:
    """The metadata's tags as tifffile takes them; resolution is an argument of its own."""
    packed: list[tuple[int, int, int, Any, bool]] = [
        (tag.code, tag.kind, tag.count, _swap(tag.value, tag.kind, endian), True)
        for tag in metadata.tags
        if tag.code not in RESOLUTIONS
    ]
    if metadata.resources:
        packed.append((RESOURCES, 1, len(metadata.resources), metadata.resources, True))
    if metadata.xmp:
        packed.append((XMP, 1, len(metadata.xmp), metadata.xmp, True))
    return packed


def resolution(metadata: Metadata) -> dict[str, Any]:
    """tifffile's arguments for the resolution: as it was read, with or without a unit."""
    stored = {tag.code: tag for tag in metadata.tags if tag.code in RESOLUTIONS}
    if 282 not in stored or 283 not in stored:
        dpi = metadata.dpi
        return {"resolution": dpi, "resolutionunit": 2} if dpi else {}
    across, down = (struct.unpack("<II", stored[code].value) for code in (282, 283))
    unit = int.from_bytes(stored[296].value, "little") if 296 in stored else 2
    return {"resolution": (across, down), "resolutionunit": unit}


def _build_descriptions(content: bytes, page: Any, endian: str) -> bytes | None:
    """Descriptive entries of a BigTIFF as an EXIF block."""
    tags = [_read_tag(content, tag, endian) for tag in page.tags if tag.code in _DESCRIPTIVE]
    if not tags:
        return None
    block = bytearray(b"II*\0" + struct.pack("<IH", 8, len(tags)) + bytes(12 * len(tags) + 4))
    for number, tag in enumerate(tags):
        value = tag.value.ljust(4, b"\0")
        if len(value) > 4:
            value = struct.pack("<I", _pad_to_even(block))
            block += tag.value
        entry = struct.pack("<HHI", tag.code, tag.kind, tag.count) + value
        block[10 + 12 * number : 22 + 12 * number] = entry
    return bytes(block)


def _copy_descriptions(content: bytes, page: Any, endian: str) -> bytes | None:
    """A page's descriptive entries and the directories below as an EXIF block."""
    main = exif.read_directories(content, page.offset)[page.offset]
    copied = [one for one in main if one.tag in _DESCRIPTIVE or one.tag in exif.BELOW]
    if not copied:
        return None
    block = bytearray((b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "I", 8))
    _append_directory(content, copied, block, endian)
    return bytes(block)


def _append_directory(
    content: bytes, listed: list[IfdEntry], block: bytearray, endian: str
) -> None:
    """Append a directory of these entries to the block, then their values, then those below."""
    listed = [one for one in listed if one.size <= 4 or one.value + one.size <= len(content)]
    start = len(block)
    block += struct.pack(endian + "H", len(listed)) + bytes(12 * len(listed) + 4)
    for number, entry in enumerate(listed):
        at = start + 2 + 12 * number
        block[at : at + 12] = content[entry.at : entry.at + 12]
        if entry.tag in exif.BELOW:
            struct.pack_into(endian + "I", block, at + 8, _pad_to_even(block))
            below = struct.unpack_from(endian + "I", content, entry.value)[0]
            _append_directory(content, exif.read_entries(content, below)[0], block, endian)
        elif entry.size > 4:
            struct.pack_into(endian + "I", block, at + 8, _pad_to_even(block))
            block += content[entry.value : entry.value + entry.size]


def _pad_to_even(block: bytearray) -> int:
    block += bytes(len(block) % 2)
    return len(block)


def descriptive_tags(block: bytes) -> list[tuple[int, int, int, Any, bool]]:
    """The block's descriptive entries as tifffile takes them; those below are pointed at later."""
    tags: list[tuple[int, int, int, Any, bool]] = []
    for entry in exif.read_entries(block, exif.first_offset(block))[0]:
        if entry.tag in exif.BELOW:
            tags.append((entry.tag + 1, 4, 1, 0, True))  # tifffile refuses these tags themselves
        elif entry.tag in _DESCRIPTIVE and 0 < entry.size <= len(block) - entry.value:
            raw = block[entry.value : entry.value + entry.size]
            tags.append((entry.tag, entry.kind, entry.count, raw, True))
    return tags


def append_subdirectories(buffer: io.BytesIO, block: bytes, endian: str) -> bytes:
    """Append the directories below the block's first, and point at them."""
    content = bytearray(buffer.getvalue())
    if b"+" in content[2:4]:  # BigTIFF's directories have another form
        return bytes(content)
    sources = {one.tag: one for one in exif.read_entries(block, exif.first_offset(block))[0]}
    for entry in exif.read_entries(bytes(content), exif.first_offset(bytes(content)))[0]:
        if entry.tag - 1 in exif.BELOW:
            struct.pack_into(endian + "H", content, entry.at, entry.tag - 1)
            struct.pack_into(endian + "I", content, entry.value, _pad_to_even(content))
            below = struct.unpack_from(endian + "I", block, sources[entry.tag - 1].value)[0]
            _append_directory(block, exif.read_entries(block, below)[0], content, endian)
    return bytes(content)
