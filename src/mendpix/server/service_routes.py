"""Routes about the server: its limits, models, health and metrics, and its web pages."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match

from mendpix import __version__
from mendpix.io.formats import FORMATS, SUFFIXES
from mendpix.server import schemas
from mendpix.server.api_errors import ApiError
from mendpix.server.context import ContextDep
from mendpix.server.schemas import ModelInfo, ModelList, RequestLimits, ServerInfo
from mendpix.server.static_files import StaticSite

BOTH = ["GET", "HEAD"]
PAGE, REFERENCE = Path(__file__).with_name("page"), Path(__file__).with_name("reference")

api = APIRouter(prefix="/api/v1")
service = APIRouter()
pages = APIRouter(include_in_schema=False)
_page, _reference = StaticSite(PAGE), StaticSite(REFERENCE)


@api.get("/about")
async def about(context: ContextDep) -> ServerInfo:
    """Version, limits and file formats of the server."""
    settings = context.settings
    return ServerInfo(
        version=__version__,
        folder=context.directory is not None,
        limits=RequestLimits(
            bytes=settings.max_bytes,
            pixels=settings.max_pixels,
            seconds=settings.seconds,
            tries=schemas.MAX_TRIES,
            batch=schemas.MAX_PICTURES,
        ),
        reads=sorted(SUFFIXES),
        writes=sorted(FORMATS),
    )


@api.get("/models")
async def models(context: ContextDep) -> ModelList:
    """All fillers: built in, trained runs, and well-known networks."""
    return ModelList(models=await context.run_in_thread(context.models.list_models))


@api.get("/models/{name:path}")
async def model(name: str, context: ContextDep) -> ModelInfo:
    """One model with its card: training data, licence, recipe."""
    return await context.run_in_thread(context.models.get, name)


@service.get("/health")
async def health() -> dict[str, str]:
    """Whether the process is alive."""
    return {"status": "alive"}


@service.get("/ready", responses={503: {"description": "not ready yet, or shutting down"}})
async def ready(context: ContextDep) -> Response:
    """Whether it accepts work: after its loops are compiled, until it shuts down."""
    if context.jobs.draining:
        return JSONResponse({"status": "shutting down"}, 503)
    return JSONResponse(
        {"status": "ready" if context.ready else "starting"}, 200 if context.ready else 503
    )


@service.get("/metrics", response_class=PlainTextResponse)
async def metrics(context: ContextDep) -> Response:
    """Metrics in Prometheus's text format."""
    text = context.metrics.render(context.gauges())
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


@pages.api_route("/docs", methods=BOTH)
async def docs(request: Request) -> Response:
    """The API reference page."""
    return _reference.respond("index.html", request)


@pages.api_route("/reference/{name:path}", methods=BOTH)
async def reference(name: str, request: Request) -> Response:
    """A file of the reference page."""
    return _reference.respond(name, request)


@pages.api_route("/", methods=BOTH)
async def index(request: Request) -> Response:
    """The page."""
    return _page.respond("index.html", request)


@pages.api_route("/{name:path}", methods=BOTH)
async def page(name: str, request: Request) -> Response:
    """A file of the page."""
    if _takes_other_methods(request):
        raise ApiError(405, "this address takes another method")
    return _page.respond(name, request)


def _takes_other_methods(request: Request) -> bool:
    """Whether a route has this address but not this method."""
    matches = (route.matches(request.scope)[0] for route in request.app.routes)
    return any(match is Match.PARTIAL for match in matches)
