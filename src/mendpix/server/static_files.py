"""Static files of a folder, cached in memory, plain and gzipped; no requested name is a path."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from mendpix.server.api_errors import ApiError

MEDIA_TYPES = {
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
"""By extension, as the tables of `mimetypes` differ between systems."""

_MIN_GZIP_BYTES = 512  # gzip saves nothing on smaller files


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and packed."""

    content: bytes
    gzipped: bytes | None
    media: str
    etag: str
    modified: float


class StaticSite:
    """The files of a folder by name; one that changes on disk is read again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = _files(folder)
        self._assets: dict[str, Asset] = {}

    def respond(self, name: str, request: Request) -> Response:
        """Respond with a file of the folder.

        Raises:
            ApiError: 404 for an unknown name.
        """
        if name not in self._files:
            self._files = _files(self.folder)
        if name not in self._files:
            raise ApiError(404, "there is nothing of that name")
        asset = self._get_asset(name)
        headers = {"ETag": asset.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        if asset.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.gzipped, media_type=asset.media, headers=headers)
        return Response(asset.content, media_type=asset.media, headers=headers)

    def _get_asset(self, name: str) -> Asset:
        path = self._files[name]
        modified = path.stat().st_mtime
        asset = self._assets.get(name)
        if asset is None or asset.modified != modified:
            asset = self._assets[name] = _load_asset(path, modified)
        return asset


def _files(folder: Path) -> dict[str, Path]:
    """The files to serve, by their path relative to the folder."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _load_asset(path: Path, modified: float) -> Asset:
    content = path.read_bytes()
    gzipped = gzip.compress(content, 9, mtime=0) if len(content) > _MIN_GZIP_BYTES else None
    media = MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    smaller = gzipped is not None and len(gzipped) < len(content)
    return Asset(
        content, gzipped if smaller else None, media or "application/octet-stream", etag, modified
    )
