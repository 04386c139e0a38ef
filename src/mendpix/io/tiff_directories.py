"""The chain of directories of a TIFF file, classic or Big, checked before a library follows it."""

import struct
from typing import NamedTuple

from mendpix.errors import PictureError
from mendpix.io import exif


class Layout(NamedTuple):
    """How directories are stored: the number of entries, an entry, the next directory's offset.

    ``first`` is where the first directory's offset stands.
    """

    length: str
    entry: str
    link: str
    first: int


CLASSIC, BIG = Layout("H", "HHII", "I", 4), Layout("Q", "HHQQ", "Q", 8)


def check_chain(content: bytes, name: str) -> None:
    """Follow the chain of directories before tifffile does, which would do so without an end."""
    form = BIG if b"+" in content[2:4] else CLASSIC
    endian = "<" if content[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(endian + form.link, content, form.first)
    seen: set[int] = set()
    spans: list[tuple[int, int]] = []
    while 0 < offset < len(content):
        if offset in seen:
            raise ValueError("its directories lead in a circle")
        if len(seen) == exif.MOST_DIRECTORIES:
            raise PictureError(
                f"{name} has more than {len(seen)} pages; save the one to fill as its own file"
            )
        seen.add(offset)
        found, offset = _value_spans(content, offset, form, endian)
        spans += found
    exif.check_spans(spans, len(content))


def _value_spans(
    content: bytes, offset: int, form: Layout, endian: str
) -> tuple[list[tuple[int, int]], int]:
    """Offset and size of each value of a directory, and the next directory's offset.

    Where it is damaged there is no next one: tifffile ends there, too.
    """
    try:
        (count,) = struct.unpack_from(endian + form.length, content, offset)
        start = offset + struct.calcsize(endian + form.length)
        stop = start + min(count, exif.MOST_ENTRIES) * struct.calcsize(endian + form.entry)
        rows = struct.iter_unpack(endian + form.entry, content[start:stop])
        spans = [(place, exif.value_size(kind, number)) for _, kind, number, place in rows]
        following = struct.unpack_from(endian + form.link, content, stop)[0]
    except struct.error:
        return [], 0
    return spans, 0 if count > exif.MOST_ENTRIES else following
