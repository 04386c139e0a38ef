"""Routes of background jobs, which fill uploaded pictures or pictures of the folder."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from mendpix.inpainting.registry import CheckedFiller
from mendpix.io.picture import Picture
from mendpix.masks import holes
from mendpix.server import fill_pipeline, schemas, uploads
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Context, ContextDep
from mendpix.server.fill_routes import find_masks, load_filler, read_masks
from mendpix.server.job import Job
from mendpix.server.model_registry import describe_generator, get_device
from mendpix.server.picture_routes import BINARY, get_directory
from mendpix.server.picture_store import StoredPicture, parse_picture
from mendpix.server.schemas import FillFailure, FillRequest, FillResult, JobRequest
from mendpix.types import Hole

router = APIRouter(prefix="/api/v1")

PROGRESS_SECONDS = 0.2
"""Seconds between two progress events."""
KEEP_ALIVE_SECONDS = 10.0
"""Seconds of silence after which progress is repeated, to keep the connection open."""

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "events state, progress and end",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "the stream has ended before"},
}


@router.post("/jobs", status_code=202)
async def start_job(context: ContextDep, order: JobRequest) -> schemas.JobStatus:
    """Start filling uploaded pictures, or pictures of the folder."""
    sources = [_source_from_store(context, key) for key in order.pictures]
    if order.folder:
        get_directory(context)
        sources += [_source_from_folder(context, path) for path in order.folder]
    if not sources:
        raise ApiError(422, "the job names no picture; give pictures, or paths in the folder")
    masks = find_masks(context, order)
    seeds = [(order.seed + step) % (schemas.MAX_SEED + 1) for step in range(order.tries)]
    fillers = {seed: await load_filler(context, order, seed) for seed in seeds}
    run = BatchFill(context, order, sources, seeds, fillers, masks)
    job = Job(
        run,
        get_device(fillers[seeds[0]]),
        order.detached,
        context.settings.seconds,
        len(sources) * len(seeds),
    )
    await context.jobs.submit(job)
    return describe_job(context, job)


def _source_from_store(context: Context, key: str) -> fill_pipeline.FillInput:
    stored = context.store.get(key)
    return fill_pipeline.FillInput(key, lambda: context.store.decode(stored))


def _source_from_folder(context: Context, path: str) -> fill_pipeline.FillInput:
    def read() -> Picture:
        content = get_directory(context).read(path, context.settings.max_bytes)
        return parse_picture(content, uploads.sanitize_name(path), context.settings.max_pixels)

    return fill_pipeline.FillInput(path, read)


class BatchFill:
    """The work of a job: fill several pictures and store the results on the server."""

    def __init__(
        self,
        context: Context,
        order: JobRequest,
        sources: list[fill_pipeline.FillInput],
        seeds: list[int],
        fillers: dict[int, CheckedFiller],
        masks: dict[str, StoredPicture],
    ) -> None:
        self.context, self.order, self.masks = context, order, masks
        self.sources, self.seeds, self.fillers = sources, seeds, fillers
        self.generator = describe_generator(fillers[seeds[0]])

    def __call__(self, job: Job) -> None:
        """Run in a worker thread, appending to the job's results and errors."""
        masks = read_masks(self.context, {}, self.masks)
        options = FillRequest.model_validate(
            self.order.model_dump(include=set(FillRequest.model_fields))
        )

        def fill(
            picture: Picture, seed: int, progress: Callable[[float], None]
        ) -> fill_pipeline.FilledFile:
            return fill_pipeline.fill_to_file(picture, masks, options, self.fillers[seed], progress)

        for outcome in fill_pipeline.fill_sources(
            self.sources, self.seeds, fill, job.report_progress, job.start_clock
        ):
            if isinstance(outcome, FillFailure):
                job.errors.append(outcome)
                self.context.metrics.count_fill(self.order.model, "failed", 0.0)
            else:
                self._store_result(job, *outcome)
            job.mark_changed()
        if job.errors and not job.results:
            raise ApiError(422, job.errors[0].message)

    def _store_result(
        self,
        job: Job,
        source: fill_pipeline.FillInput,
        seed: int,
        filled: fill_pipeline.FilledFile,
    ) -> None:
        pinned = {result.picture.id for result in job.results}
        stored = self.context.store.add(filled.content, filled.name, pinned, filled=filled.picture)
        self.context.metrics.count_fill(self.order.model, "done", filled.seconds)
        job.results.append(
            FillResult(
                picture=schemas.PictureInfo.from_stored(stored),
                source=source.label,
                seed=seed,
                seconds=round(filled.seconds, 3),
                hole_ratio=holes.ratio(filled.hole),
                grow=filled.grow,
                hole=_find_hole_box(filled.hole),
                warnings=list(filled.warnings),
                largest_change=filled.largest_change,
                mean_change=filled.mean_change,
            )
        )


def _find_hole_box(hole: Hole) -> tuple[int, int, int, int] | None:
    """Left, top, width and height, as the API orders them; None for an empty hole."""
    top, left, height, width = holes.bounding_box(hole)
    return (left, top, width, height) if height else None


def describe_job(context: Context, job: Job) -> schemas.JobStatus:
    """Describe a job for its client."""
    error = None
    if job.error is not None:
        error = schemas.ErrorDetail(
            code=job.error.code, message=job.error.detail, retry_after=job.error.retry_after
        )
    return schemas.JobStatus(
        id=job.id,
        state=job.state,
        position=context.jobs.get_position(job),
        progress=1.0 if job.state == "done" else job.progress,
        seconds=round(job.seconds, 3),
        total=job.total,
        generator=getattr(job.work, "generator", None),
        results=list(job.results),
        errors=list(job.errors),
        error=error,
    )


@router.get("/jobs/{key}")
async def job_state(key: schemas.JobId, context: ContextDep) -> schemas.JobStatus:
    """State, progress and results of a job."""
    job = context.jobs.get(key)
    job.postpone_abandonment()
    return describe_job(context, job)


@router.delete("/jobs/{key}")
async def cancel_job(key: schemas.JobId, context: ContextDep) -> schemas.JobStatus:
    """Cancel a job; a running one stops at its next progress report."""
    job = context.jobs.get(key)
    context.jobs.cancel(job)
    return describe_job(context, job)


@router.get("/jobs/{key}/zip", response_class=Response, responses={
    200: {"description": "all results", "content": {"application/zip": BINARY}}
})  # fmt: skip
async def job_zip(key: schemas.JobId, context: ContextDep) -> Response:
    """All results of a finished job in one archive."""
    job = context.jobs.get(key)
    if not job.finished.is_set():
        raise ApiError(409, "the job has not finished; wait for its end")
    results = [context.store.get(result.picture.id) for result in job.results]
    content = fill_pipeline.stream_zip((one.name, one.content) for one in results)
    headers = {"Content-Disposition": 'attachment; filename="filled.zip"'}
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@router.get("/jobs/{key}/events", response_class=Response, responses=STREAM)
async def job_events(key: schemas.JobId, context: ContextDep, request: Request) -> Response:
    """Follow a job by server-sent events; a job without listeners is cancelled soon."""
    job = context.jobs.get(key)
    if request.headers.get("last-event-id") == "end":
        return Response(status_code=204)  # tells an EventSource not to reconnect
    return StreamingResponse(
        _stream_events(context, job),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream_events(context: Context, job: Job) -> AsyncIterator[str]:
    job.add_listener()
    try:
        version, progress, silent = -1, -1.0, 0.0
        while not job.finished.is_set():
            if job.version != version:
                version, silent = job.version, 0.0
                yield _format_event("state", describe_job(context, job).model_dump_json())
            if job.progress != progress or silent >= KEEP_ALIVE_SECONDS:
                progress, silent = job.progress, 0.0
                fields = {"progress": progress, "position": context.jobs.get_position(job)}
                yield _format_event("progress", json.dumps(fields))
            silent += PROGRESS_SECONDS
            try:
                await asyncio.wait_for(job.finished.wait(), PROGRESS_SECONDS)
            except TimeoutError:
                continue
        yield "id: end\n" + _format_event("end", describe_job(context, job).model_dump_json())
    finally:
        job.remove_listener()


def _format_event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
