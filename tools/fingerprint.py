"""Print hashes of a small set of fills, training runs and evaluations, to see that none changed.

Run it before and after a change that must not change results:

    python tools/fingerprint.py > before.txt
    python tools/fingerprint.py --check before.txt

A fill is hashed as the decoded values of its file, a training run as its tensors (name, dtype,
shape, bytes) and an evaluation as its rows without times, so that neither a file's compression
nor its metadata counts. Only the command line and `mendpix.fill` are used: what a run writes is
found by its ending, whatever the layout inside the package. The hashes hold on one machine and
one set of library versions; everything runs on the CPU with one thread.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.generic]

ROOT = Path(__file__).resolve().parent.parent
PHOTOS = ROOT / "examples" / "photos"
EXAMPLES = ("bay.jpg", "beach.jpg", "temple.png")
MODELS = {
    "auto": ("auto",),
    "auto-best": ("auto", "--quality", "best"),
    "patchmatch": ("patchmatch",),
    "telea": ("telea",),
    "navier-stokes": ("navier-stokes",),
}
SEEDS = (0, 3)

PLAIN_RECIPE = """
size = 64
batch = 4
steps = 6
schedule = "linear"
warmup = 2
ema = 0.9
log_every = 6
validate_every = 6
sheet_every = 6
save_every = 6
validate_count = 1

[network]
name = "partial-unet"
options = { levels = 4, width = 8 }

[losses.valid]
kind = "l1"
weight = 1
options = { region = "known" }

[losses.hole]
kind = "l1"
weight = 6
options = { region = "hole" }

[losses.tv]
weight = 0.1

[[holes]]
kind = "partial-conv"

[optimiser]
lr = 2e-3
betas = [0.9, 0.999]

[data]
short_side = 80
"""

ADVERSARIAL_RECIPE = """
size = 128
batch = 2
steps = 6
schedule = "cosine"
warmup = 2
ema = 0.9
log_every = 6
validate_every = 6
sheet_every = 6
save_every = 6
validate_count = 1

[network]
name = "context-encoder"
options = { width = 8, bottleneck = 64, overlap = 4 }

[losses.reconstruction]
kind = "overlap-l2"
weight = 0.9
options = { overlap = 4, frame_weight = 10, span = 2 }

[losses.adversarial]
weight = 0.1
discriminator = { name = "context-encoder", options = { part = "centre", width = 8 } }
options = { game = "non-saturating", on = "output" }

[[holes]]
kind = "centre"

[optimiser]
lr = 2e-3
betas = [0.5, 0.999]

[discriminators]
lr = 2e-4
betas = [0.5, 0.999]

[data]
short_side = 160
"""

Lines = Iterator[tuple[str, str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=Path, metavar="FILE", help="Compare with an earlier list.")
    parser.add_argument("--only", choices=list(PARTS), help="One part alone.")
    options = parser.parse_args()
    parts = [options.only] if options.only else list(PARTS)
    with tempfile.TemporaryDirectory() as folder:
        found = {name: value for part in parts for name, value in PARTS[part](Path(folder))}
    for name in sorted(found):
        print(f"{found[name]}  {name}", flush=True)
    return compare(read_list(options.check), found, parts) if options.check else 0


def read_list(path: Path) -> dict[str, str]:
    """Names and hashes of an earlier list."""
    rows = [line.split("  ", 1) for line in path.read_text("utf-8").splitlines() if line]
    return {name: value for value, name in rows}


def compare(before: dict[str, str], after: dict[str, str], parts: list[str]) -> int:
    """Print what differs to standard error; 1 where anything does."""
    before = {name: value for name, value in before.items() if name.split("/")[0] in parts}
    differing = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    for name in differing:
        kind = "differs" if name in before and name in after else "stands in one list only"
        print(f"{kind}: {name}", file=sys.stderr)
    same = len({*before, *after}) - len(differing)
    print(f"{same} the same, {len(differing)} not", file=sys.stderr)
    return int(bool(differing))


def fingerprint_fills(folder: Path) -> Lines:
    """Fills of the example photos in three kinds of file, by each model with each seed."""
    photos, masks = folder / "fill-photos", folder / "fill-masks"
    write_inputs(photos, masks)
    for model, arguments in MODELS.items():
        for seed in SEEDS:
            out = folder / f"fill-{model}-{seed}"
            common = ["--seed", str(seed), "--threads", "1", "--device", "cpu"]
            paths = [str(photos), str(masks), "--out", str(out)]
            run_mendpix(["fill", *paths, *common, "--model", *arguments])
            for path in sorted(out.iterdir()):
                yield f"fills/{model}/seed-{seed}/{path.stem}", hash_array(read_image(path))


def write_inputs(photos: Path, masks: Path) -> None:
    """The example photos as PNG in 8 and 16 bits and grey, each with its mask."""
    photos.mkdir()
    masks.mkdir()
    for name in EXAMPLES:
        photo = read_image(ROOT / "examples" / name)
        mask = read_image(ROOT / "examples" / f"{Path(name).stem}-mask.png")
        for kind, picture in kinds_of(photo).items():
            cv2.imwrite(str(photos / f"{Path(name).stem}-{kind}.png"), picture)
            cv2.imwrite(str(masks / f"{Path(name).stem}-{kind}.png"), mask)


def kinds_of(photo: Image) -> dict[str, Image]:
    """A photo in 8 bits, in 16 with low bits of its own, and grey."""
    noise = np.random.default_rng(1).integers(0, 256, photo.shape, dtype=np.uint16)
    deep = photo.astype(np.uint16) * 256 + noise
    return {"8": photo, "16": deep, "grey": cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)}


def fingerprint_refinement(_: Path) -> Lines:
    """A made picture whose hole is wide in one place and thin in another, in several pieces."""
    import mendpix

    photo, hole = wide_scene()
    for model in ("auto", "patchmatch", "mender"):
        filled = mendpix.fill(photo, hole, model=model, seed=0, device="cpu")
        yield f"wide/{model}", hash_array(np.asarray(filled))


def wide_scene() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Stripes, a gradient and grain ``(760, 900, 3)``; a square of 540 pixels and a stroke."""
    y, x = np.mgrid[0:760, 0:900]
    stripes = 40 * np.sign(np.sin((x + 0.4 * y) / 23))
    ramp = 60 + 120 * (y / 760)
    grain = np.random.default_rng(2).normal(0, 8, (760, 900, 3))
    photo = ramp[..., None] + stripes[..., None] * (1.0, 0.7, 0.4) + grain
    hole = np.zeros((760, 900), bool)
    hole[110:650, 60:600] = True
    hole[300:320, 600:880] = True
    return photo.clip(0, 255).astype(np.uint8), hole


def fingerprint_training(folder: Path) -> Lines:
    """The tensors of two runs of six steps: their weights, and their state."""
    for name, recipe in {"plain": PLAIN_RECIPE, "adversarial": ADVERSARIAL_RECIPE}.items():
        path, out = folder / f"{name}.toml", folder / f"run-{name}"
        path.write_text(recipe, "utf-8")
        common = ["--seed", "5", "--device", "cpu", "--out", str(out)]
        run_mendpix(["train", str(PHOTOS), "--recipe", str(path), *common])
        for weights in sorted(out.rglob("*.safetensors")):
            where = weights.relative_to(out).with_suffix("")
            yield f"training/{name}/{where}", hash_weights(weights)
        yield from fingerprint_state(name, out)


def fingerprint_state(name: str, out: Path) -> Lines:
    """The state's tensors with their names, and without, in case a name alone changed."""
    import torch

    for path in sorted(out.rglob("*.pt")):
        tensors = dict(walk("", torch.load(path, map_location="cpu", weights_only=True)))
        parts = [f"{key} {hash_array(value)}" for key, value in sorted(tensors.items())]
        yield f"training/{name}/state", hash_text(parts)
        values = sorted(hash_array(value) for value in tensors.values())
        yield f"training/{name}/state-without-names", hash_text(values)


def walk(name: str, node: object) -> Iterator[tuple[str, Image]]:
    """Every tensor of nested dictionaries and lists, by its path."""
    import torch

    if isinstance(node, torch.Tensor):
        yield name, node.detach().contiguous().numpy()
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from walk(f"{name}/{key}", value)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from walk(f"{name}/{index}", value)


def hash_weights(path: Path) -> str:
    """Names, dtypes, shapes and bytes of a safetensors file, by name; not its metadata."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = sorted(file.keys())
        return hash_text([f"{name} {hash_array(file.get_tensor(name))}" for name in names])


def fingerprint_evaluation(folder: Path) -> Lines:
    """The rows of a small evaluation, of the default and of a classical filler."""
    out = folder / "evaluation"
    fillers = ["--model", "auto", "--model", "telea", "--metrics", "l1,psnr,ssim"]
    common = ["--limit", "4", "--seed", "0", "--device", "cpu", "--out", str(out)]
    run_mendpix(["evaluate", str(PHOTOS), *fillers, *common])
    for path in sorted(out.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [json.dumps(without_times(row), sort_keys=True) for row in csv.DictReader(file)]
        yield f"evaluation/{path.relative_to(out).with_suffix('')}", hash_text(sorted(rows))


def without_times(row: dict[str, str]) -> dict[str, str]:
    """A row without the columns that differ from run to run."""
    times = re.compile("second|time|duration", re.IGNORECASE)
    return {key: value for key, value in row.items() if not times.search(key)}


PARTS = {
    "fills": fingerprint_fills,
    "wide": fingerprint_refinement,
    "training": fingerprint_training,
    "evaluation": fingerprint_evaluation,
}


def run_mendpix(arguments: list[str]) -> None:
    """Run the command line in a process of its own, with one thread; its output if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mendpix", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"mendpix {' '.join(arguments)}\n{done.stdout}{done.stderr}")


def read_image(path: Path) -> Image:
    """The values of a picture's file as they are, in OpenCV's order of channels."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    return np.asarray(image)


def hash_array(array: Image) -> str:
    """The hash of an array's dtype, shape and bytes."""
    head = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def hash_text(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
