"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, BadParameter, Option

Photo = Annotated[Path, Argument(help="Picture, or folder of pictures.", show_default=False)]
Mask = Annotated[
    Path | None,
    Argument(
        help="White marks what to fill: a picture, or a folder of masks named like the photos.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    Option("--out", "-o", help="File or folder to write; an existing file is replaced."),
]
Model = Annotated[
    str,
    Option(
        "--model",
        "-m",
        help="A name (see: mendpix models), a weights file, an .onnx file or a run folder.",
    ),
]


def parse_amount(text: str | int) -> "int | str":
    """The value of --grow: a number of pixels or "auto"."""
    if text == "auto":
        return text
    if not str(text).isdecimal() or int(text) > 10_000:
        raise BadParameter(f"'{text}' is neither an integer from 0 to 10000 nor auto.")
    return int(text)


Grow = Annotated[
    Any,
    Option(
        "--grow",
        parser=parse_amount,
        metavar="PX|auto",
        help="Dilate the hole by PX pixels; auto: as far as the edge of what it covers reaches.",
    ),
]
GrowPixels = Annotated[
    int,
    Option("--grow", min=0, max=10_000, metavar="PX", help="Dilate the hole by PX pixels."),
]
SaveHole = Annotated[
    Path | None,
    Option(
        "--save-hole",
        metavar="FILE",
        help="Write the hole that was filled, as a mask for verify (PNG); of folders, a folder.",
    ),
]
Invert = Annotated[bool, Option("--invert", help="Black marks what to fill.")]
FitMask = Annotated[bool, Option("--fit-mask", help="Resize a mask of another size (nearest).")]
FromAlpha = Annotated[
    bool,
    Option("--from-alpha", help="No mask: fill where the photo is transparent (alpha below 50 %)."),
]
Anchor = Annotated[
    str,
    Option(
        "--anchor",
        metavar="PLACE",
        help="Put a mask of another size at top-left, top, ... or bottom-right, at its own size.",
    ),
]
Boxes = Annotated[
    list[str] | None,
    Option("--box", metavar="X,Y,W,H", help="Fill a box, in pixels or %; repeat it."),
]
Polygons = Annotated[
    list[str] | None,
    Option("--polygon", metavar="X,Y,X,Y,...", help="Fill a polygon, in pixels or %; repeat it."),
]
Lines = Annotated[
    list[str] | None,
    Option("--line", metavar="X,Y,X,Y,...", help="Continue a line through the hole; repeat it."),
]
Source = Annotated[
    Path | None,
    Option("--source", metavar="MASK", help="White is where texture may be copied from."),
]
Exclude = Annotated[
    Path | None,
    Option("--exclude", metavar="MASK", help="White is where texture may not be copied from."),
]
Channels = Annotated[
    str,
    Option(
        "--channels", help="colour, or all: a TIFF's extra channels (selections, infrared) too."
    ),
]
Category = Annotated[
    str, Option("--category", help="Of labels in JSON (labelme, COCO), the one to fill.")
]
MaskSuffix = Annotated[
    str,
    Option(
        "--mask-suffix",
        metavar="TEXT",
        help="What masks add to the photo's stem; without it _mask, -mask001, ...",
    ),
]
Recursive = Annotated[
    bool, Option("--recursive", "-r", help="Take subfolders too, and keep their structure.")
]
Format = Annotated[
    str,
    Option("--format", metavar="EXT", help="Of a picture without an --out file: png, tif, ..."),
]
Seed = Annotated[
    int,
    Option("--seed", min=0, max=2**31 - 1, metavar="N", help="Same seed, same bytes."),
]
Device = Annotated[str, Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
Threads = Annotated[
    int | None,
    Option(
        "--threads",
        min=1,
        max=1024,
        metavar="N",
        help="One per processor without it.",
        show_default=False,
    ),
]
Trust = Annotated[
    bool,
    Option(
        "--trust",
        help="Run a TorchScript file, which is a program, or an ONNX file with loops, too.",
    ),
]
Workers = Annotated[
    int | None,
    Option(
        "--workers",
        "-j",
        min=1,
        max=100_000,
        metavar="N",
        help="Pictures to fill at once: 1 without it; on a cluster as many as it has room for.",
        show_default=False,
    ),
]
Json = Annotated[bool, Option("--json", help="Print a machine-readable summary.")]
JsonLines = Annotated[
    bool, Option("--json-lines", help="Print a line of JSON for each picture as it is done.")
]
Memory = Annotated[
    str | None,
    Option(
        "--memory",
        metavar="SIZE",
        help="With --workers: what all may take together, such as 4GB, by an estimate.",
    ),
]
Resume = Annotated[
    bool,
    Option("--resume", help="Leave out what the manifest of a folder (PHOTO or --out) has done."),
]
VerifyHashes = Annotated[
    bool,
    Option("--verify-hashes", help="With --resume: read all files again, not sizes and times."),
]
Engine = Annotated[
    Literal["local", "ray"],
    Option("--engine", help="ray: fill folders or addresses (s3://...) on a Ray cluster."),
]
Address = Annotated[
    str,
    Option("--address", help="Of the Ray cluster, or auto; without it this machine alone."),
]
Gpus = Annotated[
    float,
    Option("--gpus", min=0, max=64, help="With --engine ray: GPUs of each worker, such as 0.25."),
]
Quality = Annotated[
    str,
    Option(
        "--quality",
        "-q",
        help="Of auto: fast, or best: several fills, of which the likeliest is taken.",
    ),
]
Generator = Annotated[
    str,
    Option(
        "--generator",
        metavar="NAME",
        help="Of auto: a network that fills first; auto takes the best that models get has fetched,"
        " none does without.",
    ),
]
Tries = Annotated[
    int,
    Option(
        "--tries", min=1, max=64, metavar="N", help="Write N fills to choose from: NAME-1.png, ..."
    ),
]


def accept_old_name(old: str, new: str) -> dict[str, Any]:
    """Context settings of a verb that still accepts an option's old name, absent from its help."""
    names = {old.lstrip("-"): new.lstrip("-")}
    return {"token_normalize_func": lambda name: names.get(name, name)}
