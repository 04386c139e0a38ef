"""Synchronous routes that return a file: fill one picture, or detect its scratches."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from mendpix.inpainting.registry import CheckedFiller
from mendpix.masks import holes
from mendpix.server import fill_pipeline, schemas, scratch_masks, uploads
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Context, ContextDep
from mendpix.server.job import Job
from mendpix.server.model_registry import describe_generator, get_device
from mendpix.server.picture_routes import (
    BINARY,
    FILE_RESPONSE,
    PHOTO_FORM,
    UPLOAD_BODY,
    NameQuery,
    file_response,
    media_type,
    read_upload,
)
from mendpix.server.picture_store import StoredPicture, parse_picture
from mendpix.server.schemas import FillRequest

router = APIRouter(prefix="/api/v1")

FILL_FORM = {
    **PHOTO_FORM,
    "properties": {
        **PHOTO_FORM["properties"],  # type: ignore[dict-item]
        **{key: {"type": "string", "format": "binary"} for key in fill_pipeline.MASK_NAMES},
        **{
            name: {"type": "string", "description": f"as the parameter {name}"}
            for name in (
                "model", "options", "seed", "box", "polygon", "grow", "from_alpha",
                "invert", "fit_mask", "anchor", "keep_palette", "channels", "line",
            )
        },
    },
}  # fmt: skip
FILL_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": FILL_FORM},
            "application/octet-stream": BINARY,
            "image/*": BINARY,
        },
    }
}
MASK_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "white marks what was found", "content": {"image/png": BINARY}}
}


class FillQuery(schemas.StrictModel):
    """Options of a fill as query parameters; form fields of the same names take precedence."""

    name: str = Field(default="", max_length=1024, description="what to call the photo")
    model: str = Field(default="auto", max_length=300)
    options: str = Field(default="{}", max_length=4096, description="of the model, as JSON")
    seed: int = Field(default=0, ge=0, le=schemas.MAX_SEED)
    mask: schemas.PictureId | None = Field(default=None, description="id of an uploaded mask")
    box: list[str] = Field(default=[], max_length=1000, description="left,top,width,height")
    polygon: list[str] = Field(default=[], max_length=1000, description="x,y,x,y,x,y,...")
    line: list[str] = Field(default=[], max_length=100, description="x,y,x,y,...")
    from_alpha: bool = False
    grow: schemas.Growth = 0
    invert: bool = False
    fit_mask: bool = False
    anchor: schemas.Anchor = ""
    keep_palette: bool = False
    channels: Literal["colour", "all"] = "colour"
    source: schemas.PictureId | None = Field(default=None, description="id of an uploaded mask")
    exclude: schemas.PictureId | None = Field(default=None, description="id of an uploaded mask")

    def to_request(self) -> FillRequest:
        """Convert to the body of the JSON API.

        Raises:
            ValidationError: malformed options or boxes.
        """
        values = self.model_dump(exclude={"name", "options", "box", "polygon", "line"})
        values["boxes"] = [box.split(",") for box in self.box]
        values["lines"] = [line.split(",") for line in self.line]
        values["polygons"] = [polygon.split(",") for polygon in self.polygon]
        return FillRequest.model_validate({**values, "options": _parse_options(self.options)})


def _parse_options(options: str) -> Any:
    try:
        return json.loads(options)
    except (ValueError, RecursionError):
        raise ApiError(422, 'options must be JSON, such as {"radius": 2}') from None


def merge_parameters(query: FillQuery, fields: dict[str, list[str]]) -> FillRequest:
    """Merge query parameters and form fields.

    Raises:
        ApiError: 422 for an unknown parameter or an invalid value.
    """
    repeatable = ("box", "polygon", "line")
    form = {key: values if key in repeatable else values[-1] for key, values in fields.items()}
    try:
        return FillQuery.model_validate({**query.model_dump(), **form}).to_request()
    except ValidationError as problem:
        raise ApiError(422, _describe_first_error(problem)) from None


def _describe_first_error(problem: ValidationError) -> str:
    error = problem.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, error["loc"])) or "the body"
    return f"{uploads.sanitize_name(place, 'a field')[:80]}: {error['msg']}"


async def load_filler(context: Context, options: FillRequest, seed: int) -> CheckedFiller:
    """Load the requested filler in a helper thread."""

    def load() -> CheckedFiller:
        context.models.check(options.model, options.options)
        return context.models.load(options.model, seed, options.options)

    return await context.run_in_thread(load)


async def run_while_connected(request: Request, context: Context, job: Job) -> None:
    """Run a job and wait for it; cancel it if the client disconnects.

    Raises:
        ApiError: the job's own error, or 499 after a disconnect.
    """
    job.add_listener()
    await context.jobs.submit(job)
    disconnected = asyncio.create_task(_wait_for_disconnect(request))
    finished = asyncio.create_task(job.finished.wait())
    try:
        await asyncio.wait({disconnected, finished}, return_when=asyncio.FIRST_COMPLETED)
        if not job.finished.is_set():
            raise ApiError(499, "the client left", "left")
    finally:
        context.jobs.cancel(job)  # no effect on a finished job
        context.jobs.forget(job)
        disconnected.cancel()
        finished.cancel()
    if job.error is not None:
        raise job.error
    if job.state != "done":
        raise ApiError(503, "the fill was cancelled", retry_after=1)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@router.post("/fill", response_class=Response, responses=FILE_RESPONSE, openapi_extra=FILL_BODY)
async def fill(
    request: Request, context: ContextDep, query: Annotated[FillQuery, Query()]
) -> Response:
    """Fill one picture and answer with its file, in its own format.

    The body is the photo itself, or a form with the parts ``photo``, ``mask``, ``source`` and
    ``exclude``.
    """
    upload = await read_upload(request, query.name)
    options = merge_parameters(query, upload.fields)
    if "photo" not in upload.files:
        raise ApiError(400, "the body holds no photo; send the file, or a part called 'photo'")
    for name in fill_pipeline.MASK_NAMES:
        if name in upload.files and getattr(options, name) is not None:
            raise ApiError(422, f"a {name} file and a {name}'s id are given; give one", "mask")
    stored = find_masks(context, options)
    filler = await load_filler(context, options, options.seed)

    def run(job: Job) -> fill_pipeline.FilledFile:
        pixels = context.settings.max_pixels
        photo = upload.files.pop("photo")
        picture = parse_picture(photo.content, photo.name, pixels)
        masks = read_masks(context, upload.files, stored)
        return fill_pipeline.fill_to_file(picture, masks, options, filler, job.report_progress)

    on_finish = _count_when_finished(context, options.model)
    job = Job(run, get_device(filler), limit=context.settings.seconds, on_finish=on_finish)
    await run_while_connected(request, context, job)
    return _respond_with_file(job.outcome, describe_generator(filler))


def find_masks(context: Context, options: FillRequest) -> dict[str, StoredPicture]:
    """The stored pictures that a request names as its masks, by their fields' names."""
    keys = {name: getattr(options, name) for name in fill_pipeline.MASK_NAMES}
    return {name: context.store.get(key) for name, key in keys.items() if key is not None}


def read_masks(
    context: Context,
    files: dict[str, uploads.UploadedFile],
    stored: dict[str, StoredPicture],
) -> fill_pipeline.FillMasks:
    """Decode the masks of a request, from the body's files and from the store."""
    masks = {name: context.store.decode(picture) for name, picture in stored.items()}
    for name in fill_pipeline.MASK_NAMES:
        if name in files:
            file, pixels = files[name], context.settings.max_pixels
            masks[name] = parse_picture(file.content, file.name or f"the {name}", pixels)
    return fill_pipeline.FillMasks(**masks)


def _count_when_finished(context: Context, model: str) -> Callable[[Job], None]:
    """Return a callback that counts a finished fill, unless it never started."""

    def count(job: Job) -> None:
        if job.started_at:
            context.metrics.count_fill(model, job.state, job.seconds)

    return count


def _respond_with_file(
    filled: fill_pipeline.FilledFile, generator: dict[str, str] | None
) -> Response:
    headers = {
        "X-Mendpix-Generator": json.dumps(generator),
        "X-Mendpix-Seconds": f"{filled.seconds:.3f}",
        "X-Mendpix-Hole-Ratio": f"{holes.ratio(filled.hole):.6f}",
        "X-Mendpix-Grow": str(filled.grow or 0),
        "X-Mendpix-Warnings": json.dumps(filled.warnings),
        "X-Mendpix-Largest-Change": f"{filled.largest_change:g}",
        "X-Mendpix-Mean-Change": f"{filled.mean_change:g}",
    }
    extension = filled.name.rpartition(".")[2].lower()
    kind = {"jpg": "jpeg", "tif": "tiff"}.get(extension, extension)
    return file_response(filled.content, filled.name, media_type(kind), headers)


@router.post("/scratches", response_class=Response, responses=MASK_RESPONSE, openapi_extra={
    "requestBody": {**UPLOAD_BODY["requestBody"], "required": False}
})  # fmt: skip
async def find_scratches(
    request: Request,
    context: ContextDep,
    picture: schemas.PictureId | None = None,
    sensitivity: Annotated[float, Query(ge=0, le=1)] = 0.5,
    name: NameQuery = "",
) -> Response:
    """Find specks and scratches of an old scan: a mask of the picture's size."""
    stored = None if picture is None else context.store.get(picture)
    upload = await read_upload(request, name) if stored is None else uploads.Upload()
    if stored is None and "photo" not in upload.files:
        raise ApiError(400, "there is no photo; name a picture's id, or send the file")

    def run(job: Job) -> scratch_masks.ScratchMask:
        if stored is not None:
            photo = context.store.decode(stored)
        else:
            file = upload.files.pop("photo")
            photo = parse_picture(file.content, file.name, context.settings.max_pixels)
        return scratch_masks.find_scratch_mask(photo, sensitivity)

    job = Job(run, limit=context.settings.seconds)
    await run_while_connected(request, context, job)
    mask: scratch_masks.ScratchMask = job.outcome
    headers = {"X-Mendpix-Count": str(mask.count)}
    return file_response(mask.content, mask.name, "image/png", headers)
