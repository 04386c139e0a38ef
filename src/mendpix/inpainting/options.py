"""What a fill can be told: the same for Python, the command line and the server."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mendpix.errors import MendError
from mendpix.types import LARGEST_SEED, Amount, Shape

if TYPE_CHECKING:
    from mendpix.inpainting.hybrid.generator import GeneratorFile

LARGEST_GROWTH = 10_000
"""Pixels by which a hole can be dilated."""

MOST_TRIES = 64
"""Fills that can be asked for at once: each is held in memory until all are ranked."""

CHANNELS = ("colour", "all")
"""Which channels of a picture a fill can be asked to fill."""

Quality = Literal["fast", "best"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how a filler runs.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; see :func:`mendpix.load`.
        threads: how many a filler may use; None: one per processor.
        seed: of a filler that draws random numbers; the same seed gives the same bytes.
    """

    device: str = "auto"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0, LARGEST_SEED)


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """How a mask becomes a hole.

    Attributes:
        grow: pixels by which the hole is dilated; "auto": as far as the edge of what it covers
            reaches, which each part of it finds for itself, up to 24.
        invert: black marks what to fill.
        fit_mask: resize a mask of another size (nearest).
        from_alpha: no mask; fill where alpha is below half, and make that opaque.
        anchor: put a mask of another size there at its own size: "top-left", "top", ...,
            "centre", ..., "bottom-right".
        boxes: marked too, each X,Y,W,H in pixels, or in percent as text ("90%,90%,10%,10%").
        polygons: marked too, each X,Y,X,Y,X,Y or longer, likewise.
        category: the only one that counts of what a mask in JSON (labelme, COCO) marks.
    """

    grow: Amount = 0
    invert: bool = False
    fit_mask: bool = False
    from_alpha: bool = False
    anchor: str = ""
    boxes: tuple[Shape, ...] = ()
    polygons: tuple[Shape, ...] = ()
    category: str = ""

    def __post_init__(self) -> None:
        check_growth(self.grow)

    @property
    def marks_holes(self) -> bool:
        """Whether there is a hole without a mask."""
        return self.from_alpha or bool(self.boxes or self.polygons)


@dataclass(frozen=True, slots=True)
class FillOptions(MaskOptions):
    """How a picture is filled.

    Attributes:
        quality: of the model "auto": "fast", or "best": several fills, of which the likeliest is
            taken.
        tries: how many fills to give, the likeliest first.
        generator: of the model "auto", a network that fills before PatchMatch: "auto": the best of
            the catalogue that has been fetched; "none"; or a name or file as for ``model``.
        keep_palette: fill and write a palette PNG with the palette's own colours.
        source: a mask, as that of the hole: white is where texture may be copied from.
        exclude: a mask: white is where it may not be copied from.
        lines: strokes through the hole that the fill continues, each X,Y,X,Y or longer, in pixels,
            or in percent as text.
        channels: "colour", or "all": a TIFF's extra channels (saved selections, infrared) too.
    """

    quality: str = "fast"
    tries: int = 1
    keep_palette: bool = False
    source: Any = None
    exclude: Any = None
    lines: tuple[Shape, ...] = ()
    generator: "str | GeneratorFile" = "auto"
    channels: str = "colour"

    def __post_init__(self) -> None:
        MaskOptions.__post_init__(self)
        if self.channels not in CHANNELS:
            raise MendError(f"channels is {self.channels!r} but must be {' or '.join(CHANNELS)}")
        check_range("tries", self.tries, 1, MOST_TRIES)


@dataclass(frozen=True, slots=True)
class FillSettings:
    """What all fills of one command share.

    Attributes:
        model: as for :func:`mendpix.load`.
        force: replace an earlier fill that lies beside the photo.
        trust: run a TorchScript file, which is a program, too.
        format: extension of what is written beside the photo or to standard output; "": the
            photo's own where that can be written.
    """

    model: str = "auto"
    options: FillOptions = field(default_factory=FillOptions)
    runtime: Runtime = field(default_factory=Runtime)
    force: bool = False
    trust: bool = False
    format: str = ""


def check_growth(grow: Amount | str) -> None:
    """Refuse what is neither "auto" nor a number of pixels in range.

    Raises:
        MendError: names it.
    """
    if isinstance(grow, str):
        if grow != "auto":
            raise MendError(f'grow is "{grow}" but must be "auto" or 0 to {LARGEST_GROWTH}')
        return
    check_range("grow", grow, 0, LARGEST_GROWTH)


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside a range, both ends of which are allowed.

    Raises:
        MendError: names the number and the range.
    """
    if not least <= value <= most:
        raise MendError(f"{name} is {value} but must be {least} to {most}")
