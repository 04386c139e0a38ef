"""How many holes a second one core draws at 256x256, kind by kind, and how much they cover.

    python benchmarks/drawing.py [--size 256] [--count 300]

Kinds made of a folder of masks draw from 64 masks of strokes written for the purpose.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from mendpix.masks import generate

GOAL = 300  # holes a second per core at 256


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--count", type=int, default=300)
    asked = options.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        masks = Path(folder) / "masks"
        generate.draw_folder("mat", 64, 512, masks)
        print(f"{'kind':22} {'holes/s':>8} {'mean':>6} {'least':>6} {'most':>6}")
        slow = [
            kind for kind in generate.GENERATORS if not row(kind, asked.size, asked.count, masks)
        ]
    print(f"slower than {GOAL} a second: {', '.join(slow) or 'none'}")


def row(kind: str, size: int, count: int, masks: Path) -> bool:
    """Print a kind's figures; whether it is fast enough."""
    of_masks = {"folder": masks} if kind in ("objects", "varied") else None
    generate.draw(kind, size, 0, 0, of_masks)
    rates, areas = [], []
    for part in range(5):
        begun = time.perf_counter()
        places = range(part * count // 5, (part + 1) * count // 5)
        holes = [generate.draw(kind, size, 0, index, of_masks) for index in places]
        rates.append(len(holes) / (time.perf_counter() - begun))
        areas += [float(np.mean(hole)) for hole in holes]
    figures = f"{np.mean(areas):6.3f} {min(areas):6.3f} {max(areas):6.3f}"
    print(f"{kind:22} {median(rates):8.0f} {figures}")
    return median(rates) >= GOAL


if __name__ == "__main__":
    main()
