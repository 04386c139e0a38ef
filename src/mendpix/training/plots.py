"""Plots of a run folder: curves and sample sheets as one PNG or one self-contained page."""

import base64
import html
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mendpix.errors import TrainingError
from mendpix.io.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[list[float], list[float]]
"""Steps, and a value at each."""

SHEETS_ON_PAGE = 4
"""Sheets on a page: the first, the last, and as many between."""


@dataclass(frozen=True)
class RunHistory:
    """A run's ``log.jsonl`` as curves by name.

    Attributes:
        terms: weighted terms of the objective, discriminators' losses among them.
        validation: what was measured on held-out pictures.
        gradients: norms, of the network and the discriminators.
        shares: each term's share of the gradient at the output, at the first step of each phase.
        skipped: pictures that were left out.
    """

    terms: dict[str, Curve] = field(default_factory=dict)
    validation: dict[str, Curve] = field(default_factory=dict)
    gradients: dict[str, Curve] = field(default_factory=dict)
    rates: dict[str, Curve] = field(default_factory=dict)
    shares: dict[str, Curve] = field(default_factory=dict)
    skipped: int = 0


def read_history(run: Path) -> RunHistory:
    """Read a run's log; a last line that was cut short is left out.

    Raises:
        TrainingError: no run, or a run that has logged nothing yet.
    """
    file = run / "log.jsonl"
    if not file.is_file():
        raise TrainingError(f"{run} holds no log.jsonl; name the folder of a training run")
    lines = [line for line in map(_parse_line, file.read_text("utf-8").splitlines()) if line]
    history = RunHistory(skipped=sum("skipped" in line for line in lines))
    for line in lines:
        step = float(line.get("step", 0))
        _extend_curves(history.terms, step, line.get("losses", {}))
        _extend_curves(history.validation, step, line.get("validation", {}))
        _extend_curves(history.gradients, step, line.get("gradients", {}))
        _extend_curves(history.shares, step, line.get("gradient_shares", {}))
        _extend_curves(
            history.rates, step, {k: line[k] for k in ("lr", "rate", "waited") if k in line}
        )
    if not history.terms and not history.validation:
        raise TrainingError(f"{run} has logged no step yet; wait for its first lines")
    return history


def _parse_line(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _extend_curves(curves: dict[str, Curve], step: float, values: dict[str, float]) -> None:
    for name, value in values.items():
        steps, heights = curves.setdefault(name, ([], []))
        steps.append(step)
        heights.append(float(value))


def find_sheets(run: Path) -> list[Path]:
    """The run's sample sheets, in the order of their steps."""
    return sorted((run / "sheets").glob("*.png"))


def plot(run: Path | str, *others: Path | str, out: Path | str | None = None) -> Path:
    """Draw a run's curves and sample sheets, or the curves of several runs over each other.

    Args:
        others: runs to compare with the first.
        out: a ``.png`` (curves and the last sheet) or ``.html`` file (curves, several sheets, no
            other file needed); ``RUN/plot.html`` where left out, of several ``RUN/compare.html``.

    Returns: the file written.

    Raises:
        TrainingError: no run there, nothing logged, another extension, an unwritable file, or
            Matplotlib is not installed.
    """
    run = Path(run)
    out = run / ("compare.html" if others else "plot.html") if out is None else Path(out)
    histories = {_name_run(path): read_history(Path(path)) for path in (run, *others)}
    if out.suffix.lower() not in (".png", ".html"):
        raise TrainingError(f"{out.name} is no .png or .html file; name one of these")
    try:
        render = _render_png if out.suffix.lower() == ".png" else _render_page
        content = render(run, histories)
    except ImportError:
        raise TrainingError("plots need Matplotlib: pip install 'mendpix[train]'") from None
    try:
        with atomic_write(out) as draft:
            draft.write_bytes(content)
    except OSError as problem:
        raise TrainingError(f"{out} cannot be written: {problem.strerror}") from None
    return out


def _name_run(run: Path | str) -> str:
    """How a run is called beside others: its folder and the one above."""
    return "/".join(Path(run).resolve().parts[-2:])


def _render_png(run: Path, histories: dict[str, RunHistory]) -> bytes:
    if len(histories) > 1:
        figure = draw_comparison(histories)
    else:
        sheets = find_sheets(run)
        [history] = histories.values()
        figure = draw_curves(history, sheets[-1] if sheets else None)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def draw_comparison(histories: dict[str, RunHistory]) -> "Figure":
    """A figure of several runs' curves over each other, by name: what was measured and learned."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.subplots(2, 2).flat
    titles = {
        "hole_l1": "validation: mean L1 in the hole",
        "psnr": "PSNR, filled pictures (dB)",
        "lpips": "LPIPS, filled pictures",
    }
    for place, (key, title) in zip(axes, titles.items(), strict=False):
        _plot_lines(
            place, {n: h.validation.get(key, ([], [])) for n, h in histories.items()}, title
        )
    norms = {name: h.gradients.get("network", ([], [])) for name, h in histories.items()}
    _plot_lines(axes[3], norms, "norm of the network's gradient", log=True)
    return figure


def draw_curves(history: RunHistory, last_sheet: Path | None = None) -> "Figure":
    """A figure of a run's curves, with a sample sheet below them where one is given."""
    from matplotlib.figure import Figure

    tall = 7.0 if last_sheet is None else 15.0
    figure = Figure(figsize=(12, tall), layout="constrained")
    ratios = [1, 1] if last_sheet is None else [1, 1, 2.2]
    grid = figure.add_gridspec(len(ratios), 3, height_ratios=ratios)
    axes = [figure.add_subplot(grid[row, column]) for row in range(2) for column in range(3)]
    _plot_hole_error(axes[0], history)
    _plot_quality(axes[1], history)
    _plot_lines(axes[2], history.terms, "weighted terms", log=True)
    _plot_lines(axes[3], history.gradients, "norm of the gradients", log=True)
    _plot_lines(axes[4], {"learning rate": history.rates.get("lr", ([], []))}, "learning rate")
    _plot_shares(axes[5], history.shares)
    if last_sheet is not None:
        _plot_sheet(figure.add_subplot(grid[2, :]), last_sheet)
    return figure


def _plot_hole_error(axes: "Axes", history: RunHistory) -> None:
    """The hole's error beside that of plain mean colour."""
    names = {"hole_l1": "network", "mean_colour_l1": "mean colour"}
    errors = {names[k]: history.validation[k] for k in names if k in history.validation}
    _plot_lines(axes, errors, "validation: mean L1 in the hole")


def _plot_quality(axes: "Axes", history: RunHistory) -> None:
    """PSNR of the filled pictures; LPIPS against the right side, where it was measured."""
    psnr, lpips = (history.validation.get(name, ([], [])) for name in ("psnr", "lpips"))
    title = "PSNR, filled pictures (dB)" + ("; dashed: LPIPS, right" if lpips[0] else "")
    _plot_lines(axes, {"PSNR": psnr}, title)
    if lpips[0]:
        right = axes.twinx()
        right.plot(*lpips, "--", color="tab:red", linewidth=1.4)
        right.tick_params(labelsize=8)


def _plot_lines(axes: "Axes", curves: dict[str, Curve], title: str, log: bool = False) -> None:
    curves = {name: curve for name, curve in curves.items() if curve[0]}
    for name, (steps, heights) in curves.items():
        axes.plot(steps, heights, "o-" if len(steps) < 3 else "-", label=name, linewidth=1.4)
    if log:
        heights = [height for _, curve in curves.values() for height in curve if height]
        _set_log_scale(axes, heights)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    if len(curves) > 1 or (curves and log):
        axes.legend(fontsize=7, frameon=False)
    if not curves:
        axes.text(0.5, 0.5, "nothing logged", ha="center", color="grey", transform=axes.transAxes)


def _set_log_scale(axes: "Axes", heights: list[float]) -> None:
    """Set a logarithmic scale; symmetric, linear near 0, where adversarial terms are negative."""
    if heights and min(heights) > 0:
        axes.set_yscale("log")
    elif heights:
        axes.set_yscale("symlog", linthresh=max(map(abs, heights)) / 1000)


def _plot_shares(axes: "Axes", shares: dict[str, Curve]) -> None:
    """Each term's share of the gradient at the output when the last phase began."""
    names = list(shares)[::-1]
    percents = [100 * shares[name][1][-1] for name in names]
    axes.barh(names, percents, height=0.6)
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.8, max(len(names), 4) - 0.2)  # a few bars stay bars
    axes.set_title("share of the gradient at the output (%)", fontsize=10, loc="left")
    axes.tick_params(labelsize=8)


def _plot_sheet(axes: "Axes", sheet: Path) -> None:
    from matplotlib.image import imread

    axes.imshow(imread(sheet), interpolation="none")
    axes.set_title(f"step {int(sheet.stem)}: {COLUMNS}", fontsize=10, loc="left")
    axes.axis("off")


COLUMNS = "input, output, filled picture, truth"

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem }}
svg, img {{ max-width: 100%; height: auto }}
td, th {{ padding: .1rem 1rem .1rem 0; text-align: left; font-variant-numeric: tabular-nums }}
</style>
<h1>{name}</h1>
<table>{rows}</table>
{curves}
{sheets}
</html>
"""


def _render_page(run: Path, histories: dict[str, RunHistory]) -> bytes:
    buffer = io.StringIO()
    several = len(histories) > 1
    first = next(iter(histories.values()))
    figure = draw_comparison(histories) if several else draw_curves(first)
    figure.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    tables = [
        f"<tr><th>{html.escape(n)}" * several + _render_table(h) for n, h in histories.items()
    ]
    return _PAGE.format(
        name=html.escape(", ".join(histories) if several else run.resolve().name),
        rows="".join(tables),
        curves=svg[svg.index("<svg") :],
        sheets="" if several else "\n".join(map(_render_sheet, _choose_sheets(run))),
    ).encode()


def _choose_sheets(run: Path) -> list[Path]:
    """The first and the last of a run's sheets, and as many between as a page has room for."""
    sheets, count = find_sheets(run), SHEETS_ON_PAGE
    places = sorted({round(n * (len(sheets) - 1) / (count - 1)) for n in range(count)})
    return [sheets[place] for place in places] if sheets else []


def _render_table(history: RunHistory) -> str:
    """The newest measurements."""
    newest = {**history.validation, "steps a second": history.rates.get("rate", ([], []))}
    rows = [(name, f"{heights[-1]:.4g}", f"{steps[-1]:.0f}")
            for name, (steps, heights) in newest.items() if steps]  # fmt: skip
    rows.append(("pictures left out", str(history.skipped), ""))
    cells = "".join(
        f"<tr><td>{html.escape(name)}<td>{value}<td>{step}" for name, value, step in rows
    )
    return f"<tr><th>measured<th>newest<th>at step{cells}"


def _render_sheet(sheet: Path) -> str:
    data = base64.b64encode(sheet.read_bytes()).decode()
    caption = f"step {int(sheet.stem)}: {COLUMNS}"
    return f'<h2>{caption}</h2><img alt="{caption}" src="data:image/png;base64,{data}">'
