"""Routes about the server: what it is and offers, whether it lives, its figures, and its pages."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match

from mendpix import __version__
from mendpix.io.conversion import FORMATS
from mendpix.io.pairing import SUFFIXES
from mendpix.server import schemas
from mendpix.server.api_errors import ApiError
from mendpix.server.context import Here
from mendpix.server.schemas import About, Limits, Model, Models
from mendpix.server.static import Site

BOTH = ["GET", "HEAD"]
PAGE, REFERENCE = Path(__file__).with_name("page"), Path(__file__).with_name("reference")

api = APIRouter(prefix="/api/v1")
service = APIRouter()
pages = APIRouter(include_in_schema=False)
_page, _reference = Site(PAGE), Site(REFERENCE)


@api.get("/about")
async def about(here: Here) -> About:
    """What this server is, and how much it takes."""
    settings = here.settings
    return About(
        version=__version__,
        folder=here.jail is not None,
        limits=Limits(
            bytes=settings.bytes,
            pixels=settings.pixels,
            seconds=settings.seconds,
            tries=schemas.MOST_TRIES,
            batch=schemas.MOST_PICTURES,
        ),
        reads=sorted(SUFFIXES),
        writes=sorted(FORMATS),
    )


@api.get("/models")
async def models(here: Here) -> Models:
    """What can fill: built in, trained runs, and well-known networks."""
    return Models(models=await here.aside(here.offers.everything))


@api.get("/models/{name:path}")
async def model(name: str, here: Here) -> Model:
    """One model with its card: what data, which licence, which recipe."""
    return await here.aside(here.offers.one, name)


@service.get("/health")
async def health() -> dict[str, str]:
    """Whether the server lives."""
    return {"status": "alive"}


@service.get("/ready", responses={503: {"description": "not ready yet, or not any more"}})
async def ready(here: Here) -> Response:
    """Whether it takes work: not before its loops are compiled, not while it shuts down."""
    if here.jobs.draining:
        return JSONResponse({"status": "shutting down"}, 503)
    return JSONResponse({"status": "ready" if here.warm else "starting"}, 200 if here.warm else 503)


@service.get("/metrics", response_class=PlainTextResponse)
async def metrics(here: Here) -> Response:
    """Figures in Prometheus's text format."""
    text = here.counts.text(here.gauges())
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


@pages.api_route("/docs", methods=BOTH)
async def docs(request: Request) -> Response:
    """The description of the API for people."""
    return _reference.answer("index.html", request)


@pages.api_route("/reference/{name:path}", methods=BOTH)
async def reference(name: str, request: Request) -> Response:
    """What that page needs."""
    return _reference.answer(name, request)


@pages.api_route("/", methods=BOTH)
async def index(request: Request) -> Response:
    """The page."""
    return _page.answer("index.html", request)


@pages.api_route("/{name:path}", methods=BOTH)
async def page(name: str, request: Request) -> Response:
    """What the page needs."""
    if _takes_other_methods(request):
        raise ApiError(405, "this address takes another method")
    return _page.answer(name, request)


def _takes_other_methods(request: Request) -> bool:
    """Whether the address is one of the API's, called in a way that it does not take."""
    found = (route.matches(request.scope)[0] for route in request.app.routes)
    return any(match is Match.PARTIAL for match in found)
