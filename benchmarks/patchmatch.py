"""PatchMatch against what people use today, on photos with irregular holes, in one run.

    MENDPIX_SHARED=FOLDER MENDPIX_HOME=FOLDER/weights python benchmarks/patchmatch.py
        [--limit N] [--methods patchmatch,telea,...] [--out FILE.md] [--pictures FOLDER]
    python benchmarks/patchmatch.py --large PHOTO
    python benchmarks/patchmatch.py --sizes PHOTO

The data folder holds ``eval/manifest.csv`` with pairs of photo and mask and their bucket.
``pip install patchmatch-cython`` for the methods "cython" and "cython-4"; MENDPIX_HOME holds
AlexNet for LPIPS. Each method works in a process of its own, all take turns at each picture, and
memory is what the process grew by beyond what it had loaded. Each uses the threads it chooses.
"""

import argparse
import csv
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean, median

import cv2
import numpy as np
from numpy.typing import NDArray

from mendpix.types import Hole, Photo

Fill = Callable[[Photo, Hole], Photo]

OURS, THEIRS = "patchmatch", "cython-4"
MEASURES = ("l1", "psnr", "ssim", "lpips", "seconds", "memory")
LARGE = (3000, 4000)


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one picture; ``values`` is None where the method failed."""

    method: str
    bucket: str
    values: dict[str, float] | None


def ours() -> Fill:
    from mendpix.inpainting.patchmatch import PatchMatch

    filler = PatchMatch()
    filler.prepare()
    return filler


def opencv(flag: int) -> Fill:
    def fill(photo: Photo, hole: Hole) -> Photo:
        filled = cv2.inpaint(as_bytes(photo), hole.astype(np.uint8), 3, flag)
        return np.asarray(filled, dtype=np.float32) / 255

    return fill


def cython(loops: int) -> Fill:
    from patchmatch_cython import inpaint_pyramid

    def fill(photo: Photo, hole: Hole) -> Photo:
        filled = inpaint_pyramid(as_bytes(photo), hole, seed=0, em_loops=loops)
        return np.asarray(filled, dtype=np.float32) / 255

    return fill


METHODS: dict[str, Callable[[], Fill]] = {
    OURS: ours,
    "telea": lambda: opencv(cv2.INPAINT_TELEA),
    "navier-stokes": lambda: opencv(cv2.INPAINT_NS),
    "cython": lambda: cython(1),
    THEIRS: lambda: cython(4),
}


def as_bytes(photo: Photo) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(photo, 0, 1) * 255), dtype=np.uint8)


def peak() -> float:
    """Most memory this process ever held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(method: str, pipe: Connection) -> None:
    """Fill what comes through the pipe until None comes."""
    fill = METHODS[method]()
    small = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    fill(small, np.eye(64) > 0)  # load and compile what is loaded and compiled once
    loaded = peak()
    while (pair := pipe.recv()) is not None:
        began = time.perf_counter()
        try:
            filled = fill(*pair)
        except ValueError as problem:
            pipe.send(str(problem))
            continue
        pipe.send((filled, time.perf_counter() - began, peak() - loaded))


class Worker:
    """A method in its own process."""

    def __init__(self, method: str) -> None:
        self.method = method
        context = get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=work, args=(method, far), daemon=True)
        self.process.start()

    def fill(self, photo: Photo, hole: Hole) -> tuple[Photo, float, float] | None:
        self.pipe.send((photo, hole))
        answer = self.pipe.recv()
        if isinstance(answer, str):
            print(f"{self.method} failed: {answer}")
            return None
        return answer  # type: ignore[no-any-return]


def read(folder: Path, row: dict[str, str]) -> tuple[Photo, Hole]:
    photo = cv2.imread(str(folder / row["photo"]), cv2.IMREAD_COLOR)
    hole = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE)
    if photo is None or hole is None:
        raise SystemExit(f"cannot read {folder / row['photo']} or its mask")
    return np.ascontiguousarray(photo[..., ::-1], np.float32) / np.float32(255), hole > 127


def measured(filled: Photo, photo: Photo, hole: Hole) -> dict[str, float]:
    """L1 in percent, PSNR in dB, SSIM and LPIPS (AlexNet) of the whole composited picture."""
    import torch

    from mendpix.metrics.lpips import LPIPS
    from mendpix.metrics.picture_metrics import PSNR, SSIM, L1Error

    final = np.where(hole[..., None], as_bytes(filled) / np.float32(255), photo)
    made, true = (torch.from_numpy(x).permute(2, 0, 1)[None].contiguous() for x in (final, photo))
    gap = torch.from_numpy(hole)[None, None].float()
    values = {}
    metrics = {"l1": L1Error(), "psnr": PSNR(), "ssim": SSIM(), "lpips": LPIPS("alexnet")}
    for name, metric in metrics.items():
        with torch.no_grad():
            metric.update(made, true, gap)
        values[name] = float(metric.rows()[0])
    return values


def compare(folder: Path, limit: int, methods: list[str], pictures: Path | None) -> list[Row]:
    with (folder / "manifest.csv").open() as file:
        manifest = list(csv.DictReader(file))
    buckets = sorted({row["bucket"] for row in manifest})
    chosen = [[row for row in manifest if row["bucket"] == b][:limit] for b in buckets]
    workers = [Worker(method) for method in methods]
    rows = []
    for row in (row for group in chosen for row in group):
        photo, hole = read(folder, row)
        for worker in workers:
            done = worker.fill(photo, hole)
            values = None
            if done is not None:
                filled, seconds, memory = done
                values = {**measured(filled, photo, hole), "seconds": seconds, "memory": memory}
                keep(pictures, worker.method, row, np.where(hole[..., None], filled, photo))
            rows.append(Row(worker.method, row["bucket"], values))
    for worker in workers:
        worker.pipe.send(None)
    return rows


def keep(folder: Path | None, method: str, row: dict[str, str], filled: Photo) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        name = folder / f"{Path(row['photo']).stem}-{method}.png"
        cv2.imwrite(str(name), as_bytes(filled)[..., ::-1])


def table(rows: list[Row]) -> str:
    """Markdown: a row per method and measure, a column per bucket, and ratios at the end."""
    buckets = sorted({row.bucket for row in rows})
    methods = list(dict.fromkeys(row.method for row in rows))
    lines = [
        f"| method | measure | {' | '.join(buckets)} | all |",
        "|---" * (len(buckets) + 3) + "|",
    ]
    means: dict[tuple[str, str], list[float]] = {}
    for measure in MEASURES:
        for method in methods:
            columns = [mean(rows, method, bucket, measure) for bucket in buckets]
            means[method, measure] = [*columns, mean(rows, method, None, measure)]
            cells = " | ".join(f"{value:.4g}" for value in means[method, measure])
            lines.append(f"| {method} | {measure} | {cells} |")
    for method in methods[1:] if methods[0] == OURS else []:
        for measure in ("lpips", "seconds"):
            pairs = zip(means[method, measure], means[OURS, measure], strict=True)
            cells = " | ".join(f"{theirs / mine:.2f}" for theirs, mine in pairs)
            lines.append(f"| {method} / {OURS} | {measure} | {cells} |")
    failed = [row.method for row in rows if row.values is None]
    notes = [f"{method} failed on {failed.count(method)}" for method in methods if method in failed]
    return "\n".join([*lines, "", "; ".join(notes) or "No method failed."])


def mean(rows: list[Row], method: str, bucket: str | None, measure: str) -> float:
    """Mean of a measure, median of seconds, most of memory; over what the method could fill."""
    values = [
        row.values[measure]
        for row in rows
        if row.method == method and bucket in (None, row.bucket) and row.values is not None
    ]
    how = {"seconds": median, "memory": max}.get(measure, fmean)
    return float(how(values)) if values else float("nan")


def cut(photo: Path, shape: tuple[int, int]) -> Photo:
    """The upper left of a photograph."""
    picture = cv2.imread(str(photo), cv2.IMREAD_COLOR)
    if picture is None or picture.shape[0] < shape[0] or picture.shape[1] < shape[1]:
        raise SystemExit(f"{photo} is no picture of at least {shape[1]}x{shape[0]} pixels")
    return picture[: shape[0], : shape[1], ::-1].astype(np.float32) / np.float32(255)


def large(photo: Path) -> None:
    """Twelve megapixels cut from a larger photograph, 3 % missing: as one piece, as strokes."""
    known = cut(photo, LARGE)
    for name, hole in {"one piece": ellipse(LARGE, 0.03), "strokes": strokes(LARGE, 0.03)}.items():
        worker = Worker(OURS)
        done = worker.fill(known, hole)
        worker.pipe.send(None)
        if done is not None:
            print(f"{name}: {hole.mean():.1%} missing, {done[1]:.2f} s, {done[2]:.0f} MiB more")


def sizes(photo: Path, repeats: int = 3) -> None:
    """Squares of a photograph, a tenth missing: seconds of both, by turns, and their ratio."""
    workers = {method: Worker(method) for method in (OURS, THEIRS)}
    for side in (512, 1024):
        known = cut(photo, (side, side))
        for name, shape in {"one piece": ellipse, "strokes": strokes}.items():
            hole = shape((side, side), 0.1)
            times: dict[str, list[float]] = {method: [] for method in workers}
            for method in [*workers] * repeats:
                done = workers[method].fill(known, hole)
                if done is not None:
                    times[method].append(done[1])
            ours, theirs = (median(times[method]) for method in (OURS, THEIRS))
            print(f"{side} {name}: {ours:.2f} s, {theirs:.2f} s, ratio {theirs / ours:.1f}")
    for worker in workers.values():
        worker.pipe.send(None)


def ellipse(shape: tuple[int, int], share: float) -> Hole:
    hole = np.zeros(shape, np.uint8)
    width = (share * hole.size / np.pi * 1.7) ** 0.5
    axes = (round(width), round(width / 1.7))
    cv2.ellipse(hole, (shape[1] // 2, shape[0] // 2), axes, 20, 0, 360, 1, -1)
    return hole > 0


def strokes(shape: tuple[int, int], share: float) -> Hole:
    rng, hole = np.random.default_rng(0), np.zeros(shape, np.uint8)
    reach, width = max(shape) // 20, max(3, max(shape) // 330)
    while hole.mean() < share:
        x, y = int(rng.integers(shape[1])), int(rng.integers(shape[0]))
        for _ in range(8):
            to = x + int(rng.integers(-reach, reach)), y + int(rng.integers(-reach, reach))
            cv2.line(hole, (x, y), to, 1, width)
            x, y = to
    return hole > 0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--limit", type=int, default=12, help="pictures per bucket")
    options.add_argument("--methods", default=",".join(METHODS))
    options.add_argument("--out", type=Path, help="where to write the table")
    options.add_argument("--pictures", type=Path, help="folder for the filled pictures")
    options.add_argument("--large", type=Path, help="a photo of 12 megapixels or more")
    options.add_argument("--sizes", type=Path, help="a photo of 1024x1024 or more")
    asked = options.parse_args()
    if asked.large:
        large(asked.large)
        return
    if asked.sizes:
        sizes(asked.sizes)
        return
    data = os.environ.get("MENDPIX_SHARED")
    if not data:
        raise SystemExit("MENDPIX_SHARED names no data folder; set it to one that holds eval/")
    methods = asked.methods.split(",")
    text = table(compare(Path(data) / "eval", asked.limit, methods, asked.pictures))
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
