"""The application: routes, how errors are told, and what begins and ends with the server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp

from mendpix import __version__
from mendpix.errors import MendError
from mendpix.server import (
    api_errors,
    fill_routes,
    job_routes,
    picture_routes,
    service_routes,
)
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Context
from mendpix.server.middleware import Guards
from mendpix.server.schemas import Problem
from mendpix.server.settings import Settings

log = logging.getLogger("mendpix.server")

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        ("4XX", "the request cannot be answered"),
        (422, "a value does not fit, or the file is no picture or mask"),
        (429, "busy: try again after Retry-After seconds"),
        (503, "the server is shutting down"),
        (504, "the fill took too long"),
    )
}


def make(settings: Settings) -> ASGIApp:
    """The application behind its guards.

    Raises:
        MendError: settings that would be unsafe.
    """
    settings = settings.checked()
    context = Context(settings)
    app = FastAPI(
        title="mendpix",
        version=__version__,
        summary="Fill holes in pictures; change no other pixel.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.context = context
    for router in (
        picture_routes.router,
        fill_routes.router,
        job_routes.router,
        service_routes.api,
    ):
        app.include_router(router, responses=ERRORS)
    app.include_router(service_routes.service, responses={"4XX": ERRORS["4XX"]})
    app.include_router(service_routes.pages)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(MendError, _mistake)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _failed)
    return Guards(app, settings, context.counts)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    context.jobs.start()
    warming = asyncio.create_task(_warm_up(context))
    yield
    context.warm = False
    warming.cancel()
    await context.jobs.close()
    context.close()


async def _warm_up(context: Context) -> None:
    try:
        await context.aside(context.offers.warm_up)
    except Exception:
        log.exception("the default filler cannot be prepared")
    context.warm = True


async def _http(request: Request, problem: Exception) -> Response:
    if isinstance(problem, ApiError):
        answer = problem.response()
        if problem.status_code == 405:
            answer.headers["Allow"] = _allowed(request)
        return answer
    assert isinstance(problem, HTTPException)
    status = problem.status_code
    said = {404: "there is nothing at this address", 405: "this address takes another method"}
    answer = ApiError(status, said.get(status, "the request cannot be read")).response()
    if status == 405:
        answer.headers["Allow"] = _allowed(request) or (problem.headers or {}).get("Allow", "")
    return answer


def _allowed(request: Request) -> str:
    """The methods that an address takes: Starlette itself names only those of one of its routes."""
    for path, methods in request.app.openapi()["paths"].items():
        if compile_path(path)[0].fullmatch(request.url.path):
            return ", ".join(sorted(method.upper() for method in methods))
    return ""


async def _invalid(request: Request, problem: Exception) -> Response:
    """The first value that does not fit, without repeating what was sent."""
    assert isinstance(problem, RequestValidationError)
    error = problem.errors()[0]
    place = ".".join(str(part) for part in error["loc"])[:200]
    return ApiError(422, f"{place}: {error['msg']}"[:400]).response()


async def _mistake(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, MendError)
    return api_errors.of(problem).response()


async def _left(request: Request, problem: Exception) -> Response:
    return ApiError(499, "the client left").response()  # nobody reads it, but it is counted


async def _failed(request: Request, problem: Exception) -> Response:
    return ApiError(500, "the server made a mistake; its log says which").response()
