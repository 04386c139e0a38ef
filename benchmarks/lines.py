"""Measure how straight lines go on through holes: alone, along a stroke, along found lines.

    python benchmarks/lines.py OUT [--count 200] [--photographs FOLDER] [--model auto]

Pictures are made: an edge or a bar at any angle, with texture, noise and a gradient, and a hole of
24 to 64 pixels' radius in its middle; or they are the crops of kind "structure" of
photographs.json, FOLDER holding the unpacked packages. Three fills of each: without a line; with a
stroke up to 1.5 pixels beside the line at each end (made pictures); with lines found by
benchmarks/line_detection.py. Writes OUT/lines.json, a row per picture and fill, and OUT/sheet.png;
prints means and, against the fill without a line, intervals of the paired differences.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import mendpix
import native_metrics
from line_detection import find_lines
from mendpix.inpainting.strokes import Stroke
from native_sets import Sample, read_crops

SIDE = 256
REACH = 10  # pixels aside within which a line is looked for


@dataclass(frozen=True)
class Case:
    """A picture with a hole, and the line through it where it is known."""

    sample: Sample
    kind: str
    line: Stroke | None
    drawn: Stroke | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--crops", type=int, default=20)
    parser.add_argument("--model", default="auto")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    filler = mendpix.load(options.model, threads=1)
    rows: list[dict[str, Any]] = []
    strips: list[NDArray[np.uint8]] = []
    for case in make_cases(options.count, options.photographs, options.crops):
        fills = fill_case(filler, case)
        rows += [measure(case, name, filled) for name, filled in fills.items()]
        if case.sample.truth.shape[0] == SIDE:
            strips.append(np.hstack([case.sample.truth, *fills.values()]))
        (options.out / "lines.json").write_text(json.dumps(rows, indent=0))
        cv2.imwrite(str(options.out / "sheet.png"), np.vstack(strips[:12])[..., ::-1])
    report(rows)


def fill_case(filler: Any, case: Case) -> dict[str, NDArray[np.uint8]]:
    truth, hole = case.sample.photo, case.sample.hole
    found = find_lines(truth / np.float32(255), hole)
    strokes = {"none": [], "stroke": [case.drawn] if case.drawn else [], "found": found}
    return {
        name: mendpix.fill(
            truth, hole, model=filler, lines=[(one.points + 0.5).tolist() for one in lines]
        )
        for name, lines in strokes.items()
        if lines or name != "stroke"
    }


def make_cases(count: int, photographs: Path | None, crops: int) -> Iterator[Case]:
    for index in range(count):
        yield make_case(np.random.default_rng(index), index)
    if photographs is not None:
        chosen = [one for one in read_crops(photographs) if one.kind == "structure"]
        for sample in chosen[:crops]:
            yield Case(sample, "photograph", None, None)


def make_case(rng: np.random.Generator, index: int) -> Case:
    kind, angle = ("edge", "bar")[index % 2], rng.uniform(0, np.pi)
    ahead = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-ahead[1], ahead[0]])
    radius, offset = rng.uniform(24, 64), rng.uniform(-14, 14)
    middle = SIDE / 2 + offset * aside
    rows, columns = np.mgrid[:SIDE, :SIDE]
    distance = (columns - middle[0]) * aside[0] + (rows - middle[1]) * aside[1]
    truth = paint(rng, kind, distance, columns / SIDE - 0.5)
    hole = np.hypot(columns - SIDE / 2, rows - SIDE / 2) < radius
    if rng.random() < 0.5:
        hole = np.maximum(abs(columns - SIDE / 2), 1.4 * abs(rows - SIDE / 2)) < radius
    ends = middle + np.array([-1, 1])[:, None] * (1.5 * radius + 8) * ahead
    sample = Sample(
        name=f"made-{index}", kind=kind, photo=truth, hole=hole, truth=truth, region=hole,
        shows_truth=True,
    )  # fmt: skip
    return Case(sample, kind, Stroke(ends), Stroke(ends + rng.uniform(-1.5, 1.5, (2, 1)) * aside))


def paint(
    rng: np.random.Generator, kind: str, distance: NDArray[Any], across: NDArray[Any]
) -> NDArray[np.uint8]:
    """An edge or a bar between two colours, with texture, noise and a gradient."""
    blur, width = rng.uniform(0.5, 1.5), rng.uniform(1.5, 5)
    edge = 1 / (1 + np.exp(-distance / blur))
    bar = 1 / (1 + np.exp(-(width - abs(distance)) / blur))
    one, other = rng.uniform(0.15, 0.85, (2, 3))
    if abs((one - other).mean()) < 0.12:
        other = np.clip(one + np.where(one.mean() < 0.5, 0.2, -0.2), 0, 1)
    texture = cv2.GaussianBlur(rng.normal(0, 1, distance.shape), (0, 0), rng.uniform(1, 4))
    texture *= rng.uniform(0, 0.05) / texture.std()
    share = (edge if kind == "edge" else bar)[..., None]
    picture = one + (other - one) * share + texture[..., None]
    picture += rng.uniform(-0.25, 0.25) * across[..., None] + rng.normal(0, 0.012, picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def measure(case: Case, name: str, filled: NDArray[np.uint8]) -> dict[str, Any]:
    scores = native_metrics.score(filled, case.sample)
    offset = None if case.line is None else measure_offset(case, filled)
    return {
        "picture": case.sample.name,
        "kind": case.kind,
        "fill": name,
        "offset": offset,
        **scores,
    }


def measure_offset(case: Case, filled: NDArray[np.uint8]) -> float:
    """Mean distance in pixels, within the hole, of the line from where it belongs."""
    assert case.line is not None
    along = np.arange(0, case.line.length, dtype=np.float32)
    inside = _read(case.line, case.sample.hole.astype(np.uint8)[..., None], along, [0.0])[:, 0, 0]
    along = along[inside > 0.5]
    if not len(along):
        return 0.0
    reach = np.arange(-REACH, REACH + 1, dtype=np.float32)
    usual = _read(case.line, case.sample.truth, along, reach).mean(axis=0)
    wide = np.arange(-2 * REACH, 2 * REACH + 1)
    strip = _read(case.line, filled, along, wide)
    strip = cv2.blur(strip, (1, 5))  # a single row is noise
    costs = [
        np.square(strip[:, REACH + shift : REACH + shift + len(reach)] - usual).mean(axis=(1, 2))
        for shift in range(-REACH, REACH + 1)
    ]
    return float(np.abs(np.argmin(costs, axis=0) - REACH).mean())


def _read(line: Stroke, picture: NDArray[Any], along: Any, aside: Any) -> NDArray[np.float32]:
    x, y = line.locate(*np.meshgrid(along, np.asarray(aside, np.float32), indexing="ij"))
    planes = [
        cv2.remap(np.float32(picture[..., i]), x, y, cv2.INTER_LINEAR)
        for i in range(picture.shape[2])
    ]
    return np.stack(planes, axis=-1)


def report(rows: list[dict[str, Any]]) -> None:
    """Print means, and paired differences from the fill without a line."""
    by = {(row["picture"], row["fill"]): row for row in rows}
    for kind in sorted({row["kind"] for row in rows}):
        for name in ("none", "stroke", "found"):
            own = [row for row in rows if row["kind"] == kind and row["fill"] == name]
            if own:
                print(kind, name, len(own), *(_summarize(own, key) for key in METRICS))
            pairs = [(row, by[row["picture"], "none"]) for row in own if name != "none"]
            if pairs:
                print("   against none:", *(_compare(pairs, key) for key in METRICS))


METRICS = ("offset", "lpips", "fine", "middle", "coarse", "rim_z")


def _summarize(rows: list[dict[str, Any]], key: str) -> str:
    values = [row[key] for row in rows if row[key] is not None]
    return f"{key} {np.mean(values):.4f}" if values else f"{key} -"


def _compare(pairs: list[tuple[dict[str, Any], dict[str, Any]]], key: str) -> str:
    steps = np.array(
        [a[key] - b[key] for a, b in pairs if a[key] is not None and b[key] is not None]
    )
    if not len(steps):
        return f"{key} -"
    draws = np.random.default_rng(0).integers(0, len(steps), (2000, len(steps)))
    low, high = np.quantile(steps[draws].mean(axis=1), (0.025, 0.975))
    return f"{key} {steps.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
