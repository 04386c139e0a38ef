"""Routes of jobs: pictures that the server holds or finds in its folder, filled one by one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from mendpix.inpainting.registry import CheckedFiller
from mendpix.io.picture import Picture
from mendpix.server import fill_work, schemas, uploads
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Context, Here
from mendpix.server.fill_routes import filler_of
from mendpix.server.job import Job
from mendpix.server.model_registry import device_of
from mendpix.server.picture_routes import BINARY, folder_of
from mendpix.server.schemas import Failure, Fill, Order, Result
from mendpix.server.store import Stored, parse

router = APIRouter(prefix="/api/v1")

TICK = 0.2
"""Seconds between two words of progress."""
PING = 10.0
"""Seconds after which a silent stream says that it lives."""

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "events state, progress and end",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "the stream has ended before"},
}


@router.post("/jobs", status_code=202)
async def start_job(here: Here, order: Order) -> schemas.Job:
    """Begin to fill pictures that the server holds, or that lie in its folder."""
    sources = [_held(here, key) for key in order.pictures]
    if order.folder:
        folder_of(here)
        sources += [_in_folder(here, path) for path in order.folder]
    if not sources:
        raise ApiError(422, "the job names no picture; give pictures, or paths in the folder")
    mask = None if order.mask is None else here.store.get(order.mask)
    seeds = [(order.seed + step) % (schemas.LARGEST_SEED + 1) for step in range(order.tries)]
    fillers = {seed: await filler_of(here, order, seed) for seed in seeds}
    run = _Work(here, order, sources, seeds, fillers, mask)
    job = Job(
        run,
        device_of(fillers[seeds[0]]),
        order.detached,
        here.settings.seconds,
        len(sources) * len(seeds),
    )
    await here.jobs.submit(job)
    return described(here, job)


def _held(here: Context, key: str) -> fill_work.Source:
    stored = here.store.get(key)
    return fill_work.Source(key, lambda: here.store.picture(stored))


def _in_folder(here: Context, path: str) -> fill_work.Source:
    def read() -> Picture:
        content = folder_of(here).read(path, here.settings.bytes)
        return parse(content, uploads.safe_name(path), here.settings.pixels)

    return fill_work.Source(path, read)


class _Work:
    """What a job of many pictures does; its results are pictures that the server holds."""

    def __init__(
        self,
        here: Context,
        order: Order,
        sources: list[fill_work.Source],
        seeds: list[int],
        fillers: dict[int, CheckedFiller],
        mask: Stored | None,
    ) -> None:
        self.here, self.order, self.mask = here, order, mask
        self.sources, self.seeds, self.fillers = sources, seeds, fillers

    def __call__(self, job: Job) -> None:
        """Do it, in a thread."""
        marked = None if self.mask is None else self.here.store.picture(self.mask)
        how = Fill.model_validate(self.order.model_dump(include=set(Fill.model_fields)))

        def fill(picture: Picture, seed: int, progress: Callable[[float], None]) -> fill_work.Made:
            return fill_work.made(picture, marked, how, self.fillers[seed], progress)

        for one in fill_work.each(self.sources, self.seeds, fill, job.told, job.start_clock):
            if isinstance(one, Failure):
                job.errors.append(one)
                self.here.counts.fill(self.order.model, "failed", 0.0)
            else:
                self._keep(job, *one)
            job.changed()
        if job.errors and not job.results:
            raise ApiError(422, job.errors[0].message)

    def _keep(self, job: Job, source: fill_work.Source, seed: int, done: fill_work.Made) -> None:
        pinned = {result.picture.id for result in job.results}
        stored = self.here.store.add(done.content, done.name, pinned, filled=done.picture)
        self.here.counts.fill(self.order.model, "done", done.seconds)
        job.results.append(
            Result(
                picture=schemas.Picture.of(stored),
                source=source.named,
                seed=seed,
                seconds=round(done.seconds, 3),
                hole_ratio=fill_work.hole_ratio(done.hole),
                hole=fill_work.around(done.hole),
                warnings=list(done.warnings),
                largest_change=done.largest_change,
                mean_change=done.mean_change,
            )
        )


def described(here: Context, job: Job) -> schemas.Job:
    """What is told of a job."""
    refusal = job.refusal
    error = None
    if refusal is not None:
        error = schemas.Error(
            code=refusal.code, message=refusal.detail, retry_after=refusal.retry_after
        )
    return schemas.Job(
        id=job.id,
        state=job.state,
        position=here.jobs.position(job),
        progress=1.0 if job.state == "done" else job.progress,
        seconds=round(job.seconds, 3),
        total=job.total,
        results=list(job.results),
        errors=list(job.errors),
        error=error,
    )


@router.get("/jobs/{key}")
async def job_state(key: schemas.Id, here: Here) -> schemas.Job:
    """How far a job is, and what it has made."""
    job = here.jobs.get(key)
    job.asked()
    return described(here, job)


@router.delete("/jobs/{key}")
async def cancel_job(key: schemas.Id, here: Here) -> schemas.Job:
    """Cancel a job; one that runs stops at its next word of progress."""
    job = here.jobs.get(key)
    here.jobs.cancel(job)
    return described(here, job)


@router.get("/jobs/{key}/zip", response_class=Response, responses={
    200: {"description": "all results", "content": {"application/zip": BINARY}}
})  # fmt: skip
async def job_zip(key: schemas.Id, here: Here) -> Response:
    """All results of a finished job in one archive."""
    job = here.jobs.get(key)
    if not job.finished.is_set():
        raise ApiError(409, "the job is not over yet; wait for its end")
    found = [here.store.get(result.picture.id) for result in job.results]
    content = fill_work.zipped((one.name, one.content) for one in found)
    headers = {"Content-Disposition": 'attachment; filename="filled.zip"'}
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@router.get("/jobs/{key}/events", response_class=Response, responses=STREAM)
async def job_events(key: schemas.Id, here: Here, request: Request) -> Response:
    """What happens to a job, as server-sent events; without a listener it is cancelled soon."""
    job = here.jobs.get(key)
    if request.headers.get("last-event-id") == "end":
        return Response(status_code=204)  # tells an EventSource not to come again
    return StreamingResponse(
        _events(here, job), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _events(here: Context, job: Job) -> AsyncIterator[str]:
    job.enter()
    try:
        version, progress, silent = -1, -1.0, 0.0
        while not job.finished.is_set():
            if job.version != version:
                version, silent = job.version, 0.0
                yield _event("state", described(here, job).model_dump_json())
            if job.progress != progress or silent >= PING:
                progress, silent = job.progress, 0.0
                said = {"progress": progress, "position": here.jobs.position(job)}
                yield _event("progress", json.dumps(said))
            silent += TICK
            try:
                await asyncio.wait_for(job.finished.wait(), TICK)
            except TimeoutError:
                continue
        yield "id: end\n" + _event("end", described(here, job).model_dump_json())
    finally:
        job.leave()


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
