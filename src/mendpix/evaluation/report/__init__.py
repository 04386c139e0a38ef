"""Reports of an evaluation: a self-contained HTML page, Markdown, LaTeX, or the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mendpix.errors import MendError, PictureError
from mendpix.evaluation.results import Results, file_name
from mendpix.io.atomic import atomic_write

if TYPE_CHECKING:
    from rich.console import Group

SUFFIXES = (".html", ".md", ".tex", ".json", ".csv")


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report shows of pictures and plots.

    Attributes:
        pictures: how many of each bucket, from the best to the worst, at equal steps of rank; 0
            for a page of numbers and plots alone.
        by: the metric that ranks them, by its mean over the models; the last of those with a
            value per picture where left out.
        figures: where the plots lie that :func:`write_figures` wrote, as Markdown links to them.
        budget: bytes that all pictures of a page may take; they become smaller, then fewer.
    """

    pictures: int = 3
    by: str | None = None
    budget: int = 15_000_000
    figures: str = ""


def write(
    results: Results, folder: Path | str, path: Path | str, options: ReportOptions | None = None
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
    content = _content(results, Path(folder), suffix, options or ReportOptions())
    _write_text(path, content)
    return path


def _write_text(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(content, encoding="utf-8", errors="backslashreplace")
    except OSError as problem:
        raise PictureError(f"{path} cannot be written: {problem.strerror}") from None


def _content(results: Results, folder: Path, suffix: str, options: ReportOptions) -> str:
    if suffix == ".json":
        return results.as_json()
    if suffix == ".csv":
        return results.as_csv()
    from mendpix.evaluation.report import latex, markdown
    from mendpix.evaluation.report.summary import summarize

    summary = summarize(results)
    if suffix == ".html":
        _require_jinja("an HTML report")
        from mendpix.evaluation.report import page

        return page.render_page(summary, folder, options)
    if suffix == ".md":
        return markdown.render(summary, options.figures)
    return latex.render(summary)


def _require_jinja(what: str) -> None:
    """Jinja2 comes with PyTorch; results alone can be read without it.

    Raises:
        MendError: it is not installed.
    """
    if find_spec("jinja2") is None:
        raise MendError(
            f"{what} needs Jinja2, which is not installed; run: pip install 'mendpix[train]'"
        )


def write_figures(results: Results, out: Path | str) -> list[Path]:
    """Write each metric's plot by bucket as an SVG file of its own, light and dark in one.

    Args:
        out: the folder for ``METRIC.svg``.

    Raises:
        PictureError: a folder that cannot be written.
    """
    _require_jinja("a plot")
    from mendpix.evaluation.report import plots
    from mendpix.evaluation.report.summary import summarize

    summary, out = summarize(results), Path(out)
    files = {out / f"{file_name(m.name)}.svg": plots.draw_file(summary, m) for m in summary.metrics}
    for file, content in files.items():
        _write_text(file, content)
    return list(files)


def write_sheet(
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
    from mendpix.evaluation.report.picture_sheets import draw_sheet

    if not names:
        raise MendError("a sheet of 0 pictures shows nothing; name one or more")
    out = Path(out)
    sheet = draw_sheet(Path(folder), names, models, side)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as temporary:
            sheet.save(temporary, quality=85)
    except (OSError, ValueError) as problem:
        raise PictureError(f"{out} cannot be written: {problem}") from None
    return out


def render_terminal(results: Results) -> "Group":
    """The report for a terminal: what ``rich.print`` shows."""
    from mendpix.evaluation.report import console
    from mendpix.evaluation.report.summary import summarize

    return console.render(summarize(results))
