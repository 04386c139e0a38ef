"""Boxes of AVIF and HEIC: what they say of their main picture (ISO/IEC 14496-12 and 23008-12)."""

import struct
from collections.abc import Iterator

from mendpix.io.colour import ColourDescription, from_code_points

_FULL = 4  # bytes of version and flags that begin some boxes
Properties = list[tuple[bytes, int, int]]
"""Kinds of properties, and where their data begin and end in the file."""


def _read_boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the data of each box."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, start)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", content, start + 8)[0], 16
        stop = end if size == 0 else start + size
        if stop > end or stop < start + head:
            return
        yield kind, start + head, stop
        start = stop


def find_properties(content: bytes) -> Properties:
    """The properties of the main picture; none where the file is damaged or of another kind."""
    try:
        return _find_properties(content)
    except (struct.error, KeyError, IndexError):
        return []


def _find_properties(content: bytes) -> Properties:
    top = {kind: (start, end) for kind, start, end in _read_boxes(content, 0, len(content))}
    start, end = top[b"meta"]
    meta = {kind: (a, b) for kind, a, b in _read_boxes(content, start + _FULL, end)}
    inside = {kind: (a, b) for kind, a, b in _read_boxes(content, *meta[b"iprp"])}
    properties = list(_read_boxes(content, *inside[b"ipco"]))
    at = meta[b"pitm"][0]
    form = ">H" if content[at] == 0 else ">I"
    main = struct.unpack_from(form, content, at + _FULL)[0]
    return [properties[index - 1] for index in _read_links(content, inside[b"ipma"][0], main)]


def _read_links(content: bytes, at: int, main: int) -> list[int]:
    """The numbers, from 1 on, of the properties that an item has."""
    version, wide = content[at], content[at + 3] & 1
    (count,) = struct.unpack_from(">I", content, at + _FULL)
    at += _FULL + 4
    for _ in range(min(count, 65536)):
        item = struct.unpack_from(">I" if version else ">H", content, at)[0]
        at += 4 if version else 2
        number, at = content[at], at + 1
        links = struct.unpack_from(f">{number}{'H' if wide else 'B'}", content, at)
        if item == main:
            return [link & (0x7FFF if wide else 0x7F) for link in links if link]
        at += number * (2 if wide else 1)
    return []


def read_colour(content: bytes) -> ColourDescription | None:
    """What nclx says; None where it is sRGB or there is a profile, which counts more."""
    described = None
    for kind, start, _ in find_properties(content):
        if kind == b"colr" and content[start : start + 4] == b"nclx":
            described = from_code_points(*struct.unpack_from(">HH", content, start + 4))
        elif kind == b"colr":
            return None
    return described


def read_light(content: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """How bright the picture and its author's display were, as PNG's chunks cLLI and mDCV."""
    chunks = []
    for kind, start, end in find_properties(content):
        if kind == b"clli" and end - start >= 4:
            levels = struct.unpack_from(">HH", content, start)
            chunks.append((b"cLLI", struct.pack(">II", *(10_000 * level for level in levels))))
        if kind == b"mdcv" and end - start >= 24:
            g, b, r, rest = (content[start + at : start + at + 4] for at in (0, 4, 8, 12))
            chunks.append((b"mDCV", r + g + b + rest + content[start + 16 : start + 24]))
    return tuple(chunks)


def read_depth(content: bytes) -> int:
    """Bits of a channel of the main picture; 8 where it does not say."""
    for kind, start, end in find_properties(content):
        if kind == b"pixi" and end - start > _FULL + 1:
            return content[start + _FULL + 1]
        if kind == b"av1C" and end - start >= 3:
            high, twelve = content[start + 2] & 0x40, content[start + 2] & 0x20
            return (12 if twelve else 10) if high else 8
    return 8


def read_jp2_header(content: bytes) -> tuple[int, bytes | None]:
    """Bits of a channel and the profile of a JPEG 2000 file; 8 and None of a bare codestream."""
    depth, icc = 8, None
    for kind, start, end in _read_boxes(content, 0, len(content)):
        for inner, a, b in _read_boxes(content, start, end) if kind == b"jp2h" else ():
            if inner == b"ihdr" and b - a >= 11:
                depth = (content[a + 10] & 0x7F) + 1
            if inner == b"colr" and b - a > 3 and content[a] == 2:  # a profile, not a number
                icc = content[a + 3 : b]
    return depth, icc


def replace_code_points(content: bytes, colour: ColourDescription | None) -> bytes:
    """The file with other primaries and transfer in the nclx of its main picture, if it has one.

    The matrix between RGB and YCbCr stays: it is what the pixels were encoded with.
    """
    numbers = (1, 13) if colour is None else (colour.primaries, colour.transfer)
    changed = bytearray(content)
    for kind, start, _ in find_properties(content):
        if kind == b"colr" and content[start : start + 4] == b"nclx":
            struct.pack_into(">HH", changed, start + 4, *numbers)
    return bytes(changed)
