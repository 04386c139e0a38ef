"""The header of a safetensors file, checked before a library reads it.

https://huggingface.co/docs/safetensors: eight bytes with the header's length, the header as JSON,
then the tensors' bytes without gaps. Readers differ in what they make of NaN, overlaps and depth.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

from mendpix.errors import WeightsError

LONGEST = 100_000_000
"""Bytes of a header: the format's own limit."""

SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2,
    "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
"""Bytes of one value, by the name of its kind."""


def check_header(path: Path) -> None:
    """Refuse a file whose header does not say plainly where each of its tensors lies.

    Raises:
        WeightsError: in one line, what is wrong with it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, LONGEST):
            raise WeightsError(f"{path} is not a safetensors file, or it is cut short")
        header = _parse(file.read(length), path)
    _check_metadata(header.pop("__metadata__", {}), path)
    spans = [_find_span(name, entry, path) for name, entry in header.items()]
    end = 0
    for first, last in sorted(spans):
        if first != end:
            what = "share bytes" if first < end else "leave bytes between them"
            raise WeightsError(f"{path} is damaged: its tensors {what}; fetch it again")
        end = last
    if end != size - 8 - length:
        raise WeightsError(f"{path} is cut short, or longer than its tensors; fetch it again")


def iterate_tensors(path: Path) -> Iterator[tuple[str, list[int], list[bytes]]]:
    """Name, shape and bytes of each tensor, of any kind: NumPy has no bfloat16.

    Raises:
        WeightsError, OSError: as :func:`check_header`.
    """
    check_header(path)
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = _parse(file.read(length), path)
        header.pop("__metadata__", None)
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            file.seek(8 + length + first)
            yield name, entry["shape"], [file.read(last - first)]


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    def refuse(text: str) -> NoReturn:
        raise ValueError(text)

    try:
        header = json.loads(content, parse_constant=refuse)  # NaN and Infinity are no JSON
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise WeightsError(f"{path} is not a safetensors file, or its header is damaged")
    return header


def _check_metadata(metadata: object, path: Path) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise WeightsError(f"{path} is damaged: its metadata is no table of texts")


def _find_span(name: str, entry: object, path: Path) -> tuple[int, int]:
    """First and last byte of a tensor; of empty ones, too, they belong to no other."""
    entry = entry if isinstance(entry, Mapping) else {}
    shape, offsets, kind = (entry.get(key) for key in ("shape", "data_offsets", "dtype"))
    if (
        not (_are_counts(shape) and _are_counts(offsets) and len(offsets) == 2)
        or not isinstance(kind, str)
        or kind not in SIZES
    ):
        raise WeightsError(f"{path} is damaged: its header does not say where {name!r} lies")
    if offsets[1] - offsets[0] != SIZES[kind] * math.prod(shape):
        raise WeightsError(
            f"{path} is damaged: {name!r} is {kind} {tuple(shape)} but has "
            f"{offsets[1] - offsets[0]} bytes"
        )
    return offsets[0], offsets[1]


def _are_counts(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)
