"""A blind comparison: fills in random, unlabelled order on contact sheets, judged before the key.

    python benchmarks/blind.py draw PHOTOS OUT     # sheets, an empty judgements.csv, and the key
    python benchmarks/blind.py open OUT            # counts wins, ties and losses

``blind.json`` names forty photos that no training read (held out by the hash of their names) and
what a person would paint over in each, as polygons. In ``judgements.csv`` each row is a photo and
the letters from best to worst, ``=`` between equals: ``B>A=D>C``.
"""

import argparse
import csv
import json
import secrets
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import mendpix
from mendpix.io import files
from mendpix.types import Hole, Photo

FILLERS = ("auto", "patchmatch", "navier-stokes", "migan")
LETTERS = "ABCD"
TILE, GAP, ROWS = 300, 6, 5
BRUSH = 4
"""Pixels by which a polygon is widened: a person paints a little over the edge."""


def hole_of(polygons: list[list[list[int]]], shape: tuple[int, int]) -> Hole:
    """The painted area ``(H, W)``."""
    mask = np.zeros(shape, np.uint8)
    for points in polygons:
        cv2.fillPoly(mask, [np.array(points, np.int32)], 255)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BRUSH + 1, 2 * BRUSH + 1))
    return cv2.dilate(mask, disc) > 0


def tile(photo: Photo, hole: Hole, marked: bool = False) -> NDArray[np.uint8]:
    """The surroundings of the hole as a square of ``TILE`` pixels."""
    rows, columns = np.nonzero(hole)
    middle = [int((p.min() + p.max()) / 2) for p in (rows, columns)]
    half = max(64, round(0.9 * max(np.ptp(rows), np.ptp(columns))))
    top, left = (
        int(np.clip(m - half, 0, max(0, n - 2 * half)))
        for m, n in zip(middle, hole.shape, strict=True)
    )
    cut = np.rint(photo[top : top + 2 * half, left : left + 2 * half] * 255).astype(np.uint8)
    if marked:
        cut[hole[top : top + 2 * half, left : left + 2 * half]] = (255, 0, 255)
    scale = TILE / max(cut.shape[:2])
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    cut = np.asarray(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    spare = [TILE - n for n in cut.shape[:2]]
    return cv2.copyMakeBorder(cut, 0, spare[0], 0, spare[1], cv2.BORDER_CONSTANT)  # type: ignore[return-value]


def draw(photos: Path, out: Path) -> None:
    """Fill every photo by every filler and draw the sheets."""
    out.mkdir(parents=True, exist_ok=True)
    fillers = {name: mendpix.load(name) for name in FILLERS}
    said = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    key, rows = {}, []
    for number, entry in enumerate(said):
        photo = files.read(photos / entry["photo"]).pixels.astype(np.float32) / np.float32(255)
        hole = hole_of(entry["remove"], photo.shape[:2])
        order = sorted(FILLERS, key=lambda _: secrets.randbits(64))
        key[entry["photo"]] = dict(zip(LETTERS, order, strict=True))
        tiles = [tile(photo, hole, marked=True)]
        tiles += [tile(fillers[name](photo, hole), hole) for name in order]
        rows.append(row(f"{number + 1}", tiles))
    for start in range(0, len(rows), ROWS):
        sheet = np.vstack(rows[start : start + ROWS])
        cv2.imwrite(str(out / f"sheet-{start // ROWS + 1}.png"), sheet[..., ::-1])
    (out / "key.json").write_text(json.dumps(key, indent=1) + "\n", encoding="utf-8")
    lines = [f"{number + 1},{entry['photo']},," for number, entry in enumerate(said)]
    table = "\n".join(["number,photo,order,why", *lines])
    (out / "judgements.csv").write_text(table + "\n", encoding="utf-8")


def row(label: str, tiles: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Tiles side by side, lettered."""
    for letter, shown in zip([label, *LETTERS], tiles, strict=True):
        cv2.putText(shown, letter, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4)
        cv2.putText(shown, letter, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 0), 1)
    framed = [cv2.copyMakeBorder(t, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT) for t in tiles]
    return np.hstack(framed).astype(np.uint8)


def ranks(order: str) -> dict[str, int]:
    """Places of the letters: 0 for the best, equals share one."""
    return {c: place for place, group in enumerate(order.split(">")) for c in group.split("=")}


def count(out: Path, ours: str = "auto") -> None:
    """Open the key and print how ours stands against each other filler."""
    key = json.loads((out / "key.json").read_text(encoding="utf-8"))
    tally = {name: [0, 0, 0] for name in FILLERS if name != ours}
    with (out / "judgements.csv").open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            placed = {key[line["photo"]][c]: p for c, p in ranks(line["order"]).items()}
            for name, counts in tally.items():
                counts[1 + int(np.sign(placed[ours] - placed[name]))] += 1
    print("| against | better | equal | worse |\n|---|---|---|---|")
    for name, counts in tally.items():
        print(f"| {name} | {counts[0]} | {counts[1]} | {counts[2]} |")


def main() -> None:
    """Read the command line."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = reader.add_subparsers(dest="what", required=True)
    drawing = parts.add_parser("draw")
    drawing.add_argument("photos", type=Path)
    drawing.add_argument("out", type=Path)
    parts.add_parser("open").add_argument("out", type=Path)
    said = reader.parse_args()
    if said.what == "draw":
        draw(said.photos, said.out)
    else:
        count(said.out)


if __name__ == "__main__":
    main()
