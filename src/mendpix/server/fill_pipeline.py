"""Fill decoded pictures and encode the results, as ``mendpix fill`` does; many as a ZIP stream."""

import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, cast

from mendpix.errors import MaskError, MendError
from mendpix.inpainting import filling
from mendpix.inpainting.registry import CheckedFiller
from mendpix.io import files
from mendpix.io.files import default_extension
from mendpix.io.pairing import ENDING
from mendpix.io.picture import Picture
from mendpix.masks.reading import Reading
from mendpix.server.api_errors import ApiError, from_mend_error
from mendpix.server.schemas import FillFailure, FillRequest
from mendpix.types import Hole, Progress, sub_range


@dataclass(frozen=True, slots=True)
class FilledFile:
    """A filled picture as an encoded file, with its statistics."""

    name: str
    content: bytes
    picture: Picture
    hole: Hole
    grow: int | None
    seconds: float
    warnings: tuple[str, ...]
    largest_change: float
    mean_change: float


@dataclass(frozen=True, slots=True)
class FillMasks:
    """The mask pictures of a fill: what is missing, and where texture may come from or not."""

    mask: Picture | None = None
    source: Picture | None = None
    exclude: Picture | None = None


MASK_NAMES = tuple(field.name for field in fields(FillMasks))


def fill_to_file(
    picture: Picture,
    masks: FillMasks,
    request: FillRequest,
    filler: CheckedFiller,
    progress: Progress | None = None,
) -> FilledFile:
    """Fill a picture and encode it in its own format.

    Raises:
        MendError: a mask, the options or the picture do not fit.
    """
    started = time.perf_counter()
    reading = read_hole(picture, masks.mask, request)
    options = request.to_fill_options()
    options = replace(options, source=masks.source, exclude=masks.exclude)
    (filled,) = filling.fill_as_told(picture, reading.hole, filler, options, progress)
    name = Path(picture.name).stem + ENDING + default_extension(picture, request.keep_palette)
    content, written = files.encode(name, filled, reading.hole, request.keep_palette)
    return FilledFile(
        name,
        content,
        filled,
        reading.hole,
        reading.grow,
        time.perf_counter() - started,
        (*reading.warnings, *written.remarks),
        written.largest_change,
        written.mean_change,
    )


def read_hole(picture: Picture, mask: Picture | None, request: FillRequest) -> Reading:
    """Read the hole from exactly one of a mask, rectangles and the picture's alpha channel.

    Raises:
        MaskError: none or several are given, or the mask does not fit.
    """
    sources = [mask is not None, bool(request.boxes or request.polygons), request.from_alpha]
    if sum(sources) != 1:
        raise MaskError(
            f"{sum(sources)} of mask, boxes and from_alpha say what to fill; give exactly one"
        )
    return filling.read_hole(mask, picture, request.to_fill_options())


@dataclass(frozen=True, slots=True)
class FillInput:
    """A picture to fill: its name for the client, and a function that decodes it."""

    label: str
    read: Callable[[], Picture]


def fill_sources(
    sources: list[FillInput],
    seeds: list[int],
    fill: Callable[[Picture, int, Progress], FilledFile],
    progress: Progress,
    next_picture: Callable[[], None] = lambda: None,
) -> Iterator[tuple[FillInput, int, FilledFile] | FillFailure]:
    """Fill every source with every seed; a failure is yielded and does not stop the others."""
    count = len(sources) * len(seeds)
    for index, source in enumerate(sources):
        try:
            picture = source.read()
            for step, seed in enumerate(seeds):
                next_picture()
                share = sub_range(progress, (index * len(seeds) + step) / count, 1 / count)
                assert share is not None
                yield source, seed, fill(picture, seed, share)
        except (MendError, ApiError) as problem:
            error = problem if isinstance(problem, ApiError) else from_mend_error(problem)
            yield FillFailure(source=source.label, message=error.detail)


class _WriteBuffer:
    """A write-only file whose contents can be taken out piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing; zipfile calls it."""

    def drain(self) -> Iterator[bytes]:
        """Yield what was written since the last call."""
        pieces, self.pieces = self.pieces, []
        yield from pieces


def stream_zip(contents: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield a ZIP archive piece by piece, stored: picture files are compressed already."""
    buffer = _WriteBuffer()
    names: dict[str, int] = {}
    with zipfile.ZipFile(cast(IO[bytes], buffer), "w") as archive:
        for name, content in contents:
            count = names[name] = names.get(name, 0) + 1
            path = Path(name)
            unique = name if count == 1 else f"{path.stem}-{count}{path.suffix}"
            archive.writestr(unique, content)
            yield from buffer.drain()
    yield from buffer.drain()
