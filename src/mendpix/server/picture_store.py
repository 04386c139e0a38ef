"""In-memory store of picture files with random ids, which drops the least recently used."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mendpix.io import files, pillow
from mendpix.io.formats import FORMATS
from mendpix.io.picture import Picture
from mendpix.server.api_errors import ApiError

IDLE_SECONDS = 3600.0
"""Seconds without use after which a picture is dropped."""

BROWSER_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
"""Formats that browsers display, at 8 bits."""

MAX_DECODED_BYTES = 256 << 20
"""Size of the cache of decoded pictures, which saves decoding for each preview."""


@dataclass(slots=True, eq=False)
class StoredPicture:
    """A picture file and its properties; width and height are as displayed."""

    id: str
    name: str
    content: bytes
    format: str
    width: int
    height: int
    channels: int
    bits: int
    alpha: bool
    used_at: float = field(default_factory=time.monotonic)

    @property
    def is_browser_format(self) -> bool:
        """Whether browsers display the file as it is."""
        return self.format in BROWSER_FORMATS and self.bits == 8


def parse_picture(content: bytes, name: str, pixels: int) -> Picture:
    """Decode a picture of at most ``pixels`` pixels.

    Raises:
        PictureError: it is no picture, is damaged, or has too many pixels.
    """
    with pillow.limit_pixels(pixels):
        return files.parse(content, name)


class PictureStore:
    """Pictures by id, safe to use from several threads.

    Args:
        capacity: maximum total size of the files in bytes.
        pixels: maximum size of a picture.
        clock: returns seconds; tests replace it.
    """

    def __init__(
        self, capacity: int, pixels: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.capacity, self.pixels, self.clock = capacity, pixels, clock
        self._lock = threading.Lock()
        self._stored: OrderedDict[str, StoredPicture] = OrderedDict()
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    @property
    def size(self) -> int:
        """Total size of the files in bytes."""
        with self._lock:
            return sum(len(one.content) for one in self._stored.values())

    def __len__(self) -> int:
        return len(self._stored)

    def add(
        self,
        content: bytes,
        name: str,
        pinned: Collection[str] = (),
        filled: Picture | None = None,
    ) -> StoredPicture:
        """Store a file; decoding it proves that it is a complete picture.

        Args:
            pinned: ids that must not be dropped to make room.
            filled: the picture that the file was just encoded from, which saves decoding it.

        Raises:
            PictureError: it is no readable picture.
            ApiError: 413 if there is no room for it.
        """
        picture = filled or parse_picture(content, name, self.pixels)
        kind = picture.format if filled is None else FORMATS[Path(name).suffix.lower()]
        stored = self._make_record(content, name, kind, picture)
        with self._lock:
            self._make_room(len(content), pinned)
            self._stored[stored.id] = stored
            if filled is None:
                self._cache_decoded(stored.id, picture)
        return stored

    def _make_record(self, content: bytes, name: str, kind: str, picture: Picture) -> StoredPicture:
        height, width = picture.shape
        return StoredPicture(
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
        idle = [key for key, one in self._stored.items() if now - one.used_at > IDLE_SECONDS]
        for key in idle:
            if key not in pinned:
                self._drop(key)
        used = sum(len(one.content) for one in self._stored.values())
        for key in list(self._stored):
            if used + size <= self.capacity:
                return
            if key not in pinned:
                used -= len(self._stored[key].content)
                self._drop(key)
        if used + size > self.capacity:
            raise ApiError(
                413,
                f"the server keeps {self.capacity >> 20} MB of pictures and has no room for "
                f"{size / 1e6:.1f} MB more; fetch and delete some, or send fewer at once",
            )

    def _drop(self, key: str) -> None:
        self._stored.pop(key, None)
        self._pictures.pop(key, None)

    def get(self, key: str) -> StoredPicture:
        """Return the picture with this id.

        Raises:
            ApiError: 410 if it is unknown or was dropped.
        """
        with self._lock:
            stored = self._stored.get(key)
            if stored is None:
                raise ApiError(410, "there is no such picture, or it was dropped; upload it again")
            self._stored.move_to_end(key)
            stored.used_at = self.clock()
            return stored

    def decode(self, stored: StoredPicture) -> Picture:
        """Return the decoded picture, whose arrays are read-only."""
        with self._lock:
            cached = self._pictures.get(stored.id)
            if cached is not None:
                self._pictures.move_to_end(stored.id)
                return cached
        picture = parse_picture(stored.content, stored.name, self.pixels)
        with self._lock:
            if stored.id in self._stored:
                self._cache_decoded(stored.id, picture)
        return picture

    def _cache_decoded(self, key: str, picture: Picture) -> None:
        picture.pixels.setflags(write=False)
        self._pictures[key] = picture
        while (
            sum(map(_decoded_bytes, self._pictures.values())) > MAX_DECODED_BYTES
            and len(self._pictures) > 1
        ):
            self._pictures.popitem(last=False)
        if _decoded_bytes(picture) > MAX_DECODED_BYTES:
            del self._pictures[key]

    def delete(self, key: str) -> None:
        """Drop a picture; raises what `get` raises."""
        self.get(key)
        with self._lock:
            self._drop(key)


def _decoded_bytes(picture: Picture) -> int:
    alpha = np.empty(0) if picture.alpha is None else picture.alpha
    return int(picture.pixels.nbytes + alpha.nbytes)
