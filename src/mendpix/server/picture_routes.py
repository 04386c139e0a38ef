"""Routes of pictures: upload, download, views, and the folder to browse."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from mendpix.server import previews, safe_directory, schemas, store, uploads
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Context, Here
from mendpix.server.schemas import Folder, FolderPicture, Opened, Picture

router = APIRouter(prefix="/api/v1")

PIECE = 256 << 10
"""Bytes of an answer that are sent at once, so that a slow client is not taken for a dead one."""
BINARY = {"schema": {"type": "string", "format": "binary"}}
PHOTO_FORM = {
    "type": "object",
    "required": ["photo"],
    "properties": {"photo": {"type": "string", "format": "binary"}},
}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": BINARY,
            "image/*": BINARY,
            "multipart/form-data": {"schema": PHOTO_FORM},
        },
    }
}
Kind = Literal["png", "jpeg", "webp"]
Format = Annotated[Kind, Query(alias="format")]
Name = Annotated[str, Query(max_length=1024, description="what to call the photo")]
Place = Annotated[int, Query(ge=0, le=schemas.LARGEST_SIDE)]
Side = Annotated[int, Query(ge=1, le=schemas.LARGEST_SIDE)]
Path = Annotated[str, Query(max_length=1024, description="relative to the folder, with slashes")]
KEPT = {"Cache-Control": "private, max-age=3600, immutable"}


def views(description: str) -> dict[int | str, dict[str, Any]]:
    """How OpenAPI describes an answer that is a small picture."""
    content = {media: BINARY for media, _ in previews.KINDS.values()}
    return {200: {"description": description, "content": content}}


FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file", "content": {"application/octet-stream": BINARY}}
}


async def uploaded(request: Request, name: str = "") -> uploads.Upload:
    """What a request's body holds."""
    return await uploads.read(request.headers.get("content-type", ""), _chunks(request), name)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk


def pieces(content: bytes) -> Iterator[bytes]:
    """An answer cut into pieces."""
    view = memoryview(content)
    for start in range(0, len(content), PIECE):
        yield bytes(view[start : start + PIECE])


async def _sent(content: bytes) -> AsyncIterator[bytes]:
    for piece in pieces(content):
        yield piece


def file_answer(
    content: bytes, name: str, media: str, headers: dict[str, str], place: str = "attachment"
) -> StreamingResponse:
    """A file to download, named as it should be saved, or (``inline``) to show."""
    named = {
        **headers,
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(len(content)),
    }
    return StreamingResponse(_sent(content), media_type=media, headers=named)


def media_type(kind: str) -> str:
    """The media type of a format as Pillow names it."""
    return f"image/{kind.lower()}"


@router.post("/pictures", status_code=201, response_model=Picture, openapi_extra=UPLOAD)
async def upload_picture(request: Request, here: Here, name: Name = "") -> Picture:
    """Upload a picture (or a mask) as it is, or as the part ``photo`` of a form."""
    upload = await uploaded(request, name)
    if "photo" not in upload.files:
        raise ApiError(400, "the body holds no photo; send the file, or a part called 'photo'")
    file = upload.files["photo"]
    return Picture.of(await here.aside(here.store.add, file.content, file.name))


@router.get("/pictures/{key}")
async def picture(key: schemas.Id, here: Here) -> Picture:
    """What a picture is."""
    return Picture.of(here.store.get(key))


@router.delete("/pictures/{key}", status_code=204)
async def delete_picture(key: schemas.Id, here: Here) -> None:
    """Forget a picture."""
    here.store.delete(key)


@router.get("/pictures/{key}/file", response_class=Response, responses=FILE)
async def picture_file(key: schemas.Id, here: Here, inline: bool = False) -> Response:
    """A picture's file, byte for byte."""
    stored = here.store.get(key)
    media = media_type(stored.format) if inline and stored.shown else "application/octet-stream"
    place = "inline" if inline else "attachment"
    return file_answer(stored.content, stored.name, media, {"Cache-Control": "private"}, place)


def _view(here: Context, key: str, box: tuple[int, int, int, int], level: int, kind: Kind) -> bytes:
    return previews.region(here.store.picture(here.store.get(key)), box, level, kind)


@router.get(
    "/pictures/{key}/region",
    response_class=Response,
    responses=views("the rectangle, 8 bits, ceil(side / 2^level) pixels a side"),
)
async def region(
    key: schemas.Id,
    here: Here,
    width: Side,
    height: Side,
    left: Place = 0,
    top: Place = 0,
    level: Annotated[int, Query(ge=0, le=12, description="shrunk by two to this power")] = 0,
    kind: Format = "png",
) -> Response:
    """A rectangle of a picture, in pixels of the full-size picture as displayed."""
    box = (left, top, width, height)
    content = await here.aside(_view, here, key, box, level, kind)
    return Response(content, media_type=previews.KINDS[kind][0], headers=KEPT)


def _preview(here: Context, key: str, side: int, kind: Kind) -> bytes:
    return previews.whole(here.store.picture(here.store.get(key)), side, kind)


@router.get(
    "/pictures/{key}/preview", response_class=Response, responses=views("the whole picture, small")
)
async def preview(
    key: schemas.Id,
    here: Here,
    side: Annotated[int, Query(ge=16, le=2048, description="of the longer side")] = 1024,
    kind: Format = "webp",
) -> Response:
    """A picture made small."""
    content = await here.aside(_preview, here, key, side, kind)
    return Response(content, media_type=previews.KINDS[kind][0], headers=KEPT)


def folder_of(here: Context) -> safe_directory.SafeDirectory:
    """The folder to browse.

    Raises:
        Refusal: 404 where the server has none.
    """
    if here.jail is None:
        raise ApiError(404, "this server offers no folder; start it with one")
    return here.jail


@router.get("/folder")
async def folder(here: Here, path: Path = "") -> Folder:
    """What lies in the folder, or in one below it."""
    found = await here.aside(folder_of(here).listing, path)
    pictures = [
        FolderPicture(path=one.path, name=one.name, bytes=one.bytes, modified=one.modified)
        for one in found.pictures
    ]
    return Folder(path=path, folders=list(found.folders), pictures=pictures, more=found.more)


def _small(here: Context, path: str, side: int, kind: Kind) -> bytes:
    content = folder_of(here).read(path, here.settings.bytes)
    picture = store.parse(content, uploads.safe_name(path), here.settings.pixels)
    return previews.whole(picture, side, kind)


@router.get("/folder/preview", response_class=Response, responses=views("the picture, small"))
async def folder_preview(
    here: Here,
    path: Path,
    side: Annotated[int, Query(ge=16, le=1024)] = 256,
    kind: Format = "webp",
) -> Response:
    """A picture of the folder made small."""
    folder_of(here)
    content = await here.aside(_small, here, path, side, kind)
    return Response(content, media_type=previews.KINDS[kind][0])


def _open(here: Context, path: str) -> store.Stored:
    content = folder_of(here).read(path, here.settings.bytes)
    return here.store.add(content, uploads.safe_name(path))


@router.post("/folder/open", status_code=201)
async def open_from_folder(here: Here, opened: Opened) -> Picture:
    """Take a picture of the folder into the server's memory."""
    folder_of(here)
    return Picture.of(await here.aside(_open, here, opened.path))
