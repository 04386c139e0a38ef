"""TensorBoard's event files: numbers and sheets by step, written without TensorBoard itself.

A file is a row of records, each ``length, its checksum, bytes, their checksum``; the bytes are an
``Event`` in protocol-buffer form (tensorflow/core/util/event.proto and framework/summary.proto).
"""

import struct
import time
from collections.abc import Mapping
from pathlib import Path

POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
    return value


TABLE = [_row(value) for value in range(256)]


class Events:
    """One event file, added to as a run goes on; a resumed run begins another beside it."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.path = folder / f"events.out.tfevents.{int(time.time())}.{step:07d}"

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add numbers by their tags."""
        parts = [_text(1, tag) + b"\x15" + struct.pack("<f", v) for tag, v in values.items()]
        self._add(step, b"".join(_bytes(1, part) for part in parts))

    def picture(self, step: int, tag: str, png: bytes) -> None:
        """Add a PNG."""
        width, height = struct.unpack(">II", png[16:24])
        image = _number(1, height) + _number(2, width) + _number(3, 3) + _bytes(4, png)
        self._add(step, _bytes(1, _text(1, tag) + _bytes(4, image)))

    def _add(self, step: int, summary: bytes) -> None:
        now = b"\x09" + struct.pack("<d", time.time())
        event = now + _number(2, step) + _bytes(5, summary)
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            event_of_version = now + _text(3, "brain.Event:2")
            self.path.write_bytes(record(event_of_version))
        with self.path.open("ab") as file:
            file.write(record(event))


def record(data: bytes) -> bytes:
    """Bytes as one record, with their length and checksums."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def checksum(data: bytes) -> int:
    """CRC-32C (Castagnoli)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    value = checksum(data)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())
