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


def draw_hole(polygons: list[list[list[int]]], shape: tuple[int, int]) -> Hole:
    """The painted area ``(H, W)``."""
    mask = np.zeros(shape, np.uint8)
    for points in polygons:
        cv2.fillPoly(mask, [np.array(points, np.int32)], 255)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BRUSH + 1, 2 * BRUSH + 1))
    return cv2.dilate(mask, disc) > 0


def crop_tile(photo: Photo, hole: Hole, paint: bool = False) -> NDArray[np.uint8]:
    """The surroundings of the hole as a square of ``TILE`` pixels."""
    rows, columns = np.nonzero(hole)
    centre = [int((p.min() + p.max()) / 2) for p in (rows, columns)]
    half = max(64, round(0.9 * max(np.ptp(rows), np.ptp(columns))))
    top, left = (
        int(np.clip(m - half, 0, max(0, n - 2 * half)))
        for m, n in zip(centre, hole.shape, strict=True)
    )
    cut = np.rint(photo[top : top + 2 * half, left : left + 2 * half] * 255).astype(np.uint8)
    if paint:
        cut[hole[top : top + 2 * half, left : left + 2 * half]] = (255, 0, 255)
    scale = TILE / max(cut.shape[:2])
    kernel = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    cut = np.asarray(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=kernel), np.uint8)
    margin = [TILE - n for n in cut.shape[:2]]
    return cv2.copyMakeBorder(cut, 0, margin[0], 0, margin[1], cv2.BORDER_CONSTANT)  # type: ignore[return-value]


def draw_sheets(photos: Path, out: Path) -> None:
    """Fill every photo by every filler and draw the sheets."""
    out.mkdir(parents=True, exist_ok=True)
    fillers = {name: mendpix.load(name) for name in FILLERS}
    entries = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    key, rows = {}, []
    for number, entry in enumerate(entries):
        photo = files.read(photos / entry["photo"]).pixels.astype(np.float32) / np.float32(255)
        hole = draw_hole(entry["remove"], photo.shape[:2])
        order = sorted(FILLERS, key=lambda _: secrets.randbits(64))
        key[entry["photo"]] = dict(zip(LETTERS, order, strict=True))
        tiles = [crop_tile(photo, hole, paint=True)]
        tiles += [crop_tile(fillers[name](photo, hole), hole) for name in order]
        rows.append(join_tiles(f"{number + 1}", tiles))
    for start in range(0, len(rows), ROWS):
        sheet = np.vstack(rows[start : start + ROWS])
        cv2.imwrite(str(out / f"sheet-{start // ROWS + 1}.png"), sheet[..., ::-1])
    (out / "key.json").write_text(json.dumps(key, indent=1) + "\n", encoding="utf-8")
    lines = [f"{number + 1},{entry['photo']},," for number, entry in enumerate(entries)]
    table = "\n".join(["number,photo,order,why", *lines])
    (out / "judgements.csv").write_text(table + "\n", encoding="utf-8")


def join_tiles(label: str, tiles: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Tiles side by side, lettered."""
    for letter, picture in zip([label, *LETTERS], tiles, strict=True):
        cv2.putText(picture, letter, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4)
        cv2.putText(picture, letter, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 0), 1)
    padded = [cv2.copyMakeBorder(t, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT) for t in tiles]
    return np.hstack(padded).astype(np.uint8)


def parse_ranks(order: str) -> dict[str, int]:
    """Places of the letters: 0 for the best, equals share one."""
    return {c: place for place, group in enumerate(order.split(">")) for c in group.split("=")}


def count_wins(out: Path, ours: str = "auto") -> None:
    """Open the key and print how ours stands against each other filler."""
    key = json.loads((out / "key.json").read_text(encoding="utf-8"))
    tally = {name: [0, 0, 0] for name in FILLERS if name != ours}
    with (out / "judgements.csv").open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            rank = {key[line["photo"]][c]: p for c, p in parse_ranks(line["order"]).items()}
            for name, counts in tally.items():
                counts[1 + int(np.sign(rank[ours] - rank[name]))] += 1
    print("| against | better | equal | worse |\n|---|---|---|---|")
    for name, counts in tally.items():
        print(f"| {name} | {counts[0]} | {counts[1]} | {counts[2]} |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="what", required=True)
    draw_parser = verbs.add_parser("draw")
    draw_parser.add_argument("photos", type=Path)
    draw_parser.add_argument("out", type=Path)
    verbs.add_parser("open").add_argument("out", type=Path)
    options = parser.parse_args()
    if options.what == "draw":
        draw_sheets(options.photos, options.out)
    else:
        count_wins(options.out)


if __name__ == "__main__":
    main()
