"""Fill the pictures of an evaluation with patchmatch-cython, to score them beside our own.

    mendpix evaluate PHOTOS --out FOLDER --model mean-colour
    python benchmarks/others.py FOLDER FILLS [--loops 4] [--share 0/2]
    mendpix evaluate PHOTOS --out FOLDER --model ... --results cython=FILLS

``pip install patchmatch-cython``. Pictures that are there already stay, so that it can be stopped.
Where its pyramid leaves nothing known, the tool fills without it, and it is said.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from patchmatch_cython import inpaint_pyramid, inpaint_single


def fill_picture(truth: Path, hole: Path, target: Path, loops: int) -> None:
    """Fill one picture; the tool works on 8 bits and returns the whole of it."""
    photo = cv2.imread(str(truth), cv2.IMREAD_COLOR_RGB)
    missing = cv2.imread(str(hole), cv2.IMREAD_GRAYSCALE)
    if photo is None or missing is None:
        raise SystemExit(f"cannot read {truth} or its hole")
    photo[missing > 127] = 0  # nothing of the truth is shown
    missing = missing > 127
    try:
        output = inpaint_pyramid(photo, missing, seed=0, em_loops=loops)
    except ValueError as problem:
        print(f"{truth.stem}: {problem}; filled without its pyramid", flush=True)
        output = inpaint_single(photo, missing, seed=0, em_loops=loops)
    cv2.imwrite(str(target), np.ascontiguousarray(output[..., ::-1]))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("fills", type=Path)
    parser.add_argument("--loops", type=int, default=4)
    parser.add_argument("--share", default="0/1", help="which part of the pictures, of how many")
    options = parser.parse_args()
    options.fills.mkdir(parents=True, exist_ok=True)
    first, parts = map(int, options.share.split("/"))
    for truth in sorted((options.evaluation / "pictures" / "truth").glob("*.png"))[first::parts]:
        target = options.fills / truth.name
        if not target.exists():
            hole = options.evaluation / "pictures" / "hole" / truth.name
            fill_picture(truth, hole, target, options.loops)


if __name__ == "__main__":
    main()
