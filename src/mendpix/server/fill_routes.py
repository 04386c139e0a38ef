"""Routes that answer with a file: fill one picture, and find the scratches of one."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from mendpix.inpainting.registry import CheckedFiller
from mendpix.io.picture import Picture
from mendpix.server import fill_work, schemas, scratch_masks, uploads
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Context, Here
from mendpix.server.job import Job
from mendpix.server.model_registry import device_of
from mendpix.server.picture_routes import (
    BINARY,
    FILE,
    PHOTO_FORM,
    UPLOAD,
    Name,
    file_answer,
    media_type,
    uploaded,
)
from mendpix.server.schemas import Fill
from mendpix.server.store import Stored, parse

router = APIRouter(prefix="/api/v1")

FORM = {
    **PHOTO_FORM,
    "properties": {
        **PHOTO_FORM["properties"],  # type: ignore[dict-item]
        "mask": {"type": "string", "format": "binary"},
        **{
            name: {"type": "string", "description": f"as the parameter {name}"}
            for name in (
                "model", "options", "seed", "box", "grow", "from_alpha", "invert", "fit_mask",
                "keep_palette",
            )
        },
    },
}  # fmt: skip
FILL: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": FORM},
            "application/octet-stream": BINARY,
            "image/*": BINARY,
        },
    }
}
PNG: dict[int | str, dict[str, Any]] = {
    200: {"description": "white marks what was found", "content": {"image/png": BINARY}}
}


class FillQuery(schemas.Strict):
    """How to fill, as parameters of an address; parts of a form with these names count first."""

    name: str = Field(default="", max_length=1024, description="what to call the photo")
    model: str = Field(default="auto", max_length=300)
    options: str = Field(default="{}", max_length=4096, description="of the model, as JSON")
    seed: int = Field(default=0, ge=0, le=schemas.LARGEST_SEED)
    mask: schemas.Id | None = Field(default=None, description="id of an uploaded mask")
    box: list[str] = Field(default=[], max_length=1000, description="left,top,width,height")
    from_alpha: bool = False
    grow: int = Field(default=0, ge=0, le=1000)
    invert: bool = False
    fit_mask: bool = False
    keep_palette: bool = False

    def fill(self) -> Fill:
        """The same as a body of the API.

        Raises:
            ValidationError: options or boxes that are none.
        """
        said = self.model_dump(exclude={"name", "options", "box"})
        boxes = [one.split(",") for one in self.box]
        return Fill.model_validate({**said, "options": _parsed(self.options), "boxes": boxes})


def _parsed(options: str) -> Any:
    try:
        return json.loads(options)
    except (ValueError, RecursionError):
        raise ApiError(422, 'options must be JSON, such as {"radius": 2}') from None


def asked(query: FillQuery, fields: dict[str, list[str]]) -> Fill:
    """What an address and a form together ask for.

    Raises:
        Refusal: 422 for what is none of the parameters, or a value that does not fit.
    """
    lists = ("box",)
    given = {key: values if key in lists else values[-1] for key, values in fields.items()}
    try:
        return FillQuery.model_validate({**query.model_dump(), **given}).fill()
    except ValidationError as problem:
        raise ApiError(422, _first(problem)) from None


def _first(problem: ValidationError) -> str:
    error = problem.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, error["loc"])) or "the body"
    return f"{uploads.safe_name(place, 'a field')[:80]}: {error['msg']}"


async def filler_of(here: Context, how: Fill, seed: int) -> CheckedFiller:
    """The filler that is asked for, loaded."""

    def load() -> CheckedFiller:
        here.offers.check(how.model, how.options)
        return here.offers.load(how.model, seed, how.options)

    return await here.aside(load)


async def attended(request: Request, here: Context, job: Job) -> None:
    """Wait for a job, and cancel it when the client leaves.

    Raises:
        Refusal: why it failed.
    """
    job.enter()
    await here.jobs.submit(job)
    left = asyncio.create_task(_left(request))
    done = asyncio.create_task(job.finished.wait())
    try:
        await asyncio.wait({left, done}, return_when=asyncio.FIRST_COMPLETED)
        if not job.finished.is_set():
            raise ApiError(499, "the client left", "left")
    finally:
        here.jobs.cancel(job)  # does nothing where it is over
        here.jobs.forget(job)
        left.cancel()
        done.cancel()
    if job.refusal is not None:
        raise job.refusal
    if job.state != "done":
        raise ApiError(503, "the fill was cancelled", retry_after=1)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@router.post("/fill", response_class=Response, responses=FILE, openapi_extra=FILL)
async def fill(request: Request, here: Here, query: Annotated[FillQuery, Query()]) -> Response:
    """Fill one picture and answer with its file, in its own format.

    The body is the photo itself, or a form with the parts ``photo`` and ``mask``.
    """
    upload = await uploaded(request, query.name)
    how = asked(query, upload.fields)
    if "photo" not in upload.files:
        raise ApiError(400, "the body holds no photo; send the file, or a part called 'photo'")
    if "mask" in upload.files and how.mask is not None:
        raise ApiError(422, "a mask file and a mask's id are given; give one", "mask")
    mask = None if how.mask is None else here.store.get(how.mask)
    filler = await filler_of(here, how, how.seed)

    def run(job: Job) -> fill_work.Made:
        pixels = here.settings.pixels
        photo = upload.files.pop("photo")
        picture = parse(photo.content, photo.name, pixels)
        marked = _mask(here, upload.files.get("mask"), mask)
        return fill_work.made(picture, marked, how, filler, job.told)

    ending = _counting(here, how.model)
    job = Job(run, device_of(filler), limit=here.settings.seconds, ending=ending)
    await attended(request, here, job)
    return _filled(job.outcome)


def _mask(here: Context, file: uploads.File | None, stored: Stored | None) -> Picture | None:
    if file is not None:
        return parse(file.content, file.name or "the mask", here.settings.pixels)
    return None if stored is None else here.store.picture(stored)


def _counting(here: Context, model: str) -> Callable[[Job], None]:
    """What counts a fill when it is over, if it ever began."""

    def count(job: Job) -> None:
        if job.began:
            here.counts.fill(model, job.state, job.seconds)

    return count


def _filled(done: fill_work.Made) -> Response:
    headers = {
        "X-Mendpix-Seconds": f"{done.seconds:.3f}",
        "X-Mendpix-Hole-Ratio": f"{fill_work.hole_ratio(done.hole):.6f}",
        "X-Mendpix-Warnings": json.dumps(done.warnings),
        "X-Mendpix-Largest-Change": f"{done.largest_change:g}",
        "X-Mendpix-Mean-Change": f"{done.mean_change:g}",
    }
    extension = done.name.rpartition(".")[2].lower()
    kind = {"jpg": "jpeg", "tif": "tiff"}.get(extension, extension)
    return file_answer(done.content, done.name, media_type(kind), headers)


@router.post("/scratches", response_class=Response, responses=PNG, openapi_extra={
    "requestBody": {**UPLOAD["requestBody"], "required": False}
})  # fmt: skip
async def find_scratches(
    request: Request,
    here: Here,
    picture: schemas.Id | None = None,
    sensitivity: Annotated[float, Query(ge=0, le=1)] = 0.5,
    name: Name = "",
) -> Response:
    """Find specks and scratches of an old scan: a mask of the picture's size."""
    stored = None if picture is None else here.store.get(picture)
    upload = await uploaded(request, name) if stored is None else uploads.Upload()
    if stored is None and "photo" not in upload.files:
        raise ApiError(400, "there is no photo; name a picture's id, or send the file")

    def run(job: Job) -> scratch_masks.Marked:
        if stored is not None:
            photo = here.store.picture(stored)
        else:
            file = upload.files.pop("photo")
            photo = parse(file.content, file.name, here.settings.pixels)
        return scratch_masks.marked(photo, sensitivity)

    job = Job(run, limit=here.settings.seconds)
    await attended(request, here, job)
    done: scratch_masks.Marked = job.outcome
    headers = {"X-Mendpix-Count": str(done.count)}
    return file_answer(done.content, done.name, "image/png", headers)
