"""Fill large holes in large photographs, and measure what a person would see at once.

    python benchmarks/large_holes.py PHOTO [X,Y] ... --out table.md

Each hole is filled by ``mendpix fill`` in a process of its own. The table holds, for each photo,
side and model:

- outside: share of the fill's values beyond the 0.5 and 99.5 percentiles (of each channel) of the
  80 pixels around the hole by more than 2 % of white, in percent;
- fine, middle, coarse: RMS of three bands of the grey values in the hole (differences of Gaussians:
  under 1 pixel, 1 to 4, 4 to 16) divided by the same in the 80 pixels around; "-" where the ring
  has less than half an 8-bit level, which is noise;
- strange: share of 16x16 blocks of the hole whose mean colour is further than 4 % of white (in the
  channel furthest off) from that of every block of the ring, in percent;
- flat: share of 16x16 blocks of the hole whose grey values vary less than half as much as in the
  flattest 0.5 % of the ring's blocks, in percent: a piece without any content, which may well
  have a grey that the ring has, too;
- step: the largest mean jump between neighbouring columns or rows over any 128 pixels of them
  inside the hole, in percent of white, and the photo's own there: an edge along a grid of pieces
  stands out from it;
- seconds and peak MiB of the whole process, reading and writing included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Hole = NDArray[np.bool_]

SIDES = (300, 600, 1000, 1600)
SHAPES = ("square", "disc", "letter")
MODELS = ("auto", "patchmatch")
RING = 80
SIGMAS = (1.0, 4.0, 16.0)
NOISE = 0.5 / 255
SEGMENT = 128
BLOCK = 16
STRANGE = 0.04


@dataclass(frozen=True)
class Run:
    """What one process took."""

    seconds: float
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", metavar="PHOTO[@X,Y]", help="X,Y: the holes' middle.")
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIDES))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["square"])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Write the table there, too.")
    options = parser.parse_args()
    lines = header()
    for named in options.photos:
        path, middle = photo_of(named)
        for side in options.sides:
            for shape, model in product(options.shapes, options.models):
                lines.append(measure(path, middle, side, shape, model, options.seed))
                print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, "utf-8")


def header() -> list[str]:
    columns = [
        "photo",
        "MP",
        "side",
        "shape",
        "model",
        "outside %",
        "strange %",
        "flat %",
        "fine",
        "middle",
    ]
    columns += ["coarse", "step %", "photo's step %", "seconds", "peak MiB"]
    return [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]


def photo_of(named: str) -> tuple[Path, tuple[int, int] | None]:
    """The path and the middle in ``PATH@X,Y``; None: the middle of the photo."""
    path, _, middle = named.partition("@")
    if not middle:
        return Path(path), None
    x, y = middle.split(",")
    return Path(path), (int(x), int(y))


def measure(
    path: Path, middle: tuple[int, int] | None, side: int, shape: str, model: str, seed: int
) -> str:
    """One row of the table."""
    photo = read_pixels(path)
    hole = cut_out(square(photo.shape[:2], middle, side), shape)
    filled, run = fill(path, hole, model, seed)
    cells = [name_of(path), f"{hole.size / 1e6:.1f}", str(side), shape, model]
    cells += [f"{100 * share_outside(photo, filled, hole):.2f}"]
    cells += [f"{100 * share_strange(photo, filled, hole):.1f}"]
    cells += [f"{100 * share_flat(photo, filled, hole):.1f}"]
    cells += [f"{ratio:.2f}" if ratio is not None else "-" for ratio in bands(photo, filled, hole)]
    cells += [f"{100 * largest_step(image, hole):.2f}" for image in (filled, photo)]
    cells += [f"{run.seconds:.1f}", f"{run.peak_mib:.0f}"]
    return f"| {' | '.join(cells)} |"


def name_of(path: Path) -> str:
    """A name that says more than a size: some photos are called after their width."""
    return path.stem if not path.stem[0].isdigit() else path.parents[2].name


def read_pixels(path: Path) -> Pixels:
    """A photo ``(H, W, 3)`` in [0, 1]."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    return np.asarray(image, np.float32) / np.float32(255)


def square(shape: tuple[int, ...], middle: tuple[int, int] | None, side: int) -> Hole:
    """A square hole around a place; it must lie inside with its ring."""
    height, width = shape[:2]
    x, y = middle or (width // 2, height // 2)
    left, top = x - side // 2, y - side // 2
    if min(left, top, width - left - side, height - top - side) < RING:
        raise SystemExit(f"a hole of {side} at {x},{y} leaves no {RING} pixels in {width}x{height}")
    hole = np.zeros((height, width), bool)
    hole[top : top + side, left : left + side] = True
    return hole


def cut_out(hole: Hole, shape: str) -> Hole:
    """A shape as large as a square hole: a disc, or a letter R with strokes of a fifth."""
    if shape == "square":
        return hole
    rows, columns = np.where(hole)
    top, left, side = int(rows.min()), int(columns.min()), int(np.ptp(rows)) + 1
    canvas = np.zeros(hole.shape, np.uint8)
    if shape == "disc":
        cv2.circle(canvas, (left + side // 2, top + side // 2), side // 2, 1, -1)
        return np.asarray(canvas > 0) & hole
    half, width = side // 2, side // 5
    x, y = left + width // 2, top + width // 2
    bottom = top + side - 1 - width // 2
    cv2.line(canvas, (x, y), (x, bottom), 1, width)
    cv2.ellipse(canvas, (x, y + half // 2), (side - width, half // 2), 0, -90, 90, 1, width)
    cv2.line(canvas, (x, y + half), (left + side - 1 - width // 2, bottom), 1, width)
    return np.asarray(canvas > 0) & hole


def fill(path: Path, hole: Hole, model: str, seed: int) -> tuple[Pixels, Run]:
    """The photo filled by a process of its own, and what that took."""
    with tempfile.TemporaryDirectory() as folder:
        mask, out = Path(folder) / "mask.png", Path(folder) / "out.png"
        cv2.imwrite(str(mask), hole.astype(np.uint8) * 255)
        command = [sys.executable, "-m", "mendpix", "fill", str(path), str(mask), "--out", str(out)]
        command += ["--model", model, "--seed", str(seed), "--device", "cpu"]
        run = run_process(command)
        return read_pixels(out), run


def run_process(command: list[str]) -> Run:
    """Run a command, and read its time and the most memory it held."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(time.perf_counter() - start, usage.ru_maxrss / 1024)


def ring_of(hole: Hole) -> Hole:
    """The pixels within 80 of the hole, by the larger of both distances."""
    kernel = np.ones((2 * RING + 1, 2 * RING + 1), np.uint8)
    return np.asarray(cv2.dilate(hole.astype(np.uint8), kernel) > 0) & ~hole


def share_outside(photo: Pixels, filled: Pixels, hole: Hole) -> float:
    """The share of the fill's values that the ring's do not explain."""
    low, high = np.percentile(photo[ring_of(hole)], [0.5, 99.5], axis=0)
    inside = filled[hole]
    return float(np.mean((inside < low - 0.02) | (inside > high + 0.02)))


def share_flat(photo: Pixels, filled: Pixels, hole: Hole) -> float:
    """The share of the hole's blocks that vary less than the ring's do anywhere."""
    around = block_deviations(photo, ring_of(hole))
    inside = block_deviations(filled, hole)
    return float(np.mean(inside < np.percentile(around, 0.5) / 2))


def block_deviations(image: Pixels, where: Hole) -> Pixels:
    """The standard deviation of grey in each block."""
    grey = blocks_of(image, where).mean(axis=2)
    return np.asarray(grey.std(axis=1), np.float32)


def share_strange(photo: Pixels, filled: Pixels, hole: Hole) -> float:
    """The share of the hole's blocks whose colour no block of the ring comes near."""
    known = blocks_of(photo, ring_of(hole)).mean(axis=1)
    inside = blocks_of(filled, hole).mean(axis=1)
    nearest = [np.abs(known - colour).max(axis=1).min() for colour in inside]
    return float(np.mean(np.array(nearest) > STRANGE))


def blocks_of(image: Pixels, where: Hole) -> Pixels:
    """The blocks ``(N, 256, 3)`` that lie wholly in a region."""
    height, width = (length // BLOCK * BLOCK for length in where.shape)
    shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    whole = where[:height, :width].reshape(shape).all(axis=(1, 3))
    blocks = image[:height, :width].reshape(*shape, 3).swapaxes(1, 2)[whole]
    return blocks.reshape(-1, BLOCK * BLOCK, 3)


def bands(photo: Pixels, filled: Pixels, hole: Hole) -> list[float | None]:
    """The energy of three bands in the hole relative to the ring's; None: noise."""
    ring = ring_of(hole)
    rows, columns = np.where(ring)
    margin = 4 * int(SIGMAS[-1])
    window = (
        slice(max(rows.min() - margin, 0), rows.max() + margin),
        slice(max(columns.min() - margin, 0), columns.max() + margin),
    )
    inside = [rms(band, hole[window]) for band in split(filled[window])]
    around = [rms(band, ring[window]) for band in split(photo[window])]
    return [a / b if b >= NOISE else None for a, b in zip(inside, around, strict=True)]


def split(image: Pixels) -> list[Pixels]:
    """Differences of Gaussians of the grey values, fine to coarse."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    levels = [grey, *(np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma)) for sigma in SIGMAS)]
    return [fine - coarse for fine, coarse in pairwise(levels)]


def rms(values: Pixels, where: Hole) -> float:
    return float(np.sqrt(np.mean(np.square(values[where], dtype=np.float64))))


def largest_step(image: Pixels, hole: Hole) -> float:
    """The largest mean jump between neighbours over a segment of a column or row in the hole."""
    rows, columns = np.where(hole)
    box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].mean(axis=2)
    return max(mean_jump(box), mean_jump(box.T))


def mean_jump(grey: Pixels) -> float:
    """Between columns, over segments of 128 rows."""
    jumps = np.diff(grey, axis=1)
    count = grey.shape[0] // SEGMENT
    segments = jumps[: count * SEGMENT].reshape(count, SEGMENT, -1)
    return float(np.abs(segments.mean(axis=1)).max())


if __name__ == "__main__":
    main()
