"""Uploads: a request's body taken apart in memory, within limits. Nothing is written to disk."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from mendpix.server.api_errors import ApiError

MOST_PARTS = 64
LONGEST_FIELD = 65536
"""Bytes of a part that is not a file."""
LONGEST_NAME = 200
FILES = ("photo", "mask")
_RAW = re.compile(r"(image/[\w.+-]+|application/octet-stream)?", re.ASCII)


@dataclass(slots=True)
class File:
    """A file as sent: the name is only what messages and downloads call it."""

    name: str
    content: bytes


@dataclass(slots=True)
class Upload:
    """What a body held: files by the name of their part, and the other parts as text."""

    files: dict[str, File] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)


def safe_name(name: str, fallback: str = "picture") -> str:
    """The last part of a file name, without what could be a path or break a header."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in '<>:"|?*;')
    return kept.strip(" .")[-LONGEST_NAME:] or fallback


async def read(content_type: str, chunks: AsyncIterator[bytes], name: str = "") -> Upload:
    """Take a body apart: ``multipart/form-data``, or one photo as it is.

    Args:
        content_type: of the request.
        chunks: the body; whoever gives it sees to its length and pace.
        name: of the photo where the body is one.

    Raises:
        Refusal: 415 for another kind of body, 400 for one that is damaged or cut short.
    """
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if kind == b"multipart/form-data":
        parts = Parts(options.get(b"boundary", b""))
        async for chunk in chunks:
            parts.feed(chunk)
        return parts.done()
    if not _RAW.fullmatch(kind.decode("latin-1").lower()):
        raise ApiError(
            415,
            f"a body of {safe_name(content_type[:80])!r} is not taken; send image/*, "
            "application/octet-stream or multipart/form-data",
        )
    content = b"".join([chunk async for chunk in chunks])
    if not content:
        return Upload()
    return Upload({"photo": File(safe_name(name), content)})


class Parts:
    """A multipart body, fed in pieces of any size."""

    def __init__(self, boundary: bytes) -> None:
        if not 1 <= len(boundary) <= 200:
            raise ApiError(400, "a multipart body needs a boundary of 1 to 200 characters")
        self.upload = Upload()
        self._count, self._ended = 0, False
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._name, self._file_name = "", ""
        self._is_file = False
        self._data = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next piece.

        Raises:
            Refusal: 400 for what is no multipart body, or has too many or too long parts.
        """
        try:
            if not self._ended:  # what follows the last boundary means nothing
                self._parser.write(chunk)
        except MultipartParseError:
            raise ApiError(400, "the multipart body is damaged; send it again") from None

    def done(self) -> Upload:
        """What was sent.

        Raises:
            Refusal: 400 for a body that stops before its last boundary.
        """
        if not self._ended:
            raise ApiError(400, "the multipart body is cut short; send it again")
        return self.upload

    def _begin(self) -> None:
        self._count += 1
        if self._count > MOST_PARTS:
            raise ApiError(400, f"the body has more than {MOST_PARTS} parts; send fewer")
        self._headers, self._data = {}, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._is_file = self._name in FILES and b"filename" in options

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]
        if not self._is_file and len(self._data) > LONGEST_FIELD:
            named = safe_name(self._name)[:40]
            raise ApiError(
                400, f"the part {named!r} is no file but longer than {LONGEST_FIELD} bytes"
            )

    def _part_end(self) -> None:
        content, self._data = bytes(self._data), bytearray()
        if not self._is_file:
            self.upload.fields.setdefault(self._name, []).append(content.decode("utf-8", "replace"))
        elif self._name in self.upload.files:
            raise ApiError(400, f"the body has two files called {self._name!r}; send one")
        elif content:
            self.upload.files[self._name] = File(safe_name(self._file_name), content)

    def _end(self) -> None:
        self._ended = True
