"""What the API takes and gives, typed; the OpenAPI description is made from it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mendpix.server.store import Stored

MOST_TRIES = 8
MOST_PICTURES = 200
LARGEST_SEED = 2**31 - 1
LARGEST_SIDE = 1_000_000

Side = Annotated[int, Field(ge=0, le=LARGEST_SIDE)]
Box = Annotated[
    tuple[Side, Side, Side, Side], Field(description="left, top, width, height in pixels")
]
Value = bool | int | float | str
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class Strict(BaseModel):
    """A body in which a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid")


class Error(BaseModel):
    """Why a request could not be answered."""

    code: str = Field(description="for programs, such as busy, too_large, mask")
    message: str = Field(description="one line for people")
    retry_after: int | None = Field(default=None, description="seconds")


class Problem(BaseModel):
    """The body of every answer that is an error."""

    error: Error


class Limits(BaseModel):
    """How much one request may take."""

    bytes: int
    pixels: int
    seconds: float
    tries: int
    batch: int


class About(BaseModel):
    """What this server is and takes."""

    version: str
    folder: bool = Field(description="whether it offers a folder to browse")
    limits: Limits
    reads: list[str] = Field(description="extensions")
    writes: list[str] = Field(description="extensions")


class Option(BaseModel):
    """One option of a filler."""

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    default: Value
    least: float | None = None
    most: float | None = None
    choices: list[str] | None = None
    about: str = ""


class Model(BaseModel):
    """A filler."""

    name: str
    kind: Literal["built-in", "bundled", "run", "catalogue"]
    about: str = ""
    licence: str = ""
    ready: bool = True
    why_not: str = Field(default="", description="what is missing where it is not ready")
    options: list[Option] = []
    card: dict[str, Any] | None = None


class Models(BaseModel):
    """All fillers."""

    models: list[Model]
    default: str = "auto"


class Picture(BaseModel):
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
    def of(cls, stored: Stored) -> "Picture":
        """What is told of a stored picture."""
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
            shown=stored.shown,
        )


class FolderPicture(BaseModel):
    """A picture file in the folder."""

    path: str
    name: str
    bytes: int
    modified: float = Field(description="seconds since 1970")


class Folder(BaseModel):
    """What lies in the folder."""

    path: str
    folders: list[str]
    pictures: list[FolderPicture]
    more: bool = Field(description="whether there is more than is listed")


class Opened(Strict):
    """Which picture of the folder to open."""

    path: str = Field(max_length=1024)


class Fill(Strict):
    """How to fill: one of ``mask``, ``boxes`` and ``from_alpha`` says where."""

    model: str = Field(default="auto", max_length=300)
    options: dict[str, Value] = Field(default={}, max_length=32)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    mask: Id | None = Field(default=None, description="id of a picture: white marks what to fill")
    boxes: list[Box] = Field(default=[], max_length=1000, description="rectangles to fill")
    from_alpha: bool = Field(default=False, description="fill where the picture is transparent")
    grow: int = Field(default=0, ge=0, le=1000, description="pixels by which the hole is dilated")
    invert: bool = Field(default=False, description="black marks what to fill")
    fit_mask: bool = Field(default=False, description="resize a mask of another size")
    keep_palette: bool = Field(
        default=False, description="write a palette PNG with its own colours"
    )


class Order(Fill):
    """A job: these pictures, filled alike."""

    pictures: list[Id] = Field(default=[], max_length=MOST_PICTURES, description="ids")
    folder: list[str] = Field(
        default=[], max_length=MOST_PICTURES, description="paths in the folder"
    )
    tries: int = Field(
        default=1, ge=1, le=MOST_TRIES, description="fills of each, with seeds that follow"
    )
    detached: bool = Field(default=False, description="go on when nobody asks for it any more")


class Result(BaseModel):
    """One filled picture."""

    picture: Picture
    source: str = Field(description="id or path of what was filled")
    seed: int
    seconds: float
    hole_ratio: float
    hole: tuple[int, int, int, int] | None = Field(
        description="left, top, width, height around all that was filled"
    )
    warnings: list[str]
    largest_change: float = Field(description="outside the hole; 0 except in lossy formats")
    mean_change: float


class Failure(BaseModel):
    """One picture that could not be filled."""

    source: str
    message: str


State = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(BaseModel):
    """A long fill."""

    id: str
    state: State
    position: int = Field(description="jobs before it, while queued")
    progress: float = Field(ge=0, le=1)
    seconds: float = Field(description="since it began to run")
    total: int = Field(description="results to come in all")
    results: list[Result]
    errors: list[Failure]
    error: Error | None = Field(description="why it failed as a whole")
