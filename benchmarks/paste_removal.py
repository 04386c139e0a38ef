"""Things pasted into native crops and removed again: samples whose truth is known.

    python benchmarks/paste_removal.py PACKAGES --photos PHOTOS --out rows.csv

PACKAGES holds the unpacked packages of ``photographs.json``, PHOTOS the pictures that things are
cut from (``THINGS``: CC0, DataTalksClub's clothing data set). No pixels are kept here: a thing is
cut out by GrabCut (Rother et al. 2004, https://doi.org/10.1145/1015706.1015720), pasted with the
soft shadow that it throws, blurred as its place is, sharpened as cameras do, and saved as JPEG.

Each is removed with two masks: ``exact``, what it covers by half and more, and ``loose``, that and
eight pixels around. ``main`` fills them with ``--grow`` 0, auto and 3.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import photographs
from native_sets import Hole, Pixels, Sample, read_pixels

Values = NDArray[np.float32]

THINGS = (
    "0c5aba3ee2de", "1479d02745f8", "0a0fbebaa92d", "a709851209ef", "2d043e341eab",
    "7693c33f5871", "2acd4602d8bf", "02e0f5b7bc7f", "13b07fa0d514", "9f8a17da2ccb",
)  # fmt: skip
FOLDER = "clothing"
SIDE = 512
"""Of the pictures, cut from the middle of a crop."""
LOOSE = 8
"""Pixels around a thing that a loose mask covers too."""
KINDS = {  # blur of the thing's edge in pixels, amount of sharpening, JPEG quality (0: none)
    "sharp": (0.6, 0.0, 0),
    "sharpened": (0.8, 1.2, 0),
    "jpeg": (0.6, 0.0, 70),
    "soft": (2.0, 0.0, 90),
    "blurred": (4.5, 0.0, 0),
}
REACH = 24
"""Pixels around a thing that residue is looked for in: its edge's, not its shadow's."""


@dataclass(frozen=True)
class Pasted:
    """A picture with a thing in it, what it was before, and the thing's cover ``(H, W)``."""

    name: str
    kind: str
    photo: Pixels
    truth: Pixels
    cover: Values

    @property
    def exact(self) -> Hole:
        """What the thing covers by half and more."""
        return np.asarray(self.cover >= 0.5)

    @property
    def loose(self) -> Hole:
        """The same and some pixels around, as a person brushes it."""
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * LOOSE + 1, 2 * LOOSE + 1))
        return np.asarray(cv2.dilate(self.exact.astype(np.uint8), disc) > 0)


def read_pasted(packages: Path, photos: Path, limit: int | None = None) -> Iterator[Pasted]:
    """One thing in each measuring photograph's first crops, the kinds in turn."""
    places = [
        (photograph, crop)
        for photograph in photographs.read()
        if photograph.set == "measuring"
        for crop in photograph.crops[:2]
    ]
    kinds = list(KINDS)
    for index, (photograph, crop) in enumerate(places[:limit]):
        pixels = read_pixels(packages / photograph.package / photograph.path)
        truth = np.ascontiguousarray(cut_middle(pixels[crop.slices]))
        thing = photos / FOLDER / f"{THINGS[index % len(THINGS)]}.webp"
        kind = kinds[index % len(kinds)]
        yield paste(f"{photograph.name}/{index}", kind, truth, *cut_out(thing))


def read_samples(
    packages: Path, limit: int | None = None, photos: Path = Path("photos")
) -> Iterator[Sample]:
    """What the native benchmark fills: each thing with both masks."""
    for pasted in read_pasted(packages, photos, limit):
        for mask, hole in (("exact", pasted.exact), ("loose", pasted.loose)):
            region = pasted.loose | (np.abs(pasted.photo - pasted.truth.astype(np.int16)) > 8).any(
                2
            )
            yield Sample(
                f"{pasted.name}-{mask}", mask, pasted.photo, hole, pasted.truth, np.asarray(region)
            )


def cut_middle(pixels: Pixels) -> Pixels:
    top, left = (pixels.shape[0] - SIDE) // 2, (pixels.shape[1] - SIDE) // 2
    return pixels[top : top + SIDE, left : left + SIDE]


def cut_out(path: Path) -> tuple[Pixels, Values]:
    """A thing's picture and its cover in [0, 1]; GrabCut runs on a third of the size."""
    pixels = read_pixels(path)
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    high, wide = small.shape[:2]
    marks = np.zeros((high, wide), np.uint8)
    box = (wide // 16, high // 16, wide - wide // 8, high - high // 8)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, marks, box, *models, 2, cv2.GC_INIT_WITH_RECT)
    thing = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, sizes, _ = cv2.connectedComponentsWithStats(thing)
    largest = (labels == 1 + int(sizes[1:, cv2.CC_STAT_AREA].argmax())).astype(np.float32)
    smooth = cv2.GaussianBlur(cv2.resize(largest, (width, height)), (0, 0), 3)
    inner = cv2.erode((smooth > 0.5).astype(np.uint8), np.ones((7, 7), np.uint8))  # no old ground
    return pixels, cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 0.5)


def paste(name: str, kind: str, truth: Pixels, thing: Pixels, cover: Values) -> Pasted:
    """The thing in the middle of a picture, with a shadow below and to the right."""
    blur, sharpening, quality = KINDS[kind]
    wide = np.zeros((SIDE, SIDE), np.float32)
    colours = np.zeros((SIDE, SIDE, 3), np.float32)
    scale = min(1.0, 300 / max(cover.shape))
    size = (round(cover.shape[1] * scale), round(cover.shape[0] * scale))
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    place = slice(top, top + size[1]), slice(left, left + size[0])
    wide[place] = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
    colours[place] = cv2.resize(thing, size, interpolation=cv2.INTER_AREA)
    share = cv2.GaussianBlur(wide, (0, 0), blur)
    colours = spread(colours, wide, blur)
    shadow = 0.25 * cv2.GaussianBlur(np.roll(wide, (6, 4), (0, 1)), (0, 0), 8)
    ground = truth * (1 - shadow[..., None])
    mixed = ground * (1 - share[..., None]) + colours * share[..., None]
    if sharpening:
        halo = sharpening * (mixed - cv2.GaussianBlur(mixed, (0, 0), 1.5))
        near = cv2.dilate(wide, np.ones((17, 17), np.uint8)) > 0
        mixed = np.where(near[..., None], mixed + halo, mixed)
    photo = mixed.clip(0, 255).round().astype(np.uint8)
    return Pasted(name, kind, compress(photo, quality), compress(truth, quality), share)


def spread(colours: Values, cover: Values, blur: float) -> Values:
    """The thing's colours beyond its outline, for its blurred edge (normalised convolution)."""
    inside = (cover > 0.99).astype(np.float32)
    weight = cv2.GaussianBlur(inside, (0, 0), blur + 2) + np.float32(1e-4)
    wide = cv2.GaussianBlur(colours * inside[..., None], (0, 0), blur + 2) / weight[..., None]
    blurred = cv2.GaussianBlur(colours, (0, 0), max(blur - 0.5, 0.1))
    deep = cv2.erode(inside, np.ones((2 * round(2 * blur) + 1,) * 2, np.uint8))[..., None]
    return np.asarray(blurred * deep + wide * (1 - deep), np.float32)


def compress(pixels: Pixels, quality: int) -> Pixels:
    """The pixels after JPEG of a quality; 0: as they are."""
    if not quality:
        return pixels
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR_RGB), np.uint8)


def residue(filled: Pixels, pasted: Pasted) -> float:
    """How much of the thing's edge is left outside its exact outline.

    The regression coefficient of what remains on what the thing had changed there, above the
    pixels that its shadow alone changed: 0 nothing is left, 1 all.
    """
    outside = cv2.distanceTransform((~pasted.exact).astype(np.uint8), cv2.DIST_L2, 5)
    band = (outside > 0) & (outside <= REACH) & (pasted.cover > 0.02)
    change = pasted.photo[band].astype(np.float64) - pasted.truth[band]
    remains = filled[band].astype(np.float64) - pasted.truth[band]
    return float((change * remains).sum() / max((change**2).sum(), 1e-9))


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for each thing, mask and growth."""
    import mendpix
    from mendpix.masks import holes
    from native_metrics import lpips

    for pasted in read_pasted(options.packages, options.photos, options.limit):
        region = np.asarray(cv2.dilate(pasted.loose.astype(np.uint8), np.ones((17, 17))) > 0)
        for mask, hole in (("exact", pasted.exact), ("loose", pasted.loose)):
            for amount in (0, "auto", 3):
                grown, by = holes.grow(hole, pasted.photo, amount)  # type: ignore[arg-type]
                filled = mendpix.fill(pasted.photo, grown, model=options.model, threads=1)
                if options.pictures:
                    name = f"{pasted.name.replace('/', '-')}-{pasted.kind}-{mask}-{amount}.png"
                    cv2.imwrite(str(options.pictures / name), filled[..., ::-1])
                yield {
                    "name": pasted.name, "kind": pasted.kind, "mask": mask, "grow": amount,
                    "pixels": by or 0, "lpips": round(lpips(filled, pasted.truth, region), 4),
                    "residue": round(residue(filled, pasted), 4),
                }  # fmt: skip


def digest(pasted: Pasted) -> str:
    """A hash of a picture with a thing in it."""
    return hashlib.sha256(pasted.photo.tobytes()).hexdigest()[:16]


def main() -> None:
    """Write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--model", default="patchmatch")
    parser.add_argument("--pictures", type=Path, help="Folder for the fills.")
    parser.add_argument("--out", type=Path, default=Path("rows.csv"))
    options = parser.parse_args()
    table = None
    with options.out.open("w", encoding="utf-8", newline="") as file:
        for row in measure(options):
            table = table or csv.DictWriter(file, list(row), lineterminator="\n")
            if file.tell() == 0:
                table.writeheader()
            table.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
