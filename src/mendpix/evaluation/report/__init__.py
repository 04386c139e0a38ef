"""The report of an evaluation: one page that stands alone, Markdown, LaTeX, or the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mendpix.errors import MendError, PictureError
from mendpix.evaluation.results import Results, file_name

if TYPE_CHECKING:
    from rich.console import Group

SUFFIXES = (".html", ".md", ".tex", ".json", ".csv")


@dataclass(frozen=True, slots=True)
class Options:
    """What a report shows of pictures and plots.

    Attributes:
        pictures: how many of each bucket, from the best to the worst, at equal steps of rank; 0
            for a page of numbers and plots alone.
        by: the metric that ranks them, by its mean over the models; the last of those with a
            value per picture where left out.
        figures: where the plots lie that :func:`figures` wrote, as Markdown links to them.
        budget: bytes that all pictures of a page may take; they become smaller, then fewer.
    """

    pictures: int = 3
    by: str | None = None
    budget: int = 15_000_000
    figures: str = ""


def write(
    results: Results, folder: Path | str, path: Path | str, options: Options | None = None
) -> Path:
    """Write a report.

    Args:
        folder: where the results lie, with their pictures.
        path: its extension says what is written: .html, .md, .tex, .json or .csv.

    Returns: the file written.

    Raises:
        MendError: another extension, or a metric that was not measured of each picture.
        PictureError: a file that cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise MendError(
            f"a report is no {suffix or 'file without extension'}; {', '.join(SUFFIXES)}"
        )
    content = _content(results, Path(folder), suffix, options or Options())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as problem:
        raise PictureError(f"{path} cannot be written: {problem.strerror}") from None
    return path


def _content(results: Results, folder: Path, suffix: str, options: Options) -> str:
    if suffix == ".json":
        return results.as_json()
    if suffix == ".csv":
        return results.as_csv()
    from mendpix.evaluation.report import latex, markdown, page
    from mendpix.evaluation.report.summary import summarised

    summary = summarised(results)
    if suffix == ".html":
        return page.report(summary, folder, options)
    if suffix == ".md":
        return markdown.report(summary, options.figures)
    return latex.report(summary)


def figures(results: Results, out: Path | str) -> list[Path]:
    """Write each metric's plot by bucket as an SVG file of its own, light and dark in one.

    Args:
        out: the folder for ``METRIC.svg``.

    Raises:
        PictureError: a folder that cannot be written.
    """
    from mendpix.evaluation.report import plots
    from mendpix.evaluation.report.summary import summarised

    summary, out = summarised(results), Path(out)
    files = {out / f"{file_name(m.name)}.svg": plots.alone(summary, m) for m in summary.metrics}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            file.write_text(content, encoding="utf-8")
    except OSError as problem:
        raise PictureError(f"{out} cannot be written: {problem.strerror}") from None
    return list(files)


def sheet(
    folder: Path | str,
    out: Path | str,
    names: Sequence[str],
    models: Sequence[str],
    side: int = 256,
) -> Path:
    """Write a sheet of pictures: a row for each, with its input, the models' fills and the truth.

    Args:
        folder: where results lie, with their pictures.
        out: a picture file, .webp, .png or .jpg.
        side: the longest of each picture in the sheet, in pixels.

    Raises:
        MendError: a picture that is not there, or a sheet of none.
        PictureError: a file that cannot be written.
    """
    from mendpix.evaluation.report.picture_sheets import drawn

    if not names:
        raise MendError("a sheet of 0 pictures shows nothing; name one or more")
    page = drawn(Path(folder), names, models, side)
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        page.save(out, quality=85)
    except (OSError, ValueError) as problem:
        raise PictureError(f"{out} cannot be written: {problem}") from None
    return Path(out)


def terminal(results: Results) -> "Group":
    """The report for a terminal: what ``rich.print`` shows."""
    from mendpix.evaluation.report import console
    from mendpix.evaluation.report.summary import summarised

    return console.report(summarised(results))
