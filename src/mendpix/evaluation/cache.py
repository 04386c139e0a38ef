"""What an evaluation keeps on disk while it runs, by which it is resumed: pictures and parts."""

import contextlib
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mendpix.errors import PictureError
from mendpix.evaluation.preparation import Pixels, hash_of
from mendpix.evaluation.results import file_name

PARTS = "parts"
"""The folder of what is known of each fill, one file for each."""

_QUICK = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # a third faster; not in every OpenCV
    _QUICK += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of one fill.

    Attributes:
        key: of all that decides it; another key makes the part worthless.
        fill: the sha256 of its pixels.
        values: by metric.
        seconds, megabytes: see :class:`~mendpix.evaluation.results.Cost`.
    """

    key: str
    fill: str
    values: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    megabytes: float = 0.0


def part_file(folder: Path, model: str, name: str) -> Path:
    """Where the part of a model's fill of a picture lies."""
    return folder / PARTS / file_name(model) / f"{file_name(name)}.json"


def write_part(place: Path, part: Part) -> None:
    """Keep a part, whole or not at all."""
    store(place, json.dumps(asdict(part)).encode())


def read_part(place: Path, key: str) -> Part | None:
    """What is known of a fill, if it was made under the same key."""
    try:
        held = json.loads(place.read_bytes())
        part = Part(**held)
    except (OSError, ValueError, TypeError):
        return None
    return part if part.key == key else None


def kept(picture: Path, sha256: str) -> Pixels | None:
    """The pixels ``(H, W, 3)`` of a PNG of ours, if they are still the same."""
    pixels = _decoded(picture, cv2.IMREAD_COLOR_RGB)
    return pixels if pixels is not None and hash_of(pixels) == sha256 else None


def _decoded(path: Path, flag: int) -> Pixels | None:
    content = np.fromfile(path, np.uint8) if path.is_file() else np.empty(0, np.uint8)
    levels = cv2.imdecode(content, flag) if content.size else None
    return None if levels is None else np.ascontiguousarray(levels, np.uint8)


def keep(path: Path, pixels: Pixels) -> None:
    """Write a PNG ``(H, W)`` or ``(H, W, 3)``; one that holds the same pixels already stays."""
    flag = cv2.IMREAD_COLOR_RGB if pixels.ndim == 3 else cv2.IMREAD_GRAYSCALE
    there = _decoded(path, flag)
    if there is not None and np.array_equal(there, pixels):
        return
    shown = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    store(path, cv2.imencode(".png", np.ascontiguousarray(shown), _QUICK)[1].tobytes())


def store(path: Path, content: bytes) -> None:
    """Whole or not at all, whoever else writes."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as problem:
        raise PictureError(f"{path} cannot be written: {problem.strerror}") from None
    finally:
        with contextlib.suppress(OSError):  # such as a file where the folder belongs
            part.unlink(missing_ok=True)
