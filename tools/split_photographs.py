"""Make or check the manifest of large photographs for measuring and for training.

    dpkg-deb -x PACKAGE.deb FOLDER/PACKAGE          # one folder a package
    python tools/split_photographs.py make FOLDER   # hashes, sizes, versions from the files
    python tools/split_photographs.py check FOLDER --thumbnails PHOTOS
    python tools/split_photographs.py sheets FOLDER --out SHEETS

Which files are photographs, in which set they are, whose they are and where the holes lie is
written in ``benchmarks/photographs.json`` by hand; `make` adds what can be measured. `check` says
what does not hold: a file that differs, a photograph whose look-alike is in the other set or, for
the measuring set, among PHOTOS (difference hash, distance up to 10, unless the manifest says that
somebody looked and they are different), a hole outside its crop or of another size than people
brush. `sheets` draws the crops with the holes' outlines.
"""

import argparse
import gzip
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from photographs import MANIFEST, Photograph, read

ALIKE = 10
"""Bits of 64 in which the hashes of two sizes of one picture may differ."""

RADII = (60, 200)
"""Radius of a hole as people brush them, in pixels of the photograph."""

CROP = 1024
TILE = 320


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["make", "check", "sheets"])
    parser.add_argument("folder", type=Path, help="Holds a folder for each unpacked package.")
    parser.add_argument("--thumbnails", type=Path, help="Folder tree of pictures used to train.")
    parser.add_argument("--out", type=Path, default=Path("sheets"), help="Of sheets: where to.")
    options = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    if options.task == "make":
        make(options.folder)
    if options.task == "sheets":
        draw_sheets(options.folder, options.out)
    return check(options.folder, options.thumbnails)


def make(folder: Path) -> None:
    """Write what the files say into the manifest: version, hash, size, and a crop by each hole."""
    table = json.loads(MANIFEST.read_text("utf-8"))
    for entry in table["photographs"]:
        path = folder / entry["package"] / entry["path"]
        with Image.open(path) as image:
            entry["width"], entry["height"] = image.size
            entry["dhash"] = f"{difference_hash(image):016x}"
        entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        entry["version"] = version_of(folder / entry["package"])
        for crop in entry["crops"]:
            if "x" not in crop:
                crop.update(window(crop["strokes"], entry["width"], entry["height"]))
    MANIFEST.write_text(compact(table), "utf-8")


def compact(table: dict[str, Any]) -> str:
    """JSON with a crop in each line, so that a change of one shows as one line."""
    lines = []
    for entry in table["photographs"]:
        crops = ",\n    ".join(json.dumps(crop, ensure_ascii=False) for crop in entry["crops"])
        head = json.dumps({k: v for k, v in entry.items() if k != "crops"}, ensure_ascii=False)
        body = f"\n    {crops}\n  " if crops else ""
        lines.append(f'  {head[:-1]},\n  "crops": [{body}]}}')
    rest = {key: value for key, value in table.items() if key != "photographs"}
    head = json.dumps(rest, ensure_ascii=False, indent=1).rstrip()[:-2]
    return head + ',\n "photographs": [\n' + ",\n".join(lines) + "\n ]\n}\n"


def window(strokes: list[dict[str, Any]], width: int, height: int) -> dict[str, int]:
    """A square of 1,024 pixels, or what the photograph has, with the hole in its middle."""
    side = min(CROP, width, height)
    corner = {}
    for axis, (name, length) in enumerate((("x", width), ("y", height))):
        values = [point[axis] for stroke in strokes for point in stroke["points"]]
        start = (min(values) + max(values) - side) // 2
        corner[name] = min(max(start, 0), length - side)
    return {**corner, "w": side, "h": side}


def version_of(package: Path) -> str:
    """The version that the package's own changelog begins with."""
    log = next(package.glob("usr/share/doc/*/changelog.Debian.gz"))
    first = gzip.decompress(log.read_bytes()).decode("utf-8").split("\n", 1)[0]
    return first.split("(", 1)[1].split(")", 1)[0]


def difference_hash(image: Image.Image) -> int:
    """64 bits: whether grey grows from each of 9x8 pixels to its right neighbour."""
    image.draft("RGB", (1200, 1200))  # a JPEG is decoded at a smaller size
    grey = image.convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    values = np.asarray(grey, np.int16)
    bits = (values[:, 1:] > values[:, :-1]).ravel()
    return int("".join("01"[int(bit)] for bit in bits), 2)


def check(folder: Path, thumbnails: Path | None) -> int:
    """Print what does not hold, and the counts; 1 where anything does not."""
    photographs = read()
    seen_different = json.loads(MANIFEST.read_text("utf-8"))["different_by_eye"]
    faults = [*file_faults(photographs, folder), *hole_faults(photographs)]
    different = {(name, other) for name, others in seen_different.items() for other in others}
    faults += look_alikes(photographs, thumbnails, different)
    print("\n".join(faults), file=sys.stderr)
    print_counts(photographs)
    return int(bool(faults))


def file_faults(photographs: list[Photograph], folder: Path) -> Iterator[str]:
    for photo in photographs:
        path = folder / photo.package / photo.path
        if not path.is_file():
            yield f"{path} is missing; unpack {photo.package} {photo.version}"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != photo.sha256:
            yield f"{path} is another file than that of {photo.package} {photo.version}"


def hole_faults(photographs: list[Photograph]) -> Iterator[str]:
    for photo in photographs:
        for crop in photo.crops:
            if not (0 <= crop.x <= photo.width - crop.w and 0 <= crop.y <= photo.height - crop.h):
                yield f"{photo.name}: the crop of {crop.what} leaves the photograph"
            if not RADII[0] <= crop.radius() <= RADII[1]:
                yield f"{photo.name}: the hole at {crop.what} has a radius of {crop.radius():.0f}"


def look_alikes(
    photographs: list[Photograph], thumbnails: Path | None, different: set[tuple[str, str]]
) -> Iterator[str]:
    """Pictures that look like one of the measuring set and may be trained on."""
    hashes = {photo.name: int(photo.dhash, 16) for photo in photographs if photo.set == "training"}
    for path in sorted(thumbnails.rglob("*.webp")) if thumbnails else ():
        with Image.open(path) as image:
            hashes[f"{path.parent.name}/{path.name}"] = difference_hash(image)
    measuring = [photo for photo in photographs if photo.set == "measuring"]
    for photo, (name, other) in product(measuring, hashes.items()):
        distance = (int(photo.dhash, 16) ^ other).bit_count()
        if distance <= ALIKE and (photo.name, name) not in different:
            yield f"{photo.name} looks like {name}: {distance} bits of 64 differ; look at both"


def print_counts(photographs: list[Photograph]) -> None:
    for name in ("measuring", "training"):
        sizes = [p.width * p.height / 1e6 for p in photographs if p.set == name]
        large = sum(size >= 12 for size in sizes)
        span = f"{min(sizes):.1f} to {max(sizes):.1f} MP"
        print(f"{name}: {len(sizes)} photographs, {span}, {large} of 12 MP or more")
    crops = [crop for photo in photographs for crop in photo.crops]
    for kind, count in sorted(Counter(crop.kind for crop in crops).items()):
        guessable = sum(crop.guessable for crop in crops if crop.kind == kind)
        print(f"{kind}: {count} holes, {guessable} guessable")


def draw_sheets(folder: Path, out: Path) -> None:
    """Contact sheets of the crops, 16 on each, with the holes' outlines."""
    out.mkdir(parents=True, exist_ok=True)
    tiles = list(draw_tiles(read(), folder))
    for first in range(0, len(tiles), 16):
        sheet = np.zeros((4 * TILE, 4 * TILE, 3), np.uint8)
        for index, tile in enumerate(tiles[first : first + 16]):
            y, x = TILE * (index // 4), TILE * (index % 4)
            sheet[y : y + TILE, x : x + TILE] = tile
        cv2.imwrite(str(out / f"sheet-{first // 16}.png"), sheet)


def draw_tiles(photographs: list[Photograph], folder: Path) -> Iterator[NDArray[np.uint8]]:
    for photo in photographs:
        image = cv2.imread(str(folder / photo.package / photo.path)) if photo.crops else None
        for index, crop in enumerate(photo.crops if image is not None else ()):
            tile = cv2.resize(image[crop.slices], (TILE, TILE), interpolation=cv2.INTER_AREA)
            hole = cv2.resize(crop.hole().astype(np.uint8), (TILE, TILE))
            outlines, _ = cv2.findContours(hole, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(tile, outlines, -1, (255, 0, 255), 1)
            label = f"{photo.name} {index} {crop.kind}"
            cv2.putText(tile, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 255, 255), 1)
            yield tile


if __name__ == "__main__":
    raise SystemExit(main())
