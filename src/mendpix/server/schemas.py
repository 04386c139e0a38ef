"""Request and response bodies of the API (pydantic); OpenAPI is generated from them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mendpix.inpainting.options import FillOptions
from mendpix.server.picture_store import StoredPicture
from mendpix.types import LARGEST_SEED

MAX_TRIES = 8
MAX_PICTURES = 200
MAX_SEED = LARGEST_SEED
MAX_SIDE = 1_000_000

Side = Annotated[int, Field(ge=0, le=MAX_SIDE)]
Box = Annotated[
    tuple[Side, Side, Side, Side], Field(description="left, top, width, height in pixels")
]
Polygon = Annotated[
    list[Annotated[float, Field(ge=-MAX_SIDE, le=MAX_SIDE)]],
    Field(min_length=6, max_length=20_000, description="x, y, x, y, x, y, ... in pixels"),
]
Line = Annotated[
    list[Annotated[float, Field(ge=-MAX_SIDE, le=MAX_SIDE)]],
    Field(min_length=4, max_length=200, description="x, y, x, y, ... in pixels"),
]
Anchor = Annotated[
    str, Field(pattern="^([a-z]+(-[a-z]+)?)?$", max_length=20, description="such as top-left")
]
OptionValue = bool | int | float | str
PictureId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
JobId = PictureId


class StrictModel(BaseModel):
    """A body in which an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """Why a request failed."""

    code: str = Field(description="for programs, such as busy, too_large, mask")
    message: str = Field(description="one line for people")
    retry_after: int | None = Field(default=None, description="seconds")


class ErrorResponse(BaseModel):
    """The body of every error response."""

    error: ErrorDetail


class RequestLimits(BaseModel):
    """Limits of one request."""

    bytes: int
    pixels: int
    seconds: float
    tries: int
    batch: int


class ServerInfo(BaseModel):
    """Version, limits and file formats of the server."""

    version: str
    folder: bool = Field(description="whether it offers a folder to browse")
    limits: RequestLimits
    reads: list[str] = Field(description="extensions")
    writes: list[str] = Field(description="extensions")


class ModelOption(BaseModel):
    """One option of a filler: its type, range and default."""

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    default: OptionValue
    least: float | None = None
    most: float | None = None
    choices: list[str] | None = None
    about: str = ""


class ModelInfo(BaseModel):
    """A filler, its options, and its card where asked for."""

    name: str
    kind: Literal["built-in", "bundled", "run", "catalogue"]
    about: str = ""
    licence: str = ""
    ready: bool = True
    why_not: str = Field(default="", description="what is missing where it is not ready")
    options: list[ModelOption] = []
    card: dict[str, Any] | None = None


class ModelList(BaseModel):
    """All fillers."""

    models: list[ModelInfo]
    default: str = "auto"


class PictureInfo(BaseModel):
    """A picture that the server holds; width and height are as displayed."""

    id: str
    name: str
    format: str
    width: int
    height: int
    channels: int
    bits: int
    alpha: bool
    bytes: int
    shown: bool = Field(description="whether a browser shows the file by itself")

    @classmethod
    def from_stored(cls, stored: StoredPicture) -> "PictureInfo":
        """Describe a stored picture."""
        return cls(
            id=stored.id,
            name=stored.name,
            format=stored.format,
            width=stored.width,
            height=stored.height,
            channels=stored.channels,
            bits=stored.bits,
            alpha=stored.alpha,
            bytes=len(stored.content),
            shown=stored.is_browser_format,
        )


class FolderPicture(BaseModel):
    """A picture file in the folder."""

    path: str
    name: str
    bytes: int
    modified: float = Field(description="seconds since 1970")


class FolderListing(BaseModel):
    """The sub-folders and pictures of a folder."""

    path: str
    folders: list[str]
    pictures: list[FolderPicture]
    more: bool = Field(description="whether there is more than is listed")


class OpenRequest(StrictModel):
    """Which picture of the folder to open."""

    path: str = Field(max_length=1024)


Growth = Annotated[int, Field(ge=0, le=1000)] | Literal["auto"]
"""Pixels by which a hole is dilated; "auto": as far as the edge of what it covers reaches."""


class FillRequest(StrictModel):
    """Options of a fill: exactly one of ``mask``, ``boxes`` and ``from_alpha`` marks the hole."""

    model: str = Field(default="auto", max_length=300)
    options: dict[str, OptionValue] = Field(default={}, max_length=32)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    mask: PictureId | None = Field(
        default=None, description="id of a picture: white marks what to fill"
    )
    boxes: list[Box] = Field(default=[], max_length=1000, description="rectangles to fill")
    polygons: list[Polygon] = Field(default=[], max_length=1000, description="areas to fill")
    from_alpha: bool = Field(default=False, description="fill where the picture is transparent")
    grow: Growth = Field(
        default=0, description='pixels by which the hole is dilated, or "auto"; see FillResult.grow'
    )
    invert: bool = Field(default=False, description="black marks what to fill")
    fit_mask: bool = Field(default=False, description="resize a mask of another size")
    anchor: Anchor = Field(
        default="", description="put a mask of another size at top-left, ... at its own size"
    )
    keep_palette: bool = Field(
        default=False, description="write a palette PNG with its own colours"
    )

    source: PictureId | None = Field(
        default=None, description="id of a picture: white is where texture may be copied from"
    )
    exclude: PictureId | None = Field(
        default=None, description="id of a picture: white is where texture may not be copied from"
    )

    lines: list[Line] = Field(
        default=[], max_length=100, description="strokes through the hole that the fill continues"
    )
    channels: Literal["colour", "all"] = Field(
        default="colour", description="all: a TIFF's extra channels (selections, infrared) too"
    )

    def to_fill_options(self) -> FillOptions:
        """What the fill is told; what the model is told is in ``options``."""
        return FillOptions(
            self.grow, self.invert, self.fit_mask, self.from_alpha, self.anchor,
            tuple(self.boxes), tuple(map(tuple, self.polygons)), keep_palette=self.keep_palette,
            lines=tuple(map(tuple, self.lines)), channels=self.channels,
        )  # fmt: skip


class JobRequest(FillRequest):
    """A job: several pictures, filled with the same options."""

    pictures: list[PictureId] = Field(default=[], max_length=MAX_PICTURES, description="ids")
    folder: list[str] = Field(
        default=[], max_length=MAX_PICTURES, description="paths in the folder"
    )
    tries: int = Field(
        default=1, ge=1, le=MAX_TRIES, description="fills of each, with seeds that follow"
    )
    detached: bool = Field(default=False, description="go on when nobody asks for it any more")


class FillResult(BaseModel):
    """One filled picture."""

    picture: PictureInfo
    source: str = Field(description="id or path of what was filled")
    seed: int
    seconds: float
    hole_ratio: float
    grow: int | None = Field(description="the most pixels that the hole was dilated by, if asked")
    hole: tuple[int, int, int, int] | None = Field(
        description="left, top, width, height around all that was filled"
    )
    warnings: list[str]
    largest_change: float = Field(description="outside the hole; 0 except in lossy formats")
    mean_change: float


class FillFailure(BaseModel):
    """One picture that could not be filled."""

    source: str
    message: str


State = Literal["queued", "running", "done", "failed", "cancelled"]


class JobStatus(BaseModel):
    """State, progress and results of a job."""

    id: str
    state: State
    position: int = Field(description="jobs before it, while queued")
    progress: float = Field(ge=0, le=1)
    seconds: float = Field(description="since it began to run")
    total: int = Field(description="results to come in all")
    generator: dict[str, str] | None = Field(
        default=None, description="name and sha256 of the network that fills first"
    )
    results: list[FillResult]
    errors: list[FillFailure]
    error: ErrorDetail | None = Field(description="why it failed as a whole")
