"""The page's files, as they are: read into memory and packed once; no name reaches the disk."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from mendpix.server.api_errors import ApiError

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
}
"""By extension: the system's own tables differ from machine to machine."""

_SMALL = 512  # bytes below which packing does not pay


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and packed."""

    content: bytes
    packed: bytes | None
    media: str
    tag: str
    changed: float


class Site:
    """The files of a folder by their names; one that changes on disk is read again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names = _names(folder)
        self._assets: dict[str, Asset] = {}

    def answer(self, name: str, request: Request) -> Response:
        """A file of the folder.

        Raises:
            Refusal: 404 for a name that is none.
        """
        if name not in self._names:
            self._names = _names(self.folder)
        if name not in self._names:
            raise ApiError(404, "there is nothing of that name")
        asset = self._asset(name)
        headers = {"ETag": asset.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == asset.tag:
            return Response(status_code=304, headers=headers)
        if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.packed, media_type=asset.media, headers=headers)
        return Response(asset.content, media_type=asset.media, headers=headers)

    def _asset(self, name: str) -> Asset:
        path = self._names[name]
        changed = path.stat().st_mtime
        kept = self._assets.get(name)
        if kept is None or kept.changed != changed:
            kept = self._assets[name] = _asset(path, changed)
        return kept


def _names(folder: Path) -> dict[str, Path]:
    """The files to serve, by their path below the folder."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _asset(path: Path, changed: float) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0) if len(content) > _SMALL else None
    media = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    smaller = packed is not None and len(packed) < len(content)
    return Asset(
        content, packed if smaller else None, media or "application/octet-stream", tag, changed
    )
