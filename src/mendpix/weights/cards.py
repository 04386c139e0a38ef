"""Weights files by name, and the cards inside them. Reads headers only, and never needs torch."""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

from mendpix.errors import WeightsError

CARD = "mendpix"
"""The key of the safetensors header's metadata under which the card lies, as JSON."""

SUFFIXES = (".safetensors", ".onnx", ".pth", ".pt", ".ckpt")

RELEASED = ("best.safetensors", "last.safetensors")
"""What is taken from a run folder, the first there is."""

LONGEST = 100_000_000  # bytes of a header: the format's own limit


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a safetensors file: its place is in bytes from the file's start."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int


def resolve(name: str | Path) -> Path:
    """The weights file that a name stands for: a file, a run folder's best or last, or "mender".

    Raises:
        WeightsError: there is none; says what is there instead.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return _released(path)
    if path.is_file():
        return path
    own = BUNDLED / f"{name}.safetensors"
    if path.name == str(name) and own.is_file():
        return own
    raise WeightsError(f"{name} is neither a weights file nor a run folder{_nearest(path)}")


def _released(folder: Path) -> Path:
    for name in RELEASED:
        if (folder / name).is_file():
            return folder / name
    files = _weights_in(folder)
    found = f"it holds {', '.join(files[:5])}; name one of them" if files else "it holds no weights"
    raise WeightsError(f"{folder} has neither {' nor '.join(RELEASED)}: {found}")


def _weights_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix in SUFFIXES)


def _nearest(path: Path) -> str:
    folder = path.parent
    files = _weights_in(folder) if folder.is_dir() else []
    close = get_close_matches(path.name, files, n=1) or files[:1]
    return f"; did you mean {folder / close[0]}?" if close else "; check the path"


def card(path: str | Path) -> dict[str, Any]:
    """What a weights file of ours says of itself: network, options, recipe, data, version, hash.

    Raises:
        WeightsError: not readable, damaged, or without a card.
    """
    path = Path(path)
    with _opened(path) as file:
        metadata = _properties(file, path) if path.suffix == ".onnx" else _header(file, path)[1]
    if CARD not in metadata:
        raise WeightsError(f"{path} holds no card; 'mendpix convert' writes it with one")
    try:
        found = json.loads(metadata[CARD])
    except ValueError:
        raise WeightsError(
            f"{path} holds a card that is no JSON; convert the source again"
        ) from None
    if not isinstance(found, dict):
        raise WeightsError(f"{path} holds a card that is no table; convert the source again")
    return found


def verify(path: str | Path) -> str:
    """The hash of a file's tensors, which must be the one on its card; returned in hex.

    Raises:
        WeightsError: they differ, or the file is damaged.
    """
    path = Path(path)
    said = card(path).get("sha256")
    with _opened(path) as file:
        stored, _ = _header(file, path)
        found = digest((item.name, item.shape, _chunks(file, item)) for item in stored)
    if found != said:
        raise WeightsError(
            f"{path} holds tensors with sha256 {found[:12]}... but its card says "
            f"{str(said)[:12]}...; fetch or export it again"
        )
    return found


def digest(tensors: Iterable[tuple[str, Sequence[int], Iterable[bytes | memoryview]]]) -> str:
    """The sha256, in hex, of tensors: names, shapes and bytes, in the order of their names.

    Args:
        tensors: name, shape, and the little-endian bytes in pieces.
    """
    whole = hashlib.sha256()
    for name, shape, chunks in sorted(tensors, key=lambda item: item[0]):
        whole.update(f"{name} {list(shape)}\n".encode())
        for chunk in chunks:
            whole.update(chunk)
    return whole.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist{_nearest(path)}") from None
    except OSError as problem:
        raise WeightsError(f"{path} cannot be read: {problem.strerror}") from None


def _header(file: BinaryIO, path: Path) -> tuple[list[Stored], dict[str, str]]:
    """The tensors and the metadata of a safetensors file, whose length must be what they add to."""
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else LONGEST
    if length >= LONGEST:
        raise WeightsError(f"{path} is not a safetensors file; check what was saved there")
    try:
        table = json.loads(file.read(length))
        metadata = table.pop("__metadata__", {})
        stored = [_stored(name, entry, 8 + length) for name, entry in table.items()]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WeightsError(f"{path} is not a safetensors file, or its header is damaged") from None
    needed = max((item.stop for item in stored), default=8 + length)
    size = file.seek(0, 2)
    if size < needed:
        raise WeightsError(f"{path} is cut short: {size} bytes of {needed}; fetch it again")
    return stored, metadata


def _stored(name: str, entry: dict[str, Any], base: int) -> Stored:
    start, stop = entry["data_offsets"]
    return Stored(name, tuple(entry["shape"]), base + start, base + stop)


def _chunks(file: BinaryIO, item: Stored, size: int = 1 << 20) -> Iterator[bytes]:
    file.seek(item.start)
    left = item.stop - item.start
    while left:
        chunk = file.read(min(size, left))
        left -= len(chunk)
        yield chunk


_PROPERTIES, _KEY, _VALUE = 14, 1, 2  # fields of an ONNX model and of one of its properties


def _properties(file: BinaryIO, path: Path) -> dict[str, str]:
    """The metadata of an ONNX file, past the graph without reading it.

    An ONNX file is one protocol-buffers message: a tag (field number, kind) before each field.
    """
    found = {}
    size = file.seek(0, 2)
    file.seek(0)
    try:
        for field, length in _fields(file, size):
            if field == _PROPERTIES:
                stop = file.tell() + length
                parts = {key: file.read(n).decode() for key, n in _fields(file, stop)}
                found[parts[_KEY]] = parts.get(_VALUE, "")
            else:
                file.seek(length, 1)
    except (ValueError, KeyError):
        raise WeightsError(f"{path} is not an ONNX file, or it is cut short") from None
    return found


def _fields(file: BinaryIO, stop: int) -> Iterator[tuple[int, int]]:
    """Number and length of each field with a length, up to ``stop``; the caller moves past it."""
    while file.tell() < stop:
        tag = _varint(file)
        kind = tag & 7
        if kind == 0:
            _varint(file)
        elif kind == 2:
            length = _varint(file)
            if file.tell() + length > stop:
                raise ValueError("cut short")
            yield tag >> 3, length
        elif kind in (1, 5):
            file.seek(8 if kind == 1 else 4, 1)
        else:
            raise ValueError("no such kind of field")


def _varint(file: BinaryIO) -> int:
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


BUNDLED = Path(__file__).with_name("bundled")
"""The folder of networks that come with the package."""


def bundled() -> dict[str, Path]:
    """The exported networks that come with the package, by name."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.onnx"))}


def runs(folder: Path) -> list[Path]:
    """The run folders in a folder, at most two levels down, that hold weights to fill with."""
    files = (
        path for name in RELEASED for deep in ("*/", "*/*/") for path in folder.glob(deep + name)
    )
    return sorted({path.parent for path in files})
