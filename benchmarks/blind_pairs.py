"""A blind comparison at 1:1: two fills of one hole side by side, forced choice, in both orders.

    python benchmarks/blind_pairs.py draw PACKAGES OUT --key KEY.json
    python benchmarks/blind_pairs.py count KEY.json judgements-*.csv --out report.md

`draw` takes forty crops of the measuring photographs (chosen by the hash of their names, no
photograph twice before each was taken once), fills them, and writes a sheet for each pair of
fillers in both orders, eight catch pairs (the photograph itself against the mean colour), an empty
``judgements.csv`` and the key's hash to OUT. The key goes elsewhere: it is published with its hash
after the judgements. A judge writes ``left`` or ``right`` into every row, never neither.

`count` opens the key. A crop is won where more than half of its votes (both orders, all judges)
are for the first filler, lost where fewer are; the sign test is exact and two-sided, and leaves
out what is even. Judges who fail more than one catch pair are named.
"""

import argparse
import csv
import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from math import comb
from pathlib import Path

import cv2
import numpy as np

from native import CACHE, Cache
from native_fillers import Entrant, open_entrant
from native_metrics import box_around
from native_sets import Pixels, Sample, hash_name, read_crops

PAIRS = (("auto", "migan"), ("auto", "patchmatch"), ("auto+migan", "migan"))
CATCH = ("truth", "mean-colour")
COUNT, CATCHES = 40, 8
DRAW_FROM = 61
"""Crops of the benchmark, evenly over the kinds, of which the forty are chosen."""
LARGEST = 600
"""Side of the largest picture on a sheet, in pixels; larger holes are left out."""
MARGIN, GAP, BAND = 72, 12, 34
"""Pixels around the hole on a sheet, between the pictures, and above them for the words."""
PLAIN_KINDS = ("structure", "texture")
"""Kinds for catch pairs: nothing stands in the hole that should be gone."""
SIDES = ("left", "right")


@dataclass(frozen=True)
class Sheet:
    """Two fills of a sample, by the names of their fillers."""

    sample: Sample
    left: str
    right: str


def choose_samples(samples: Iterable[Sample], count: int = COUNT) -> list[Sample]:
    """``count`` samples that fit a sheet, in rounds over the photographs, by their names' hash."""
    by_photograph: dict[str, list[Sample]] = {}
    for sample in sorted(filter(fits, samples), key=lambda one: hash_name(one.name)):
        by_photograph.setdefault(sample.photograph, []).append(sample)
    rounds = zip_longest(*by_photograph.values())
    return [sample for turn in rounds for sample in turn if sample is not None][:count]


def fits(sample: Sample) -> bool:
    return max(part.stop - part.start for part in box_around(sample.region, MARGIN)) <= LARGEST


def plan_sheets(samples: list[Sample], pairs: Iterable[tuple[str, str]]) -> list[Sheet]:
    """All sheets in random order."""
    sheets = [
        Sheet(sample, *order)
        for sample in samples
        for one, other in pairs
        for order in ((one, other), (other, one))
    ]
    plain = [sample for sample in samples if sample.kind in PLAIN_KINDS][:CATCHES]
    sheets += [Sheet(sample, *CATCH[:: secrets.choice((1, -1))]) for sample in plain]
    return sorted(sheets, key=lambda _: secrets.randbits(64))


def draw_sheet(sheet: Sheet, fills: tuple[Pixels, Pixels], number: str) -> Pixels:
    """Both fills at 1:1 side by side, and a small picture of where the hole is."""
    place = box_around(sheet.sample.region, MARGIN)
    marked = np.where(sheet.sample.hole[..., None], np.uint8((255, 0, 255)), sheet.sample.truth)
    small = cv2.resize(marked, (256, 256), interpolation=cv2.INTER_AREA)
    parts = [fills[0][place], fills[1][place], np.asarray(small, np.uint8)]
    height = BAND + max(part.shape[0] for part in parts)
    canvas = np.full((height, sum(p.shape[1] + GAP for p in parts) - GAP, 3), 255, np.uint8)
    left = 0
    for part, word in zip(parts, ("LEFT", "RIGHT", f"hole, {number}"), strict=True):
        canvas[BAND : BAND + part.shape[0], left : left + part.shape[1]] = part
        cv2.putText(canvas, word, (left, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
        left += part.shape[1] + GAP
    return canvas


def draw(options: argparse.Namespace) -> None:
    """Write sheets, the empty table, the key and its hash."""
    pairs = [tuple(pair.split("/")) for pair in options.pairs]
    samples = choose_samples(read_crops(options.packages, DRAW_FROM))
    names = sorted({name for pair in (*pairs, CATCH) for name in pair})
    entrants = {name: open_entrant(name, options.threads) for name in names}
    options.out.mkdir(parents=True, exist_ok=True)
    sheets = plan_sheets(samples, pairs)
    key = {}
    for index, sheet in enumerate(sheets):
        number = f"{index + 1:03d}"
        left, right = (fill(options.cache, entrants[n], sheet) for n in (sheet.left, sheet.right))
        image = draw_sheet(sheet, (left, right), number)
        cv2.imwrite(str(options.out / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        key[number] = {"crop": sheet.sample.name, "left": sheet.left, "right": sheet.right}
    versions = {name: entrant.version for name, entrant in entrants.items()}
    write_key(options, {"versions": versions, "sheets": key})


def fill(cache: Path, entrant: Entrant, sheet: Sheet) -> Pixels:
    return Cache(cache).fill(entrant, sheet.sample)[0]


def write_key(options: argparse.Namespace, key: dict[str, dict[str, object]]) -> None:
    """The key, its hash beside the sheets, and the table to fill in."""
    text = json.dumps({"salt": secrets.token_hex(8), **key}, indent=1) + "\n"
    options.key.parent.mkdir(parents=True, exist_ok=True)
    options.key.write_text(text, "utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (options.out / "key.sha256").write_text(digest + "\n", "utf-8")
    lines = ["sheet,choice,why", *(f"{number},," for number in key["sheets"])]
    (options.out / "judgements.csv").write_text("\n".join(lines) + "\n", "utf-8")


@dataclass(frozen=True)
class Vote:
    """What a judge chose on a sheet: the filler, the other, and where the chosen one stood."""

    judge: str
    crop: str
    chosen: str
    other: str
    side: str


def read_votes(key: dict[str, dict[str, str]], paths: list[Path]) -> Iterator[Vote]:
    """The votes of all judges.

    Raises:
        SystemExit: a row without a choice, or a sheet without a row.
    """
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row["sheet"]: row["choice"].strip().lower() for row in csv.DictReader(file)}
        for number, sheet in key.items():
            side = rows.get(number, "")
            if side not in SIDES:
                raise SystemExit(f"{path}: sheet {number} has {side!r}; choose left or right")
            chosen, other = sheet[side], sheet[SIDES[side == "left"]]
            yield Vote(path.stem, sheet["crop"], chosen, other, side)


def tally(votes: list[Vote], one: str, other: str) -> dict[str, float]:
    """The share of votes for the first filler, crop by crop."""
    shares: dict[str, list[bool]] = {}
    for vote in votes:
        if {vote.chosen, vote.other} == {one, other}:
            shares.setdefault(vote.crop, []).append(vote.chosen == one)
    return {crop: sum(chosen) / len(chosen) for crop, chosen in shares.items()}


def sign_test(wins: int, losses: int) -> float:
    """The exact two-sided p-value of a fair coin."""
    count = wins + losses
    tail = sum(comb(count, k) for k in range(min(wins, losses) + 1)) / 2**count
    return min(1.0, 2 * tail)


def report(votes: list[Vote]) -> list[str]:
    """Wins and losses of each pair, for all judges and each; then how far judges can be trusted."""
    pairs = sorted({tuple(sorted((vote.chosen, vote.other))) for vote in votes})
    judges = sorted({vote.judge for vote in votes})
    lines = ["| pair | judges | won | even | lost | p |", "|---|---|---|---|---|---|"]
    for one, other in (pair for pair in pairs if set(pair) != set(CATCH)):
        for names in (judges, *([judge] for judge in judges)):
            shares = tally([vote for vote in votes if vote.judge in names], one, other).values()
            won, lost = sum(s > 0.5 for s in shares), sum(s < 0.5 for s in shares)
            cells = [f"{one} against {other}", " and ".join(names), str(won)]
            cells += [str(len(shares) - won - lost), str(lost), f"{sign_test(won, lost):.4f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *(describe_judge(votes, judge) for judge in judges), ""]


def describe_judge(votes: list[Vote], judge: str) -> str:
    """Catch pairs, steadiness over both orders, and a preference for a side."""
    own = [vote for vote in votes if vote.judge == judge]
    catches = [vote.chosen == CATCH[0] for vote in own if {vote.chosen, vote.other} == set(CATCH)]
    kept: dict[tuple[str, ...], set[str]] = {}
    for vote in own:
        kept.setdefault((vote.crop, *sorted((vote.chosen, vote.other))), set()).add(vote.chosen)
    steady = [len(k) == 1 for pair, k in kept.items() if set(pair[1:]) != set(CATCH)]
    failed = "" if sum(catches) >= len(catches) - 1 else " **not to be trusted**"
    return (
        f"- {judge}: {sum(catches)} of {len(catches)} catch pairs{failed}; the same choice in both "
        f"orders in {sum(steady)} of {len(steady)}; "
        f"left in {sum(vote.side == 'left' for vote in own)} of {len(own)}"
    )


def count(options: argparse.Namespace) -> None:
    """Open the key, and print or write the report."""
    text = options.key.read_text("utf-8")
    key = json.loads(text)
    lines = ["# Blind comparison at 1:1", "", *__doc__.split("\n\n")[-1].strip().splitlines(), ""]
    lines += report(list(read_votes(key["sheets"], options.judgements)))
    lines += [f"Key: sha256 {hashlib.sha256(text.encode()).hexdigest()}", ""]
    lines += [f"- {name}: {version}" for name, version in key["versions"].items()]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="what", required=True)
    drawing = verbs.add_parser("draw")
    drawing.add_argument("packages", type=Path)
    drawing.add_argument("out", type=Path)
    drawing.add_argument("--key", type=Path, required=True, help="Where judges do not look.")
    drawing.add_argument("--pairs", nargs="+", default=["/".join(pair) for pair in PAIRS])
    drawing.add_argument("--threads", type=int, default=1)
    drawing.add_argument("--cache", type=Path, default=CACHE)
    drawing.set_defaults(run=draw)
    counting = verbs.add_parser("count")
    counting.add_argument("key", type=Path)
    counting.add_argument("judgements", nargs="+", type=Path)
    counting.add_argument("--out", type=Path)
    counting.set_defaults(run=count)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
