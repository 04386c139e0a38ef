"""Fill photographs at their own size, and measure each fill: rows of a table, then a report.

    python benchmarks/native.py measure PACKAGES --fillers auto patchmatch --out rows.csv
    python benchmarks/native.py report rows.csv --baseline older.csv --out report.md

PACKAGES holds the unpacked packages of ``photographs.json``. Of its crops those count whose hole a
person marked as guessable before any fill was seen. ``--set pastes`` removes things that
``paste_removal.py`` pasted, the truth known, with exact and with loose masks.

Fillers: a name that ``mendpix.load`` knows, ``auto+migan`` (a generator by name; ``auto`` alone
has none), ``auto@best``; ``migan`` as its makers' own pipeline runs it, in a window around the
hole, ``mendpix-migan`` as this package does; ``patchmatch-cython`` (``pip install
patchmatch-cython``); ``truth``, a check of the measuring itself.

What was filled once is kept in the cache folder, under a hash of the filler's code and the sample,
and not filled again. With ``--share 0/2`` and ``1/2`` two processes fill the cache together; the
rows are then written by a run without it.
"""

import argparse
import csv
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

import native_report
from native_fillers import Entrant, open_entrant
from native_sets import SETS, Pixels, Sample

FILLERS = ("auto", "patchmatch", "migan", "telea", "navier-stokes")
CACHE = Path(tempfile.gettempdir()) / "mendpix-native"
COLUMNS = [
    "set",
    "name",
    "kind",
    "filler",
    "version",
    "lpips",
    "fine",
    "middle",
    "coarse",
    "rim_z",
    "seconds",
]


@dataclass(frozen=True)
class Cache:
    """A folder of fills that were made before: pictures, and the seconds each took."""

    folder: Path

    def fill(self, entrant: Entrant, sample: Sample) -> tuple[Pixels, float]:
        """The fill ``(H, W, 3)`` and the processor's seconds, from the cache or made now."""
        path = self.place(entrant, sample)
        if not path.exists():
            self.write(path, *run(entrant, sample))
        seconds = float(path.with_suffix(".txt").read_text("utf-8"))
        return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), np.uint8), seconds

    def score(self, entrant: Entrant, sample: Sample) -> dict[str, float | None]:
        """All figures of a fill, from the cache or measured now."""
        path = self.place(entrant, sample).with_suffix(f".{hash_metrics()}.json")
        if not path.exists():
            from native_metrics import score

            filled, seconds = self.fill(entrant, sample)
            path.write_text(json.dumps(score(filled, sample) | {"seconds": seconds}), "utf-8")
        figures: dict[str, float | None] = json.loads(path.read_text("utf-8"))
        return figures

    def place(self, entrant: Entrant, sample: Sample) -> Path:
        name = f"{sample.name.replace('/', '-')}-{sample.digest()}.png"
        return self.folder / entrant.name / entrant.version.replace(" ", "") / name

    def write(self, path: Path, filled: Pixels, seconds: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".txt").write_text(f"{seconds:.3f}\n", "utf-8")
        partial = path.with_suffix(".part.png")
        cv2.imwrite(str(partial), cv2.cvtColor(filled, cv2.COLOR_RGB2BGR))
        partial.replace(path)


@lru_cache
def hash_metrics() -> str:
    source = Path(__file__).with_name("native_metrics.py").read_bytes()
    return hashlib.sha256(source).hexdigest()[:8]


def run(entrant: Entrant, sample: Sample) -> tuple[Pixels, float]:
    """A fill and the processor's seconds of all threads."""
    start = time.process_time()
    filled = entrant(sample)
    return filled, time.process_time() - start


def measure(options: argparse.Namespace) -> None:
    """Write the rows."""
    entrants = [open_entrant(name, options.threads) for name in options.fillers]
    for entrant in entrants:  # compiles and loads what is not to be counted
        run(entrant, warm_up())
    rows = []
    for sample in choose(options):
        for entrant in entrants:
            figures = Cache(options.cache).score(entrant, sample)
            common = {"set": options.set, "name": sample.name, "kind": sample.kind}
            common |= {"filler": entrant.name, "version": entrant.version}
            rows.append({**common, **figures})
            print(" ".join(map(format_cell, rows[-1].values())), file=sys.stderr, flush=True)
    if options.share == "0/1":
        write_rows(options.out, rows)


def choose(options: argparse.Namespace) -> Iterator[Sample]:
    """The samples of this run."""
    first, parts = map(int, options.share.split("/"))
    samples = SETS[options.set](options.packages, options.limit)
    return (sample for index, sample in enumerate(samples) if index % parts == first)


def warm_up() -> Sample:
    """A small picture."""
    truth = np.random.default_rng(0).integers(0, 255, (160, 160, 3)).astype(np.uint8)
    hole = np.zeros((160, 160), bool)
    hole[60:100, 60:100] = True
    return Sample("noise/0", "texture", truth, hole, truth, hole)


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    """Write the table; rows of other fillers or sets that it holds already stay."""
    done = {(row["set"], row["filler"]) for row in rows}
    old = native_report.read_rows([path]) if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in [*(row for row in old if (row["set"], row["filler"]) not in done), *rows]:
            table.writerow({key: format_cell(value) for key, value in row.items()})


def format_cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="what", required=True)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("packages", type=Path)
    measuring.add_argument("--set", choices=list(SETS), default="crops")
    measuring.add_argument("--fillers", nargs="+", default=list(FILLERS))
    measuring.add_argument("--limit", type=int, help="So many samples, evenly over the kinds.")
    measuring.add_argument("--share", default="0/1", help="Which part of the samples, of how many.")
    measuring.add_argument("--threads", type=int, default=1)
    measuring.add_argument("--cache", type=Path, default=CACHE)
    measuring.add_argument("--out", type=Path, default=Path("rows.csv"))
    measuring.set_defaults(run=measure)
    native_report.add_arguments(verbs.add_parser("report"))
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
