"""How finished runs fill held-out pictures, beside fillers that learned nothing: a table.

    python benchmarks/recipes.py PHOTOS RUN [RUN ...] [--count 150] [--weights best]

Each run's own held-out pictures of PHOTOS are cut, and their holes drawn, as its validation does;
the same pictures and holes go to the mean colour, Telea and PatchMatch. Hole L1 is the mean
absolute error of missing values in [0, 1]; PSNR (dB) and LPIPS (AlexNet; in MENDPIX_HOME) are of
the whole filled picture; each is a mean over pictures. "below mean colour" is how far the hole L1
lies below that of the mean colour, with the 95 % interval of 4,000 paired bootstraps over pictures.
Prints Markdown, and says where a known pixel did not come back bit for bit.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import mendpix
from mendpix.inpainting.registry import CheckedFiller
from mendpix.metrics import LPIPS
from mendpix.metrics.picture_metrics import PSNR, L1Error, PictureMetric
from mendpix.training import objective, recipe_io
from mendpix.training.hole_sampling import make_hole_sampler
from mendpix.training.photos import PhotoSet, is_held_out
from mendpix.training.recipe import Recipe
from mendpix.training.samples import iterate_held_out
from mendpix.training.sources import list_pictures

Values = NDArray[np.float64]
BASELINES = {"mean colour": "mean-colour", "Telea": "telea", "PatchMatch": "patchmatch"}
BOOTSTRAPS = 4000


@dataclass(frozen=True, slots=True)
class Measured:
    """One filler: a value per picture by metric, and whether all known pixels came back."""

    rows: dict[str, Values]
    faithful: bool


def pictures(recipe: Recipe, folder: Path, count: int) -> PhotoSet:
    """The first held-out pictures of a folder that a recipe can use; nothing else is read."""
    photos = PhotoSet(folder, recipe.size, recipe.data)
    for file in list_pictures(folder):
        if len(photos.held_out) < count and is_held_out(file, recipe.data.held_out):
            read = photos._read(file)
            if not isinstance(read, str):
                photos.pictures[file] = read
                photos.held_out.append(file)
    return photos


def pairs(run: Path, folder: Path, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Photo ``(3, S, S)`` and hole ``(1, S, S)`` of each held-out picture, as in validation."""
    recipe = recipe_io.read_recipe(run / "recipe.toml").model_copy(update={"validate_count": count})
    draw = make_hole_sampler(recipe, objective.build_network(recipe))
    for batch in iterate_held_out(pictures(recipe, folder, count), recipe, draw):
        yield from zip(batch.photo, batch.hole, strict=True)


def measure(filler: CheckedFiller, shown: Iterable[tuple[Tensor, Tensor]]) -> Measured:
    """Fill every picture, and compare with the truth."""
    metrics: dict[str, PictureMetric] = {"l1": L1Error("hole"), "psnr": PSNR(), "lpips": LPIPS()}
    faithful = True
    for photo, hole in shown:
        gap = hole[0].numpy() > 0
        made = filler(np.ascontiguousarray((photo * (1 - hole)).permute(1, 2, 0).numpy()), gap)
        faithful &= bool((made[~gap] == photo.permute(1, 2, 0).numpy()[~gap]).all())
        filled = torch.from_numpy(made).permute(2, 0, 1)
        for metric in metrics.values():
            metric.update(filled[None], photo[None], hole[None])
    rows = {name: np.array(metric.rows()) for name, metric in metrics.items()}
    rows["l1"] /= 100  # from percent
    return Measured(rows, faithful)


def below(ours: Values, theirs: Values) -> tuple[float, float, float]:
    """By how many percent the mean lies below another's, with its 95 % interval over pictures."""
    random = np.random.default_rng(0)
    picks = random.integers(0, len(ours), (BOOTSTRAPS, len(ours)))
    ratios = 1 - ours[picks].mean(1) / theirs[picks].mean(1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return 100 * (1 - ours.mean() / theirs.mean()), 100 * low, 100 * high


def minutes(run: Path) -> float:
    """Time that the steps of a run took, by its log's rates, without validations and sheets."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    rated = [(line["step"], line["rate"]) for line in lines if line.get("rate")]
    before = [0, *(step for step, _ in rated)]
    return float(sum((s - b) / rate for b, (s, rate) in zip(before, rated, strict=False)) / 60)


def lines(run: Path, folder: Path, count: int, weights: str) -> Iterator[str]:
    """The table's lines of one run."""
    shown = list(pairs(run, folder, count))
    ratio = np.mean([float(hole.mean()) for _, hole in shown])
    ours = mendpix.load(run / f"{weights}.safetensors")
    fillers = {name: mendpix.load(filler) for name, filler in BASELINES.items()}
    table = {name: measure(filler, shown) for name, filler in fillers.items()}
    table["trained"] = measure(ours, shown)
    base = table["mean colour"].rows["l1"]
    yield (
        f"| **`{run.name}`** step {ours.card['steps']}, {minutes(run):.1f} min of steps; "
        f"{len(shown)} pictures, {100 * ratio:.0f} % missing | | | | |"
    )
    for name, measured in table.items():
        gain, low, high = below(measured.rows["l1"], base)
        said = "" if name == "mean colour" else f"{gain:.1f} % ({low:.1f} to {high:.1f})"
        l1, psnr, lpips = (measured.rows[metric].mean() for metric in ("l1", "psnr", "lpips"))
        note = "" if measured.faithful else " (changed known pixels!)"
        yield f"| {name}{note} | {l1:.4f} | {said} | {psnr:.2f} | {lpips:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder tree that the runs learned from")
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    parser.add_argument("--count", type=int, default=150, help="held-out pictures at most")
    parser.add_argument("--weights", default="best", choices=("best", "last"))
    given = parser.parse_args()
    print("| | hole L1 | below mean colour (95 %) | PSNR (dB) | LPIPS |\n|---|---|---|---|---|")
    for run in given.runs:
        for line in lines(run, given.photos, given.count, given.weights):
            print(line, flush=True)


if __name__ == "__main__":
    main()
