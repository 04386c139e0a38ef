"""The metadata of an ONNX file, and the walk over its fields. Needs no package."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mendpix.errors import WeightsError

_PROPERTIES, _KEY, _VALUE = 14, 1, 2  # fields of an ONNX model and of one of its properties


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file, past the graph without reading it.

    By hand, as opening a stranger's graph to read its card costs a third of a second, and trust.
    An ONNX file is one protocol-buffers message: a tag (field number, kind) before each field.
    """
    metadata = {}
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            for field, length in iterate_fields(file, size):
                if field == _PROPERTIES:
                    stop = file.tell() + length
                    parts = {key: file.read(n).decode() for key, n in iterate_fields(file, stop)}
                    metadata[parts[_KEY]] = parts.get(_VALUE, "")
                else:
                    file.seek(length, 1)
    except (ValueError, KeyError):
        raise WeightsError(f"{path} is not an ONNX file, or it is cut short") from None
    return metadata


def iterate_fields(file: BinaryIO, stop: int) -> Iterator[tuple[int, int]]:
    """Number and length of each field with a length, up to ``stop``; the caller moves past it."""
    while file.tell() < stop:
        tag = _read_varint(file)
        kind = tag & 7
        if kind == 0:
            _read_varint(file)
        elif kind == 2:
            length = _read_varint(file)
            if file.tell() + length > stop:
                raise ValueError("cut short")
            yield tag >> 3, length
        elif kind in (1, 5):
            file.seek(8 if kind == 1 else 4, 1)
        else:
            raise ValueError("no such kind of field")


def _read_varint(file: BinaryIO) -> int:
    """A whole number, seven bits a byte, lowest first."""
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise ValueError("cut short")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7
