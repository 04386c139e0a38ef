"""The verb find-scratches."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from mendpix.cli import options as o
from mendpix.cli import terminal
from mendpix.errors import MendError

if TYPE_CHECKING:
    from mendpix.io.picture import Picture
    from mendpix.types import Hole

Only = Literal["specks", "lines", ""]


@dataclass(frozen=True, slots=True)
class DefectSummary:
    """What was found in a scan: the number of parts, and the share of pixels they take."""

    photo: Path
    mask: Path
    parts: int
    share: float
    preview: Path | None = None


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command("find-scratches")(find_scratches)


def find_scratches(
    photo: Annotated[
        Path, Argument(help="A scan with dust or scratches, or a folder.", show_default=False)
    ],
    out: Annotated[Path, Option("--out", "-o", help="The mask to write, or a folder of masks.")],
    sensitivity: Annotated[
        float, Option("--sensitivity", "-s", min=0, max=1, help="Higher finds more.")
    ] = 0.5,
    only: Annotated[Only, Option("--only", help="Specks or lines alone.", show_default=False)] = "",
    grow: o.GrowPixels = 0,
    preview: Annotated[
        bool, Option("--preview", help="Also write the photo with what was found in red.")
    ] = False,
    recursive: o.Recursive = False,
    as_json: o.Json = False,
) -> None:
    """Find specks, hairs and scratches in PHOTO and write them as a mask, white = found."""
    summaries = []
    with terminal.progress_bar("searching") as bar:
        tasks = _plan(photo, out, recursive)
        for number, (path, mask) in enumerate(tasks):
            from mendpix.io import files
            from mendpix.masks import holes, scratches
            from mendpix.types import sub_range

            picture = files.read(path)
            part = sub_range(bar, number / len(tasks), 1 / len(tasks))
            hole = scratches.find(picture, sensitivity, only=only, progress=part)
            summary = _write(picture, holes.dilate(hole, grow), path, mask, preview)
            summaries.append(summary)
            if not as_json:
                _report(summary)
    if as_json:
        terminal.print_json({"scans": [asdict(summary) for summary in summaries]})


def _plan(photo: Path, out: Path, recursive: bool) -> list[tuple[Path, Path]]:
    """Each scan with the mask to write; masks of a folder keep its structure, as PNG."""
    from mendpix.io import files, pairing
    from mendpix.io.formats import FORMATS

    if not photo.is_dir():
        tasks = [(photo, out / f"{photo.stem}.png" if out.is_dir() else out)]
    elif out.is_file() or out.suffix.lower() in FORMATS:
        raise MendError(f"{out} is one file but {photo} holds many scans; name a folder")
    else:
        scans = pairing.by_stem(photo, recursive)
        for line in pairing.describe_left_out(pairing.find_left_out(photo, recursive)):
            terminal.remark(line)
        tasks = [(path, out / f"{stem}.png") for stem, path in scans.items()]
    files.check_outputs([mask for _, mask in tasks], [path for path, _ in tasks])
    return tasks


def _write(
    picture: "Picture", hole: "Hole", photo: Path, mask: Path, preview: bool
) -> DefectSummary:
    import numpy as np

    from mendpix.io import files
    from mendpix.io.picture import Picture, grey_to_rgb, to_8_bits
    from mendpix.masks import holes

    if photo.parent != mask.parent:
        mask.parent.mkdir(parents=True, exist_ok=True)
    files.write(mask, Picture(np.where(hole, np.uint8(255), np.uint8(0))[..., None]))
    shown = mask.with_name(f"{mask.stem}-preview.jpg") if preview else None
    if shown is not None:
        colours = grey_to_rgb(to_8_bits(picture.pixels))[..., :3].copy()
        colours[hole] = (255, 0, 0)
        files.write(shown, Picture(colours))
    count = len(holes.components(hole))
    return DefectSummary(photo, mask, count, holes.ratio(hole), shown)


def _report(summary: DefectSummary) -> None:
    share = 100 * summary.share
    terminal.print_line(f"{summary.mask}: {summary.parts} parts, {share:.2g} % of {summary.photo}")
    if not summary.parts:
        terminal.remark("nothing was found; try a higher --sensitivity")
