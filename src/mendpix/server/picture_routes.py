"""Routes of pictures: upload, download, previews, and browsing the folder."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from mendpix.server import picture_store, previews, safe_directory, schemas, uploads
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Context, ContextDep
from mendpix.server.schemas import FolderListing, FolderPicture, OpenRequest, PictureInfo

router = APIRouter(prefix="/api/v1")

CHUNK_BYTES = 256 << 10
"""Response chunks: each restarts the send time-out, so that a slow client is not cut off."""
BINARY = {"schema": {"type": "string", "format": "binary"}}
PHOTO_FORM = {
    "type": "object",
    "required": ["photo"],
    "properties": {"photo": {"type": "string", "format": "binary"}},
}
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": BINARY,
            "image/*": BINARY,
            "multipart/form-data": {"schema": PHOTO_FORM},
        },
    }
}
ViewFormat = Literal["png", "jpeg", "webp"]
ViewFormatQuery = Annotated[ViewFormat, Query(alias="format")]
NameQuery = Annotated[str, Query(max_length=1024, description="what to call the photo")]
OffsetQuery = Annotated[int, Query(ge=0, le=schemas.MAX_SIDE)]
SideQuery = Annotated[int, Query(ge=1, le=schemas.MAX_SIDE)]
PathQuery = Annotated[
    str, Query(max_length=1024, description="relative to the folder, with slashes")
]
CACHE_HEADERS = {"Cache-Control": "private, max-age=3600, immutable"}


def describe_views(description: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI description of a response that is a preview."""
    content = {media: BINARY for media, _ in previews.FORMATS.values()}
    return {200: {"description": description, "content": content}}


FILE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file", "content": {"application/octet-stream": BINARY}}
}


async def read_upload(request: Request, name: str = "") -> uploads.Upload:
    """Parse a request's body."""
    return await uploads.read_body(request.headers.get("content-type", ""), _chunks(request), name)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk


def split_into_chunks(content: bytes) -> Iterator[bytes]:
    """Yield the content in chunks."""
    view = memoryview(content)
    for start in range(0, len(content), CHUNK_BYTES):
        yield bytes(view[start : start + CHUNK_BYTES])


async def _stream_chunks(content: bytes) -> AsyncIterator[bytes]:
    for chunk in split_into_chunks(content):
        yield chunk


def file_response(
    content: bytes, name: str, media: str, headers: dict[str, str], place: str = "attachment"
) -> StreamingResponse:
    """Respond with a file to save under a name, or (``inline``) to display."""
    all_headers = {
        **headers,
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(os.fsencode(name), safe='')}",
        "Content-Length": str(len(content)),
    }
    return StreamingResponse(_stream_chunks(content), media_type=media, headers=all_headers)


def media_type(kind: str) -> str:
    """The media type of one of Pillow's formats."""
    return f"image/{kind.lower()}"


@router.post("/pictures", status_code=201, response_model=PictureInfo, openapi_extra=UPLOAD_BODY)
async def upload_picture(
    request: Request, context: ContextDep, name: NameQuery = ""
) -> PictureInfo:
    """Upload a picture (or a mask) as it is, or as the part ``photo`` of a form."""
    upload = await read_upload(request, name)
    if "photo" not in upload.files:
        raise ApiError(400, "the body holds no photo; send the file, or a part called 'photo'")
    file = upload.files["photo"]
    return PictureInfo.from_stored(
        await context.run_in_thread(context.store.add, file.content, file.name)
    )


@router.get("/pictures/{key}")
async def picture(key: schemas.PictureId, context: ContextDep) -> PictureInfo:
    """Name, format and size of a picture."""
    return PictureInfo.from_stored(context.store.get(key))


@router.delete("/pictures/{key}", status_code=204)
async def delete_picture(key: schemas.PictureId, context: ContextDep) -> None:
    """Delete a picture from the server's memory."""
    context.store.delete(key)


@router.get("/pictures/{key}/file", response_class=Response, responses=FILE_RESPONSE)
async def picture_file(
    key: schemas.PictureId, context: ContextDep, inline: bool = False
) -> Response:
    """A picture's file, byte for byte."""
    stored = context.store.get(key)
    media = (
        media_type(stored.format)
        if inline and stored.is_browser_format
        else "application/octet-stream"
    )
    place = "inline" if inline else "attachment"
    return file_response(stored.content, stored.name, media, {"Cache-Control": "private"}, place)


def _render_region(
    context: Context, key: str, box: tuple[int, int, int, int], level: int, kind: ViewFormat
) -> bytes:
    return previews.render_region(context.store.decode(context.store.get(key)), box, level, kind)


@router.get(
    "/pictures/{key}/region",
    response_class=Response,
    responses=describe_views("the rectangle, 8 bits, ceil(side / 2^level) pixels a side"),
)
async def region(
    key: schemas.PictureId,
    context: ContextDep,
    width: SideQuery,
    height: SideQuery,
    left: OffsetQuery = 0,
    top: OffsetQuery = 0,
    level: Annotated[int, Query(ge=0, le=12, description="shrunk by two to this power")] = 0,
    kind: ViewFormatQuery = "png",
) -> Response:
    """A rectangle of a picture, in pixels of the full-size picture as displayed."""
    box = (left, top, width, height)
    content = await context.run_in_thread(_render_region, context, key, box, level, kind)
    return Response(content, media_type=previews.FORMATS[kind][0], headers=CACHE_HEADERS)


def _render_preview(context: Context, key: str, side: int, kind: ViewFormat) -> bytes:
    return previews.render_preview(context.store.decode(context.store.get(key)), side, kind)


@router.get(
    "/pictures/{key}/preview",
    response_class=Response,
    responses=describe_views("the whole picture, small"),
)
async def preview(
    key: schemas.PictureId,
    context: ContextDep,
    side: Annotated[int, Query(ge=16, le=2048, description="of the longer side")] = 1024,
    kind: ViewFormatQuery = "webp",
) -> Response:
    """A downscaled preview of a picture."""
    content = await context.run_in_thread(_render_preview, context, key, side, kind)
    return Response(content, media_type=previews.FORMATS[kind][0], headers=CACHE_HEADERS)


def get_directory(context: Context) -> safe_directory.SafeDirectory:
    """The folder to browse.

    Raises:
        ApiError: 404 if the server has none.
    """
    if context.directory is None:
        raise ApiError(404, "this server offers no folder; start it with one")
    return context.directory


@router.get("/folder")
async def folder(context: ContextDep, path: PathQuery = "") -> FolderListing:
    """List the folder, or a folder below it."""
    listing = await context.run_in_thread(get_directory(context).list_folder, path)
    pictures = [
        FolderPicture(path=one.path, name=one.name, bytes=one.bytes, modified=one.modified)
        for one in listing.pictures
    ]
    return FolderListing(
        path=path, folders=list(listing.folders), pictures=pictures, more=listing.more
    )


def _render_folder_preview(context: Context, path: str, side: int, kind: ViewFormat) -> bytes:
    content = get_directory(context).read(path, context.settings.max_bytes)
    picture = picture_store.parse_picture(
        content, uploads.sanitize_name(path), context.settings.max_pixels
    )
    return previews.render_preview(picture, side, kind)


@router.get(
    "/folder/preview", response_class=Response, responses=describe_views("the picture, small")
)
async def folder_preview(
    context: ContextDep,
    path: PathQuery,
    side: Annotated[int, Query(ge=16, le=1024)] = 256,
    kind: ViewFormatQuery = "webp",
) -> Response:
    """A downscaled preview of a picture of the folder."""
    get_directory(context)
    content = await context.run_in_thread(_render_folder_preview, context, path, side, kind)
    return Response(content, media_type=previews.FORMATS[kind][0])


def _store_from_folder(context: Context, path: str) -> picture_store.StoredPicture:
    content = get_directory(context).read(path, context.settings.max_bytes)
    return context.store.add(content, uploads.sanitize_name(path))


@router.post("/folder/open", status_code=201)
async def open_from_folder(context: ContextDep, opened: OpenRequest) -> PictureInfo:
    """Load a picture of the folder into the server's memory."""
    get_directory(context)
    return PictureInfo.from_stored(
        await context.run_in_thread(_store_from_folder, context, opened.path)
    )
