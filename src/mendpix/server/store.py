"""The pictures a server holds: files in memory, by names nobody can guess, least used go first."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mendpix.io import files, pillow
from mendpix.io.picture import Picture
from mendpix.server.api_errors import ApiError

IDLE = 3600.0
"""Seconds after which a picture that nobody asks for is dropped."""

SHOWN = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
"""Formats that a browser shows by itself, at 8 bits."""

DECODED = 256 << 20
"""Bytes of decoded pictures that are kept so that previews need not decode again."""


@dataclass(slots=True, eq=False)
class Stored:
    """A picture file and what is known about it; width and height are as displayed."""

    id: str
    name: str
    content: bytes
    format: str
    width: int
    height: int
    channels: int
    bits: int
    alpha: bool
    used: float = field(default_factory=time.monotonic)

    @property
    def shown(self) -> bool:
        """Whether a browser shows the file by itself."""
        return self.format in SHOWN and self.bits == 8


def parse(content: bytes, name: str, pixels: int) -> Picture:
    """The picture in a file's bytes, of at most so many pixels.

    Raises:
        PictureError: it is no picture, is damaged, or has too many pixels.
    """
    with pillow.limited(pixels):
        return files.parse(content, name)


class Store:
    """Pictures by id, safe to use from several threads.

    Args:
        room: bytes to keep at most.
        pixels: of the largest picture.
        clock: seconds, for tests.
    """

    def __init__(self, room: int, pixels: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.room, self.pixels, self.clock = room, pixels, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Stored] = OrderedDict()
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        with self._lock:
            return sum(len(one.content) for one in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def add(
        self,
        content: bytes,
        name: str,
        pinned: Collection[str] = (),
        filled: Picture | None = None,
    ) -> Stored:
        """Keep a file, decoding it once to see that it is a whole picture.

        Args:
            pinned: ids that must not be dropped for it.
            filled: the picture that the file was just written from, which saves the decoding.

        Raises:
            PictureError: it is no picture that can be read.
            Refusal: 413 where there is no room for it.
        """
        picture = filled or parse(content, name, self.pixels)
        kind = picture.format if filled is None else files.FORMATS[Path(name).suffix.lower()]
        stored = self._described(content, name, kind, picture)
        with self._lock:
            self._make_room(len(content), pinned)
            self._kept[stored.id] = stored
            if filled is None:
                self._remember(stored.id, picture)
        return stored

    def _described(self, content: bytes, name: str, kind: str, picture: Picture) -> Stored:
        height, width = picture.shape
        return Stored(
            secrets.token_urlsafe(16),
            name,
            content,
            kind,
            width,
            height,
            picture.pixels.shape[2],
            8 * picture.pixels.dtype.itemsize,
            picture.alpha is not None,
            self.clock(),
        )

    def _make_room(self, size: int, pinned: Collection[str]) -> None:
        now = self.clock()
        idle = [key for key, one in self._kept.items() if now - one.used > IDLE]
        for key in idle:
            if key not in pinned:
                self._drop(key)
        held = sum(len(one.content) for one in self._kept.values())
        for key in list(self._kept):
            if held + size <= self.room:
                return
            if key not in pinned:
                held -= len(self._kept[key].content)
                self._drop(key)
        if held + size > self.room:
            raise ApiError(
                413,
                f"the server keeps {self.room >> 20} MB of pictures and has no room for "
                f"{size / 1e6:.1f} MB more; fetch and delete some, or send fewer at once",
            )

    def _drop(self, key: str) -> None:
        self._kept.pop(key, None)
        self._pictures.pop(key, None)

    def get(self, key: str) -> Stored:
        """A picture by its id.

        Raises:
            Refusal: 410 where there is none, or none any more.
        """
        with self._lock:
            stored = self._kept.get(key)
            if stored is None:
                raise ApiError(410, "there is no such picture, or it was dropped; upload it again")
            self._kept.move_to_end(key)
            stored.used = self.clock()
            return stored

    def picture(self, stored: Stored) -> Picture:
        """The decoded picture; its arrays are not to be changed."""
        with self._lock:
            found = self._pictures.get(stored.id)
            if found is not None:
                self._pictures.move_to_end(stored.id)
                return found
        picture = parse(stored.content, stored.name, self.pixels)
        with self._lock:
            if stored.id in self._kept:
                self._remember(stored.id, picture)
        return picture

    def _remember(self, key: str, picture: Picture) -> None:
        picture.pixels.setflags(write=False)
        self._pictures[key] = picture
        while sum(map(_size, self._pictures.values())) > DECODED and len(self._pictures) > 1:
            self._pictures.popitem(last=False)
        if _size(picture) > DECODED:
            del self._pictures[key]

    def delete(self, key: str) -> None:
        """Forget a picture; raises what `get` raises."""
        self.get(key)
        with self._lock:
            self._drop(key)


def _size(picture: Picture) -> int:
    alpha = np.empty(0) if picture.alpha is None else picture.alpha
    return int(picture.pixels.nbytes + alpha.nbytes)
