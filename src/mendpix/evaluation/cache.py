"""On-disk cache of an evaluation, from which it resumes: fills as PNG, and a record of each."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mendpix.errors import PictureError
from mendpix.evaluation.preparation import Pixels, hash_pixels
from mendpix.evaluation.results import file_name
from mendpix.io.atomic import atomic_write

RECORDS = "parts"
"""The folder of records, one JSON file for each fill."""

_FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # a third faster; not in every OpenCV
    _FAST_PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]


@dataclass(frozen=True, slots=True)
class FillRecord:
    """What is known of one fill.

    Attributes:
        key: hash of all that decides the fill; a record with another key is stale.
        fill: sha256 of its pixels.
        values: by metric.
        seconds, megabytes: see :class:`~mendpix.evaluation.results.Cost`.
    """

    key: str
    fill: str
    values: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    megabytes: float = 0.0


def record_file(folder: Path, model: str, name: str) -> Path:
    """Where the record of a model's fill of a picture lies."""
    return folder / RECORDS / file_name(model) / f"{file_name(name)}.json"


def write_record(path: Path, record: FillRecord) -> None:
    """Write a record atomically."""
    write_file(path, json.dumps(asdict(record)).encode())


def read_record(path: Path, key: str) -> FillRecord | None:
    """The record of a fill; None where there is none, or only one with another key."""
    try:
        record = FillRecord(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.key == key else None


def read_fill(path: Path, sha256: str) -> Pixels | None:
    """The pixels ``(H, W, 3)`` of a cached fill; None where they do not have this hash."""
    pixels = _read_png(path, cv2.IMREAD_COLOR_RGB)
    return pixels if pixels is not None and hash_pixels(pixels) == sha256 else None


def _read_png(path: Path, flag: int) -> Pixels | None:
    content = np.fromfile(path, np.uint8) if path.is_file() else np.empty(0, np.uint8)
    levels = cv2.imdecode(content, flag) if content.size else None
    return None if levels is None else np.ascontiguousarray(levels, np.uint8)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write a PNG ``(H, W)`` or ``(H, W, 3)``; a file that holds the same pixels is left alone."""
    flag = cv2.IMREAD_COLOR_RGB if pixels.ndim == 3 else cv2.IMREAD_GRAYSCALE
    existing = _read_png(path, flag)
    if existing is not None and np.array_equal(existing, pixels):
        return
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    write_file(path, cv2.imencode(".png", np.ascontiguousarray(bgr), _FAST_PNG)[1].tobytes())


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically, its folder made where it is missing.

    Raises:
        PictureError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    except OSError as problem:
        raise PictureError(f"{path} cannot be written: {problem.strerror}") from None
