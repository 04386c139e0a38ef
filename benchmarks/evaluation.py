"""What measuring adds to filling, as ratios: L1, PSNR and SSIM at 512 x 512, one thread each.

    python benchmarks/evaluation.py                    # the photos under examples/, holes drawn
    python benchmarks/evaluation.py FOLDER             # photos and masks of a manifest.csv

For each picture in turn: OpenCV's Telea fills it; the fill is measured as an evaluation measures
it; scikit-image measures the same three; and an evaluation of Telea does all it does to a picture
(reads and resizes the photo, fills it, keeps photo, hole and fill as PNG, measures, writes the
rows), less the fill itself. Order changes from picture to picture. The processor's time is taken,
so that others at work on the machine are not in it, but they do slow it: look at the ratios.

At most 0.25 of Telea's time is wanted for measuring, and scikit-image three times as slow.
"""

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import mendpix
from mendpix.evaluation import measurement
from mendpix.evaluation.candidates import load_candidates
from mendpix.evaluation.photo_pairs import PhotoPair
from mendpix.evaluation.protocols import choose
from mendpix.evaluation.scoring import EvaluationPlan, Scorer
from mendpix.masks.generate import draw

Pixels = NDArray[np.uint8]
NAMES = ("l1", "psnr", "ssim")
SIDE = 512
KINDS = ("lama-thin", "lama-medium", "lama-thick", "comod")
EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"


def read_manifest(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Photos and masks of a manifest."""
    with (folder / "manifest.csv").open() as file:
        for row in csv.DictReader(file):
            yield folder / row["photo"], folder / row["mask"]


def write_examples(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Squares cut from the example photos, with holes of several kinds."""
    for place, path in enumerate(sorted(EXAMPLES.glob("*.webp"))):
        photo = cv2.imread(str(path))
        side = min(photo.shape[:2])
        square = cv2.resize(photo[:side, :side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        hole = draw(KINDS[place % len(KINDS)], SIDE, seed=0, index=place)
        names = folder / f"{path.stem}.png", folder / f"{path.stem}-mask.png"
        cv2.imwrite(str(names[0]), square)
        cv2.imwrite(str(names[1]), hole.astype(np.uint8) * 255)
        yield names


def read(photo: Path, mask: Path) -> tuple[Pixels, Pixels]:
    pixels = cv2.imread(str(photo), cv2.IMREAD_COLOR)
    hole = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
    return np.ascontiguousarray(pixels[..., ::-1]), (hole > 127).astype(np.uint8)


def measure_with_scikit_image(fill: Pixels, true: Pixels) -> list[float]:
    """Wang's SSIM as scikit-image has it."""
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    ssim = structural_similarity(true, fill, data_range=255, channel_axis=2, **options)
    error = np.abs(fill.astype(np.float64) - true).mean() / 2.55
    return [float(error), float(peak_signal_noise_ratio(true, fill)), float(ssim)]


def time_evaluation(photo: Path, mask: Path, folder: Path) -> float:
    """Seconds of an evaluation's own work on a picture, its fill not counted."""
    candidates = tuple(load_candidates(["telea"]))
    scorer = Scorer(EvaluationPlan(choose("own", metrics=NAMES), candidates, folder))
    pair = PhotoPair(photo.stem, photo, photo.name, mask, mask.name)
    true, hole = read(photo, mask)
    filler = mendpix.load("telea")
    values = true / np.float32(255)
    return time_call(lambda: scorer.score(pair)) - time_call(
        lambda: filler(values, hole.astype(bool))
    )


def time_call(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def time_picture(photo: Path, mask: Path, place: int) -> dict[str, float]:
    """Seconds of each on one picture; the two that measure must agree."""
    true, hole = read(photo, mask)
    fill = cv2.inpaint(true, hole, 3, cv2.INPAINT_TELEA)
    ours = list(measurement.measure(NAMES, fill, true, hole.astype(bool)).values())
    np.testing.assert_allclose(ours, measure_with_scikit_image(fill, true), rtol=1e-9)
    runs: list[tuple[str, Callable[[], object]]] = [
        ("telea", lambda: cv2.inpaint(true, hole, 3, cv2.INPAINT_TELEA)),
        ("measuring", lambda: measurement.measure(NAMES, fill, true, hole.astype(bool))),
        ("scikit-image", lambda: measure_with_scikit_image(fill, true)),
    ]
    first = place % len(runs)
    seconds = {name: time_call(run) for name, run in runs[first:] + runs[:first]}
    with tempfile.TemporaryDirectory() as folder:
        seconds["evaluation"] = time_evaluation(photo, mask, Path(folder))
    return seconds


def print_report(rows: list[dict[str, float]]) -> None:
    names = ("telea", "measuring", "scikit-image", "evaluation")
    times = {name: np.array([row[name] for row in rows]) for name in names}
    print(f"{len(rows)} pictures of {SIDE} x {SIDE}, medians; one thread\n")
    for name in names:
        print(f"{name:14} {1e3 * median(times[name]):8.2f} ms")
    print("\nratio                         median of pictures   of all time")
    for over, under in (
        ("measuring", "telea"),
        ("scikit-image", "measuring"),
        ("evaluation", "telea"),
    ):
        each = float(np.median(times[over] / times[under]))
        whole = float(times[over].sum() / times[under].sum())
        print(f"{over + ' / ' + under:28} {each:19.2f} {whole:13.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every N-th picture")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        examples = (
            read_manifest(options.folder) if options.folder else write_examples(Path(scratch))
        )
        pairs = list(examples)[:: options.every]
        time_picture(*pairs[0], 0)  # compiles and warms up
        print_report([time_picture(*pair, place) for place, pair in enumerate(pairs)])


if __name__ == "__main__":
    main()
