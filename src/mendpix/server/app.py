"""The FastAPI application: routes, exception handlers, start-up and shutdown."""

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
from mendpix.server.middleware import SecurityMiddleware
from mendpix.server.schemas import ErrorResponse
from mendpix.server.settings import ServerSettings

log = logging.getLogger("mendpix.server")

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": text}
    for status, text in (
        ("4XX", "the request cannot be answered"),
        (422, "a value does not fit, or the file is no picture or mask"),
        (429, "busy: try again after Retry-After seconds"),
        (503, "the server is shutting down"),
        (504, "the fill took too long"),
    )
}


def create_app(settings: ServerSettings) -> ASGIApp:
    """Build the application behind its security middleware.

    Raises:
        MendError: unsafe settings.
    """
    settings = settings.validate()
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
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_request)
    app.add_exception_handler(MendError, _answer_mend_error)
    app.add_exception_handler(ClientDisconnect, _answer_disconnect)
    app.add_exception_handler(Exception, _answer_exception)
    return SecurityMiddleware(app, settings, context.metrics)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    context.jobs.start()
    warm_up = asyncio.create_task(_warm_up(context))
    yield
    context.ready = False
    warm_up.cancel()
    await context.jobs.close()
    context.close()


async def _warm_up(context: Context) -> None:
    try:
        await context.run_in_thread(context.models.warm_up)
    except Exception:
        log.exception("the default filler cannot be prepared")
    context.ready = True


async def _answer_http_error(request: Request, problem: Exception) -> Response:
    if isinstance(problem, ApiError):
        response = problem.to_response()
        if problem.status_code == 405:
            response.headers["Allow"] = _find_allowed_methods(request)
        return response
    assert isinstance(problem, HTTPException)
    status = problem.status_code
    messages = {404: "there is nothing at this address", 405: "this address takes another method"}
    response = ApiError(status, messages.get(status, "the request cannot be read")).to_response()
    if status == 405:
        allowed = _find_allowed_methods(request) or (problem.headers or {}).get("Allow", "")
        response.headers["Allow"] = allowed
    return response


def _find_allowed_methods(request: Request) -> str:
    """The methods of all routes at this address; Starlette names those of the first route only."""
    for path, methods in request.app.openapi()["paths"].items():
        if compile_path(path)[0].fullmatch(request.url.path):
            return ", ".join(sorted(method.upper() for method in methods))
    return ""


async def _answer_invalid_request(request: Request, problem: Exception) -> Response:
    """Name the first invalid value, without echoing the input."""
    assert isinstance(problem, RequestValidationError)
    error = problem.errors()[0]
    location = ".".join(str(part) for part in error["loc"])[:200]
    return ApiError(422, f"{location}: {error['msg']}"[:400]).to_response()


async def _answer_mend_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, MendError)
    return api_errors.from_mend_error(problem).to_response()


async def _answer_disconnect(request: Request, problem: Exception) -> Response:
    return ApiError(499, "the client left").to_response()  # unread, but counted


async def _answer_exception(request: Request, problem: Exception) -> Response:
    return ApiError(500, "the server made a mistake; its log says which").to_response()
