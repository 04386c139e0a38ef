"""Precision and recall of find-scratches on photos that get dust, hairs and scratches drawn on.

    python benchmarks/scratches.py PHOTOS [--count 24] [--soft 1.5] [--grain 3] [--sensitivity 0.5]
    python benchmarks/scratches.py OTHER-PHOTOS --fit [--count 400]

An old print or negative is softer than its scan, and dust is as sharp as the scanner: --soft blurs
the photo (sigma in pixels) and --grain adds noise (in levels) before anything is drawn on it. With
--soft 0 --grain 0 the photo stays as sharp as a camera made it, which is much harder.

A drawn defect is found if at least half of its pixels are marked, to within TOLERANCE pixels; a
marked pixel is right if a drawn one lies within TOLERANCE. Photos are of any size; what they had of
dust before counts as wrongly marked.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.io import files, pairing
from mendpix.io.picture import Picture
from mendpix.masks import defect_classifier, scratches
from mendpix.types import Hole

TOLERANCE = 2
FIRST = 10_000  # seed of what is fitted on, apart from the seeds of what is measured
KINDS = {"specks": 12, "hairs": 3, "scratches": 3}
"""How many of each kind are drawn on a photo of 512x512; more on larger ones."""

Values = NDArray[np.float32]


def speck(draw: np.random.Generator, shape: tuple[int, int], scale: float) -> Values:
    """An irregular blob, 2 to 9 pixels across."""
    layer = np.zeros(shape, np.uint8)
    centre = draw.integers(8, np.array(shape[::-1]) - 8)
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    radii = scale * draw.uniform(1, 4.5) * draw.uniform(0.6, 1.2, 8)
    corners = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    cv2.fillPoly(layer, [(corners * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    return layer / np.float32(255)


def hair(draw: np.random.Generator, shape: tuple[int, int], scale: float) -> Values:
    """A curved line, 40 to 160 pixels long, 1 to 2 wide."""
    layer = np.zeros(shape, np.uint8)
    steps = int(scale * draw.uniform(10, 40))
    turn = draw.uniform(0, 2 * np.pi) + np.cumsum(draw.normal(0, 0.12, steps))
    start = draw.uniform(0.1, 0.9, 2) * shape[::-1]
    points = start + np.cumsum(4 * np.stack([np.cos(turn), np.sin(turn)], 1), axis=0)
    width = max(1, round(scale * draw.uniform(1, 2)))
    cv2.polylines(layer, [(points * 8).astype(np.int32)], False, 255, width, cv2.LINE_AA, 3)
    return layer / np.float32(255)


def scratch(draw: np.random.Generator, shape: tuple[int, int], scale: float) -> Values:
    """A straight line, 60 to 400 pixels long, 1 to 2 wide, mostly upright."""
    layer = np.zeros(shape, np.uint8)
    angle = np.pi / 2 + draw.normal(0, 0.25)
    half = scale * draw.uniform(30, 200) * np.array([np.cos(angle), np.sin(angle)])
    middle = draw.uniform(0.1, 0.9, 2) * shape[::-1]
    ends = [((middle + sign * half) * 8).astype(np.int32) for sign in (1, -1)]
    width = max(1, round(scale * draw.uniform(1, 2)))
    cv2.line(layer, ends[0].tolist(), ends[1].tolist(), 255, width, cv2.LINE_AA, 3)
    return layer / np.float32(255)


DRAWN = {"specks": speck, "hairs": hair, "scratches": scratch}


def spoilt(picture: Picture, seed: int) -> tuple[Picture, list[tuple[str, Hole]]]:
    """The photo with defects, bright ones or dark ones, and where each lies."""
    draw = np.random.default_rng(seed)
    values = picture.pixels[..., :3].astype(np.float32)
    scale = max(1.0, np.sqrt(values.shape[0] * values.shape[1]) / 1500)
    bright = draw.random() < 0.5
    placed = []
    for kind, count in KINDS.items():
        for _ in range(count):
            opacity = draw.uniform(0.5, 1) * DRAWN[kind](draw, picture.shape, scale)
            level = draw.uniform(225, 255) if bright else draw.uniform(0, 40)
            where = opacity > 0.25
            contrast = np.abs(values[where] - level).mean() if where.any() else 0
            if contrast < 40:  # white on white: nobody sees it, and nobody needs to
                continue
            opacity = cv2.GaussianBlur(opacity, (0, 0), 0.5)[..., None]
            values = values * (1 - opacity) + level * opacity
            placed.append((kind, where))
    return picture.replace(pixels=values.round().astype(np.uint8)), placed


def aged(picture: Picture, soft: float, grain: float, seed: int) -> Picture:
    """The photo as an old print shows it."""
    values = picture.pixels[..., :3].astype(np.float32)
    if soft:
        values = cv2.GaussianBlur(values, (0, 0), soft)
    noise = np.random.default_rng(seed).normal(0, 1, picture.shape).astype(np.float32)
    values += grain * cv2.GaussianBlur(noise, (0, 0), 0.7)[..., None] / 0.4
    return picture.replace(pixels=values.round().clip(0, 255).astype(np.uint8))


def near(hole: Hole) -> Hole:
    side = 2 * TOLERANCE + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(hole.astype(np.uint8), disk) > 0)


def measure(photos: list[Path], sensitivity: float, soft: float, grain: float) -> dict[str, float]:
    """Shares in percent, over all photos."""
    sums: dict[str, float] = defaultdict(float)
    for seed, path in enumerate(photos):
        picture = aged(files.read(path), soft, grain, seed)
        worse, placed = spoilt(picture, seed)
        truth = np.zeros(picture.shape, bool)
        began = time.perf_counter()
        found = scratches.find(worse, sensitivity)
        sums["seconds"] += time.perf_counter() - began
        widened = near(found)
        for kind, where in placed:
            truth |= where
            sums[f"{kind} drawn"] += 1
            sums[f"{kind} found"] += bool((widened & where).sum() >= 0.5 * where.sum())
        sums["marked"] += found.sum()
        sums["right"] += (found & near(truth)).sum()
        sums["truth"] += truth.sum()
        sums["covered"] += (truth & widened).sum()
        sums["clean"] += scratches.find(picture, sensitivity).mean()
        sums["pixels"] += found.size
    shown = {
        f"{kind} found %": 100 * sums[f"{kind} found"] / sums[f"{kind} drawn"] for kind in KINDS
    }
    shown["recall %"] = 100 * sums["covered"] / sums["truth"]
    shown["precision %"] = 100 * sums["right"] / max(1, sums["marked"])
    shown["marked on the clean photo %"] = 100 * sums["clean"] / len(photos)
    shown["seconds per megapixel"] = sums["seconds"] / sums["pixels"] * 1e6
    return shown


AGES = ((0.0, 0.0), (1.5, 3.0), (0.0, 0.0), (1.0, 2.0), (0.0, 2.0), (2.5, 4.0))
"""Softness and grain of the photos that the weights are fitted on, in turn."""


def fit(photos: list[Path]) -> None:
    """Print the weights by which defects on these photos are best told from what is their own."""
    found = defaultdict[str, list[tuple[NDArray[np.float64], NDArray[np.bool_]]]](list)
    for number, path in enumerate(photos):
        soft, grain = AGES[number % len(AGES)]
        worse, placed = spoilt(aged(files.read(path), soft, grain, number), FIRST + number)
        truth = near(np.any([where for _, where in placed], axis=0))
        for kind, parts in scratches.find_candidates(scratches.to_grey(worse)):
            of = parts.labels[parts.places] - 1
            right = np.bincount(of, truth.ravel()[parts.places], len(parts.peak))
            name = "SPECKS" if kind is defect_classifier.SPECKS else "LINES"
            found[name].append((parts.measured, right >= 0.5 * np.bincount(of)))
    for name, pairs in found.items():
        measured, good = (np.concatenate(one) for one in zip(*pairs, strict=True))
        mean, spread = measured.mean(axis=0), measured.std(axis=0)
        from_usual = ((measured - mean) / spread).clip(-4, 4)
        weights = regressed(np.concatenate([from_usual, from_usual**2], axis=1), good)
        print(f"{name}: {len(good)} parts, {good.sum()} defects, even {weights[-1]:.2f}")
        rows = zip(
            defect_classifier.MEASURES, mean, spread, *weights[:-1].reshape(2, -1), strict=True
        )
        for measure, *numbers in rows:
            print(f'    "{measure}": ({", ".join(f"{one:.2f}" for one in numbers)}),')


def regressed(values: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights and constant of a logistic regression with a slight pull to 0, by Newton's method."""
    columns = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    pull = np.append(np.full(values.shape[1], 10.0), 0)
    weights = np.zeros(columns.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-columns @ weights))
        slope = columns.T @ (good - chance) - pull * weights
        bend = (columns * (chance * (1 - chance))[:, None]).T @ columns + np.diag(pull)
        weights += np.linalg.solve(bend, slope)
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--soft", type=float, default=1.5)
    parser.add_argument("--grain", type=float, default=3.0)
    parser.add_argument("--sensitivity", type=float, nargs="+", default=[0.0, 0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--fit", action="store_true", help="find the weights on these photos")
    given = parser.parse_args()
    files = [
        path for path in sorted(given.photos.rglob("*")) if path.suffix.lower() in pairing.SUFFIXES
    ]
    photos = files[:: max(1, len(files) // given.count)][: given.count]
    if given.fit:
        fit(photos)
        return
    table = {one: measure(photos, one, given.soft, given.grain) for one in given.sensitivity}
    rows = list(next(iter(table.values())))
    print("| sensitivity | " + " | ".join(f"{one:g}" for one in table) + " |")
    print("|---" * (len(table) + 1) + "|")
    for row in rows:
        print(f"| {row} | " + " | ".join(f"{values[row]:.3g}" for values in table.values()) + " |")


if __name__ == "__main__":
    main()
