"""Curves and sample sheets of a run folder, as one picture or one page that stands alone."""

import base64
import html
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mendpix.errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[list[float], list[float]]
"""Steps, and a value at each."""

SHOWN = 4
"""Sheets on a page: the first, the last, and as many between."""


@dataclass(frozen=True)
class History:
    """What ``log.jsonl`` tells of a run, as curves by name.

    Attributes:
        terms: weighted terms of the objective, discriminators' prices among them.
        validation: what was measured on held-out pictures.
        gradients: norms, by player.
        shares: each term's share of the gradient at the output, at the first step of each phase.
        skipped: pictures that were left out.
    """

    terms: dict[str, Curve] = field(default_factory=dict)
    validation: dict[str, Curve] = field(default_factory=dict)
    gradients: dict[str, Curve] = field(default_factory=dict)
    rates: dict[str, Curve] = field(default_factory=dict)
    shares: dict[str, Curve] = field(default_factory=dict)
    skipped: int = 0


def history(run: Path) -> History:
    """Read a run's log; a last line that was cut short is left out.

    Raises:
        TrainingError: no run, or a run that has logged nothing yet.
    """
    file = run / "log.jsonl"
    if not file.is_file():
        raise TrainingError(f"{run} holds no log.jsonl; name the folder of a training run")
    lines = [line for line in map(_parsed, file.read_text("utf-8").splitlines()) if line]
    told = History(skipped=sum("skipped" in line for line in lines))
    for line in lines:
        step = float(line.get("step", 0))
        _add(told.terms, step, line.get("losses", {}))
        _add(told.validation, step, line.get("validation", {}))
        _add(told.gradients, step, line.get("gradients", {}))
        _add(told.shares, step, line.get("gradient_shares", {}))
        _add(told.rates, step, {k: line[k] for k in ("lr", "rate", "waited") if k in line})
    if not told.terms and not told.validation:
        raise TrainingError(f"{run} has logged no step yet; wait for its first lines")
    return told


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _add(curves: dict[str, Curve], step: float, values: dict[str, float]) -> None:
    for name, value in values.items():
        steps, heights = curves.setdefault(name, ([], []))
        steps.append(step)
        heights.append(float(value))


def sheets(run: Path) -> list[Path]:
    """The run's sample sheets, in the order of their steps."""
    return sorted((run / "sheets").glob("*.png"))


def plot(run: Path | str, out: Path | str | None = None) -> Path:
    """Draw a run's curves and sample sheets.

    Args:
        out: a ``.png`` (curves and the last sheet) or ``.html`` file (curves, several sheets, no
            other file needed); ``RUN/plot.html`` where left out.

    Returns: the file written.

    Raises:
        TrainingError: no run there, nothing logged, another extension, an unwritable file, or
            Matplotlib is not installed.
    """
    run = Path(run)
    out = run / "plot.html" if out is None else Path(out)
    told = history(run)
    if out.suffix.lower() not in (".png", ".html"):
        raise TrainingError(f"{out.name} is no .png or .html file; name one of these")
    try:
        content = _png(run, told) if out.suffix.lower() == ".png" else _page(run, told)
    except ImportError:
        raise TrainingError("plots need Matplotlib: pip install 'mendpix[train]'") from None
    try:
        out.write_bytes(content)
    except OSError as problem:
        raise TrainingError(f"{out} cannot be written: {problem.strerror}") from None
    return out


def _png(run: Path, told: History) -> bytes:
    found = sheets(run)
    figure = curves(told, found[-1] if found else None)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    return drawn.getvalue()


def curves(told: History, last_sheet: Path | None = None) -> "Figure":
    """A figure of a run's curves, with a sample sheet below them where one is given."""
    from matplotlib.figure import Figure

    tall = 7.0 if last_sheet is None else 15.0
    figure = Figure(figsize=(12, tall), layout="constrained")
    ratios = [1, 1] if last_sheet is None else [1, 1, 2.2]
    grid = figure.add_gridspec(len(ratios), 3, height_ratios=ratios)
    axes = [figure.add_subplot(grid[row, column]) for row in range(2) for column in range(3)]
    _error(axes[0], told)
    _quality(axes[1], told)
    _lines(axes[2], told.terms, "weighted terms", log=True)
    _lines(axes[3], told.gradients, "norm of the gradients", log=True)
    _lines(axes[4], {"learning rate": told.rates.get("lr", ([], []))}, "learning rate")
    _bars(axes[5], told.shares)
    if last_sheet is not None:
        _show(figure.add_subplot(grid[2, :]), last_sheet)
    return figure


def _error(axes: "Axes", told: History) -> None:
    """The hole's error beside that of plain mean colour."""
    names = {"hole_l1": "network", "mean_colour_l1": "mean colour"}
    shown = {names[k]: told.validation[k] for k in names if k in told.validation}
    _lines(axes, shown, "validation: mean L1 in the hole")


def _quality(axes: "Axes", told: History) -> None:
    """PSNR of the filled pictures; LPIPS against the right side, where it was measured."""
    psnr, lpips = (told.validation.get(name, ([], [])) for name in ("psnr", "lpips"))
    title = "PSNR, filled pictures (dB)" + ("; dashed: LPIPS, right" if lpips[0] else "")
    _lines(axes, {"PSNR": psnr}, title)
    if lpips[0]:
        beside = axes.twinx()
        beside.plot(*lpips, "--", color="tab:red", linewidth=1.4)
        beside.tick_params(labelsize=8)


def _lines(axes: "Axes", named: dict[str, Curve], title: str, log: bool = False) -> None:
    drawn = {name: curve for name, curve in named.items() if curve[0]}
    for name, (steps, heights) in drawn.items():
        axes.plot(steps, heights, "o-" if len(steps) < 3 else "-", label=name, linewidth=1.4)
    if log:
        _shrink(axes, [height for _, heights in drawn.values() for height in heights if height])
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    if len(drawn) > 1 or (drawn and log):
        axes.legend(fontsize=7, frameon=False)
    if not drawn:
        axes.text(0.5, 0.5, "nothing logged", ha="center", color="grey", transform=axes.transAxes)


def _shrink(axes: "Axes", heights: list[float]) -> None:
    """A logarithmic scale; where some are negative, as a game's, linear near 0."""
    if heights and min(heights) > 0:
        axes.set_yscale("log")
    elif heights:
        axes.set_yscale("symlog", linthresh=max(map(abs, heights)) / 1000)


def _bars(axes: "Axes", shares: dict[str, Curve]) -> None:
    """Each term's share of the gradient at the output when the last phase began."""
    names = list(shares)[::-1]
    percents = [100 * shares[name][1][-1] for name in names]
    axes.barh(names, percents, height=0.6)
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.8, max(len(names), 4) - 0.2)  # a few bars stay bars
    axes.set_title("share of the gradient at the output (%)", fontsize=10, loc="left")
    axes.tick_params(labelsize=8)


def _show(axes: "Axes", sheet: Path) -> None:
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


def _page(run: Path, told: History) -> bytes:
    drawn = io.StringIO()
    curves(told).savefig(drawn, format="svg")
    svg = drawn.getvalue()
    found = sheets(run)
    spaced = sorted({round(n * (len(found) - 1) / (SHOWN - 1)) for n in range(SHOWN)})
    shown = [found[place] for place in spaced] if found else []
    return _PAGE.format(
        name=html.escape(run.resolve().name),
        rows=_table(told),
        curves=svg[svg.index("<svg") :],
        sheets="\n".join(map(_figure, shown)),
    ).encode()


def _table(told: History) -> str:
    """The newest of what was measured."""
    newest = {**told.validation, "steps a second": told.rates.get("rate", ([], []))}
    rows = [(name, f"{heights[-1]:.4g}", f"{steps[-1]:.0f}")
            for name, (steps, heights) in newest.items() if steps]  # fmt: skip
    rows.append(("pictures left out", str(told.skipped), ""))
    cells = "".join(
        f"<tr><td>{html.escape(name)}<td>{value}<td>{step}" for name, value, step in rows
    )
    return f"<tr><th>measured<th>newest<th>at step{cells}"


def _figure(sheet: Path) -> str:
    data = base64.b64encode(sheet.read_bytes()).decode()
    caption = f"step {int(sheet.stem)}: {COLUMNS}"
    return f'<h2>{caption}</h2><img alt="{caption}" src="data:image/png;base64,{data}">'
