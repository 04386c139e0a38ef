"""Parse request bodies (multipart or raw) within limits, in memory and never on disk."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from mendpix.server.api_errors import ApiError

MAX_PARTS = 64
MAX_FIELD_BYTES = 65536
"""Of a part that is not a file."""
MAX_NAME_LENGTH = 200
FILE_FIELDS = ("photo", "mask", "source", "exclude")
_RAW = re.compile(r"(image/[\w.+-]+|application/octet-stream)?", re.ASCII)


@dataclass(slots=True)
class UploadedFile:
    """An uploaded file; its name is used in messages and downloads only."""

    name: str
    content: bytes


@dataclass(slots=True)
class Upload:
    """The parts of a body: files, and text fields, by name."""

    files: dict[str, UploadedFile] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)


def sanitize_name(name: str, fallback: str = "picture") -> str:
    """The last component of a file name, without characters of paths, headers or HTML."""
    last = re.split(r"[/\\]", name)[-1]
    allowed = "".join(
        letter for letter in last if letter.isprintable() and letter not in '<>:"|?*;'
    )
    return allowed.strip(" .")[-MAX_NAME_LENGTH:] or fallback


async def read_body(content_type: str, chunks: AsyncIterator[bytes], name: str = "") -> Upload:
    """Parse a body: ``multipart/form-data``, or a single photo.

    Args:
        content_type: the request's Content-Type.
        chunks: the body; its size and rate are limited by the middleware.
        name: of the photo, if the body is a single photo.

    Raises:
        ApiError: 415 for another content type, 400 for a damaged or truncated body.
    """
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if kind == b"multipart/form-data":
        parts = MultipartReader(options.get(b"boundary", b""))
        async for chunk in chunks:
            parts.feed(chunk)
        return parts.finish()
    if not _RAW.fullmatch(kind.decode("latin-1").lower()):
        raise ApiError(
            415,
            f"a body of {sanitize_name(content_type[:80])!r} is not taken; send image/*, "
            "application/octet-stream or multipart/form-data",
        )
    content = b"".join([chunk async for chunk in chunks])
    if not content:
        return Upload()
    return Upload({"photo": UploadedFile(sanitize_name(name), content)})


class MultipartReader:
    """Incremental parser of a multipart body, fed with chunks of any size."""

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
        """Parse the next chunk.

        Raises:
            ApiError: 400 for a damaged body, or too many or too long parts.
        """
        try:
            if not self._ended:  # RFC 2046: ignore what follows the last boundary
                self._parser.write(chunk)
        except MultipartParseError:
            raise ApiError(400, "the multipart body is damaged; send it again") from None

    def finish(self) -> Upload:
        """Return the parsed upload.

        Raises:
            ApiError: 400 for a body that ends before its last boundary.
        """
        if not self._ended:
            raise ApiError(400, "the multipart body is cut short; send it again")
        return self.upload

    def _begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise ApiError(400, f"the body has more than {MAX_PARTS} parts; send fewer")
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
        self._is_file = self._name in FILE_FIELDS and b"filename" in options

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]
        if not self._is_file and len(self._data) > MAX_FIELD_BYTES:
            name = sanitize_name(self._name)[:40]
            raise ApiError(
                400, f"the part {name!r} is no file but longer than {MAX_FIELD_BYTES} bytes"
            )

    def _part_end(self) -> None:
        content, self._data = bytes(self._data), bytearray()
        if not self._is_file:
            self.upload.fields.setdefault(self._name, []).append(content.decode("utf-8", "replace"))
        elif self._name in self.upload.files:
            raise ApiError(400, f"the body has two files called {self._name!r}; send one")
        elif content:
            self.upload.files[self._name] = UploadedFile(sanitize_name(self._file_name), content)

    def _end(self) -> None:
        self._ended = True
