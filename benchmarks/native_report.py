"""The report of the native benchmark: means, paired differences with intervals, and the bars.

Intervals are percentile bootstrap, 95 %, of 10,000 samples. Crops of one photograph are not
independent, so whole photographs are drawn.

In crops of the kinds object, sign and thin a thing stands where the hole is, and a good fill does
not bring it back. LPIPS, which compares with the photograph, says little there: it is given for
all crops and for those whose hole hides what belongs there. Bands are relative to what the hole
hides, and in those three kinds to the ring of 48 pixels around it.
"""

import argparse
import csv
from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

DRAWS = 10_000
FEWEST = 6
"""Crops below which no difference is called supported."""
BANDS = ("fine", "middle", "coarse")
THINGS = ("object", "sign", "thin")
OTHERS = ("migan", "mendpix-migan", "telea", "navier-stokes", "patchmatch-cython")

Row = dict[str, Any]


@dataclass(frozen=True)
class Gap:
    """A mean difference of LPIPS, first minus second, with its interval; lower is better."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def verdict(self) -> str:
        if self.count < FEWEST or self.low <= 0 <= self.high:
            return "not shown"
        return "better" if self.high < 0 else "worse"

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f}), {self.verdict}"


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """The rows of tables; figures as floats, None where there is none."""
    rows: list[Row] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            rows += [parse(row) for row in csv.DictReader(file)]
    return rows


def parse(row: dict[str, str]) -> Row:
    figures = ("lpips", *BANDS, "rim_z", "seconds")
    return {key: (float(v) if v else None) if key in figures else v for key, v in row.items()}


def compare(first: list[Row], second: list[Row], metric: str = "lpips") -> Gap:
    """The difference over the samples that both have, by photograph."""
    theirs = {row["name"]: row[metric] for row in second}
    groups: dict[str, list[float]] = {}
    for row in first:
        if row["name"] in theirs:
            group = groups.setdefault(row["name"].partition("/")[0], [])
            group.append(row[metric] - theirs[row["name"]])
    if not groups:
        return Gap(float("nan"), float("nan"), float("nan"), 0)
    sums = np.array([[sum(group), len(group)] for _, group in sorted(groups.items())])
    picks = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
    totals = sums[picks].sum(1)
    low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    return Gap(sums[:, 0].sum() / sums[:, 1].sum(), float(low), float(high), int(sums[:, 1].sum()))


def select(rows: list[Row], filler: str, kind: str = "") -> list[Row]:
    return [row for row in rows if row["filler"] == filler and kind in ("", row["kind"])]


def drop_things(rows: list[Row]) -> list[Row]:
    """The rows whose hole hides what belongs there."""
    return [row for row in rows if row["kind"] not in THINGS]


def mean_ratio(rows: list[Row], band: str) -> float:
    """The geometric mean of a band's ratios."""
    values = [max(row[band], 1e-3) for row in rows if row[band] is not None]
    return exp(fmean(map(log, values))) if values else float("nan")


def table(head: list[str], body: Iterable[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""]


def overall(rows: list[Row], ours: str) -> list[str]:
    """One row a filler."""
    head = ["filler", "crops", "LPIPS", *BANDS, "rim z", "CPU s", f"{ours} minus it, LPIPS"]
    head += ["the same where the truth shows"]
    body = []
    for filler in list_values(rows, "filler"):
        own = select(rows, filler)
        cells = [filler, str(len(own)), f"{fmean(row['lpips'] for row in own):.4f}"]
        cells += [f"{mean_ratio(own, band):.2f}" for band in BANDS]
        cells += [f"{fmean(row['rim_z'] for row in own):+.2f}"]
        cells += [f"{median(row['seconds'] for row in own):.2f}"]
        gaps = [str(compare(select(part, ours), own)) for part in (rows, drop_things(rows))]
        body.append([*cells, *(gaps if filler not in (ours, "truth") else ["", ""])])
    return table(head, body)


def by_kind(rows: list[Row], ours: str) -> list[str]:
    """LPIPS of each filler in each kind, and how ours differs from it."""
    kinds = list_values(rows, "kind")
    counts = [f"{kind} ({len(select(rows, ours, kind))})" for kind in kinds]
    fillers = [filler for filler in list_values(rows, "filler") if filler != "truth"]
    means = [[f, *(mean_cell(select(rows, f, kind)) for kind in kinds)] for f in fillers]
    gaps = [
        [f, *(str(compare(select(rows, ours, k), select(rows, f, k))) for k in kinds)]
        for f in fillers
        if f != ours
    ]
    return [*table(["LPIPS", *counts], means), *table([f"{ours} minus", *counts], gaps)]


def mean_cell(rows: list[Row]) -> str:
    return f"{fmean(row['lpips'] for row in rows):.4f}" if rows else ""


def list_values(rows: list[Row], column: str) -> list[str]:
    """What stands in a column, in the order of first appearance."""
    return list(dict.fromkeys(row[column] for row in rows))


def check_ahead(rows: list[Row], ours: str, others: Iterable[str]) -> list[str]:
    """Whether ours is ahead of each other filler, and worse in no kind."""
    lines = []
    for other in others:
        if not select(rows, other):
            continue
        gap = compare(select(rows, ours), select(rows, other))
        lines.append(bar(gap.verdict == "better", f"{ours} ahead of {other}: {gap}"))
        gap = compare(select(drop_things(rows), ours), select(rows, other))
        lines.append(bar(gap.verdict == "better", f"the same where the truth shows: {gap}"))
        worse = find_worse(rows, ours, rows, other)
        lines.append(bar(not worse, f"{ours} worse than {other} in no kind: {worse or 'none'}"))
    return lines


def find_worse(rows: list[Row], ours: str, theirs: list[Row], other: str) -> str:
    """The kinds in which ours is worse with support."""
    gaps = {k: compare(select(rows, ours, k), select(theirs, other, k)) for k in kinds_of(rows)}
    return "; ".join(f"{kind} {gap}" for kind, gap in gaps.items() if gap.verdict == "worse")


def kinds_of(rows: list[Row]) -> list[str]:
    return list_values(rows, "kind")


def check_baseline(rows: list[Row], older: list[Row], ours: str) -> list[str]:
    """Whether LPIPS is 8 % below that of older rows."""
    gap = compare(select(rows, ours), select(older, ours))
    before = fmean(row["lpips"] for row in select(older, ours))
    share = 100 * gap.mean / before
    return [
        bar(share <= -8, f"{ours} 8 % below the baseline's {before:.4f}: {share:+.1f} %, {gap}"),
        bar(
            not (worse := find_worse(rows, ours, older, ours)), f"no kind worse: {worse or 'none'}"
        ),
    ]


def check_bands(rows: list[Row], ours: str) -> list[str]:
    """Whether the bands' energy is right, in all crops and where the truth shows."""
    lines = []
    for where, part in (("all", rows), ("where the truth shows", drop_things(rows))):
        ratios = {band: mean_ratio(select(part, ours), band) for band in BANDS}
        text = ", ".join(f"{band} {ratio:.3f}" for band, ratio in ratios.items())
        holds = all(0.9 <= ratio <= 1.1 for ratio in ratios.values())
        lines.append(bar(holds, f"bands of {ours} 0.9 to 1.1, {where}: {text}"))
    return lines


def bar(holds: bool, text: str) -> str:
    return f"- {'holds' if holds else '**missed**'}: {text}"


def write_report(options: argparse.Namespace) -> None:
    """Write or print the report."""
    lines = [f"# {options.title}", "", __doc__.split("\n", 2)[2].strip(), ""]
    rows = read_rows(options.rows)
    older = read_rows(options.baseline) if options.baseline else []
    for name in list_values(rows, "set"):
        lines += report_set(
            name, *([r for r in part if r["set"] == name] for part in (rows, older))
        )
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, "utf-8")


def report_set(name: str, rows: list[Row], older: list[Row]) -> list[str]:
    fillers = list_values(rows, "filler")
    ours = [filler for filler in ("auto", "auto+migan") if filler in fillers] or fillers[:1]
    lines = [f"## Set: {name}", ""]
    for filler in ours:
        lines += [f"### {filler} against the others", "", *overall(rows, filler)]
        lines += by_kind(rows, filler)
    lines += ["### Bars", ""]
    if "auto" in ours:
        lines += [*check_ahead(rows, "auto", OTHERS), *check_bands(rows, "auto")]
        lines += check_baseline(rows, older, "auto") if select(older, "auto") else []
    if "auto+migan" in ours:
        lines += check_ahead(rows, "auto+migan", ("migan", "mendpix-migan", "auto"))
        lines += check_bands(rows, "auto+migan")
    return [*lines, ""]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `report` takes."""
    parser.add_argument("rows", nargs="+", type=Path)
    parser.add_argument("--baseline", nargs="+", type=Path, help="Rows of an older version.")
    parser.add_argument("--title", default="Fills at native size")
    parser.add_argument("--out", type=Path)
    parser.set_defaults(run=write_report)
